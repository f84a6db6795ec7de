"""The columns of a file: those that name the target, those of a kind's parameters, and those that are ignored.

A heading is recognised by the parameter's name or by the label that pages show, however its letters and spaces are written.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from django import forms

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.targeting.csv_table import Table, Unreadable
from accounts.changes.targeting.name_lookup import quoted
from accounts.changes.tracking import results
from riskadmin.web.pasted_text import visible

HEADINGS: Final[dict[Unit, tuple[str, ...]]] = {
    Unit.ACCOUNT: ("account", "account_id", "account_name", "account_number", "account_no", "id", "name"),
    Unit.TRADER: ("trader", "trader_id", "trader_name", "user_id", "user_name", "username", "id", "name"),
}
"""Accepted headings of the column that names the target; the first is the template's."""

LINE_HEADING: Final = "line in the file"
REASON_HEADING: Final = "what is wrong"
"""The additional columns of a file of refused rows; they may stay when it is uploaded again."""

YES: Final = frozenset({"yes", "true", "1", "y", "wahr", "ja", "vrai", "oui", "verdadero", "sí", "si"})
NO: Final = frozenset({"no", "false", "0", "n", "falsch", "nein", "faux", "non", "falso"})
"""How spreadsheets and people write yes and no; Excel writes TRUE in the language it is set to."""

_BETWEEN_WORDS: Final = re.compile(r"[\s_:.-]+")
_ENVIRONMENT: Final = "environment"
_TARGET: Final = "target"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that a kind's file may have, in addition to the one that names the target."""

    name: str
    label: str
    help: str
    is_required: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which column is what, by number: `targets` name the target, `parameters` are by name, `checks` must match.

    `words` describe what is not read.
    """

    targets: tuple[int, ...]
    parameters: Mapping[int, str]
    checks: Mapping[int, str]
    words: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[int, ...]:
        """The columns that are read."""
        return (*self.targets, *self.parameters, *self.checks)


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """Return the columns for parameters; none for a kind without parameters of single targets. May query choices."""
    if kind.parameters_form is None or not kind.takes_own_parameters:
        return ()
    return tuple(
        Column(
            name=name,
            label=str(field.label or name.replace("_", " ").capitalize()),
            help=str(field.help_text),
            is_required=field.required and field.initial is None,
            choices=_offered(field),
        )
        for name, field in kind.parameters_form().fields.items()
    )


def _offered(field: forms.Field) -> tuple[str, ...]:
    if isinstance(field, forms.BooleanField):
        return ("yes", "no")
    return tuple(dict.fromkeys(value for value in choices(field).values() if value))


def choices(field: forms.Field) -> dict[str, str]:
    """Return a choice's value by its accepted spellings: its value or its label, in lower case. Empty for other fields."""
    if not isinstance(field, forms.ChoiceField):
        return {}
    offered = cast(Iterable[tuple[Any, Any]], field.choices)
    pairs = [(str(value), str(label)) for value, label in offered if not isinstance(label, list | tuple)]
    written: dict[str, str] = {}
    labels = [label.lower() for _, label in pairs]
    for value, label in pairs:
        if labels.count(label.lower()) == 1:
            written[label.lower()] = value
    if {value for value, _ in pairs if value} == {"yes", "no"}:
        written.update({**dict.fromkeys(YES, "yes"), **dict.fromkeys(NO, "no")})
    written.update({value.lower(): value for value, _ in pairs if value})
    return written


def template(kind: Kind) -> str:
    """Return the header of a kind's file, to be filled in below."""
    return ",".join([HEADINGS[kind.unit][0], *(column.name for column in columns_of(kind))]) + "\r\n"


