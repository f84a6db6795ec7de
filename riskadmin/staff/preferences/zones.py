"""The time zones that people choose from: those of the IANA database that are named after a place, and UTC."""

from functools import cache
from typing import Final
from zoneinfo import available_timezones

AREAS: Final = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


@cache
def zone_choices() -> tuple[tuple[str, str], ...]:
    """Return each zone's key and how it is written, sorted, with UTC first."""
    keys = sorted(key for key in available_timezones() if key.startswith(AREAS))
    return (("UTC", "UTC"), *((key, key.replace("_", " ")) for key in keys))
