"""Which tables are under proof, and how PostgreSQL writes their rows. A package registers its own tables as it starts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from django.db import models
from psycopg import sql

_TIME: Final = """to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


@dataclass(frozen=True)
class Source:
    """A table whose rows become leaves. Its ids must be drawn by the INSERT itself, as `horizon` says.

    `groups` names what may hold personal data: a leaf commits to each group by a salted hash, so that an export can leave it
    out. `complete` is a condition on a row that is sealed later than it is inserted; such a row never changes afterwards.
    `absent` gives columns that were added to the table later the text that means "was not there": such a value is left out of
    the leaf, as NULL is, so that older leaves stay as they are. `about` is a condition that selects the rows which belong to
    the events whose ids are in the table `exported(id)`; None selects none. `time` is the column with the time of
    the INSERT, if there is one.
    """

    model: type[models.Model]
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    complete: str = ""
    absent: Mapping[str, str] = field(default_factory=dict)
    about: str | None = None
    time: str = ""

    @property
    def table(self) -> str:
        """The table's name."""
        return self.model._meta.db_table

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All columns, the id first."""
        return tuple(str(each.column) for each in self.model._meta.concrete_fields)

    @cached_property
    def texts(self) -> sql.Composable:
        """The columns as texts, to be selected from the table under the name `row_`."""
        return sql.SQL(", ").join(map(self._text, self.model._meta.concrete_fields))

    def _text(self, column: "models.Field[Any, Any]") -> sql.Composable:
        name = sql.Identifier("row_", str(column.column))
        is_time = isinstance(column, models.DateTimeField)
        text = sql.SQL(_TIME).format(column=name) if is_time else sql.SQL("{}::text").format(name)
        absent = self.absent.get(str(column.column))
        return text if absent is None else sql.SQL("NULLIF({}, {})").format(text, sql.Literal(absent))


_sources: Final[dict[str, Source]] = {}


def put_under_proof(source: Source) -> None:
    """Have the rows of a table sealed from now on, those that are there already too. A package calls this as it starts."""
    _sources[source.table] = source


def sources() -> list[Source]:
    """Return all tables under proof, in the order in which they are sealed: always the same."""
    return [_sources[table] for table in sorted(_sources)]


def source_of(table: str) -> Source:
    """Return one of them. Raises KeyError."""
    return _sources[table]
