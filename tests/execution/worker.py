"""What workers and the clock do to an item, step by step in this process."""

from datetime import timedelta

from django.db.models import Count, DateTimeField, F, Q
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.execution import recover as sweeper
from accounts.execution import verify
from accounts.execution.call_results import write_down
from accounts.execution.claim import Claim
from accounts.execution.models import Call, Purpose
from accounts.execution.send import make, next_claims, read_targets, targets_to_read
from accounts.execution.timing import JUST_READ
from accounts.models import Account
from riskadmin.audit.origin import Origin
from riskadmin.tradovate.vocabulary import Lane
from tests.rewriting import let_calls_age

ORIGIN = Origin(request_id="0" * 32, job="tests")


def the_item(change: Change) -> Item:
    """Return the only item of a change, as it now is."""
    return Item.objects.select_related("change").get(change=change)


def active_account(number: int = 0) -> int:
    """Return Tradovate's id of an open demo account on which no one acted; another one for another number."""
    accounts = Account.objects.filter(
        environment="demo",
        archived=False,
        closed=False,
        risk_status__admin_action="Normal",
        risk_status__admin_at=None,
        risk_status__liquidate_only_at=None,
    )
    return accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[number]


def send_item(item_id: int, *, origin: Origin) -> None:
    """Carry an item, the next one of its change, as far as Tradovate's answer."""
    sent = _send_next(Item.objects.get(pk=item_id).change_id, origin)
    assert not sent or item_id in sent


def send_batch(change_id: int, *, origin: Origin) -> bool:
    """Make the next call of a change; return whether there was one to make."""
    return bool(_send_next(change_id, origin))


def _send_next(change_id: int, origin: Origin) -> set[int]:
    """Make the next call of a change; return which items it carried."""
    claims = claims_of(Change.objects.get(pk=change_id), origin=origin)
    write_down([make(claimed) for claimed in claims], read_back_at=timezone.now(), origin=origin)
    return {item.pk for claimed in claims for item in claimed.items}


def claims_of(change: Change, *, origin: Origin) -> list[Claim]:
    """Read what the next call of a change rests on, and claim it."""
    ids = targets_to_read(change, calls=1)
    read_since = read_targets(change, ids, origin=origin) if ids else timezone.now() - JUST_READ
    return next_claims(change, calls=1, origin=origin, read_since=read_since) if read_since else []


def read_back_due(*, origin: Origin) -> int:
    """Read back what is due in either lane; return how many items that were."""
    return sum(verify.read_back_due(lane, origin=origin) for lane in Lane)


def sweep(*, origin: Origin) -> None:
    """Do what the sweeper does, and what the lanes that it wakes do about items to read back."""
    sweeper.sweep(origin=origin)
    read_back_due(origin=origin)


def run_once(item: Item) -> Item:
    """Do what a worker does for one item: its call, and the read-back after it."""
    send_item(item.pk, origin=ORIGIN)
    read_back_due(origin=ORIGIN)
    return Item.objects.select_related("change").get(pk=item.pk)


def run(item: Item) -> Item:
    """Do what a worker does for one item; where Tradovate refused, until a late effect can be ruled out."""
    ended = run_once(item)
    for _ in range(3):
        if not ended.refusal or ended.not_before is None or ended.state not in {ItemState.SENT, ItemState.UNKNOWN}:
            break
        make_due(ended)
        read_back_due(origin=ORIGIN)
        ended = Item.objects.select_related("change").get(pk=item.pk)
    return ended


def make_due(item: Item, *, claimed_ago: timedelta = timedelta(seconds=60)) -> None:
    """Let time have passed for an item: everything it waits for is due, and its calls ended long ago."""
    past = timezone.now() - timedelta(seconds=1)
    let_calls_age(Call.objects.filter(items=item), claimed_ago + timedelta(seconds=1))
    claimed_at = item.claimed_at - claimed_ago if item.claimed_at else None
    seen_at = item.seen_at - claimed_ago if item.seen_at else None
    Item.objects.filter(pk=item.pk).update(not_before=past, claimed_at=claimed_at, seen_at=seen_at)
    Change.objects.filter(pk=item.change_id).update(held_until=None)


def reconciled(item: Item, *, rounds: int = 4) -> Item:
    """Let so much time pass that whatever settles or goes on by itself has done so: `rounds`, or until one alters nothing."""
    for _ in range(rounds):
        before = _stands(item.change_id)
        now = Item.objects.get(pk=item.pk)
        if now.not_before is not None:  # what waits for a person has no time at which it is due
            make_due(now)
        sweep(origin=ORIGIN)
        run(item)
        if _stands(item.change_id) == before:
            break
    return Item.objects.select_related("change").get(pk=item.pk)


def later(change: Change, *, rounds: int = 4) -> dict[str, int]:
    """Let so much time pass that each item of a change has its outcome or waits for a person; return how many are in each state."""
    for _ in range(rounds):
        before = _stands(change.pk)
        waiting = Item.objects.filter(change=change, not_before__isnull=False)
        ago = timedelta(seconds=61)
        let_calls_age(Call.objects.filter(items__in=waiting), ago)
        waiting.update(claimed_at=F("claimed_at") - ago, seen_at=F("seen_at") - ago)
        waiting.update(not_before=timezone.now() - timedelta(seconds=1))
        Change.objects.filter(pk=change.pk).update(held_until=None)
        sweep(origin=ORIGIN)
        while send_batch(change.pk, origin=ORIGIN):
            pass
        read_back_due(origin=ORIGIN)
        if _stands(change.pk) == before:
            break
    counts = Item.objects.filter(change=change).values_list("state").annotate(Count("pk")).order_by()
    return dict(counts)


def _stands(change_id: int) -> tuple[object, ...]:
    """How a change, its items and its calls stand, but for the times: a round that alters none of it would alter nothing the next time."""
    fields = [field.attname for field in Item._meta.concrete_fields if not isinstance(field, DateTimeField)]
    items = Item.objects.filter(change=change_id)
    return (
        Change.objects.values_list("state", flat=True).get(pk=change_id),
        list(items.order_by("pk").annotate(is_due=Q(not_before=None)).values_list(*fields, "is_due")),
        Call.objects.filter(items__in=items).distinct().count(),
    )


def worker_dies(item: Item) -> None:
    """Let the worker that has the item under way never come back: its lease runs out."""
    long_ago = timezone.now() - timedelta(minutes=2)
    Item.objects.filter(pk=item.pk).update(claimed_at=long_ago, lease_until=long_ago + timedelta(seconds=30), not_before=None)


def writes(change: Change) -> list[str]:
    """Return the bodies of the calls that were made for a change, byte for byte, the first one first."""
    calls = Call.objects.filter(items__change=change, purpose=Purpose.WRITE).distinct().order_by("pk")
    return list(calls.values_list("request_text", flat=True))
