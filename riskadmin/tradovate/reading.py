"""Reads one JSON object of Tradovate's field by field, strictly in type and leniently in presence.

A missing field and a null one are the same. What no one asked for is kept by ``rest``. A value of the wrong type
raises ``Unreadable``: guessing would put a wrong number in front of a person who is about to lock an account.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import NoReturn, TypeVar

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


class Unreadable(ValueError):
    """The text is not JSON, or not of the documented shape."""


def parse_json(text: str) -> object:
    """Parse with every non-integer as ``Decimal``; raise ``Unreadable`` for anything that is not strict JSON."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("not JSON") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse_instant(value: str) -> datetime:
    """An ISO-8601 timestamp as an aware datetime; Tradovate means UTC where it names no offset."""
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(f"not a timestamp: {value[:40]!r}") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Fields:
    """One JSON object being taken apart. Each field can be taken once."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise Unreadable(f"expected an object, got {type(data).__name__}")
        self._left: dict[str, object] = dict(data)

    def integer(self, name: str) -> int | None:
        """An integer; a boolean is none."""
        value = self._take(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._wrong(name, "an integer", value)

    def need_integer(self, name: str) -> int:
        """An integer that must be there."""
        return self._need(name, self.integer(name))

    def decimal(self, name: str) -> Decimal | None:
        """Any number, exactly as written."""
        value = self._take(name)
        if value is None or isinstance(value, Decimal):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return Decimal(value)
        raise self._wrong(name, "a number", value)

    def need_decimal(self, name: str) -> Decimal:
        """A number that must be there."""
        return self._need(name, self.decimal(name))

    def text(self, name: str) -> str | None:
        """A text."""
        value = self._take(name)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(name, "a text", value)

    def need_text(self, name: str) -> str:
        """A text that must be there."""
        return self._need(name, self.text(name))

    def word(self, name: str, words: type[E]) -> E | str | None:
        """A value of ``words``, or the plain text where Tradovate knows a word that we don't."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return words(value)
        except ValueError:
            return value

    def need_word(self, name: str, words: type[E]) -> E | str:
        """A word that must be there."""
        return self._need(name, self.word(name, words))

    def flag(self, name: str) -> bool | None:
        """True or false."""
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(name, "true or false", value)

    def need_flag(self, name: str) -> bool:
        """True or false, and there."""
        return self._need(name, self.flag(name))

    def instant(self, name: str) -> datetime | None:
        """An ISO-8601 timestamp as an aware datetime."""
        value = self.text(name)
        return None if value is None else parse_instant(value)

    def trade_date(self, name: str) -> date | None:
        """Tradovate's ``TradeDate``: an object of ``year``, ``month`` and ``day``."""
        value = self._take(name)
        if value is None:
            return None
        parts = Fields(value)
        try:
            return date(parts.need_integer("year"), parts.need_integer("month"), parts.need_integer("day"))
        except ValueError as error:
            raise self._wrong(name, "a trade date", value) from error

    def raw(self, name: str) -> object:
        """Whatever is there, for another reader to take apart."""
        return self._take(name)

    def nested(self, name: str) -> "Fields | None":
        """One object inside this one."""
        value = self._take(name)
        return None if value is None else Fields(value)

    def each(self, name: str) -> "list[Fields]":
        """The objects of a list; none where the list is missing."""
        value = self._take(name)
        if value is None:
            return []
        if isinstance(value, list):
            return [Fields(item) for item in value]
        raise self._wrong(name, "a list", value)

    def rest(self) -> Mapping[str, object]:
        """What nobody took: kept, so that a field Tradovate adds tomorrow is not lost."""
        return MappingProxyType(self._left)

    def _take(self, name: str) -> object:
        return self._left.pop(name, None)

    @staticmethod
    def _need(name: str, value: T | None) -> T:
        if value is None:
            raise Unreadable(f"{name} is missing")
        return value

    @staticmethod
    def _wrong(name: str, expected: str, value: object) -> Unreadable:
        return Unreadable(f"{name} should be {expected}, got {type(value).__name__}")
