"""Selecting targets, and their own parameters, with a CSV file that has a header.

A file that can't be read as a table is refused as a whole (`Unreadable`); a row with an error becomes a problem with line,
column, reason and how to write it, and the good rows are kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.targeting.csv_columns import HEADINGS, LINE_HEADING, REASON_HEADING, Layout, check_problem, layout_of
from accounts.changes.targeting.csv_table import SAVE_AS, Table, as_western, read_table, undecoded
from accounts.changes.targeting.csv_values import RowCheck
from accounts.changes.targeting.name_lookup import quoted
from accounts.changes.targeting.source import Fault, Note, Problem, RefusedRows
from accounts.changes.targeting.targets import NamedTarget, TargetSelection, of_names
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web import csv_file
from riskadmin.web.pasted_text import plain, visible


def read_csv(
    kind: Kind,
    environment: Environment,
    content: bytes,
    *,
    filename: str,
    ignore_unknown: bool = False,
    viewer: Staff | None = None,
) -> TargetSelection:
    """Return what a file selects. Raises Unreadable; costs a fixed number of queries, whatever its length.

    Unknown columns are skipped only if `ignore_unknown` says so. What `viewer` has no access to is not found.
    """
    table = read_table(content)
    layout = layout_of(kind, table, ignore_unknown=ignore_unknown)
    reader = _RowReader(kind, environment, table, layout)
    named: list[NamedTarget] = []
    problems: list[Problem] = []
    for line, cells in table.rows:
        read = reader.read(line, cells)
        if isinstance(read, NamedTarget):
            named.append(read)
        else:
            problems.extend(read)
    found = of_names(environment, kind.unit, named, source=f"CSV {quoted(filename)}", viewer=viewer)
    every = tuple(sorted([*problems, *found.problems], key=lambda problem: problem.line))
    words = tuple(Note(line=table.heading_line, words=each) for each in layout.words)
    return replace(found, problems=every, notes=(*words, *found.notes), refused_rows=_refused(table, every))


def _refused(table: Table, problems: Iterable[Problem]) -> RefusedRows:
    lines = {problem.line for problem in problems}
    rows = {line: tuple(map(_storable, cells)) for line, cells in table.rows if line in lines}
    return RefusedRows(heading=tuple(map(_storable, table.heading)), rows=rows) if rows else RefusedRows()


def _storable(text: str) -> str:
    """Return a cell as PostgreSQL can store it, without NUL and halves of surrogate pairs."""
    shown = as_western(text).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return shown.encode("utf-8", "replace").decode()


# --- A row --------------------------------------------------------------------------------------------------------------


class _RowReader:
    """Reads the rows of one file."""

    def __init__(self, kind: Kind, environment: Environment, table: Table, layout: Layout) -> None:
        self.kind, self.environment, self.table, self.layout = kind, environment, table, layout
        self._check = RowCheck(kind, list(layout.parameters.values())) if layout.parameters else None

    def read(self, line: int, cells: Sequence[str]) -> NamedTarget | list[Problem]:
        """Return the target that a row names, with its parameters, or the errors in the row."""
        problem = self._shape(line, cells) or self._unreadable_cell(line, cells) or self._other_target(line, cells)
        if problem:
            return [problem]
        own, wrong = self._parameters(cells)
        if wrong:
            return [
                Problem(line=line, column=column, value=quoted(value), fault=Fault.BAD_VALUE, reason=reason)
                for column, value, reason in wrong
            ]
        # As written: a name may contain what is otherwise removed, such as invisible characters.
        names = tuple((self._heading(n), cells[n].strip()) for n in self.layout.targets if plain(cells[n]))
        return NamedTarget(line=line, cells=names, parameters=own)

    def _heading(self, number: int) -> str:
        return self.layout.parameters.get(number) or visible(self.table.heading[number]).lower().replace(" ", "_")

    def _shape(self, line: int, cells: Sequence[str]) -> Problem | None:
        width = len(self.table.heading)
        if len(cells) > self.table.width or any(visible(cell) for cell in cells[width:]):
            reason = (
                f"{len(cells)} cells, where the header has {width}. If a number or name has a delimiter in it, put it in "
                "quotation marks"
            )
            return Problem(line=line, fault=Fault.MISSHAPEN, reason=reason)
        if not any(plain(cells[number]) for number in self.layout.targets):
            unit = self.kind.unit.value
            reason = f"No {unit} is named here. Write its id or name, or delete the row"
            return Problem(line=line, column=self._heading(self.layout.targets[0]), fault=Fault.MISSHAPEN, reason=reason)
        return None

    def _unreadable_cell(self, line: int, cells: Sequence[str]) -> Problem | None:
        for number in self.layout.read:
            cell = cells[number]
            reason = _trouble(line, cell)
            if reason:
                return Problem(
                    line=line,
                    column=self._heading(number),
                    value=quoted(as_western(cell)),
                    fault=Fault.BAD_VALUE,
                    reason=reason,
                )
        return None

    def _other_target(self, line: int, cells: Sequence[str]) -> Problem | None:
        for number, heading in self.layout.checks.items():
            reason = check_problem(heading, cells[number], environment=self.environment.value, unit=self.kind.unit.value)
            if reason:
                value = quoted(visible(cells[number]))
                return Problem(line=line, column=heading, value=value, fault=Fault.MISMATCH, reason=reason)
        return None

    def _parameters(self, cells: Sequence[str]) -> tuple[State | None, list[tuple[str, str, str]]]:
        if self._check is None:
            return None, []
        return self._check({name: cells[number].strip() for number, name in self.layout.parameters.items()})


def _trouble(line: int, cell: str) -> str:
    """Return why a cell can't be read whatever its column, or ""."""
    if "\0" in cell:
        return "A NUL character stands in it. Write the cell again"
    breaks = cell.strip().replace("\r\n", "\n").replace("\r", "\n").count("\n")
    if breaks:
        return f"The cell runs over lines {line} to {line + breaks}. Close or remove its quotation mark"
    if undecoded(cell):
        return f"Not every letter of it can be read: the file is not UTF-8. {SAVE_AS}"
    return ""


# --- Refused rows as a file -----------------------------------------------------------------------------------------------


def refused_as_csv(chosen: TargetSelection) -> Iterator[str]:
    """Return the rows with errors as a file, line by line: as they were, followed by where and what the error is.

    Once they are corrected, the file can be uploaded as it is.
    """
    reasons: dict[int, list[str]] = {}
    for problem in chosen.problems:
        where = f"{problem.column}: " if problem.column else ""
        reasons.setdefault(problem.line, []).append(f"{where}{problem.fault.value}: {problem.reason}")
    rows: Iterable[tuple[int, Sequence[str]]]
    if chosen.refused_rows.heading:
        heading = tuple(each for each in chosen.refused_rows.heading if visible(each) not in {LINE_HEADING, REASON_HEADING})
        kept = [n for n, each in enumerate(chosen.refused_rows.heading) if visible(each) not in {LINE_HEADING, REASON_HEADING}]
        rows = ((line, [cells[n] for n in kept]) for line, cells in chosen.refused_rows.rows.items())
    else:
        heading = (HEADINGS[chosen.unit][0],)
        rows = ((problem.line, [problem.value]) for problem in chosen.problems)
    return csv_file.lines(
        (*heading, LINE_HEADING, REASON_HEADING),
        ((*cells, str(line), "; ".join(reasons[line])) for line, cells in rows),
    )
