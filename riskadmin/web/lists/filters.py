"""The filters of a list: a django-filter FilterSet whose fields are the parameters of the page's address."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import django_filters
from django import forms
from django.db.models import Model, QuerySet
from django.forms.boundfield import BoundField
from django.http import QueryDict
from django.utils.safestring import SafeString

from riskadmin.web.templatetags.face import widget_of

Choices = list[tuple[Any, Any]]


class SelectFilter(django_filters.Filter):
    """One of some choices. The first of them filters nothing, and has the value ""."""

    field_class = forms.ChoiceField


class NumberFilter(django_filters.Filter):
    """A whole number."""

    field_class = forms.IntegerField


class CheckFilter(django_filters.Filter):
    """A box that filters when it is checked."""

    field_class = forms.BooleanField


class ListFilters(django_filters.FilterSet):
    """The filters of one list. Invalid ones match nothing; `form` says what is wrong with them."""

    choices_read: "dict[str, Callable[[], Choices]]" = {}
    """Choices that are read from the database, by filter: only when they are needed, and once."""

    def __init__(self, data: QueryDict | dict[str, Any], queryset: "QuerySet[Any] | None" = None) -> None:
        """Take the parameters of an address."""
        super().__init__(data, queryset=queryset)
        for name, read in self.choices_read.items():
            self.filters[name].extra["choices"] = cache(read)

    def filter_queryset(self, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows that match all filters; none if one of them is invalid."""
        if not self.is_valid():
            return queryset.none()
        filtered: QuerySet[Model] = super().filter_queryset(queryset)
        return filtered

    @property
    def is_filtered(self) -> bool:
        """Whether any filter is set."""
        return any(chip.is_active for chip in self.chips)

    @property
    def chips(self) -> "Iterator[Chip]":
        """The filters as the page shows them."""
        return (Chip(bound=bound) for bound in self.form)

    def parameters(self) -> dict[str, str]:
        """The parameters of the address that filter something."""
        return {chip.bound.html_name: chip.typed for chip in self.chips if chip.is_active}


@dataclass(frozen=True)
class Chip:
    """One filter on the page."""

    bound: BoundField

    @property
    def typed(self) -> str:
        """What the address says."""
        value = self.bound.data
        return "" if value is None or value is False else "on" if value is True else str(value)

    @property
    def is_active(self) -> bool:
        """Whether it filters something, or tries to."""
        return self.typed.strip() != ""

    @property
    def widget(self) -> SafeString:
        """The control, linked to its error."""
        return widget_of(self.bound, f"{self.bound.auto_id}_error" if self.bound.errors else "")
