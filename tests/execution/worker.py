"""What workers and the clock do to an item, step by step in this process."""

from datetime import timedelta

from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.execution.confirm import read_back_due
from accounts.execution.models import Call, Purpose
from accounts.execution.send import send_item
from accounts.execution.sweep import sweep
from tests.execution.conftest import ORIGIN


def run(item: Item) -> Item:
    """Do what a worker does with an item's message."""
    send_item(item.pk, origin=ORIGIN)
    read_back_due(origin=ORIGIN)
    return Item.objects.select_related("change").get(pk=item.pk)


def make_due(item: Item, *, claimed_ago: timedelta = timedelta(seconds=60)) -> None:
    """Let time have passed for an item: everything it waits for is due."""
    past = timezone.now() - timedelta(seconds=1)
    claimed_at = timezone.now() - claimed_ago if item.claimed_at else None
    Item.objects.filter(pk=item.pk).update(not_before=past, claimed_at=claimed_at, dispatched_at=None)


def reconciled(item: Item, *, rounds: int = 4) -> Item:
    """Let so much time pass that whatever settles or goes on by itself has done so."""
    for _ in range(rounds):
        now = Item.objects.get(pk=item.pk)
        if now.not_before is not None:  # what waits for a person has no time at which it is due
            make_due(now)
        sweep(origin=ORIGIN)
        run(item)
    return Item.objects.select_related("change").get(pk=item.pk)


def worker_dies(item: Item) -> None:
    """Let the worker that has the item under way never come back: its lease runs out."""
    long_ago = timezone.now() - timedelta(minutes=2)
    Item.objects.filter(pk=item.pk).update(claimed_at=long_ago, lease_until=long_ago + timedelta(seconds=30), not_before=None)


def writes(change: Change) -> list[str]:
    """Return the bodies of the calls that were made for a change, byte for byte, the first one first."""
    calls = Call.objects.filter(items__change=change, purpose=Purpose.WRITE).distinct().order_by("pk")
    return list(calls.values_list("request_text", flat=True))
