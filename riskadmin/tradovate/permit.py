"""The permit without which no writing method of the client can be called."""

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
    """Identifies the recorded call that a write belongs to.

    Only ``accounts.execution`` creates one, after it has claimed an item of an approved change and committed the call's
    row, so a write that skipped approval has no permit to pass here. It expires: a worker that was delayed for longer may
    have been given up, and another may have sent the item since. ``made_at`` is the monotonic clock's. ``reservations`` holds
    attempts counted in advance; without one, the attempt is counted when it is made.
    """

    call_id: int
    good_for_s: float = 5.0
    made_at: float = field(default_factory=time.monotonic)
    reservations: list[Reservation] = field(default_factory=list)

    def take_reservation(self, endpoint: Endpoint) -> Reservation | None:
        """Take the attempt counted in advance for this endpoint, if there is one. It can be taken once."""
        if self.reservations and self.reservations[-1].admission.endpoint is endpoint:
            return self.reservations.pop()
        return None

    @property
    def lapses(self) -> float:
        """When it expires, by the monotonic clock. Nothing may be sent afterwards."""
        return self.made_at + self.good_for_s
