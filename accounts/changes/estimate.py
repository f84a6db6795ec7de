"""What a change would cost and when it would finish, under the current budget and stops; and what would be cheaper."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.plan import Plan
from accounts.changes.stops import NO_STOPS, Ahead, Cause, Stop, Stops, last_end, stops_of
from accounts.gateway import connection
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.vocabulary import Lane

DEAR_FROM: Final = 201


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How many calls a change takes, how many its lane may make now, and when the last can be made without other traffic.

    `left` is None if the budget can't be read. `finish_at` is None if nothing has to wait, and if it is not known until when:
    `is_known` separates the two. `stops` are those that delay it, `all_stops` are those in force.
    """

    calls: int
    lane: Lane
    left: int | None
    finish_at: datetime | None = None
    stops: tuple[Stop, ...] = ()
    all_stops: Stops = NO_STOPS

    @property
    def fits(self) -> bool:
        """Whether nothing has to wait."""
        return self.left is not None and self.calls <= self.left and not self.stops

    @property
    def is_known(self) -> bool:
        """Whether it is known when it would finish."""
        return self.left is not None and last_end(self.stops)[0] and (self.fits or self.finish_at is not None)

    @property
    def shown_stops(self) -> tuple[Stop, ...]:
        """The stops that a page shows: also a lowered limit, if the calls don't fit into what is left."""
        lowered = (stop for stop in self.all_stops.found if stop.cause == Cause.LOWERED)
        return (*self.stops, *(lowered if self.left is not None and self.calls > self.left else ()))


def outlook(planned: Plan) -> Outlook:
    """Return what a plan would cost. One query, and Redis is asked about an outage."""
    return outlook_of(planned.calls_needed, ahead_of(planned))


def ahead_of(planned: Plan) -> Ahead:
    """Return what a plan needs of Tradovate."""
    return Ahead(kind=planned.kind, environment=planned.environment, lane=planned.lane, targets=len(planned.sent))


def outlook_of(calls: int, change: Ahead) -> Outlook:
    """Return what this many calls of a change would cost from now on. One query, and Redis is asked about an outage."""
    outage = connection.outage(change.environment)
    outages = [outage] if outage else []
    lane = change.lane
    try:
        state, finish_at = connection.budget().estimate_finish(
            calls, lane, endpoints=change.endpoints, environment=change.environment
        )
    except NotHandled:
        stops = stops_of(None, outages)
        return Outlook(calls=calls, lane=lane, left=None, stops=stops.delaying(change), all_stops=stops)
    left, stops = state.left(lane), stops_of(state, outages)
    delaying = stops.delaying(change)
    is_known, end = last_end(delaying)
    waits = bool(delaying) or calls > left
    return Outlook(
        calls=calls,
        lane=lane,
        left=left,
        finish_at=max((at for at in (finish_at, end) if at), default=None) if waits and is_known else None,
        stops=delaying,
        all_stops=stops,
    )


def cheaper(planned: Plan) -> Kind | None:
    """Return the kind that would do the same for all of these targets with far fewer calls, if there is one."""
    other = KINDS.get(planned.kind.spec.cheaper)
    if other is None or len(planned.sent) < DEAR_FROM or planned.environment not in other.environments:
        return None
    return other
