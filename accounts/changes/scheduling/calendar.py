"""What will run, and when, for the calendar page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from accounts.approvals.models import Approval
from accounts.approvals.states import Verdict
from accounts.changes.access import visible_changes
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.hours import HoursUnknown, Span, hours
from accounts.changes.states import CHANGE_OPEN, ChangeState, ItemState, Window
from accounts.changes.stops import Ahead as Needs
from accounts.changes.stops import Stops, last_end, stops_now
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone

WINDOWS_AHEAD: Final = timedelta(days=14)
ENTRIES_MAX: Final = 500
_AHEAD: Final = (ItemState.WAITING, ItemState.QUEUED)


@dataclass(frozen=True, kw_only=True)
class CalendarEntry:
    """A change that will run, or resumes: when, what it takes of the budget, and who approved it.

    `begins_at` is None if it is not known when its next window opens.
    """

    change: Change
    kind: StoredKind
    first: str
    items: int
    begins_at: datetime | None
    calls: int
    allowed_by: tuple[str, ...]

    @property
    def share_pct(self) -> float:
        """The share of an hour's calls that it takes, in percent."""
        return 100 * self.calls / int(settings.BUDGET_CALLS_PER_HOUR)


@dataclass(frozen=True, kw_only=True)
class Day:
    """The changes of one day, in the time zone of the pages; without a date, those whose day is not known."""

    date: date | None
    entries: list[CalendarEntry]

    @property
    def calls(self) -> int:
        """How many calls they take together."""
        return sum(entry.calls for entry in self.entries)


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What the calendar shows: days with changes, the next windows, and until when those are known, or why not."""

    days: list[Day]
    is_more: bool
    windows: list[Span]
    known_until: datetime | None
    unknown: str


def ahead(viewer: Staff) -> Ahead:
    """Return what will run and somebody sees. Three queries, however many changes there are, and one for the stops."""
    now = timezone.now()
    try:
        known = hours()
        windows, known_until, unknown = list(known.windows(now, now + WINDOWS_AHEAD)), known.known_until, ""
    except HoursUnknown as error:
        windows, known_until, unknown = [], None, str(error)
    timed = Change.objects.select_related("approval").filter(
        Q(runs_at__isnull=False) | ~Q(window=Window.ANY), state__in=CHANGE_OPEN
    )
    timed = visible_changes(timed, viewer)
    begun = Q(state=ChangeState.RUNNING, window=Window.ANY)  # those run like any other
    counted = timed.exclude(begun).annotate(ahead=Count("items", filter=Q(items__state__in=_AHEAD)))
    changes = list(counted.order_by("runs_at", "pk")[: ENTRIES_MAX + 1])
    entries = _entries(changes[:ENTRIES_MAX], now)
    zone = display_zone()
    entries.sort(key=lambda entry: (entry.begins_at is None, entry.begins_at or now, entry.change.pk))
    days = [
        Day(date=day, entries=list(of_day))
        for day, of_day in groupby(
            entries, key=lambda entry: entry.begins_at.astimezone(zone).date() if entry.begins_at else None
        )
    ]
    return Ahead(days=days, is_more=len(changes) > ENTRIES_MAX, windows=windows, known_until=known_until, unknown=unknown)


def _entries(changes: Sequence[Change], now: datetime) -> list[CalendarEntry]:
    first = dict(Item.objects.filter(change__in=changes, position=1).values_list("change_id", "target_name"))
    stops = stops_now()
    allowed: dict[int, list[str]] = defaultdict(list)
    approvals = Approval.objects.filter(request__change__in=changes, verdict=Verdict.APPROVE).order_by("pk")
    for change_id, name in approvals.values_list("request__change", "staff_name"):
        allowed[change_id].append(name)
    found = []
    for change in changes:
        kind = for_stored(change)
        items: int = change.ahead  # type: ignore[attr-defined]  # annotated
        found.append(
            CalendarEntry(
                change=change,
                kind=kind,
                first=first.get(change.pk, ""),
                items=items,
                begins_at=_begins_at(change, now, _free_at(change, kind, items, stops)),
                calls=kind.calls_for(items) if isinstance(kind, Kind) else 0,
                allowed_by=tuple(allowed[change.pk]),
            )
        )
    return found


def _free_at(change: Change, kind: StoredKind, items: int, stops: Stops) -> datetime | None:
    """Return when the stops that hold up a change are over, as far as known."""
    if not isinstance(kind, Kind):
        return None  # no call waits
    needs = Needs(kind=kind, environment=Environment(change.environment), lane=Lane(change.lane), targets=items)
    return last_end(stops.holding_up(needs))[1]


def _begins_at(change: Change, now: datetime, free_at: datetime | None) -> datetime | None:
    """Return when a change begins, or resumes: not before `free_at`."""
    at = max((at for at in (change.runs_at, change.held_until, free_at, now) if at), default=now)
    if change.window == Window.ANY:
        return max(change.runs_at, free_at) if change.runs_at and free_at else change.runs_at
    try:
        return max(at, hours().window(at).begins_at)
    except HoursUnknown:
        return None
