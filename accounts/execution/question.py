"""An item whose outcome is unknown, as a person decides about it: what its last reading showed, and who may decide."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from django.db import models
from django.db.models import Max, Q
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Difference, Finding, Kind
from accounts.changes.models import Item
from accounts.changes.states import Direction, ItemState
from accounts.execution.models import CallItem, CallState, Purpose
from riskadmin.staff.models import Staff

NOT_NAMED: Final = "did not name it"
UNREADABLE: Final = "something unreadable"
"""Words in the note of an item whose last reading brought no state to compare."""


class Shown(models.TextChoices):
    """What the last reading after the last call showed of an item."""

    AS_BEFORE = "as_before", "As before"
    AS_INTENDED = "as_intended", "As intended"
    NEITHER = "neither", "Neither as before nor as intended"
    NOT_NAMED = "not_named", "Tradovate did not name it"
    UNREADABLE = "unreadable", "Unreadable"
    NO_RESULT = "no_result", "No result yet"
    NO_WAY = "no_way", "Tradovate offers no way to read it"


_SHOWN_BY_FINDING: Final = {
    Finding.NOT_APPLIED: Shown.AS_BEFORE,
    Finding.APPLIED: Shown.AS_INTENDED,
    Finding.UNCHANGED: Shown.AS_INTENDED,
    Finding.ELSEWHERE: Shown.NEITHER,
}
_MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comparing a recorded state may raise when Tradovate sent a value that the kind does not expect."""


@dataclass(frozen=True, kw_only=True)
class LastCalls:
    """The numbers of an item's last calls, 0 where there is none: of all, of its writes, and of its answered read-backs."""

    last: int = 0
    write: int = 0
    read_back: int = 0


def last_calls(item_ids: Iterable[int]) -> dict[int, LastCalls]:
    """Return the last calls of items; those without a call are left out. One query."""
    answered = Q(call__purpose=Purpose.READ_BACK, call__state=CallState.ANSWERED)
    rows = (
        CallItem.objects.filter(item__in=list(item_ids))
        .values("item_id")
        .annotate(
            last=Max("call_id"),
            write=Max("call_id", filter=Q(call__purpose=Purpose.WRITE)),
            read_back=Max("call_id", filter=answered),
        )
        .order_by()
    )
    return {
        row["item_id"]: LastCalls(last=row["last"], write=row["write"] or 0, read_back=row["read_back"] or 0) for row in rows
    }


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of an unknown item. Items with equal evidence can be decided about together.

    `fields` names what the reading showed differently from before, where it is neither as before nor as intended.
    """

    environment: str
    kind_name: str
    step: int
    shown: Shown
    fields: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A short name for it in addresses and forms."""
        key = f"{self.environment}-{self.kind_name}-{self.step}-{self.shown.value}"
        return f"{key}-{sha256('|'.join(self.fields).encode()).hexdigest()[:12]}" if self.fields else key

    @property
    def words(self) -> str:
        """What it says, for people: "Lock, demo: As before"."""
        kind = KINDS[self.kind_name]
        step = f" ({kind.steps[self.step].lower()})" if len(kind.steps) > 1 else ""
        fields = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{kind.verb}{step}, {self.environment}: {self.shown.label.lower()}{fields}"


@dataclass(frozen=True, kw_only=True)
class Question:
    """An item whose outcome is unknown, as a person has to decide about it."""

    item: Item
    kind: Kind[Any]
    calls: LastCalls = field(default_factory=LastCalls)

    @property
    def is_open(self) -> bool:
        """Whether its outcome is unknown, so that a person may decide about it."""
        return self.item.state == ItemState.UNKNOWN

    @property
    def is_readable(self) -> bool:
        """Whether Tradovate can be asked once more."""
        return self.kind.is_read_back

    @property
    def is_due(self) -> bool:
        """Whether it is to be read back as soon as Tradovate can be reached."""
        return self.item.not_before is not None and self.item.not_before <= timezone.now()

    @property
    def is_typed(self) -> bool:
        """Whether a decision takes a name or number to be typed: a second call may do harm, or what it does is final."""
        return self.kind.direction == Direction.DESTRUCTIVE or not self.kind.is_resend_safe(self.item.step)

    @property
    def why(self) -> str:
        """Why the outcome is unknown, in a sentence or two."""
        note = self.item.note.rstrip(".") or "The call ended without an answer"
        return f"{note}." if self.is_readable else f"{note}. Tradovate offers no way to read back whether it was applied."

    @cached_property
    def shown(self) -> Shown:
        """What its last reading showed."""
        item = self.item
        if not self.is_readable:
            return Shown.NO_WAY
        if self.calls.read_back <= self.calls.write:
            return Shown.NO_RESULT
        if NOT_NAMED in item.note:
            return Shown.NOT_NAMED
        if UNREADABLE in item.note:
            return Shown.UNREADABLE
        if item.observed is None:
            return Shown.NO_RESULT
        try:
            finding = self.kind.judge(before=item.before or {}, after=item.after or {}, observed=item.observed, step=item.step)
        except _MALFORMED:
            return Shown.UNREADABLE
        return _SHOWN_BY_FINDING[finding]

    @cached_property
    def moved(self) -> tuple[Difference, ...]:
        """What the last reading showed differently from before; nothing where it showed no state."""
        if self.shown not in _SHOWN_BY_FINDING.values():
            return ()
        try:
            found = self.kind.differences(self.item.before or {}, self.item.observed or {})
        except _MALFORMED:
            return ()
        return tuple(each for each in found if each.before != each.after)

    @cached_property
    def evidence(self) -> Evidence:
        """What is known of it."""
        fields = (f"{each.label} {each.direction}".strip() for each in self.moved) if self.shown == Shown.NEITHER else ()
        return Evidence(
            environment=self.item.environment,
            kind_name=self.item.change.kind,
            step=self.item.step,
            shown=self.shown,
            fields=tuple(sorted(set(fields))),
        )

    def refuses(self, person: Staff) -> str:
        """Return why this person can't decide about it, or ""."""
        if self.item.change.requested_by_id == person.pk:
            return "You requested this change, so somebody else has to decide."
        return ""


def question(item: Item) -> Question:
    """Return one item as a question; it need not be unknown."""
    (asked,) = questions([item])
    return asked


def questions(items: Iterable[Item]) -> list[Question]:
    """Return items, with their changes, as questions, in their order. One query."""
    found = list(items)
    calls: Mapping[int, LastCalls] = last_calls(item.pk for item in found)
    return [
        Question(
            item=item,
            kind=KINDS[item.change.kind].of(item.change.parameters),
            calls=calls.get(item.pk, LastCalls()),
        )
        for item in found
    ]
