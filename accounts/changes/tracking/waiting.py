"""Which running changes wait, and until when, in short: for lists, where "Running" would suggest progress."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Min
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.stops import Ahead, Stop, Stops, last_end, stops_now
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import in_zone, moment

SHORT: Final = timedelta(seconds=30)
"""A pause shorter than this is part of running."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """A change makes no call now; `until` is None if it is not known when it resumes."""

    until: datetime | None

    @property
    def words(self) -> str:
        """The text in a list: with the time of day, and the day unless it is today."""
        if self.until is None:
            return "Waiting"
        zone = display_zone()
        day, _, time = moment(self.until, zone, seconds=False).partition(" ")
        is_today = in_zone(self.until, zone).date() == in_zone(timezone.now(), zone).date()
        return f"Waiting until {time if is_today else f'{day} {time}'}"


def waits(changes: Iterable[Change]) -> dict[int, Wait]:
    """Return the running changes that wait, by their numbers. One query, and one for the stops, if any of them runs."""
    running = {change.pk: change for change in changes if change.state == ChangeState.RUNNING}
    if not running:
        return {}
    # Nothing queued is sent before the first item is due. What is only to be read back is in progress.
    queued = (
        Item.objects.filter(change__in=running, state=ItemState.QUEUED)
        .order_by()
        .values("change_id")
        .annotate(first_at=Min(Coalesce("not_before", F("change__submitted_at"))), first_step=Min("step"))
        .values_list("change_id", "first_at", "first_step")
    )
    now, stops, found = timezone.now(), stops_now(), {}
    for change_id, first_at, step in queued:
        change = running[change_id]
        holding = _holding_up(change, step, stops)
        is_known, over_at = last_end(holding)
        until = max(at for at in (first_at, change.held_until, over_at, now) if at)
        if holding or until > now + SHORT:
            found[change_id] = Wait(until=until if is_known else None)
    return found


def _holding_up(change: Change, step: int, stops: Stops) -> Sequence[Stop]:
    """Return the stops that hold up a change; none if its kind is retired, which nothing but its own hold keeps waiting."""
    kind = for_stored(change)
    if not isinstance(kind, Kind):
        return ()
    ahead = Ahead(
        kind=kind,
        environment=Environment(change.environment),
        lane=Lane(change.lane),
        targets=change.item_count,
        step=step,
    )
    return stops.holding_up(ahead)
