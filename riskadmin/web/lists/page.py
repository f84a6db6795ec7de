"""What one request wants of a list: its filters, order and columns, and the addresses that the page links to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django_htmx.http import push_url

from riskadmin.web import csv_file
from riskadmin.web.formats import counted
from riskadmin.web.htmx import is_fragment, render_page_or_fragment
from riskadmin.web.lists import columns
from riskadmin.web.lists.export import csv_lines
from riskadmin.web.lists.filters import Chip, ListFilters
from riskadmin.web.lists.spec import Column, Heading, ListSpec, Row, Sorting, Table
from riskadmin.web.paging import Page
from riskadmin.web.statuses import UNPROCESSABLE


@dataclass(frozen=True)
class RemovableChip:
    """A filter, and the address of the list without it."""

    chip: Chip
    without_url: str


class ListPage(Generic[Row]):
    """A list as one request wants it. Raises BadSort."""

    def __init__(self, spec: ListSpec[Row], request: HttpRequest, filters: ListFilters, *, csv_url: str = "") -> None:
        """Read the address. `csv_url` is where the list is answered as a CSV file, if anywhere."""
        self.spec, self.request, self.filters = spec, request, filters
        self.sorting: Sorting = spec.sorting(request.GET.get("sort", ""))
        self._csv_url = csv_url

    @property
    def order(self) -> tuple[str, ...]:
        """The order of the rows, for `paging.keyset`."""
        return self.sorting.order

    @property
    def age_order(self) -> str:
        """For a list that is sorted by age alone: which rows come first."""
        return "newest" if self.sorting.is_descending else "oldest"

    @property
    def url(self) -> str:
        """The list's address, without parameters."""
        return self.request.path

    @property
    def is_valid(self) -> bool:
        """Whether every filter is valid."""
        return bool(self.filters.is_valid())

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is set."""
        return self.filters.is_filtered

    @property
    def sort(self) -> str:
        """The parameter of the order, if it is not the list's own."""
        return "" if self.sorting.parameter == self.spec.order else self.sorting.parameter

    @property
    def chips(self) -> list[RemovableChip]:
        """The filters, each with the address of the list without it."""
        return [RemovableChip(chip, self.address(**{chip.bound.html_name: ""})) for chip in self.filters.chips]

    @property
    def unfiltered_url(self) -> str:
        """The address of the list in this order, without filters."""
        return self.address(**dict.fromkeys(self.filters.filters, ""))

    @property
    def csv_url(self) -> str:
        """The address of the CSV file of what is listed; "" if there is none."""
        return self._csv_url and self._csv_url + self._query({})

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns that are shown."""
        return self.spec.columns_of(columns.chosen(self.request, self.spec.name))

    @property
    def column_choices(self) -> list[tuple[Column, bool]]:
        """The columns that may be left out, and whether each is shown."""
        return [(column, column in self.columns) for column in self.spec.columns if column.is_optional]

    def address(self, **changed: str) -> str:
        """Return the address of the list with some parameters changed, or left out if they are empty."""
        return self.url + self._query(changed)

    def _query(self, changed: dict[str, str]) -> str:
        wanted = {**self.filters.parameters(), "sort": self.sort, **changed}
        query = urlencode({name: value for name, value in wanted.items() if value})
        return f"?{query}" if query else ""

    def table(self, rows: Sequence[Any], *, caption: str, picks: bool = False) -> Table[Row]:
        """Return rows of the model as the list's table; `picks` offers to select them."""
        headings = tuple(self._heading(column) for column in self.columns)
        return Table(spec=self.spec, headings=headings, rows=self.spec.rows(rows), caption=caption, picks=picks)

    def _heading(self, column: Column) -> Heading:
        if not column.sort:
            return Heading(column=column)
        if column != self.sorting.column:
            return Heading(column=column, sort_url=self._sorted_url(Sorting(column=column, is_descending=False)))
        direction = "descending" if self.sorting.is_descending else "ascending"
        return Heading(column=column, sort_url=self._sorted_url(self.sorting.reversed), sorted=direction)

    def _sorted_url(self, sorting: Sorting) -> str:
        return self.address(sort="" if sorting.parameter == self.spec.order else sorting.parameter)

    def count_words(self, page: Page[Any]) -> str:
        """Say how many rows there are, or how many of them the page shows."""
        count = len(page.rows)
        words = counted(count, self.spec.noun)
        return words if page.is_only_page else f"{words} on this page"

    def answer(self, page_template: str, fragment_template: str, context: dict[str, Any]) -> HttpResponse:
        """Render the page, or for htmx the list alone, with its address for the browser. Invalid filters: 422."""
        context = {"list": self, "form": self.filters.form, **context}
        status = 200 if self.is_valid else UNPROCESSABLE
        response = render_page_or_fragment(self.request, page_template, fragment_template, context, status=status)
        return push_url(response, self.address()) if is_fragment(self.request) else response

    def csv_answer(self, found: "QuerySet[Any]", notes: Sequence[str] = ()) -> HttpResponseBase:
        """Answer with the CSV file of rows of the model. Raises BadRequest if a filter is invalid."""
        if not self.is_valid:
            raise BadRequest("A filter in this address is not valid, so no file was made. Choose the filters on the page.")
        ordered = found.order_by(*self.order)
        return csv_file.response(self.spec.name, csv_lines(self.spec, ordered, notes))
