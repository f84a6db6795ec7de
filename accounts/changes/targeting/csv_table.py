"""From a file's bytes to a table: its encoding, delimiter, lines and quotes, as spreadsheets write them. Pure.

A file that can't be read as a table at all is refused as a whole (`Unreadable`), with what to do instead.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from accounts.changes.targeting.targets import TARGETS_MAX, BadTargets
from riskadmin.web.pasted_text import visible

BYTES_MAX: Final = 5 * 1024 * 1024

SAVE_AS: Final = "In a spreadsheet, choose “Save as” or “Download”, then “CSV UTF-8”, and upload that file."

_OTHER_FILES: Final = (
    (b"PK\x03\x04", "an Excel, LibreOffice or Numbers workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text document with formatting"),
    (b"\x1f\x8b", "a compressed file"),
    (b"<", "a web page or XML"),
)
_DELIMITERS: Final = (",", ";", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?[,;]*', re.IGNORECASE)
"""Excel's own first line, which names the delimiter."""
_LOOKED_AT: Final = 14
"""The first bytes of the header, from whose zeros UTF-16 without a byte order mark is recognised."""


class Unreadable(BadTargets):
    """The file can't be read as a table; each reason is for people, with its line if there is one."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, kw_only=True)
class Table:
    """A header as it was written, and the non-empty rows below it, each with the line it begins on.

    Each row has at least as many cells as the header: spreadsheets leave out empty ones at the end. `width` is how many it may
    have. Bytes of an unknown encoding are in the cells as surrogates.
    """

    heading: tuple[str, ...]
    heading_line: int
    rows: tuple[tuple[int, list[str]], ...]
    width: int


def read_table(content: bytes) -> Table:
    """Return the table in a file. Raises Unreadable."""
    if len(content) > BYTES_MAX:
        raise Unreadable(
            f"The file has {len(content) / 1024 / 1024:.1f} MiB; at most {BYTES_MAX // 1024 // 1024} MiB are taken. Split it."
        )
    _refuse_other_files(content)
    rows: list[tuple[int, list[str]]] = []
    for line, cells in _parsed(_decoded(content)):
        if any(visible(cell) for cell in cells):
            rows.append((line, cells))
        if len(rows) > TARGETS_MAX + 1:
            raise Unreadable(f"The file has more than {TARGETS_MAX:,} rows below its header. Split it.")
    if not rows:
        raise Unreadable("The file is empty.")
    heading_line, heading = rows[0]
    if any(undecoded(cell) for cell in heading):
        raise Unreadable(f"Line {heading_line}: the header has letters that can't be read: the file is not UTF-8. {SAVE_AS}")
    # A delimiter at the end of every row creates an empty column; at the end of a single row, it is a mistake.
    width = max(len(heading), min((len(cells) for _, cells in rows[1:]), default=0))
    for _, cells in rows[1:]:
        cells.extend([""] * (len(heading) - len(cells)))
    return Table(heading=tuple(heading), heading_line=heading_line, rows=tuple(rows[1:]), width=width)


def undecoded(cell: str) -> bool:
    """Say whether a cell holds bytes whose encoding isn't known."""
    return not cell.isascii() and any("\udc80" <= each <= "\udcff" for each in cell)


def as_western(cell: str) -> str:
    """Return a cell as Western European Windows would show it, so that people can find it."""
    if not undecoded(cell):
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


def _refuse_other_files(content: bytes) -> None:
    begins = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, what in _OTHER_FILES:
        if begins.startswith(mark):
            raise Unreadable(f"This is {what}, not a CSV file, whatever its name ends in. {SAVE_AS}")


def _decoded(content: bytes) -> str:
    """Return the text. If it is not UTF-8, everything beyond ASCII is left undecoded: it could be any of a dozen encodings."""
    encoding = _utf16(content)
    if encoding:
        try:
            return content.decode(encoding).removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}")
        except UnicodeDecodeError as error:
            raise Unreadable(f"The file begins as UTF-16 and can't be read as that. {SAVE_AS}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("ascii", "surrogateescape")


def _utf16(content: bytes) -> str:
    """Return which UTF-16 this is, or "": by its byte order mark, else by the zero bytes next to its first characters."""
    if content.startswith(b"\xff\xfe"):
        return "utf-16-le"
    if content.startswith(b"\xfe\xff"):
        return "utf-16-be"
    first, second = content[:_LOOKED_AT:2], content[1:_LOOKED_AT:2]
    if second and not any(second) and all(first):
        return "utf-16-le"
    return "utf-16-be" if second and not any(first) and all(second) else ""


def _parsed(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins on."""
    delimiter, line = _delimiter(text)
    lines = io.StringIO(text, newline="")
    for _ in range(line - 1):
        next(lines)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    skipped = line - 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(f"Line {line}: {_quote_trouble(str(error))}") from error
        yield line, cells
        line = skipped + rows.line_num + 1


def _quote_trouble(error: str) -> str:
    if "unexpected end" in error:
        return "a quotation mark opens a cell here and is never closed. Close it, or remove it."
    if "expected after" in error:
        return (
            "something stands behind the quotation mark that closes a cell. Put the whole cell in quotation marks, and write "
            "those inside it twice."
        )
    return f"the row can't be read ({error}). Look at its quotation marks."


def _delimiter(text: str) -> tuple[str, int]:
    """Return the delimiter, and the line that the table begins on: the first that isn't blank, or the one below “sep=;”."""
    for number, row in enumerate(io.StringIO(text, newline=""), start=1):
        begins = visible(row)
        if not begins:
            continue
        named = _SEPARATOR_LINE.fullmatch(row.strip("\r\n "))
        if named:
            return named[1], number + 1
        return _most_cells(row), number
    return ",", 1


def _most_cells(header: str) -> str:
    return max(_DELIMITERS, key=lambda delimiter: len(_cells(header, delimiter)))  # if equal, the first


def _cells(header: str, delimiter: str) -> Sequence[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return []
