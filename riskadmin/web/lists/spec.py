"""The declaration of a list: its columns, its orders, and its CSV file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.core.exceptions import BadRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from riskadmin.web.csv_file import Value
from riskadmin.web.lists.filters import ListFilters

Row = TypeVar("Row")


class BadSort(BadRequest):
    """The address names a sort order that the list doesn't have. Answered with 400."""

    def __init__(self) -> None:
        """The message is shown to the person."""
        super().__init__("This list can't be sorted in the way that the address says. Click a column's heading to sort it.")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. Its cells are in the list's row template: `{% cell "name" %}…{% endcell %}`, in the same order.

    `sort` is the ascending order that a click on its heading asks for: model fields without NULL, the last one unique, that an
    index serves in both directions. A column that is not optional is always shown. `css` are the classes of its cells.
    """

    name: str
    label: str
    sort: tuple[str, ...] = ()
    css: str = ""
    is_optional: bool = True
    is_shown_at_first: bool = True

    @cached_property
    def opening_tag(self) -> SafeString:
        """The opening tag of its cells. Small screens show the label of an optional column beside the value."""
        return format_html('<td class="{}" data-label="{}">', self.css if self.is_optional else f"lead {self.css}", self.label)


@dataclass(frozen=True, kw_only=True)
class Sorting:
    """An order of a list: by which column, and in which direction."""

    column: Column
    is_descending: bool

    @property
    def order(self) -> tuple[str, ...]:
        """The order as `paging.keyset` takes it."""
        sign = "-" if self.is_descending else ""
        return tuple(f"{sign}{name}" for name in self.column.sort)

    @property
    def parameter(self) -> str:
        """The value of the address's parameter `sort`: "account", "-time"."""
        return f"{'-' if self.is_descending else ''}{self.column.name}"

    @property
    def reversed(self) -> "Sorting":
        """The same column in the other direction."""
        return Sorting(column=self.column, is_descending=not self.is_descending)


@dataclass(frozen=True, kw_only=True)
class CsvColumn(Generic[Row]):
    """One column of a list's CSV file, and what a row has in it."""

    heading: str
    value: Callable[[Row], Value]


@dataclass(frozen=True, kw_only=True)
class ListSpec(Generic[Row]):
    """A list. `order` is its first sort order, such as "account" or "-time"; `row_template` shows one row.

    `rows` returns what the templates and the CSV file show of some of the model's rows, in the same number of queries for any
    number of them.
    """

    name: str
    noun: str
    columns: tuple[Column, ...]
    filters: type[ListFilters]
    order: str
    row_template: str
    rows: Callable[[Sequence[Any]], Sequence[Row]]
    csv: tuple[CsvColumn[Row], ...] = ()
    table_css: str = ""

    def __post_init__(self) -> None:
        """Refuse an order that the list doesn't have."""
        self.sorting(self.order)

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    def sorting(self, parameter: str) -> Sorting:
        """Return the order that a parameter names, the list's own for "". Raises BadSort."""
        wanted = parameter or self.order
        column = self.by_name.get(wanted.removeprefix("-"))
        if column is None or not column.sort:
            raise BadSort
        return Sorting(column=column, is_descending=wanted.startswith("-"))

    def columns_of(self, chosen: Sequence[str]) -> tuple[Column, ...]:
        """Return the columns to show: the chosen optional ones, or those shown at first if none is chosen."""
        known = {column.name for column in self.columns if column.is_optional} & set(chosen)
        return tuple(
            column
            for column in self.columns
            if not column.is_optional or (column.name in known if known else column.is_shown_at_first)
        )

    def panel(self, rows: Sequence[Row], *, caption: str, without: str = "") -> "Table[Row]":
        """Return some rows as a table outside the list's own page: nothing to sort or choose, one column left out."""
        headings = tuple(Heading(column=column) for column in self.columns_of(()) if column.name != without)
        return Table(spec=self, headings=headings, rows=rows, caption=caption, is_panel=True)


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A column's heading: the address that sorts by it, if it can be sorted by, and how it is sorted now (`aria-sort`)."""

    column: Column
    sort_url: str = ""
    sorted: str = ""


@dataclass(frozen=True, kw_only=True)
class Table(Generic[Row]):
    """Rows as `list/_table.html` shows them. `is_panel`: outside the list's own page. `picks`: rows may be selected."""

    spec: ListSpec[Row]
    headings: tuple[Heading, ...]
    rows: Sequence[Row]
    caption: str
    is_panel: bool = False
    picks: bool = False

    @cached_property
    def shown(self) -> frozenset[str]:
        """The names of the columns that are shown."""
        return frozenset(heading.column.name for heading in self.headings)

    @property
    def width(self) -> int:
        """How many cells a row has."""
        return len(self.headings) + self.picks
