"""How long things may take. Together they keep the promise that a killed worker's item is recovered within 60 seconds."""

from datetime import timedelta
from typing import Final

from accounts.changes.scheduling.hours import HoursUnknown
from accounts.gateway.connection import NotConnected
from riskadmin.tradovate.errors import NotHandled, TradovateError
from riskadmin.tradovate.vocabulary import Lane

# A call is sent within the permit's time or not at all, and its response is in within 20 s (tradovate.transport), or it is
# given up: anything under way for longer than a lease has no worker any more.
PERMIT_GOOD_FOR_S: Final = 5.0
LEASE: Final = timedelta(seconds=30)
# How long a read-back may keep showing the old state before the outcome is called unknown.
CONFIRM_WITHIN: Final = timedelta(seconds=30)
# A second reader leaves an item alone for this long after the first one took it: at least READING_LEASE, longer by a second
# for each ITEMS_READ_PER_SECOND items that are read together (a cut list takes a call for each 200 of them), and never
# longer than LONGEST_READING_LEASE.
READING_LEASE: Final = timedelta(seconds=20)
ITEMS_READ_PER_SECOND: Final = 400
LONGEST_READING_LEASE: Final = timedelta(seconds=50)
CONFIRM_AGAIN: Final = timedelta(seconds=3)
# A call that was cut off, or given up, may still take effect: only this long after its end does an unchanged state mean that it
# did nothing. Items that are not sent again automatically are watched for longer before a person is asked, who might do it
# again.
EFFECT_WITHIN: Final = timedelta(seconds=10)
WATCHED_FOR: Final = timedelta(seconds=60)
WATCHED_EVERY: Final = timedelta(seconds=10)
# A hold for the same reason, this soon after the last one ended, continues it: only the first is an event.
SAME_HOLD_WITHIN: Final = timedelta(minutes=10)
# Up to this long after its call, an item that a later reading shows to be without effect is sent again automatically; after
# that a person decides.
SENT_AGAIN_WITHIN: Final = timedelta(minutes=15)
# A mirror row younger than this counts as read right before a call: a call may undo what others set since then.
JUST_READ: Final = timedelta(seconds=3)
# How long a target that a response left out waits until it is asked for again; nothing is sent for it before.
UNREAD_AGAIN: Final = timedelta(seconds=30)
# The same for a target that became due for sending while others were read: the next read includes it.
NOT_READ_AGAIN: Final = timedelta(seconds=5)
# How often sent calls are read back: calls that end in between are read together. For urgent work at once.
READ_EVERY: Final = {Lane.URGENT: timedelta(0), Lane.BULK: timedelta(seconds=3)}
# While less than this part of the hour's calls is left, calls are slow, and a read-back waits until there are more to read.
SCARCE_BELOW: Final = 0.1
READ_EVERY_WHEN_SCARCE: Final = {Lane.URGENT: timedelta(0), Lane.BULK: timedelta(seconds=90)}
# A lane's run loop stays if the next read-back is this near, and checks for work this often while it waits.
STAY_FOR: Final = timedelta(seconds=5)
LOOK_S: Final = 0.25
GATHER_S: Final = 0.05
# Below the first response time, twice as many calls are kept ready; above the second, none: their permits would lapse. Calls
# that may not be made twice are never kept ready.
SWIFT_S: Final = 0.5
SLOW_S: Final = 1.5
# A response that PostgreSQL can't store is tried again this often, for this long; then the lease has lapsed and the sweeper
# takes over.
WRITE_AGAIN_AFTER_S: Final = 1.0
WRITE_DOWN_WITHIN_S: Final = 60.0
# When Tradovate does not say how long to wait: doubling from the first to the last.
WAIT_FIRST_S: Final = 5.0
WAIT_LAST_S: Final = 300.0

# An item with this many unclear calls, each without effect, is left to people.
UNKNOWN_ENDS_MAX: Final = 3
READ_BATCH: Final = 20_000  # a kind reads a few by their ids, many with the one call that lists all
SWEEP_BATCH: Final = 500
GIVEN_UP_TOGETHER: Final = 20_000  # lapsed items that one sweep takes: two calls of the largest batch
WAKE_EXPIRES_S: Final = 15.0


def reading_lease(items: int) -> timedelta:
    """Return for how long a reader of this many items has them to itself."""
    return min(READING_LEASE + timedelta(seconds=items / ITEMS_READ_PER_SECOND), LONGEST_READING_LEASE)


def waiting_s(error: TradovateError | NotConnected | HoursUnknown, attempts: int) -> float:
    """Return how many seconds to wait: what Tradovate or the budget says, else doubling with each attempt."""
    if isinstance(error, NotHandled) and error.retry_after_s is not None:
        return max(error.retry_after_s, 0.1)
    return min(WAIT_FIRST_S * 2.0 ** (max(attempts, 1) - 1), WAIT_LAST_S)
