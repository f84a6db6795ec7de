"""The items whose outcome is unknown, across changes: filtered, grouped by their evidence, and a page of them."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import QuerySet

from accounts.changes.access import of_visible_changes
from accounts.changes.models import Item
from accounts.changes.queries import unknown_items
from accounts.execution.resolving import RESOLVED_TOGETHER
from accounts.execution.unknown_item import Evidence, Question, questions, questions_of
from accounts.models import Trader
from riskadmin.staff.models import Staff
from riskadmin.web.paging import Page, keyset

EXAMINED_MAX: Final = 2000
"""Items whose evidence is compared for one page; the oldest, if there are more."""

READ_AT_ONCE: Final = 20_000
"""Items that are set to be read again with one action."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The filters of the list; empty values filter nothing. `evidence` is an `Evidence.key`."""

    change_id: int | None = None
    kind_name: str = ""
    environment: str = ""
    evidence: str = ""

    @property
    def query(self) -> str:
        """The filters as the query string of a URL."""
        named = {
            "change": self.change_id,
            "kind": self.kind_name,
            "environment": self.environment,
            "evidence": self.evidence,
        }
        return urlencode({name: value for name, value in named.items() if value})


def matching(filters: Filters, viewer: Staff | None = None) -> QuerySet[Item]:
    """Return the unknown items that match and that somebody sees, oldest first, whatever their evidence."""
    found = unknown_items(viewer)
    if filters.change_id:
        found = found.filter(change_id=filters.change_id)
    if filters.kind_name:
        found = found.filter(change__kind=filters.kind_name)
    if filters.environment:
        found = found.filter(change__environment=filters.environment)
    return found


@dataclass(frozen=True, kw_only=True)
class Group:
    """Unknown items with the same evidence."""

    evidence: Evidence
    count: int


@dataclass(frozen=True, kw_only=True)
class Examined:
    """The unknown items that match, at most EXAMINED_MAX, with their evidence. `total` counts all, with any evidence."""

    filters: Filters
    examined: Sequence[Question]
    total: int

    @property
    def is_cut(self) -> bool:
        """Whether there are more than were examined."""
        return self.total > len(self.examined)

    @cached_property
    def groups(self) -> list[Group]:
        """The items by their evidence, largest group first."""
        counts = Counter(asked.evidence for asked in self.examined)
        return [Group(evidence=evidence, count=count) for evidence, count in counts.most_common()]

    @cached_property
    def found(self) -> Sequence[Question]:
        """Those with the evidence that the filters name; all, if they name none."""
        key = self.filters.evidence
        return [asked for asked in self.examined if asked.evidence.key == key] if key else self.examined

    def page(self, viewer: Staff, cursor: str | None) -> tuple[Page[Item], list["Row"]]:
        """Return a page of those found, as the viewer sees them. Raises BadCursor."""
        by_id = {asked.item.pk: asked for asked in self.found}
        page = keyset(Item.objects.filter(pk__in=list(by_id)), ("id",), cursor)
        return page, rows_of([by_id[item.pk] for item in page.rows], viewer)


def examine(filters: Filters, viewer: Staff | None = None) -> Examined:
    """Return the unknown items that match and that somebody sees, with their evidence."""
    found = matching(filters, viewer)
    items = list(found[: EXAMINED_MAX + 1])
    total = len(items) if len(items) <= EXAMINED_MAX else found.count()
    return Examined(filters=filters, examined=questions(items[:EXAMINED_MAX]), total=total)


def ids_to_read(filters: Filters, viewer: Staff) -> list[int]:
    """Return the items that match, to be read again; if evidence is named, those examined that have it."""
    if filters.evidence:
        return [asked.item.pk for asked in examine(filters, viewer).found]
    return list(matching(filters, viewer).values_list("pk", flat=True)[:READ_AT_ONCE])


@dataclass(frozen=True, kw_only=True)
class TargetSelection:
    """The items that a resolution would be about. `is_cut`: there are more than one resolution takes."""

    asked: Sequence[Question]
    is_cut: bool = False


def chosen(item_ids: Collection[int], viewer: Staff) -> TargetSelection:
    """Return the items with these numbers that somebody sees, oldest first; they may be settled already."""
    seen = of_visible_changes(Item.objects.filter(pk__in=list(item_ids)), viewer)
    return TargetSelection(asked=questions_of(list(seen.values_list("pk", flat=True))))


def chosen_by(filters: Filters, viewer: Staff) -> TargetSelection:
    """Return the unknown items that match, the oldest if one resolution can't take all of them."""
    found = examine(filters, viewer).found
    return TargetSelection(asked=found[:RESOLVED_TOGETHER], is_cut=len(found) > RESOLVED_TOGETHER)


@dataclass(frozen=True, kw_only=True)
class Row:
    """An unknown item as lists show it: with its account's trader, and why the viewer can't resolve it, if so."""

    asked: Question
    trader: str
    refusal: str

    @property
    def item(self) -> Item:
        """The item."""
        return self.asked.item


def rows_of(shown: Sequence[Question], viewer: Staff) -> list[Row]:
    """Return items as rows of a list. One query."""
    accounts = [asked.item.account_id for asked in shown if asked.item.account_id]
    traders: dict[Any, str] = dict(Trader.objects.filter(accounts__in=accounts).values_list("accounts", "name"))
    return [Row(asked=asked, trader=traders.get(asked.item.account_id, ""), refusal=asked.refuses(viewer)) for asked in shown]
