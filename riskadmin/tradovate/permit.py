"""The pass without which no writing method of the client can be called."""

import time
from dataclasses import dataclass, field

from riskadmin.tradovate.budget import Admission
from riskadmin.tradovate.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Reservation:
    """An attempt that was counted before its call was claimed; ``failures`` is what the breaker said then."""

    admission: Admission
    failures: int


@dataclass(frozen=True, slots=True)
class WritePermit:
    """Says which recorded call a write belongs to.

    Only ``accounts.execution`` makes one, after it has claimed an item of an approved change and committed the
    call's row, so a write that skipped approval has nothing to pass here. It lapses: whoever was held up for longer may
    have been given up, and another may have sent the item since. ``made_at`` is the monotonic clock's. ``paid`` holds
    attempts counted in advance; without one, the attempt is counted when it is made.
    """

    call_id: int
    good_for_s: float = 5.0
    made_at: float = field(default_factory=time.monotonic)
    paid: list[Reservation] = field(default_factory=list)

    def spend(self, endpoint: Endpoint) -> Reservation | None:
        """Take what was counted in advance for an attempt at this endpoint, if there is something: once."""
        if self.paid and self.paid[-1].admission.endpoint is endpoint:
            return self.paid.pop()
        return None

    @property
    def lapses(self) -> float:
        """When nothing may be sent on it any more, by the monotonic clock."""
        return self.made_at + self.good_for_s
