"""Requests as JSON, with every number exactly as a person wrote it.

Tradovate stores money and percentages as doubles, so a number that has no exact double is refused before anything is sent:
read back, it would differ from what was requested.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DIGITS_MAX = 15
"""Significant decimal digits that a double keeps."""

_WORD = re.compile(r"_([a-z]+)")
_SPELLED_OTHERWISE = {"pnl": "PnL", "sod": "SOD", "usd": "USD"}


def to_json(value: object) -> str:
    """Return a request body as text: ``Decimal`` as a number literal, digit for digit. Raise ``TypeError`` for a float."""
    match value:
        case None | bool() | int() | str():
            return json.dumps(value)
        case Decimal():
            return format(value, "f")
        case Mapping():
            return "{" + ", ".join(f"{json.dumps(key)}: {to_json(each)}" for key, each in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(to_json, value)) + "]"
        case _:
            raise TypeError(f"a {type(value).__name__} is never sent")


def sent_fields(request: "DataclassInstance", of: "type[DataclassInstance] | None" = None) -> dict[str, object]:
    """Return a dataclass's fields under Tradovate's names, or only those of its base ``of``. None is left out.

    Raise ``ValueError`` for a number that a double can't hold and for a time without its offset.
    """
    present = ((each.name, getattr(request, each.name)) for each in fields(of or request))
    return {tradovate_name(name): _sent(name, value) for name, value in present if value is not None}


def merged(carried: Mapping[str, object], request: Mapping[str, object], altered: Collection[str]) -> dict[str, object]:
    """Return Tradovate's record with some fields replaced by a request's. ``altered`` names those, in our names.

    Other fields are sent back as they were received, digit for digit, including the fields that this code does not know.
    """
    names = {tradovate_name(name) for name in altered}
    kept = {name: value for name, value in carried.items() if name != "id" and value is not None}
    return {**kept, **{name: value for name, value in request.items() if name in names or name not in kept}}


def positive(name: str, value: int) -> int:
    """Return the id if it is valid. Raise ``ValueError`` with ``name`` if not."""
    if value <= 0:
        raise ValueError(f"{name} is greater than 0")
    return value


def number(name: str, value: Decimal) -> Decimal:
    """Return the number if Tradovate can hold it. Raise ``ValueError`` with ``name`` if not."""
    size = len(value.normalize().as_tuple().digits) if value.is_finite() else DIGITS_MAX + 1
    if size > DIGITS_MAX or (value and not -DIGITS_MAX < value.adjusted() < DIGITS_MAX):
        raise ValueError(f"{name} is no number of at most {DIGITS_MAX} digits")
    return value


def _sent(name: str, value: object) -> object:
    match value:
        case Decimal():
            return number(name.replace("_", " "), value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name.replace('_', ' ')} needs its offset from UTC")
            timespec = "milliseconds" if value.microsecond else "seconds"
            return value.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
        case _:
            return value


@cache
def tradovate_name(name: str) -> str:
    """Return Tradovate's name of the field that a dataclass here calls ``name``."""
    return _WORD.sub(lambda word: _SPELLED_OTHERWISE.get(word[1], word[1].capitalize()), name)
