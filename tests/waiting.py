"""Waiting for a condition, the only way a test may wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], timeout: float = 30.0, every: float = 0.01) -> T:
    """Return the first truthy answer, asking `every` so many seconds; fail the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:g} s still {answer!r}")
        time.sleep(every)
    return answer
