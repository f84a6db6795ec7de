"""The types of Tradovate's fields, each with how pydantic reads it: strict about the type.

An ``Optional`` one may be missing or null, which are the same. A name with a NUL or half of a surrogate pair is a text: it
is made storable where it is stored. An unknown word stays a plain text.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainValidator, SkipValidation
from pydantic_core import PydanticCustomError

from riskadmin.tradovate.reading import INTEGER_MAX, Unreadable, is_number, parse_instant

EXTRA: Final = " extra"
RECORD: Final = " record"
"""A reader adds data that is not a field under these keys of a row. No field of Tradovate's begins with a space."""


def _wrong(expected: str) -> PydanticCustomError:
    return PydanticCustomError("tradovate", "{expected}", {"expected": expected})


# Each is called once for every field of every row: `type` is several times faster than `isinstance` with a check for bool.


def _number(value: object) -> Decimal:
    if type(value) is Decimal and is_number(value):
        return value
    if type(value) is int and is_number(value):
        return Decimal(value)
    raise _wrong("a number that a double can hold")


def _optional_number(value: object) -> Decimal | None:
    return None if value is None else _number(value)


def _text(value: object) -> str:
    if type(value) is str:
        return value
    raise _wrong("a text")


def _optional_text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    raise _wrong("a text")


def _optional_instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return parse_instant(_text(value))
    except Unreadable as error:
        raise _wrong("a timestamp of the years 2 to 9998") from error


def _trade_date(value: object) -> date:
    parts = [value.get(part) for part in ("year", "month", "day")] if isinstance(value, dict) else []
    try:
        year, month, day = (part for part in parts if type(part) is int)
        return date(year, month, day)
    except (ValueError, OverflowError) as error:
        raise _wrong("an object of year, month and day") from error


def _or_none(read: Callable[[object], object]) -> PlainValidator:
    return PlainValidator(lambda value: None if value is None else read(value))


def word(words: type[StrEnum]) -> PlainValidator:
    """Return the reader of one of ``words``, which keeps the plain text of an unknown word."""
    known = {each.value: each for each in words}

    def read(value: object) -> str:
        text = _text(value)
        return known.get(text, text)

    return PlainValidator(read)


def optional_word(words: type[StrEnum]) -> PlainValidator:
    """Return the reader of a ``word`` that may be absent."""
    return _or_none(word(words).func)  # type: ignore[arg-type]  # its one-argument form


def optional_list_in(name: str, read: Callable[[object], object]) -> PlainValidator:
    """Return the reader of an object that has only a list under ``name``, of rows that ``read`` reads."""

    def read_rows(value: object) -> tuple[object, ...]:
        rows = (value.get(name) or []) if isinstance(value, dict) else None
        if not isinstance(rows, list):
            raise _wrong(f"an object with a list of {name}")
        try:
            return tuple(read(row) for row in rows)
        except Unreadable as error:
            raise _wrong(f"{name} of which {error}") from error

    return _or_none(read_rows)


ABSENT: Final = Field(default=None)
"""Marks a field that may be missing."""

_INTEGER: Final = Field(strict=True, ge=-INTEGER_MAX, le=INTEGER_MAX)
_FLAG: Final = Field(strict=True)

Integer = Annotated[int, _INTEGER]
OptionalInteger = Annotated[Annotated[int, _INTEGER] | None, ABSENT]
Number = Annotated[Decimal, PlainValidator(_number)]
OptionalNumber = Annotated[Decimal | None, PlainValidator(_optional_number), ABSENT]
Text = Annotated[str, PlainValidator(_text)]
OptionalText = Annotated[str | None, PlainValidator(_optional_text), ABSENT]
Flag = Annotated[bool, _FLAG]
FlagOrFalse = Annotated[bool, _FLAG, BeforeValidator(lambda value: False if value is None else value), Field(default=False)]
"""A flag that may be left out where it is false."""
OptionalFlag = Annotated[Annotated[bool, _FLAG] | None, ABSENT]
OptionalInstant = Annotated[datetime | None, PlainValidator(_optional_instant), ABSENT]
OptionalTradeDate = Annotated[date | None, _or_none(_trade_date), ABSENT]

Extra = Annotated[Mapping[str, object], SkipValidation, Field(alias=EXTRA)]
"""The fields of a row that its entity does not name."""

Record = Annotated[Mapping[str, object], SkipValidation, Field(alias=RECORD)]
"""A whole row exactly as parsed: every ``Decimal`` with its digits, and every unknown field."""
