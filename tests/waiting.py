"""Waiting for a condition, the only way a test may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_S: Final = 180.0
"""When a wait is given up. Only a broken product waits so long, however busy the machine is."""


def wait_until(condition: Callable[[], T], timeout: float = PATIENCE_S, every: float = 0.01) -> T:
    """Return the first truthy answer, asking `every` so many seconds; fail the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:g} s still {answer!r}")
        time.sleep(every)
    return answer
