"""CSV files that spreadsheets open: streamed line by line, and no cell of them may be a formula."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.http import StreamingHttpResponse

from riskadmin.web.formats import exact_utc
from riskadmin.web.visible import marked

Value = str | Decimal | int | None

BYTE_ORDER_MARK: Final = "\ufeff"
"""Without it, spreadsheets read UTF-8 as another encoding."""

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """A file that returns what is written to it."""

    @staticmethod
    def write(line: str) -> str:
        return line


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet reads as a formula: one that begins like one gets an apostrophe.

    Invisible characters are marked, so that no name shows as another one.
    """
    text = marked(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def lines(headings: Sequence[str], rows: Iterable[Iterable[Value]]) -> Iterator[str]:
    """Return a file line by line, with the byte order mark before the first. Numbers stay numbers, also negative ones."""
    writer = csv.writer(_Echo())
    yield BYTE_ORDER_MARK + writer.writerow([cell(text) for text in headings])
    for row in rows:
        yield writer.writerow([cell(value) if isinstance(value, str) else value for value in row])


def utc(at: datetime | None) -> str:
    """Return an exact time for a column whose heading says that it is UTC; "" for none."""
    return exact_utc(at).removesuffix(" UTC") if at else ""


def response(name: str, content: Iterator[str]) -> StreamingHttpResponse:
    """Return a file as a download, sent while it is made."""
    return StreamingHttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
