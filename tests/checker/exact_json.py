"""JSON whose numbers are kept as the text in which they stand, to tell whether a value was carried over unchanged."""

from __future__ import annotations

import json
from typing import Any


class NumberText(str):
    """A number as it was written."""

    __slots__ = ()


class DuplicateKeyError(ValueError):
    """An object that has a key twice: readers differ about which one counts."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise DuplicateKeyError(f"the key {next(name for name in names if names.count(name) > 1)} is there twice")
    return found


def read(text: str) -> Any:
    """Return a JSON value with its numbers as NumberText; raise ValueError when it is none or has a key twice."""
    return json.loads(text, parse_float=NumberText, parse_int=NumberText, parse_constant=NumberText, object_pairs_hook=_object)


def text_of(value: object) -> str:
    """Return a value of ``read`` as text, the same for the same value with the same digits."""
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{text_of(each)}" for name, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text_of(each) for each in value) + "]"
    return json.dumps(value)
