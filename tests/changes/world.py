"""Rows for tests: accounts and traders in the mirror, and changes of them, made as the application makes them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from accounts.approvals.actions import decide
from accounts.approvals.models import Approval
from accounts.approvals.states import Verdict
from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS, sendable
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, plan
from accounts.changes.reasons.background import NOTHING, Given
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import ChangeState, ItemState
from accounts.models import Account, AutoLiqLimits, LimitLevel, Position, RiskStatus, Source, Trader, TradingPermission
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import AdminAction, Environment, Lane, ReasonCode
from tests.approvals.requests import old_request

ORIGIN = Origin(request_id="0" * 32, address="127.0.0.1")
ACTED_AT = datetime(2026, 11, 20, 15, 4, 5, 678000, tzinfo=UTC)

NORMAL, LOCKED = AdminAction.NORMAL.value, AdminAction.LOCK.value
CLOSING_ONLY, LIQUIDATED = AdminAction.LIQUIDATE_ONLY.value, AdminAction.LIQUIDATE.value


def make_account(
    number: int,
    admin_action: str | None = NORMAL,
    *,
    environment: str = "demo",
    admin_at: datetime | None = None,
    stopped_at: datetime | None = None,
    fresh_at: datetime | None = None,
    **columns: Any,
) -> Account:
    """Add an account to the mirror, read just now; with `admin_action` None, its risk status was never read."""
    fresh = {"fresh_at": fresh_at or timezone.now(), "source": Source.SYNC}
    account = Account.objects.create(
        environment=environment,
        tradovate_id=number,
        **{"name": f"KTR50K-{number:06}", "positions_read_at": fresh["fresh_at"], **fresh, **columns},
    )
    if admin_action is not None:
        RiskStatus.objects.create(
            account=account, admin_action=admin_action, admin_at=admin_at, liquidate_only_at=stopped_at, **fresh
        )
    return account


def make_accounts(numbers: Sequence[int], admin_action: str = NORMAL) -> None:
    """Add many plain accounts with two statements."""
    fresh = {"fresh_at": timezone.now(), "source": Source.SYNC}
    made = Account.objects.bulk_create(
        Account(environment="demo", tradovate_id=number, name=f"KTR50K-{number:06}", positions_read_at=timezone.now(), **fresh)
        for number in numbers
    )
    RiskStatus.objects.bulk_create(RiskStatus(account=account, admin_action=admin_action, **fresh) for account in made)


def hold_position(account: Account, net_pos: int, number: int = 1) -> None:
    """Let the account hold a position."""
    Position.objects.create(
        account=account,
        tradovate_id=number,
        contract_id=number,
        net_pos=net_pos,
        fresh_at=timezone.now(),
        source=Source.SYNC,
    )


def never_unlock(account: Account) -> None:
    """Set the firm's limit not to unlock by itself."""
    AutoLiqLimits.objects.create(
        account=account, level=LimitLevel.FIRM, do_not_unlock=True, fresh_at=timezone.now(), source=Source.SYNC
    )


def set_status(account: Account | None, **columns: Any) -> None:
    """Let the mirror learn another risk status, just now unless `fresh_at` says otherwise; an item's account must be known."""
    assert account is not None
    RiskStatus.objects.filter(account=account).update(**{"fresh_at": timezone.now(), **columns})


def make_stale(account: Account | None) -> None:
    """Let the account's risk status have been read an hour ago; an item's account must be known."""
    assert account is not None
    RiskStatus.objects.filter(account=account).update(fresh_at=timezone.now() - timedelta(hours=1))


def planned(kind_name: str, *account_ids: int, environment: Environment = Environment.DEMO) -> Plan:
    """Plan as a page does."""
    return plan(KINDS[kind_name], environment=environment, target_ids=account_ids)


def ask(
    person: Staff,
    kind_name: str,
    *target_ids: int,
    parameters: State | None = None,
    form_key: UUID | None = None,
    digest: str | None = None,
    reason_code: ReasonCode = ReasonCode.OTHER,
    reason_text: str = "A test",
    timing: Timing = IMMEDIATELY,
    given: Given = NOTHING,
) -> Change:
    """Ask for a change of demo accounts or traders as it is planned now, or as a plan of another digest was shown."""
    kind = KINDS[kind_name]
    now = plan(kind, environment=Environment.DEMO, target_ids=target_ids, parameters=parameters)
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=kind,
        environment=Environment.DEMO,
        target_ids=target_ids,
        parameters=parameters,
        reason_code=reason_code,
        reason_text=reason_text,
        form_key=form_key or uuid4(),
        shown_digest=now.digest if digest is None else digest,
        confirmed_count=len(now.sent),
        timing=timing,
        given=given,
    )


def approve(
    person: Staff, change: Change, *, digest: str | None = None, comment: str = "", excluded: Sequence[str] = ()
) -> Change:
    """Approve a change as it stands, or as somebody saw it."""
    decide(
        actor=person,
        origin=ORIGIN,
        request_id=change.approval_id,
        verdict=Verdict.APPROVE,
        digest=change.digest if digest is None else digest,
        comment=comment,
        excluded=excluded,
    )
    return Change.objects.get(pk=change.pk)


def reject(person: Staff, change: Change, *, comment: str = "Not now") -> Change:
    """Reject a change."""
    decide(
        actor=person,
        origin=ORIGIN,
        request_id=change.approval_id,
        verdict=Verdict.REJECT,
        digest=change.digest,
        comment=comment,
    )
    return Change.objects.get(pk=change.pk)


