"""A pending change, recomputed from the current mirror: what people are shown before they approve it.

They approve the items as requested. What those would do, and what has moved since, is recomputed each time the page is opened;
nothing is written.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

from accounts.approvals.subjects import DecisionRefused
from accounts.changes.effects import MEASURES, ChangeEffects, Measure, differing
from accounts.changes.freshness import good_since, old_rows, read_again
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import State
from accounts.changes.lately import Lately, lately
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, Row, moved_since, own_parameters, plan
from accounts.changes.plan_summary import Overview, RowFilter, by_weight, overview
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.topics import Topic, topics
from riskadmin.tradovate.vocabulary import Environment

MOVED: Final = "moved"
NOT_RECOMPUTED: Final = "not_recomputed"
SKIPPED: Final = "skipped"
LATELY: Final = "lately"
"""What a list of items can be filtered by, in addition to the measures of their effects."""

FILTERS: Final = (MOVED, NOT_RECOMPUTED, SKIPPED, LATELY)

_COLUMNS: Final = ("change", "position", "target", "target_name", "before", "after", "own_parameters", "state", "note")


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One item as it was requested, and its row as planned now; None for one that was skipped when requested.

    `has_moved` says that its target is no longer in the state it was shown in; `now` is the current state, None if it is gone.
    """

    item: Item
    row: Row | None = None
    has_moved: bool = False
    now: State | None = None

    @property
    def not_recomputed(self) -> str:
        """Why its effects could not be recomputed, or ""."""
        return self.row.skip_reason if self.row else ""


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """A pending change as planned now, its items worst first.

    `old` counts the targets whose reading is too old to approve by, and `unread` says why they can't be read; `lately` is what
    its requester asked for lately for the same targets; `excluded` are items that an approval from this page leaves out.
    """

    change: Change
    plan: Plan
    overview: Overview
    items: tuple[Reviewed, ...]
    skipped: tuple[Reviewed, ...]
    old: int
    unread: str
    lately: Lately
    excluded: tuple[Item, ...] = ()

    @property
    def oldest_read_at(self) -> datetime | None:
        """When the oldest state that it depends on was read."""
        return self.plan.oldest_read_at

    @cached_property
    def moved(self) -> tuple[Reviewed, ...]:
        """The items whose targets are no longer in the state that they were shown in."""
        return tuple(each for each in self.items if each.has_moved)

    @cached_property
    def not_recomputed(self) -> tuple[Topic, ...]:
        """Why effects could not be recomputed, and for how many items."""
        return topics(each.not_recomputed for each in self.items if each.not_recomputed)

    @property
    def requested(self) -> ChangeEffects | None:
        """The effects that were stored when it was requested."""
        return ChangeEffects.from_json(self.change.effects)

    @property
    def differing(self) -> list[tuple[Measure, int, int]]:
        """The effects at the time of the request and now, as far as they differ; none if items are left out of them."""
        return [] if self.excluded else differing(self.requested, self.overview.effects)

    def with_effect(self, name: str) -> list[str]:
        """Return the keys of the items that a measure applies to."""
        holds = MEASURES[name].holds
        return [str(each.item.pk) for each in self.items if each.row and each.row.effects and holds(each.row.effects)]

    def without(self, keys: Collection[str]) -> "Recomputed":
        """Return what is left of it, with its effects, if the items with these keys are excluded; one query, or none."""
        if not keys:
            return self
        left = tuple(each for each in self.items if str(each.item.pk) not in keys)
        planned = replace(self.plan, rows=tuple(each.row for each in left if each.row))
        gone = tuple(each.item for each in self.items if str(each.item.pk) in keys)
        return replace(self, plan=planned, overview=overview(planned), items=left, excluded=gone)

    def filtered(self, wanted: RowFilter, search: str) -> Sequence[Reviewed]:
        """Return the items that match a filter and a search by part of the name or the whole id."""
        found = self.skipped if wanted.effect == SKIPPED else self.items
        if wanted.effect == MOVED:
            found = self.moved
        elif wanted.effect == NOT_RECOMPUTED:
            found = tuple(each for each in self.items if each.not_recomputed)
        elif wanted.effect == LATELY:
            found = tuple(each for each in self.items if each.item.target in self.lately.targets)
        elif wanted and wanted.effect != SKIPPED:
            found = tuple(each for each in self.items if each.row and self.overview.shows(each.row, wanted))
        words = search.casefold()
        return [each for each in found if words in each.item.target_name.casefold() or words == str(each.item.target_id)]


def recomputed(change: Change, *, read: bool) -> Recomputed | None:
    """Return a pending change as planned now; None for the end of a lock, which is planned when its time comes.

    None also if its kind is no longer supported: nothing can be planned for it. With `read`, outdated state is read from
    Tradovate first. Otherwise a fixed number of queries, whatever the number of its items.
    """
    kind = for_stored(change)
    if change.relation == Relation.ENDS or not isinstance(kind, Kind):
        return None
    items = list(change.items.order_by("position").only(*_COLUMNS))
    waiting = [item for item in items if item.state == ItemState.WAITING]
    planned, since, unread = _planned(change, kind, waiting), good_since(), ""
    old = old_rows(planned, since)
    if old and read:
        unread = read_again(kind, planned.environment, old, lane=planned.lane)
        planned = _planned(change, kind, waiting)
        old = old_rows(planned, since)
    return Recomputed(
        change=change,
        plan=planned,
        overview=overview(planned),
        items=_reviewed(kind, waiting, planned),
        skipped=tuple(Reviewed(item=item) for item in items if item.state == ItemState.SKIPPED),
        old=len(old),
        unread=unread,
        lately=lately(change, [item.target for item in waiting]),
    )


AGAIN: Final = "Review it again."


def liquidates_more(change: Change, seen: ChangeEffects | None) -> DecisionRefused | None:
    """Return why an approver can't approve a pending change that would or might liquidate more by now than they were shown."""
    review = recomputed(change, read=False) if seen and change.state == ChangeState.PENDING else None
    if review is None or seen is None:
        return None
    now = review.overview.effects
    certain, possible = now.liquidated - seen.liquidated, now.possibly_liquidated - seen.possibly_liquidated
    if certain > 0:
        return DecisionRefused(f"It would liquidate {now.liquidated:,} by now, and you were shown {seen.liquidated:,}. {AGAIN}")
    if certain + possible > 0:
        shown = f"{now.possibly_liquidated:,} by now, and you were shown {seen.possibly_liquidated:,}"
        return DecisionRefused(f"It might liquidate {shown}. {AGAIN}")
    return None


def _planned(change: Change, kind: Kind, waiting: Sequence[Item]) -> Plan:
    planned = plan(
        kind,
        environment=Environment(change.environment),
        target_ids=[item.target_id for item in waiting],
        parameters=change.parameters,
        per_target=own_parameters(waiting),
        requested_as=change.pk,
    )
    # If the mirror has lost a target, the item still has its name.
    names = {item.target: item.target_name for item in waiting}
    return replace(planned, rows=tuple(row if row.subject else replace(row, name=names[row.target]) for row in planned.rows))


def _reviewed(kind: Kind, waiting: Sequence[Item], planned: Plan) -> tuple[Reviewed, ...]:
    of_target = {item.target: item for item in waiting}
    found = {row.target_id: row.subject for row in planned.rows if row.subject}
    moved = {item.target: now for item, now in moved_since(kind, waiting, found)}
    return tuple(
        Reviewed(item=of_target[row.target], row=row, has_moved=row.target in moved, now=moved.get(row.target))
        for row in by_weight(planned.rows)
    )
