"""Reads Tradovate's JSON: strict about the type of each value, lenient about missing fields.

A missing field and a null one are the same. A value of the wrong type raises ``Unreadable``: a guess would show a wrong
number to a person who is about to lock an account. The text as a whole is read even if it contains a number that is invalid
(NaN), so that such a number affects only its own row.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from types import MappingProxyType

INTEGER_MAX = 2**63 - 1
"""Tradovate documents its integers as int64."""

EXPONENT_MAX = 308
"""Tradovate stores its numbers as doubles, so a number above this, or below its negative, can't be Tradovate's."""

DEPTH_MAX = 32
"""The most levels of an unknown value. Tradovate documents none with more than three."""


class Unreadable(ValueError):
    """The text is not JSON, or not of the documented shape.

    ``field`` is Tradovate's name of what can't be read: several are separated by commas, and it is empty for anything that
    is not a field. ``value`` is its value; several values are given by name.
    """

    def __init__(self, message: str, *, field: str = "", value: object = None) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


def named(bad: Mapping[str, object], message: str = "") -> Unreadable:
    """Return an error for some fields of a row that can't be read, with their values."""
    names = list(bad)
    return Unreadable(message, field=", ".join(names), value=bad[names[0]] if len(names) == 1 else dict(bad))


@dataclass(frozen=True, slots=True)
class BadNumber:
    """Stands for a number that can't be read: NaN, an infinity, or one with thousands of digits."""

    literal: str

    def __str__(self) -> str:
        return self.literal


def parse_json(text: str) -> object:
    """Parse with every non-integer as ``Decimal`` and invalid numbers as ``BadNumber``. Raise ``Unreadable`` if not JSON."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=BadNumber)
    except RecursionError as error:
        raise Unreadable("not JSON") from error
    except (ValueError, InvalidOperation):
        return _parse_warily(text)


def _parse_warily(text: str) -> object:
    """Parse a text with numbers that Python refuses to read, if it is JSON at all. Slower than ``parse_json``."""
    try:
        return json.loads(text, parse_int=_integer, parse_float=_decimal, parse_constant=BadNumber)
    except ValueError as error:
        raise Unreadable("not JSON") from error


def _integer(literal: str) -> int | BadNumber:
    try:
        return int(literal)
    except ValueError:  # more digits than sys.get_int_max_str_digits()
        return BadNumber(literal)


def _decimal(literal: str) -> Decimal | BadNumber:
    try:
        return Decimal(literal)
    except InvalidOperation:  # an exponent beyond decimal.MAX_EMAX
        return BadNumber(literal)


def parse_instant(value: str) -> datetime:
    """Return an ISO-8601 timestamp as an aware datetime. Tradovate means UTC where it names no offset.

    A timestamp in the first or last possible year can't be shown in every time zone, so it is refused.
    """
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(f"not a timestamp: {value[:40]!r}", value=value) from error
    if MINYEAR < instant.year < MAXYEAR:
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    raise Unreadable(f"beyond any time zone: {value[:40]!r}", value=value)


def is_number(value: int | Decimal) -> bool:
    """Return whether Tradovate can hold a number."""
    if isinstance(value, int):
        return -INTEGER_MAX <= value <= INTEGER_MAX
    return -EXPONENT_MAX <= value.adjusted() <= EXPONENT_MAX and value.is_finite()


def is_sound(value: object, depth: int = DEPTH_MAX) -> bool:
    """Return whether a parsed value can be kept and sent back unchanged: its numbers are valid, and its depth is limited."""
    match value:
        case None | bool() | str():
            return True
        case int() | Decimal():
            return is_number(value)
        case dict():
            return depth > 0 and all(is_sound(each, depth - 1) for each in value.values())
        case list():
            return depth > 0 and all(is_sound(each, depth - 1) for each in value)
        case _:
            return False


def as_json(value: object, length: int) -> str:
    """Return at most the first ``length`` characters of a parsed value as JSON, without NUL and lone surrogates.

    An invalid number is left as it was written.
    """
    return "".join(islice((char for part in _spell(value) for char in part), length))


def _text(value: object) -> str:
    """Return a text as readable JSON, with a lone surrogate as an escape, because no encoding has one."""
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()


def _spell(value: object, depth: int = DEPTH_MAX) -> Iterator[str]:
    match value:
        case Decimal() | BadNumber():
            yield str(value)
        case dict() | list() if depth == 0:
            yield "…"
        case dict():
            for number, (name, each) in enumerate(value.items()):
                yield ", " if number else "{"
                yield f"{_text(name)}: "
                yield from _spell(each, depth - 1)
            yield "}" if value else "{}"
        case list():
            for number, each in enumerate(value):
                yield ", " if number else "["
                yield from _spell(each, depth - 1)
            yield "]" if value else "[]"
        case _:
            yield _text(value)


class Fields:
    """Takes one JSON object apart, for answers that are not entities. Each field can be taken once."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise Unreadable(f"expected an object, got {type(data).__name__}", value=data)
        self._left: dict[str, object] = dict(data)

    def text(self, name: str) -> str | None:
        """A text."""
        value = self._take(name)
        if value is None or isinstance(value, str):
            return value
        raise Unreadable(f"{name} should be a text, got {type(value).__name__}", field=name, value=value)

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return value
        raise Unreadable(f"{name} should be true or false, got {type(value).__name__}", field=name, value=value)

    def instant(self, name: str) -> datetime | None:
        """An ISO-8601 timestamp as an aware datetime."""
        value = self.text(name)
        return None if value is None else parse_instant(value)

    def raw(self, name: str) -> object:
        """Any value, for another reader to take apart."""
        return self._take(name)

    def rest(self) -> Mapping[str, object]:
        """The fields that were not taken: kept, so that a field Tradovate adds later is not lost."""
        return MappingProxyType(self._left)

    def _take(self, name: str) -> object:
        return self._left.pop(name, None)
