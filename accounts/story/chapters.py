"""One change shown in order: requested, allowed, sent, confirmed, and seen from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Max, Min, Q, QuerySet

from accounts.changes import queries as changes
from accounts.changes.models import Change, Item
from accounts.execution.evidence import calls_of, visible_calls
from accounts.execution.models import Call, CallState, Purpose
from accounts.models import MirrorMove
from accounts.story.entries import EventEntry, MoveEntry, changes_of
from accounts.story.queries import acts_on
from riskadmin.staff.models import Staff

CALLS_SHOWN: Final = 20
SEEN_FOR: Final = timedelta(hours=1)
"""How long after an item's end the mirror's moves still belong to its story."""


@dataclass(frozen=True, kw_only=True)
class Calls:
    """The writing calls of a change, counted by their end."""

    count: int
    first: datetime | None
    last: datetime | None
    by_state: Sequence[tuple[CallState, int]]


@dataclass(frozen=True, kw_only=True)
class Chapters:
    """A change shown in order. Of an `item`, calls and what the mirror saw are shown one by one; else they are counted."""

    progress: changes.Progress
    acts: Sequence[EventEntry]
    item: Item | None
    item_calls: Sequence[Call]
    calls: Calls | None
    moves: Sequence[MoveEntry]
    moved: int

    @property
    def change(self) -> Change:
        """The change."""
        return self.progress.change

    @property
    def right_before(self) -> datetime | None:
        """The last moment before the item's call could begin."""
        return self.item.claimed_at - timedelta(milliseconds=1) if self.item and self.item.claimed_at else None


def chapters(change_id: int, viewer: Staff, *, item: Item | None = None) -> Chapters:
    """Return the story of a change that the viewer may see, or of one item of it; raises Change.DoesNotExist."""
    progress = changes.progress(change_id)
    change = progress.change
    if item is None and progress.total == 1:
        item = Item.objects.select_related("account").get(change=change)
    writes = Q(purpose=Purpose.WRITE)
    seen = _seen(change, item)
    return Chapters(
        progress=progress,
        acts=acts_on(change, viewer),
        item=item,
        item_calls=calls_of(item, viewer)[:CALLS_SHOWN] if item else (),
        calls=None if item else _counted(visible_calls(Call.objects.filter(writes, items__change=change), viewer)),
        moves=[
            MoveEntry(at=move.read_at, move=move, changes=changes_of(move))
            for move in (seen.select_related("account").order_by("read_at", "pk")[:CALLS_SHOWN] if item else ())
        ],
        moved=0 if item else seen.order_by().values("account").distinct().count(),
    )


def _counted(calls: "QuerySet[Call]") -> Calls:
    rows = list(
        calls.order_by().values("state").annotate(n=Count("pk", distinct=True), first=Min("started_at"), last=Max("started_at"))
    )
    return Calls(
        count=sum(row["n"] for row in rows),
        first=min((row["first"] for row in rows), default=None),
        last=max((row["last"] for row in rows), default=None),
        by_state=[(CallState(row["state"]), row["n"]) for row in sorted(rows, key=lambda row: str(row["state"]))],
    )


def _seen(change: Change, item: Item | None) -> "QuerySet[MirrorMove]":
    """Return the mirror's moves of a change's accounts from its start until an hour after its end."""
    begins = item.claimed_at if item else change.submitted_at
    ends = item.settled_at if item else change.finished_at
    if begins is None:
        return MirrorMove.objects.none()
    moves = MirrorMove.objects.filter(read_at__gte=begins)
    if ends:
        moves = moves.filter(read_at__lte=ends + SEEN_FOR)
    return moves.filter(account=item.account_id) if item else moves.filter(account__items__change=change)
