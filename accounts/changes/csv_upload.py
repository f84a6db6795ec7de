"""Reading targets, and parameters of their own, from a CSV file with a header; and the template that it is filled into.

What can't be read as a table is refused as a whole (`Unreadable`); a row that is wrong is a problem of its own, told with
line, column and reason, beside the good ones.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from accounts.changes.kinds.kind import Kind, State, Unit
from accounts.changes.source import Fault, Problem
from accounts.changes.targets import TARGETS_MAX, BadTargets, Chosen, Named, of_names, quoted
from riskadmin.tradovate.vocabulary import Environment

BYTES_MAX: Final = 5 * 1024 * 1024

HEADINGS: Final[dict[Unit, tuple[str, ...]]] = {
    Unit.ACCOUNT: ("account", "account_id", "account_name", "id", "name"),
    Unit.TRADER: ("trader", "trader_id", "trader_name", "id", "name"),
}
"""What the column that names the target may be called; the first is the template's."""

_YES, _NO = frozenset({"yes", "true", "1", "y"}), frozenset({"no", "false", "0", "n"})


class Unreadable(BadTargets):
    """The file is no table that could be read; each reason is for people, with its line where there is one."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that a kind's file may have, beside the one that names the target."""

    name: str
    label: str
    help: str
    is_required: bool
    choices: tuple[str, ...]


def columns_of(kind: Kind[Any]) -> tuple[Column, ...]:
    """Return the columns for parameters; none for a kind that has no parameters of single targets. May query choices."""
    if kind.parameters_form is None or not kind.takes_own_parameters:
        return ()
    return tuple(
        Column(
            name=name,
            label=str(field.label or name.replace("_", " ").capitalize()),
            help=str(field.help_text),
            is_required=field.required and field.initial is None,
            choices=("yes", "no") if isinstance(field, forms.BooleanField) else tuple(dict.fromkeys(_choices(field).values())),
        )
        for name, field in kind.parameters_form().fields.items()
    )


def template(kind: Kind[Any]) -> str:
    """Return the header of a kind's file, to be filled in below."""
    return ",".join([HEADINGS[kind.unit][0], *(column.name for column in columns_of(kind))]) + "\r\n"


def read_csv(kind: Kind[Any], environment: Environment, content: bytes, *, filename: str) -> Chosen:
    """Return what a file chooses. Raises Unreadable; costs a fixed number of queries, whatever its length."""
    table = _table(content)
    target, wanted = _understood(kind, table)
    check = _Check(kind, list(wanted.values())) if wanted else None
    named: list[Named] = []
    problems: list[Problem] = []
    for line, cells in table.rows:
        wrong, own = _row(line, cells, table=table, target=target, wanted=wanted, check=check)
        if wrong:
            problems.extend(wrong)
        else:
            named.append(Named(line=line, column=table.heading[target], text=cells[target].strip(), parameters=own))
    found = of_names(environment, kind.unit, named, source=f"CSV {quoted(filename)}")
    if not problems:
        return found
    every = sorted([*problems, *found.problems], key=lambda problem: problem.line)
    return replace(found, problems=tuple(every))


# --- The table ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A header, and the rows below it that hold anything, each with the line it begins on."""

    heading: tuple[str, ...]
    rows: tuple[tuple[int, list[str]], ...]


def _table(content: bytes) -> _Table:
    if len(content) > BYTES_MAX:
        raise Unreadable(
            f"The file has {len(content) / 1024 / 1024:.1f} MiB; at most {BYTES_MAX // 1024 // 1024} MiB are taken. Split it."
        )
    text = _decoded(content)
    rows: list[tuple[int, list[str]]] = []
    for line, cells in _parsed(text):
        if any(cell.strip() for cell in cells):
            rows.append((line, cells))
        if len(rows) > TARGETS_MAX + 1:
            raise Unreadable(f"The file has more than {TARGETS_MAX:,} rows below its header. Split it.")
    if not rows:
        raise Unreadable("The file is empty.")
    heading = [cell.strip().lower().replace(" ", "_") for cell in rows[0][1]]
    while heading and not heading[-1]:  # spreadsheets leave empty columns at the end
        heading.pop()
    return _Table(heading=tuple(heading), rows=tuple(rows[1:]))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"Line {line}: the file is not UTF-8 (byte 0x{content[error.start]:02X}). In a spreadsheet, save it as “CSV UTF-8”."
        ) from error


