"""What Python imports first, in every process of a run on another date: a sleep that libfaketime leaves alone.

Since Python 3.11 `time.sleep` waits until an absolute time of the monotonic clock, from which libfaketime subtracts the date that
it pretends; what `select` waits is relative.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: float | SupportsIndex, /) -> None:
    if float(seconds) < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], float(seconds))


time.sleep = _sleep
