"""How long things may take. Together they keep the promise that a killed worker's item is recovered within 60 seconds."""

from datetime import timedelta
from typing import Final

# A call leaves within the permit's time or not at all, and its answer is in within 20 s (tradovate.transport), or it is given
# up: whatever is under way for longer than a lease has no worker any more.
PERMIT_GOOD_FOR_S: Final = 5.0
LEASE: Final = timedelta(seconds=30)
# How long a read-back may go on showing the old state before the outcome is called unknown.
CONFIRM_WITHIN: Final = timedelta(seconds=30)
# A second reader leaves an item alone for so long after the first one took it.
READING_LEASE: Final = timedelta(seconds=20)
CONFIRM_AGAIN: Final = timedelta(seconds=3)
# A call that was cut off may still take effect shortly after: only then does an unchanged state mean that it did nothing.
EFFECT_WITHIN: Final = timedelta(seconds=10)
# A queued item whose message was lost is announced again.
ANNOUNCE_AGAIN: Final = timedelta(seconds=15)
# A mirror row younger than this counts as read just now.
JUST_READ: Final = timedelta(seconds=10)
# When Tradovate does not say how long to wait: doubling from the first to the last.
WAIT_FIRST_S: Final = 5.0
WAIT_LAST_S: Final = 300.0

# An item whose calls ended unclear so often, each without effect, is left to people.
UNKNOWN_ENDS_MAX: Final = 3
READ_BATCH: Final = 20_000  # a kind reads few by their ids, many with the one call that lists all
SWEEP_BATCH: Final = 500