def open_item(
    person: Staff,
    account: Account,
    kind_name: str,
    state: ItemState,
    *,
    lane: Lane = Lane.URGENT,
    form_key: UUID | None = None,
    change_state: ChangeState | None = None,
    needed: int | None = None,
    **columns: Any,
) -> Item:
    """Add a change of one item that stands in an open state, having come there step by step, as PostgreSQL demands.

    `needed` is how many approvals it waits for, `columns` are those of the change that are to be otherwise.
    """
    waits = state == ItemState.WAITING
    if needed is None:
        needed = 1 if waits else 0
    digest = columns.get("digest", "0" * 64)
    reported: dict[str, Any] = {
        "kind": kind_name,
        "environment": account.environment,
        "reason_code": ReasonCode.OTHER,
        "reason_text": "A test",
        "lane": lane,
        "digest": digest,
        "form_key": form_key or uuid4(),
        "requested_by": person,
        "requested_by_name": person.display_name,
        "approval": old_request(person, kind_name, account.environment, needed=needed, digest=digest),
        "item_count": 1,
        "state": change_state or (ChangeState.PENDING if waits else ChangeState.RUNNING),
    }
    change = Change.objects.create(**{**reported, **columns})
    item = Item.objects.create(
        change=change,
        position=1,
        target=f"{account.environment}:account:{account.tradovate_id}",
        account=account,
        target_name=account.name,
        before={"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False},
        after={"admin_action": LOCKED},
        state=ItemState.WAITING if waits else ItemState.QUEUED,
    )
    walk(item, state)
    return item


WAYS: dict[ItemState, tuple[ItemState, ...]] = {
    ItemState.WAITING: (),
    ItemState.QUEUED: (),
    ItemState.SENDING: (ItemState.SENDING,),
    ItemState.SENT: (ItemState.SENDING, ItemState.SENT),
    ItemState.UNKNOWN: (ItemState.SENDING, ItemState.UNKNOWN),
    ItemState.APPLIED: (ItemState.SENDING, ItemState.SENT, ItemState.APPLIED),
    ItemState.UNCHANGED: (ItemState.SENDING, ItemState.SENT, ItemState.UNCHANGED),
    ItemState.REJECTED: (ItemState.SENDING, ItemState.REJECTED),
    ItemState.SKIPPED: (ItemState.SKIPPED,),
    ItemState.CANCELLED: (ItemState.CANCELLED,),
}
"""How a queued item comes to each state."""


def walk(item: Item, state: ItemState) -> None:
    """Take a queued item to a state, each step one statement."""
    for step in WAYS[state]:
        Item.objects.filter(pk=item.pk).update(state=step)
    item.refresh_from_db()


def written() -> tuple[int, int, int, int]:
    """How many changes, items, approvals and events about changes there are."""
    return (
        Change.objects.count(),
        Item.objects.count(),
        Approval.objects.filter(request__subject="change").count(),
        Event.objects.filter(tag__startswith="change:").count(),
    )


def make_trader(number: int, name: str = "", *, environment: str = "demo", is_gone: bool = False) -> Trader:
    """Add a trader, read just now."""
    now = timezone.now()
    return Trader.objects.create(
        environment=environment,
        tradovate_id=number,
        name=name or f"trader{number}",
        fresh_at=now,
        source=Source.SYNC,
        missing_since=now if is_gone else None,
    )


def let_trade(trader: Trader, *accounts: Account) -> None:
    """Give accounts to a trader."""
    for account in accounts:
        account.trader = trader
        account.save(update_fields=["trader"])
        TradingPermission.objects.create(
            environment=account.environment,
            tradovate_id=account.tradovate_id,
            account=account,
            trader=trader,
            status="Accepted",
            fresh_at=timezone.now(),
            source=Source.SYNC,
        )


def finish(change: Change, ends: Mapping[int, ItemState] | None = None, *, note: str = "") -> Change:
    """Let every queued item be applied, or end as said, by target; the mirror learns what was applied."""
    for item in change.items.filter(state=ItemState.QUEUED).order_by("position"):
        end = (ends or {}).get(item.target_id, ItemState.APPLIED)
        if end == ItemState.APPLIED:
            apply(change, item)
        else:
            Item.objects.filter(pk=item.pk).update(note=note)
            walk(item, end)
    Change.objects.filter(pk=change.pk).update(state=ChangeState.FINISHED, finished_at=timezone.now())
    change.refresh_from_db()
    return change


def apply(change: Change, item: Item) -> None:
    """Let Tradovate set an item's risk action, and the mirror and the item say so."""
    assert item.account is not None
    assert item.after is not None
    set_status(item.account, admin_action=item.after["admin_action"], admin_at=ACTED_AT)
    observed = state_of(change, item.target_id)
    walk(item, ItemState.SENT)
    Item.objects.filter(pk=item.pk).update(state=ItemState.APPLIED, observed=observed, settled_at=timezone.now())


def state_of(change: Change, target_id: int) -> Any:
    """How a target now stands in the terms of a change's kind."""
    kind = sendable(change)
    return kind.state(kind.subjects(Environment(change.environment), [target_id])[target_id])


@contextmanager
def taken_back() -> Iterator[None]:
    """Take back what is done inside, so that each case begins with the same rows."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
