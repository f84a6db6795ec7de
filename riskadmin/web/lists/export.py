"""A list's CSV file: what its filters match, in the order of the page."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from django.db.models import QuerySet

from riskadmin.web import csv_file
from riskadmin.web.lists.spec import ListSpec, Row

ROWS_MAX: Final = 10_000
"""More rows than this are not written into one file; its last line says so."""

BATCH: Final = 500
"""Rows that are read, and completed with what belongs to them, at a time."""


def csv_lines(spec: ListSpec[Row], found: "QuerySet[Any]", notes: Sequence[str] = ()) -> Iterator[str]:
    """Return the file line by line. `found` is in the page's order; `notes` are last lines, each in one cell."""
    return csv_file.lines([column.heading for column in spec.csv], chain(_rows(spec, found), ([note] for note in notes)))


def _rows(spec: ListSpec[Row], found: "QuerySet[Any]") -> Iterator[list[csv_file.Value]]:
    matching = found[: ROWS_MAX + 1].iterator(chunk_size=BATCH)
    within = islice(matching, ROWS_MAX)
    while batch := list(islice(within, BATCH)):
        for row in spec.rows(batch):
            yield [column.value(row) for column in spec.csv]
    if next(matching, None) is not None:
        yield [f"More than {ROWS_MAX:,} rows match. Only the first {ROWS_MAX:,} are in this file: narrow the filters."]
