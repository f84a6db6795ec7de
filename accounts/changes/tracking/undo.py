"""What would undo a finished change, computed from what its items recorded; nothing is written.

An undo is a change like any other. It differs in where its targets come from, and in skipping everything that is no longer as
the first change left it: that is decided here, for the page, the plan and the submission.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q

from accounts.changes.ending import half_done
from accounts.changes.kinds import KINDS, for_stored
from accounts.changes.kinds.kind import Done, Inverse, Irreversible, Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED, State, StoredKind
from accounts.changes.models import Change, Item
from accounts.changes.states import ITEM_FAILED, ItemState, Relation
from accounts.changes.targeting.source import Link
from accounts.changes.targeting.targets import TargetSelection, in_common
from accounts.changes.topics import Topic, topics
from accounts.models import Account, Trader
from riskadmin.tradovate.vocabulary import Environment

Subject = Account | Trader

CONTINUES: Final = frozenset({Relation.REPEATS, Relation.CARRIES_ON, Relation.TAKES_OVER, Relation.EDITS})
"""A change with one of these relations to an undo is the same undo, for some of its targets."""


@dataclass(frozen=True, kw_only=True)
class UndoPart:
    """The undo of some of the items in one change: its kind, its parameters, and the targets in order.

    `moved` is how many of them are no longer as they were left; they are named in the plan and skipped there.
    """

    kind: Kind
    parameters: State
    per_target: Mapping[int, State]
    ids: tuple[int, ...]
    moved: int
    remarks: tuple[Topic, ...]

    @property
    def undoable(self) -> int:
        """How many targets would be undone, according to the mirror."""
        return len(self.ids) - self.moved

    @property
    def words(self) -> str:
        """What it would do: "Unlock 3 accounts"."""
        return self.kind.words(self.undoable)

    @property
    def parameter_words(self) -> tuple[tuple[str, str], ...]:
        """The parameters that all its targets share, for display."""
        return self.kind.parameter_words(self.parameters)


@dataclass(frozen=True, kw_only=True)
class Left:
    """An item that is skipped, and why; with its state then and now, if it was changed since."""

    item: Item
    reason: str
    as_left: State | None = None
    now: State | None = None


@dataclass(frozen=True, kw_only=True)
class Undo:
    """The undo of a change: parts that each become a separate change, and the items that are left as they are."""

    change: Change
    kind: StoredKind
    parts: tuple[UndoPart, ...]
    left: tuple[Left, ...]

    @property
    def reasons(self) -> tuple[Topic, ...]:
        """Why items are left as they are, and how many for each reason."""
        return topics(each.reason for each in self.left)

    def chosen(self, part: UndoPart) -> TargetSelection:
        """Return the targets of a part in the form of a request."""
        return TargetSelection(
            environment=Environment(self.change.environment),
            unit=part.kind.unit,
            ids=part.ids,
            source=f"Undo of change {self.change.pk}",
            parameters=part.parameters,
            per_target=part.per_target,
            link=Link(change_id=self.change.pk, relation=Relation.UNDOES),
        )


def undo_of(change: Change) -> Undo:
    """Return what would undo a finished change, according to the mirror. A fixed number of queries, whatever its items."""
    kind, environment = for_stored(change), Environment(change.environment)
    applied, left = list[Item](), list[Left]()
    if not isinstance(kind, Kind):
        done = change.items.filter(_did_something()).order_by("position")
        return Undo(change=change, kind=kind, parts=(), left=tuple(Left(item=item, reason=NOT_SUPPORTED) for item in done))
    inverses: dict[int, Inverse] = {}
    for item in change.items.filter(_did_something()).order_by("position"):
        found = _inverse(kind, environment, item)
        if isinstance(found, Irreversible):
            left.append(Left(item=item, reason=found.reason))
        else:
            applied.append(item)
            inverses[item.target_id] = found
    moved = _moved(change, kind, applied)
    parts = _parts(inverses, moved)
    left = sorted([*left, *moved.values()], key=lambda each: each.item.position)
    return Undo(change=change, kind=kind, parts=parts, left=tuple(left))


def left_alone(link: Link | None, target_ids: Sequence[int]) -> dict[int, str]:
    """Return which targets a change that comes from `link` skips, and why; none unless it is an undo.

    Computed again with each plan of it: neither what a form says, nor the accounts' state when the undo was begun, counts.
    """
    change = _undone(link)
    if change is None:
        return {}
    kind = for_stored(change)
    if not isinstance(kind, Kind):
        return dict.fromkeys(target_ids, NOT_SUPPORTED)
    applied = {item.target_id: item for item in change.items.filter(state=ItemState.APPLIED)}
    moved = _moved(change, kind, [applied[target_id] for target_id in target_ids if target_id in applied])
    reasons = {target_id: each.reason for target_id, each in moved.items()}
    nothing = f"Change {change.pk} did nothing to it that could be undone"
    return reasons | {target_id: nothing for target_id in target_ids if target_id not in applied}


def _undone(link: Link | None) -> Change | None:
    """Return the change to be undone, also if an undo is requested again for its failed or moved items."""
    if link is None:
        return None
    relation, change = str(link.relation), Change.objects.get(pk=link.change_id)
    while relation in CONTINUES and change.of_change is not None:
        relation, change = change.relation, change.of_change
    return change if relation == Relation.UNDOES else None


# --- Items --------------------------------------------------------------------------------------------------------------


def _did_something() -> Q:
    """Items that were applied, and those that ended with only the first of their steps done."""
    return Q(state=ItemState.APPLIED) | Q(step__gt=0, state__in=ITEM_FAILED)


def _inverse(kind: Kind, environment: Environment, item: Item) -> Inverse | Irreversible:
    if item.is_half_done:
        return Irreversible(reason=f"{half_done(kind.steps, item.step)}What that left is put right by hand")
    return kind.inverse(_done(kind, environment, item))


def _done(kind: Kind, environment: Environment, item: Item) -> Done:
    return Done(environment=environment, before=item.before or {}, after=item.after or {}, observed=_seen(kind, item))


def _seen(kind: Kind, item: Item) -> State | None:
    """Return what an item's read-back showed, if that is the intended state; else a person has said that it was applied.

    With several steps, each has a read-back of its own, and none shows the whole.
    """
    if item.observed is None or not kind.is_read_back or len(kind.steps) > 1:
        return None
    finding = kind.interpret_read_back(before=item.before or {}, after=item.after or {}, observed=item.observed, step=0)
    return item.observed if finding.is_as_intended else None


def _moved(change: Change, kind: Kind, items: Sequence[Item]) -> dict[int, Left]:
    """Return the items whose targets are no longer as they were left, by target."""
    environment = Environment(change.environment)
    found = kind.subjects(environment, [item.target_id for item in items])
    moved = {item.target_id: _left(change, kind, environment, item, found.get(item.target_id)) for item in items}
    return {target_id: each for target_id, each in moved.items() if each is not None}


def _left(change: Change, kind: Kind, environment: Environment, item: Item, subject: Subject | None) -> Left | None:
    if subject is None:
        return Left(item=item, reason=f"Unknown: no such {kind.unit.value} was read from Tradovate")
    obstacle = kind.obstacle(subject)
    if obstacle:
        return Left(item=item, reason=obstacle)
    done, now = _done(kind, environment, item), kind.state(subject)
    if kind.unchanged_since(done, now):
        return None
    return Left(item=item, reason=f"Changed since change {change.pk} left it", as_left=done.observed, now=now)


# --- Parts --------------------------------------------------------------------------------------------------------------


def _parts(inverses: Mapping[int, Inverse], moved: Mapping[int, Left]) -> tuple[UndoPart, ...]:
    """Combine what one change can do: the same kind with the same parameters."""
    grouped: dict[tuple[str, str], dict[int, Inverse]] = {}
    for target_id, inverse in inverses.items():
        said = json.dumps(inverse.parameters, cls=DjangoJSONEncoder, sort_keys=True)
        grouped.setdefault((inverse.kind_name, said), {})[target_id] = inverse
    return tuple(_part(KINDS[name], group, moved.keys()) for (name, _), group in grouped.items())


def _part(kind: Kind, group: Mapping[int, Inverse], moved: Iterable[int]) -> UndoPart:
    shared = in_common([inverse.own for inverse in group.values()])
    parameters = {**next(iter(group.values())).parameters, **shared}
    own = {
        target_id: {name: value for name, value in inverse.own.items() if name not in shared}
        for target_id, inverse in group.items()
    }
    return UndoPart(
        kind=kind.of(parameters),
        parameters=parameters,
        per_target={target_id: each for target_id, each in own.items() if each},
        ids=tuple(group),
        moved=len(group.keys() & set(moved)),
        remarks=topics(inverse.remark for inverse in group.values() if inverse.remark),
    )
