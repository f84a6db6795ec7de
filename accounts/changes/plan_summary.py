"""A plan in brief, to make 10,000 rows readable: effects, warnings, what is skipped, and one page of rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar
from urllib.parse import quote

from django.db.models import Count, Q, TextField
from django.utils import timezone

from accounts.changes.effects import MEASURES, ChangeEffects, counted
from accounts.changes.kinds.effects import Liquidation, TargetEffects
from accounts.changes.models import Item
from accounts.changes.plan import Plan, Row
from accounts.changes.states import ITEM_AS_INTENDED
from accounts.changes.topics import Topic, key_of, shared, topics
from accounts.models.ids import AnyOf
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.address_number import number_in

ROWS_A_PAGE: Final = 100
LATELY: Final = timedelta(days=7)
OFTEN: Final = 2
"""A target changed this many times recently is worth a check before the next change."""

CHANGED_OFTEN: Final = "Changed twice or more within 7 days"
ON_LIVE: Final = "Touches live: orders there are filled for real money"
"""Warnings about a whole plan, in addition to those of its rows."""

Shown = TypeVar("Shown")
Other = TypeVar("Other")


@dataclass(frozen=True, kw_only=True)
class NumberedPage(Generic[Shown]):
    """One page of rows that are all in memory; `number` counts from 1."""

    rows: Sequence[Shown]
    number: int
    pages: int
    total: int
    size: int = ROWS_A_PAGE

    def showing(self, rows: Sequence[Other]) -> "NumberedPage[Other]":
        """Return the same page with its rows in another form."""
        return NumberedPage(rows=rows, number=self.number, pages=self.pages, total=self.total, size=self.size)

    @property
    def first(self) -> int:
        """The number of its first row, counted over all pages."""
        return (self.number - 1) * self.size + 1

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


def sheet(rows: Sequence[Shown], wanted: str, size: int = ROWS_A_PAGE) -> NumberedPage[Shown]:
    """Return the requested page; the nearest existing one if the number is missing or invalid."""
    pages = max(1, -(-len(rows) // size))
    number = min(max(number_in(wanted) or 1, 1), pages)
    return NumberedPage(rows=rows[(number - 1) * size : number * size], number=number, pages=pages, total=len(rows), size=size)


@dataclass(frozen=True, kw_only=True)
class RowFilter:
    """Which rows of a plan a list shows: those that a measure of `MEASURES` applies to, or that have a warning, by its key."""

    effect: str = ""
    warning: str = ""

    @classmethod
    def of(cls, address: Mapping[str, str], *, also: Iterable[str] = ()) -> "RowFilter":
        """Return the filter in a URL; a value that is neither a measure nor in `also` shows every row."""
        effect = address.get("effect", "")
        return cls(effect=effect if effect in {*MEASURES, *also} else "", warning=address.get("warning", ""))

    @property
    def query(self) -> str:
        """Its part of a URL's query, with the ampersand before it; "" if it filters nothing."""
        said = {"effect": self.effect, "warning": self.warning}
        return "".join(f"&{name}={quote(value)}" for name, value in said.items() if value)

    def __bool__(self) -> bool:
        """Return whether it filters out any row."""
        return bool(self.effect or self.warning)


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A plan in brief: its effects, why rows are skipped, and which targets were changed several times recently."""

    effects: ChangeEffects
    skips: tuple[Topic, ...]
    touched: dict[str, int]

    def shows(self, row: Row, wanted: RowFilter) -> bool:
        """Say whether a filter shows a row."""
        if wanted.effect and not (row.effects and MEASURES[wanted.effect].holds(row.effects)):
            return False
        return not wanted.warning or wanted.warning in self._keys(row)

    def _keys(self, row: Row) -> set[str]:
        keys = {key_of(warning) for warning in row.warnings} | {key_of(ON_LIVE)}
        return keys | {key_of(CHANGED_OFTEN)} if row.target in self.touched else keys


def overview(planned: Plan) -> Overview:
    """Return a plan in brief; one query."""
    touched = touched_often(planned.sent)
    # The rows with the largest effect first, and each row's most serious text first: so those are above the merely common ones.
    warnings = shared(row.warnings for row in by_weight(planned.sent))
    if touched:
        warnings += (Topic(words=CHANGED_OFTEN, count=len(touched)),)
    if planned.sent and planned.environment == Environment.LIVE:
        warnings = (Topic(words=ON_LIVE, count=len(planned.sent)), *warnings)
    return Overview(
        effects=counted(effects_in(planned.sent), skipped=len(planned.skipped), warnings=warnings),
        skips=topics(row.skip_reason for row in planned.skipped),
        touched=touched,
    )


def effects_in(rows: Iterable[Row]) -> list[TargetEffects]:
    """Return the effects of rows, as far as they have any."""
    return [row.effects for row in rows if row.effects is not None]


_URGENCY: Final = {Liquidation.NOW: 0, Liquidation.POSSIBLE: 1, Liquidation.NO: 2}


def by_weight(rows: Iterable[Row]) -> list[Row]:
    """Return rows worst first: those that would be liquidated, then the largest effect, the others in order."""
    return sorted(rows, key=lambda row: (_URGENCY[row.effects.liquidation] if row.effects else 2, -row.weight))


def touched_often(rows: Sequence[Row]) -> dict[str, int]:
    """Return how often each target was changed recently, for those where it was often; one query."""
    accounts = [row.account.pk for row in rows if row.account]
    whose = (
        Q(AnyOf("account_id", accounts))
        if accounts
        else Q(AnyOf("target", [row.target for row in rows], TextField()), account=None)
    )
    items = Item.objects.filter(whose, state__in=ITEM_AS_INTENDED, settled_at__gte=timezone.now() - LATELY)
    return dict(items.values_list("target").annotate(times=Count("pk")).filter(times__gte=OFTEN).order_by())
