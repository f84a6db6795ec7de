"""The form field for a date and a time of day, typed, chosen in a browser, or in a file."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from riskadmin.web.clock import display_zone
from riskadmin.web.pasted_text import other_digits, plain

EXAMPLE: Final = "2026-12-31T15:10"

_WRITTEN: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?) ?([Zz]|UTC|[+-][0-9]{2}:?[0-9]{2})?"
)
_SLASHES: Final = re.compile(r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{2}|[0-9]{4})\b.*")
_DATE_ALONE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class LocalTimeField(forms.DateTimeField):
    """A time in the time zone of the pages, or with an offset of its own.

    A time that the clocks skip or repeat is refused, and so is a date that can be read in two ways: no reading is guessed.
    """

    def __init__(self, *, has_seconds: bool = False, **kwargs: Any) -> None:
        """Take whether seconds can be chosen too."""
        attributes = {"type": "datetime-local"} | ({"step": "1"} if has_seconds else {})
        shown = "%Y-%m-%dT%H:%M:%S" if has_seconds else "%Y-%m-%dT%H:%M"
        super().__init__(widget=forms.DateTimeInput(attributes, format=shown), **kwargs)

    def to_python(self, value: Any) -> datetime | None:
        """Return the aware time, None for an empty text."""
        if isinstance(value, str):
            return _read(plain(value))
        with timezone.override(display_zone()):
            return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        """Return a time as the field shows it."""
        with timezone.override(display_zone()):
            return super().prepare_value(value)


def _read(text: str) -> datetime | None:
    if not text:
        return None
    found = None if other_digits(text) else _WRITTEN.fullmatch(text)
    if found is None:
        raise ValidationError(_how_to_write(text))
    day, at, offset = found.groups()
    try:
        if offset is None:
            return _from_local(datetime.fromisoformat(f"{day}T{at}"))
        return datetime.fromisoformat(f"{day}T{at}{'+00:00' if offset.upper() in {'Z', 'UTC'} else offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValidationError(f"There is no such day or time. Write it as {EXAMPLE}.") from error


def _from_local(local: datetime) -> datetime:
    """Return a time in the zone of the pages, in UTC. Raises ValidationError if the clocks skip or repeat it."""
    zone = display_zone()
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return first.astimezone(UTC)
    if before < after:
        next_real = first.astimezone(UTC).astimezone(zone)
        raise ValidationError(
            f"This time does not exist: the clocks of {zone.key} skip it on {local:%Y-%m-%d}. "
            f"Write another, such as {next_real:%Y-%m-%dT%H:%M}."
        )
    raise ValidationError(
        f"This time comes twice: the clocks of {zone.key} are set back on {local:%Y-%m-%d}. "
        f"Choose another hour, or in a file write {first.isoformat(timespec='minutes')} for the first "
        f"or {second.isoformat(timespec='minutes')} for the second."
    )


def _how_to_write(text: str) -> str:
    slashes = _SLASHES.fullmatch(text)
    if slashes:
        return f"{text} does not say which number is the month. Write year, month, day and time, such as {EXAMPLE}."
    if _DATE_ALONE.fullmatch(text):
        return f"Write the time of day too, such as {EXAMPLE}."
    return f"Write year, month, day and time, such as {EXAMPLE}."
