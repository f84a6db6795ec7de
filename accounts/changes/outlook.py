"""What a change would cost and when it would be through, from the budget as it stands; and what would be cheaper."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from accounts import connection
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.plan import Plan
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.vocabulary import Lane

CHEAPER: Final = {"lock": "risk_category"}
"""Which kind does for many in one call what another does in one call each."""

DEAR_FROM: Final = 201


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How many calls a change takes, how many its lane may make now, and when the last can be made if nobody else calls.

    `left` is None when the budget can't be read. `finish_at` is None when the calls fit into what is left.
    """

    calls: int
    lane: Lane
    left: int | None
    finish_at: datetime | None
    halted_until: datetime | None

    @property
    def fits(self) -> bool:
        """Whether nothing has to wait for the budget."""
        return self.left is not None and self.calls <= self.left and self.halted_until is None


def outlook(planned: Plan) -> Outlook:
    """Return what a plan would cost; asks Redis once."""
    return outlook_of(planned.calls_needed, planned.lane)


def outlook_of(calls: int, lane: Lane) -> Outlook:
    """Return what so many calls of a lane would cost from now on; asks Redis once."""
    try:
        state, finish_at = connection.budget().foresee(calls, lane)
    except NotHandled:
        return Outlook(calls=calls, lane=lane, left=None, finish_at=None, halted_until=None)
    left = state.left(lane)
    waits = calls > left or state.halted_until is not None
    return Outlook(
        calls=calls,
        lane=lane,
        left=left,
        finish_at=finish_at if waits else None,
        halted_until=state.halted_until,
    )


def cheaper(planned: Plan) -> Kind[object] | None:
    """Return the kind that would do for all of these targets with far fewer calls, if there is one."""
    other = KINDS.get(CHEAPER.get(planned.kind.name, ""))
    if other is None or len(planned.sent) < DEAR_FROM or planned.environment not in other.environments:
        return None
    return other