def layout_of(kind: Kind, table: Table, *, ignore_unknown: bool) -> Layout:
    """Return what each column is. Raises Unreadable with every error in the header."""
    known = columns_of(kind)
    names = _names(known)
    headings = [_heading(cell) for cell in table.heading]
    of_results = set(map(_heading, results.HEADINGS)) <= set(headings)
    line = f"Line {table.heading_line}:"
    targets = [n for n, heading in enumerate(headings) if heading in HEADINGS[kind.unit] and heading not in names]
    parameters = {n: names[heading] for n, heading in enumerate(headings) if heading in names}
    checks = {n: heading for n, heading in enumerate(headings) if _is_check(heading, of_results=of_results)}
    checks = {n: heading for n, heading in checks.items() if n not in parameters}
    known_unread = set(map(_heading, (LINE_HEADING, REASON_HEADING, *(results.HEADINGS if of_results else ()))))
    read = {*targets, *parameters, *checks}
    unknown = [n for n, heading in enumerate(headings) if n not in read and heading not in known_unread and _is_used(table, n)]
    twice = Counter([*parameters.values(), *(headings[n] for n in (*targets, *checks))])
    wrong = [f"{line} the column “{quoted(name)}” comes twice. Keep one of them." for name in twice if twice[name] > 1]
    if unknown and not ignore_unknown:
        wrong.extend(_unknown_column(line, number, table.heading[number], known) for number in unknown)
        if targets:
            wrong.append("Remove the columns that are not needed, or tick “Ignore columns with other headings”.")
    if not targets:
        unit = kind.unit.value
        wrong.insert(0, f"{line} the header is missing, or has no column “{HEADINGS[kind.unit][0]}” (the {unit}'s id or name).")
    missing = [column.name for column in known if column.is_required and column.name not in parameters.values()]
    if parameters and missing:
        wrong.append(f"{line} the column “{missing[0]}” is missing; every row needs it.")
    if wrong:
        raise Unreadable(*wrong)
    if not table.rows:
        raise Unreadable("There is no row below the header.")
    words = [f"Columns that were ignored: {', '.join(_column_words(n, table.heading[n]) for n in unknown)}."] if unknown else []
    if of_results:
        words.append("This is a file of results: only its ids and names are read, not what came of the earlier change.")
    return Layout(targets=tuple(targets), parameters=parameters, checks=checks, words=tuple(words))


def _heading(cell: str) -> str:
    """Return a heading as it is compared: "Daily loss: auto-liquidation" is daily_loss_auto_liquidation.

    Signs such as % and $ are kept, so that a column of percentages is not read as one of dollars.
    """
    return _BETWEEN_WORDS.sub("_", visible(cell).lower()).strip("_")


def _names(known: Iterable[Column]) -> dict[str, str]:
    """Return the parameters by their accepted headings; a label that two share is not accepted."""
    labels = Counter(_heading(column.label) for column in known)
    by_label = {_heading(column.label): column.name for column in known if labels[_heading(column.label)] == 1}
    return {**by_label, **{_heading(column.name): column.name for column in known}}


def _is_check(heading: str, *, of_results: bool) -> bool:
    return heading == _ENVIRONMENT or (of_results and heading == _TARGET)


def _is_used(table: Table, number: int) -> bool:
    """Say whether a column has content: spreadsheets add a column without heading and cells at the end."""
    return bool(visible(table.heading[number])) or any(visible(cells[number]) for _, cells in table.rows)


def _unknown_column(line: str, number: int, heading: str, known: Iterable[Column]) -> str:
    if not visible(heading):
        return f"{line} column {number + 1} has no heading."
    said = ", ".join(column.name for column in known) or "this change has no parameters of single rows"
    return f"{line} there is no column “{quoted(visible(heading))}” here ({said})."


def _column_words(number: int, heading: str) -> str:
    return quoted(visible(heading)) or f"number {number + 1}, which has no heading"


def check_problem(heading: str, cell: str, *, environment: str, unit: str) -> str:
    """Return why a cell of a column that is only checked does not match the change, or ""."""
    said = visible(cell).lower()
    expected = environment if heading == _ENVIRONMENT else unit
    if said in {"", expected}:
        return ""
    return f"This row is about {said}, and {expected} was chosen. Upload it there, or leave it out"
