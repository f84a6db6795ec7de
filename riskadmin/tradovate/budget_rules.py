"""How long stops and lowered limits of the API budget last. Pure rules; the ledger stores what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR_S = 3600.0

LOWERED_FOR_S = 24 * 3600.0
"""How long a limit that a 429 showed lasts. The next one lasts twice as long, unless as long has passed without one."""

LOWERED_FOR_MAX_S = 32 * LOWERED_FOR_S
"""The longest time it lasts: after a month without a 429, the limit in the settings is tried again."""

DENIED_FOR_S = 60.0
"""How long an endpoint that denies access is stopped the first time. Each further time in a row it is twice as long."""

DENIED_FOR_MAX_S = 900.0

DENIAL_FORGOTTEN_S = HOUR_S
"""A denial this long after the last stop's end starts a new sequence."""


@dataclass(frozen=True, slots=True)
class DenialPeriod:
    """The time that a stop for a denial of access lasts."""

    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """What a denial of access leads to: a stop of ``lasts_s`` seconds.

    ``is_set`` is false if that stop was in force already, ``is_new`` is false if it continues a sequence.
    """

    lasts_s: float
    is_set: bool = True
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class ObservedLimit:
    """An hourly limit that a 429 taught. Those of one incident end at the same time."""

    calls: int
    learnt_at: datetime
    ends_at: datetime


def denied_after(last: DenialPeriod | None, now: datetime) -> Denied:
    """Return how long a denial of access stops its endpoint. ``last`` is the stop before, None after a success.

    Calls in flight at the same time are denied together: the first of them sets the stop.
    """
    if last is None:
        return Denied(DENIED_FOR_S)
    since_s = (now - last.ends_at).total_seconds()
    if since_s < 0:
        return Denied(-since_s, is_set=False, is_new=False)
    if since_s >= DENIAL_FORGOTTEN_S:
        return Denied(DENIED_FOR_S)
    lasted_s = (last.ends_at - last.begins_at).total_seconds()
    return Denied(min(2 * lasted_s, DENIED_FOR_MAX_S), is_new=False)


def lowered_after(observed: Sequence[ObservedLimit], *, counted: int, setting: int, now: datetime) -> ObservedLimit | None:
    """Return the limit that a 429 teaches which came at ``counted`` calls; None if the latest of ``observed`` stays.

    ``observed`` are the earlier ones, newest first. Several calls may be in flight when the limit is reached, and each of
    them gets a 429: within one hour, the lowest count applies. A limit below half of the one before is not believed
    immediately: if so few calls get a 429, it probably has another cause. A lowering soon after another lasts twice as long.
    """
    incident = [each for each in observed if each.ends_at == observed[0].ends_at]
    began_at = incident[-1].learnt_at if incident else None
    is_same = began_at is not None and (now - began_at).total_seconds() < HOUR_S
    before = observed[len(incident) :] if is_same else observed
    at = began_at if began_at and is_same else now
    stood = min(setting, before[0].calls) if before and before[0].ends_at > at else setting
    calls = max(1, min(stood - 1, max(counted - 1, stood // 2)))
    if is_same:
        return ObservedLimit(calls, now, observed[0].ends_at) if calls < observed[0].calls else None
    lasts_s = LOWERED_FOR_S
    if began_at:
        lasted_s = (observed[0].ends_at - began_at).total_seconds()
        if now < observed[0].ends_at + timedelta(seconds=lasted_s):
            lasts_s = min(2 * lasted_s, LOWERED_FOR_MAX_S)
    return ObservedLimit(calls, now, now + timedelta(seconds=lasts_s))
