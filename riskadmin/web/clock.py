"""The time zone in which times are shown."""

from functools import cache
from zoneinfo import ZoneInfo

from django.conf import settings


@cache
def display_zone() -> ZoneInfo:
    """Return the zone of `settings.TIME_ZONE_DISPLAY`."""
    return ZoneInfo(settings.TIME_ZONE_DISPLAY)
