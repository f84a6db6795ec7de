"""A plan in brief: how many of what, what to know first, and one page of its rows. What 10,000 rows mean, people read here."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar

from django.db.models import Count, Q, TextField
from django.utils import timezone

from accounts.changes.models import Item
from accounts.changes.plan import Plan, Row
from accounts.changes.states import ItemState
from accounts.queries import AnyOf
from riskadmin.tradovate.vocabulary import Environment

ROWS_A_PAGE: Final = 100
PAGE_DIGITS_MAX: Final = 9
"""More digits are no page's number, and need not be read."""
LATELY: Final = timedelta(days=7)
OFTEN: Final = 2
"""So many things done to one target lately are worth a look before the next one."""

_TOUCHED: Final = (ItemState.APPLIED, ItemState.UNCHANGED)
_NUMBER: Final = re.compile(r"[-+\N{MINUS SIGN}]?\$?\d[\d,]*(?:\.\d+)?%?")
_PLURAL: Final = re.compile(r"s\b")

Shown = TypeVar("Shown")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """What is said of many rows, and of how many."""

    words: str
    count: int


def topics(texts: Iterable[str]) -> tuple[Topic, ...]:
    """Return what texts have in common, commonest first: those that differ in numbers, or after a colon, are one topic."""
    return tuple(sorted(shared((text,) for text in texts), key=lambda topic: -topic.count))


def shared(told: Iterable[Sequence[str]]) -> tuple[Topic, ...]:
    """Return the topics of what is told of each of many rows, in the order in which they come up, with the number of rows."""
    heads: dict[str, str] = {}
    found: dict[str, dict[str, None]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for texts in told:
        for text in texts:
            if text not in heads:
                heads[text] = _PLURAL.sub("", _shortened(text))
                found[heads[text]][text] = None
        counts.update({heads[text] for text in texts})
    return tuple(
        # A single text says it best itself; of several, the plural is what they have in common.
        Topic(words=next(iter(same)) if len(same) == 1 else max(map(_shortened, same), key=len), count=counts[head])
        for head, same in found.items()
    )


def _shortened(text: str) -> str:
    return _NUMBER.sub("…", text.partition(":")[0])


@dataclass(frozen=True, kw_only=True)
class Sheet(Generic[Shown]):
    """One page of rows that are all at hand; `number` counts from 1."""

    rows: Sequence[Shown]
    number: int
    pages: int
    total: int

    @property
    def first(self) -> int:
        """The number of its first row, counted over all pages."""
        return (self.number - 1) * ROWS_A_PAGE + 1

    @property
    def last(self) -> int:
        """The number of its last row."""
        return self.first + len(self.rows) - 1

    @property
    def previous(self) -> int | None:
        """The page before, if there is one."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The page after, if there is one."""
        return self.number + 1 if self.number < self.pages else None


def sheet(rows: Sequence[Shown], wanted: str) -> Sheet[Shown]:
    """Return the page that an address wants; the nearest there is where it wants none or nonsense."""
    pages = max(1, -(-len(rows) // ROWS_A_PAGE))
    is_number = wanted.isascii() and wanted.isdecimal() and len(wanted) <= PAGE_DIGITS_MAX
    number = min(max(int(wanted), 1), pages) if is_number else 1
    return Sheet(rows=rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE], number=number, pages=pages, total=len(rows))


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A plan's counts: what is skipped and why, what to know, and which targets were changed several times lately.

    `looser` and `tighter` say in how many targets something becomes so; one may be among both.
    """

    looser: int
    tighter: int
    skips: tuple[Topic, ...]
    warnings: tuple[Topic, ...]
    touched: dict[str, int]


def overview(planned: Plan) -> Overview:
    """Return a plan in brief; one query."""
    touched = touched_often(planned.sent)
    # The rows of the largest effect first, and each row's gravest word first: so those stand above what is merely common.
    warnings = shared(row.warnings for row in by_weight(planned.sent))
    if touched:
        warnings += (Topic(words="Changed twice or more within 7 days", count=len(touched)),)
    if planned.sent and planned.environment == Environment.LIVE:
        on_live = Topic(words="Touches live: orders there are filled for real money", count=len(planned.sent))
        warnings = (on_live, *warnings)
    directions = Counter(direction for row in planned.sent for direction in _directions(planned, row))
    return Overview(
        looser=directions["looser"],
        tighter=directions["tighter"],
        skips=topics(row.skip_reason for row in planned.skipped),
        warnings=warnings,
        touched=touched,
    )


def _directions(planned: Plan, row: Row) -> set[str]:
    return {each.direction for each in planned.kind.differences(row.before or {}, row.after or {})}


def by_weight(rows: Iterable[Row]) -> list[Row]:
    """Return rows with those of the largest effect first, the others in their order."""
    return sorted(rows, key=lambda row: -row.weight)


def touched_often(rows: Sequence[Row]) -> dict[str, int]:
    """Return how often something was done to each target lately, for those where it was often; one query."""
    accounts = [row.account.pk for row in rows if row.account]
    whose = (
        Q(AnyOf("account_id", accounts))
        if accounts
        else Q(AnyOf("target", [row.target for row in rows], TextField()), account=None)
    )
    items = Item.objects.filter(whose, state__in=_TOUCHED, settled_at__gte=timezone.now() - LATELY)
    return dict(items.values_list("target").annotate(times=Count("pk")).filter(times__gte=OFTEN).order_by())
