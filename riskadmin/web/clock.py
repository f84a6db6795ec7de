"""The time zone in which times are shown and typed: the person's own while a request of theirs is answered, else the firm's."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from zoneinfo import ZoneInfo

from django.conf import settings

_persons_zone: ContextVar[ZoneInfo | None] = ContextVar("persons_zone", default=None)


def display_zone() -> ZoneInfo:
    """Return the zone for what is shown to the person whose request is answered; without one, the firm's."""
    return _persons_zone.get() or firm_zone()


def firm_zone() -> ZoneInfo:
    """Return the zone of `settings.TIME_ZONE_DISPLAY`, for what many people read and for times that repeat by the clock.

    A text that is stored names its zone, since people read it in other zones.
    """
    return _zone(settings.TIME_ZONE_DISPLAY)


@contextmanager
def shown_in(zone: ZoneInfo | None) -> Iterator[None]:
    """Show times in this zone until the block ends; None is the firm's."""
    token = _persons_zone.set(zone)
    try:
        yield
    finally:
        _persons_zone.reset(token)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
