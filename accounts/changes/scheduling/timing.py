"""When a change runs, and how long its effect lasts: part of what is approved."""

from dataclasses import dataclass
from datetime import date, datetime

from accounts.changes.scheduling.hours import hours
from accounts.changes.states import Window


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Not before `runs_at`, and only within `window`; when that closes, it `goes_on` in the next, or its rest is cancelled.

    For a lock alone: `ends_at`, when it is to be removed again, or `review_by`, the day by which someone reviews it.
    """

    runs_at: datetime | None = None
    window: Window = Window.ANY
    goes_on: bool = False
    ends_at: datetime | None = None
    review_by: date | None = None

    @property
    def waits(self) -> bool:
        """Whether it does not begin as soon as it is approved."""
        return self.runs_at is not None or self.window != Window.ANY


IMMEDIATELY = Timing()


def closed_until(window: str, at: datetime) -> datetime | None:
    """Return when calls with this window may be sent again; None if they may at that time. Raises HoursUnknown."""
    if window == Window.ANY:
        return None
    known = hours()
    return None if known.is_open(at) else known.window(at).begins_at
