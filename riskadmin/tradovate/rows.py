"""Read a list from Tradovate row by row: a row that can't be read does not affect the others."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from riskadmin.tradovate.http_record import VALUE_MAX, UnreadableRow
from riskadmin.tradovate.reading import INTEGER_MAX, Unreadable, as_json


class Identified(Protocol):
    """A type with Tradovate's id."""

    @property
    def id(self) -> int:
        """Its id."""


T = TypeVar("T", bound=Identified)


def read_rows(rows: Sequence[object], read: Callable[[object], T]) -> tuple[list[T], tuple[UnreadableRow, ...]]:
    """Return the rows that can be read, in order, and what is known about the others.

    Of identical rows one is kept. Different rows with the same id are all unreadable, because it is not known which is
    true; this also applies where one of them can't be read.
    """
    found: list[tuple[T, object]] = []
    unreadable: list[UnreadableRow] = []
    for row in rows:
        try:
            found.append((read(row), row))
        except Unreadable as error:
            unreadable.append(_unreadable(row, error))
    if not unreadable and len({entity.id for entity, _ in found}) == len(found):
        return [entity for entity, _ in found], ()
    return _without_duplicates(found, unreadable)


def _without_duplicates(
    found: Sequence[tuple[T, object]], unreadable: Sequence[UnreadableRow]
) -> tuple[list[T], tuple[UnreadableRow, ...]]:
    refused = {row.id for row in unreadable}
    first: dict[int, tuple[T, object]] = {}
    contradicted: dict[int, UnreadableRow] = {}
    for entity, row in found:
        name, both = _first_difference(first.setdefault(entity.id, (entity, row))[1], row)
        if name:
            contradicted.setdefault(entity.id, _unreadable(row, Unreadable("said twice", field=name, value=both)))
    kept = [entity for entity, _ in first.values() if entity.id not in contradicted and entity.id not in refused]
    return kept, (*unreadable, *contradicted.values())


def _first_difference(row: object, other: object) -> tuple[str, list[object]]:
    """Return the first field in which two rows differ, with both of its values, or an empty name."""
    if row is not other and isinstance(row, dict) and isinstance(other, dict):
        for name in {**row, **other}:
            if row.get(name) != other.get(name):
                return name, [row.get(name), other.get(name)]
    return "", []


def _unreadable(row: object, error: Unreadable) -> UnreadableRow:
    return UnreadableRow(
        id=_id_in(row, "id"),
        account_id=_id_in(row, "accountId"),
        position_limit_id=_id_in(row, "userAccountPositionLimitId"),
        field=error.field,
        value=as_json(error.value, VALUE_MAX),
    )


def _id_in(row: object, name: str) -> int | None:
    value = row.get(name) if isinstance(row, dict) else None
    return value if type(value) is int and 0 < value <= INTEGER_MAX else None
