"""Reading stories: entries of several tables, newest first, in a fixed number of queries for any length."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact

from accounts.approvals.models import Approval
from accounts.changes.access import visible_changes
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.spec import Unit
from accounts.changes.models import Change, Item
from accounts.changes.plan import target_of
from accounts.models import Account, MirrorMove, Trader
from accounts.story.entries import ChangeEntry, Entry, EventEntry, MoveEntry, changes_of, event_entries
from accounts.story.touched import of_items
from riskadmin.audit.access import seen_by
from riskadmin.audit.folding import UNFOLDED
from riskadmin.audit.models import NEWEST_FIRST, Event
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

PAGE: Final = 30
ITEMS_NAMED: Final = 5
"""Items of one change that a trader's story names."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a story is about: accounts and traders."""

    accounts: Sequence[Account] = field(default=())
    traders: Sequence[Trader] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Span:
    """The time that a story tells: from `since` to right before `before`; None for no limit."""

    since: datetime | None = None
    before: datetime | None = None

    def of(self, column: str) -> Q:
        """Return the condition on rows that have their time in a column."""
        condition = Q(**{f"{column}__gte": self.since}) if self.since else Q()
        return condition & Q(**{f"{column}__lt": self.before}) if self.before else condition


@dataclass(frozen=True, kw_only=True)
class Story:
    """A page of a story, newest first. `older` is the time before which the next page begins; None on the last.

    `is_cut`: there are more changes than are considered; these are the newest.
    """

    entries: Sequence[Entry]
    older: datetime | None
    is_cut: bool = False


def story_of(about: About, viewer: Staff, span: Span, *, size: int = PAGE) -> Story:
    """Return what happened to accounts and traders, as far as a person may see it; at most ten queries."""
    found = of_items(about.accounts, about.traders)
    changes = visible_changes(Change.objects.filter(span.of("submitted_at"), pk__in=found.changes), viewer)
    moves = MirrorMove.objects.filter(span.of("read_at"), account__in=list(about.accounts), outside_kind="")
    named = moves.select_related("account").order_by("-read_at", "-pk")[: size + 1]
    shown = ((move, changes_of(move)) for move in named)
    entries: list[Entry] = [
        *_changes(changes.select_related("approval", "background").order_by("-submitted_at", "-pk")[: size + 1], about),
        *_events(seen_by(viewer, Event.objects.filter(_events_of(about), span.of("occurred_at"), change_id=None)), size),
        *(MoveEntry(at=move.read_at, move=move, changes=changes) for move, changes in shown if changes),
    ]
    return _page(entries, size, is_cut=found.is_cut)


def story_of_person(whom: Staff, viewer: Staff, span: Span, *, size: int = PAGE) -> Story:
    """Return what a person did, as far as another may see it; one query, and those of the viewer's access."""
    events = Event.objects.filter(span.of("occurred_at"), staff_id=whom.pk).filter(UNFOLDED)
    return _page(list(_events(seen_by(viewer, events), size)), size, is_cut=False)


def acts_on(change: Change, viewer: Staff, *, at_most: int = 200) -> list[EventEntry]:
    """Return what people and the clock did to a whole change, oldest first."""
    events = seen_by(viewer, Event.objects.filter(change_id=change.pk).filter(UNFOLDED))
    newest = [EventLine(event) for event in events.order_by(*NEWEST_FIRST)[:at_most]]
    return event_entries(newest[::-1])


def _events_of(about: About) -> Q:
    condition = Q(pk__in=[])
    by_environment: dict[str, list[int]] = defaultdict(list)
    for account in about.accounts:
        by_environment[account.environment].append(account.tradovate_id)
    for environment, numbers in by_environment.items():
        condition |= Q(environment=environment, account_id__in=numbers)
    for trader in about.traders:
        condition |= Q(Exact(Upper("account_name"), Upper(Value(trader.name))), environment=trader.environment, account_id=None)
    return condition


def _events(events: "QuerySet[Event]", size: int) -> Iterable[EventEntry]:
    return event_entries([EventLine(event) for event in events.order_by(*NEWEST_FIRST)[: size + 1]])


def _changes(found: Iterable[Change], about: About) -> Iterable[ChangeEntry]:
    changes = list(found)
    if not changes:
        return []
    numbers = [change.pk for change in changes]
    approvals: dict[int, list[Approval]] = defaultdict(list)
    for approval in Approval.objects.filter(request__in=[change.approval_id for change in changes]).order_by("pk"):
        approvals[approval.request_id].append(approval)
    items: dict[int, list[Item]] = defaultdict(list)
    targets = [target_of(trader.environment, trader.tradovate_id, Unit.TRADER) for trader in about.traders]
    mine = Q(account__in=list(about.accounts)) | Q(account=None, target__in=targets)
    for item in Item.objects.filter(mine, change__in=numbers).order_by("position"):
        if len(items[item.change_id]) <= ITEMS_NAMED:
            items[item.change_id].append(item)
    finished = Event.objects.filter(change_id__in=numbers, item_id=None, tag=Tag.CHANGE_FINISHED)
    counts = {event.change_id: event.detail.get("counts", {}) for event in finished}
    return [
        ChangeEntry(
            at=change.submitted_at,
            change=change,
            kind=for_stored(change),
            items=items[change.pk],
            approvals=approvals[change.approval_id],
            counts=counts.get(change.pk, {}),
        )
        for change in changes
    ]


def _page(entries: list[Entry], size: int, *, is_cut: bool) -> Story:
    """Return the newest entries. Those of one moment are never on two pages, since a page begins before a moment."""
    ordered = sorted(entries, key=attrgetter("at"), reverse=True)
    shown = ordered[:size]
    shown += [entry for entry in ordered[size:] if entry.at == shown[-1].at]
    return Story(entries=shown, older=shown[-1].at if len(shown) < len(ordered) else None, is_cut=is_cut)
