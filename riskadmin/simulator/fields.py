"""The fields of a request: reading them (HTTP 400 when the type is wrong) and describing invalid values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


class BadRequestError(Exception):
    """The request can't be read: HTTP 400 with this text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A readable value that is not allowed: the text, and what a ``violations`` answer adds."""

    text: str
    constraint: str
    value: object


def in_words(name: str) -> str:
    """Turn ``dailyLossAutoLiq`` into ``Daily Loss Auto Liq``, as in the pages' texts."""
    return _WORD.sub(" ", name[0].upper() + name[1:])


def whole_number(value: object, name: str) -> int:
    """Return an int64 field of a JSON body. Raise BadRequestError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise BadRequestError(f"{name} must be an integer")
    return value


def number(value: object, name: str) -> float:
    """Return a double field of a JSON body. Raise BadRequestError for anything else, including NaN and infinities."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise BadRequestError(f"{name} must be a number")
    return value


def text(value: object, name: str) -> str | None:
    """Return a string field, None when it is absent. Raise BadRequestError for anything else."""
    if value is not None and not isinstance(value, str):
        raise BadRequestError(f"{name} must be a string")
    return value


def flag(value: object, name: str) -> bool | None:
    """Return a boolean field, None when it is absent. Raise BadRequestError for anything else."""
    if value is not None and not isinstance(value, bool):
        raise BadRequestError(f"{name} must be true or false")
    return value


def id_list(value: object, name: str) -> list[int]:
    """Return ids given as ``1,2``, ``[1,2]``, repeated parameters or a JSON array. Raise BadRequestError otherwise."""
    if value is None:
        raise BadRequestError(f"{name} is required")
    found: list[int] = []
    for part in value if isinstance(value, list) else [value]:
        pieces = part.strip().removeprefix("[").removesuffix("]").split(",") if isinstance(part, str) else [part]
        for piece in pieces:
            if piece == "":
                continue
            try:
                found.append(int(str(piece)))
            except ValueError:
                raise BadRequestError(f"{name} must be a list of ids") from None
    return found


def not_positive(value: int, name: str) -> Problem | None:
    """Return the problem of an invalid id, in the words of ``Account Id should be greater than 0``."""
    return Problem(f"{in_words(name)} should be greater than 0", "min", value) if value <= 0 else None


def negative(value: float, name: str) -> Problem | None:
    """Return the problem of a limit below zero."""
    return Problem(f"{in_words(name)} should be greater than or equal to 0", "min", value) if value < 0 else None


def too_long(value: str | None, name: str, most: int) -> Problem | None:
    """Return the problem of a text longer than ``most`` characters, worded like ``Comment should be no longer than 64``."""
    return Problem(f"{in_words(name)} should be no longer than {most}", "maxLength", most) if len(value or "") > most else None


def missing(value: object, name: str) -> Problem | None:
    """Return the problem of a missing required field, in the words of ``Admin Action Reason should be specified``."""
    return Problem(f"{in_words(name)} should be specified", "required", None) if value is None else None


def no_choice(value: object, name: str, choices: tuple[str, ...]) -> Problem | None:
    """Return the problem of a value outside an enumeration, whose first and last word the texts name."""
    if value is None or value in choices:
        return None
    return Problem(f"{in_words(name)} should be between {choices[0]} and {choices[-1]}", "enum", value)


def first(problems: Iterable[Problem | None]) -> Problem | None:
    """Return the first problem, if there is one."""
    return next((problem for problem in problems if problem is not None), None)