def _parsed(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins on; the delimiter is the one that the header has more of."""
    header = text.lstrip("\r\n").partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(f"Line {line}: the row can't be read ({error}). Look at its quotes.") from error
        yield line, cells
        line = rows.line_num + 1


def _understood(kind: Kind[Any], table: _Table) -> tuple[int, dict[int, str]]:
    """Return which column names the target, and the parameters by column. Raises Unreadable with everything that is wrong."""
    known = {column.name: column for column in columns_of(kind)}
    headings = HEADINGS[kind.unit]
    wrong = [
        f"Line 1: the column “{quoted(name)}” comes twice."
        for name in dict.fromkeys(name for name in table.heading if name and table.heading.count(name) > 1)
    ]
    targets = [number for number, name in enumerate(table.heading) if name in headings and name not in known]
    wanted: dict[int, str] = {}
    for number, name in enumerate(table.heading):
        if name in known:
            wanted[number] = name
        elif number not in targets:
            wrong.append(_unknown_column(number, name, known))
    if not targets:
        wrong.insert(
            0, f"Line 1: the header is missing, or has no column “{headings[0]}” (the {kind.unit.value}'s id or name)."
        )
    elif len(targets) > 1:
        both = " and ".join(f"“{table.heading[number]}”" for number in targets)
        wrong.append(f"Line 1: {both} both name the {kind.unit.value}. Keep one of them.")
    missing = [column.name for column in known.values() if column.is_required and column.name not in table.heading]
    if wanted and missing:
        wrong.append(f"Line 1: the column “{missing[0]}” is missing; every row needs it.")
    if wrong:
        raise Unreadable(*wrong)
    if not table.rows:
        raise Unreadable("There is no row below the header.")
    return targets[0], wanted


def _unknown_column(number: int, name: str, known: Mapping[str, Column]) -> str:
    if not name:
        return f"Line 1: column {number + 1} has no heading."
    said = ", ".join(known) if known else "this change has no parameters of single rows"
    return f"Line 1: there is no column “{quoted(name)}” here ({said})."


# --- A row --------------------------------------------------------------------------------------------------------------


def _row(
    line: int, cells: Sequence[str], *, table: _Table, target: int, wanted: Mapping[int, str], check: "_Check | None"
) -> tuple[list[Problem], State | None]:
    """Return what is wrong with a row, or its parameters (None where the file has none)."""
    width = len(table.heading)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        reason = f"{len(cells)} cells, where the header has {width}"
        return [Problem(line=line, fault=Fault.MISSHAPEN, reason=reason)], None
    for number, cell in enumerate(cells[:width]):
        if "\0" in cell:
            reason = "A NUL character stands in it"
            return [
                Problem(line=line, column=table.heading[number], value=quoted(cell), fault=Fault.BAD_VALUE, reason=reason)
            ], None
    if not cells[target].strip():
        return [Problem(line=line, column=table.heading[target], fault=Fault.MISSHAPEN, reason="It is empty")], None
    if check is None:
        return [], None
    own, wrong = check({name: cells[number].strip() for number, name in wanted.items()})
    return [
        Problem(line=line, column=column, value=quoted(value), fault=Fault.BAD_VALUE, reason=reason)
        for column, value, reason in wrong
    ], own


class _Check:
    """Holds rows against a kind's form, as if each had been typed into it, with one form for all of them.

    A form for each row would cost seconds: most of a file's cells repeat, so what a field says of a text is kept.
    """

    def __init__(self, kind: Kind[Any], columns: Sequence[str]) -> None:
        assert kind.parameters_form is not None  # noqa: S101  (columns_of has none without; for mypy)
        self._kind = kind
        self._form = kind.parameters_form(data={})
        self._form.full_clean()  # so that it holds errors of its own, which are emptied for each row
        self._columns = tuple(columns)
        self._known: dict[tuple[str, str], tuple[Any, str]] = {}
        self._words = {name: _choices(self._form.fields[name]) for name in columns}
        self._rules = {
            name: getattr(self._form, f"clean_{name}") for name in self._form.fields if hasattr(self._form, f"clean_{name}")
        }
        # Columns that the file leaves out are as the form shows them at first.
        self._rest = {
            name: _cleaned(field, _initial(field))[0] for name, field in self._form.fields.items() if name not in columns
        }

    def __call__(self, cells: Mapping[str, str]) -> tuple[State | None, list[tuple[str, str, str]]]:
        """Return a row's parameters, or what is wrong: column, value, reason."""
        form = self._form
        form.errors.clear()
        form.cleaned_data = dict(self._rest)
        for name in self._columns:
            value, wrong = self._value(name, cells[name])
            if wrong:
                form.add_error(name, wrong)
            else:
                form.cleaned_data[name] = value
        self._apply_own_rules()
        if form.errors:
            return None, [
                ("" if name == NON_FIELD_ERRORS else name, cells.get(name, ""), " ".join(str(each) for each in reasons))
                for name, reasons in form.errors.items()
            ]
        return self._kind.parameters(form.cleaned_data), []

    def _apply_own_rules(self) -> None:
        """Run the form's own methods, `clean_<field>` and `clean`, as `Form.full_clean` does."""
        form = self._form
        for name, rule in self._rules.items():
            if name in form.cleaned_data:
                try:
                    form.cleaned_data[name] = rule()
                except ValidationError as error:
                    form.add_error(name, error)
        try:
            cleaned = form.clean()
        except ValidationError as error:
            form.add_error(None, error)
        else:
            form.cleaned_data = form.cleaned_data if cleaned is None else cleaned

    def _value(self, name: str, text: str) -> tuple[Any, str]:
        key = name, text
        if key not in self._known:
            field = self._form.fields[name]
            if isinstance(field, forms.BooleanField):
                self._known[key] = _yes_or_no(field, text)
            else:
                self._known[key] = _cleaned(field, self._words[name].get(text.lower(), text))
        return self._known[key]


def _cleaned(field: forms.Field, value: Any) -> tuple[Any, str]:
    try:
        return field.clean(value), ""
    except ValidationError as error:
        return None, " ".join(error.messages)


def _initial(field: forms.Field) -> Any:
    initial = field.initial() if callable(field.initial) else field.initial
    return "" if initial is None else initial


def _yes_or_no(field: forms.BooleanField, text: str) -> tuple[Any, str]:
    # Django takes every text but a few for true.
    word = text.lower()
    if word and word not in _YES | _NO:
        return None, "Write yes or no."
    return _cleaned(field, word in _YES if word else ("" if isinstance(field, forms.NullBooleanField) else False))


def _choices(field: forms.Field) -> dict[str, str]:
    """Return a choice's value by how it may be written: its value or its label, in small letters. Empty for other fields."""
    if not isinstance(field, forms.ChoiceField):
        return {}
    offered = cast(Iterable[tuple[Any, Any]], field.choices)
    pairs = [(str(value), str(label)) for value, label in offered if not isinstance(label, list | tuple)]
    written: dict[str, str] = {}
    labels = [label.lower() for _, label in pairs]
    for value, label in pairs:
        if value and labels.count(label.lower()) == 1:
            written[label.lower()] = value
    written.update({value.lower(): value for value, _ in pairs if value})
    return written
