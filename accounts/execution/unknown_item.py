"""An item whose outcome is unknown, as a person resolves it: what its last reading showed, and who may resolve it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from django.db import models
from django.db.models import Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.changes.access import conflict_with
from accounts.changes.kinds import for_stored, named
from accounts.changes.kinds.kind import Finding, Kind
from accounts.changes.kinds.stored import Difference, State, StoredKind
from accounts.changes.models import Item
from accounts.changes.states import Direction, ItemState
from accounts.changes.stops import Ahead, Stop, Stops, stops_now
from accounts.execution.models import Call, CallItem, CallState, Purpose
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment
from riskadmin.web.looks import Look

NOT_NAMED: Final = "left it out of its answers"
UNREADABLE: Final = "something unreadable"
"""Words in the note of an item whose last reading returned no state to compare."""


class Shown(models.TextChoices):
    """What the last reading after the last call showed about an item."""

    AS_BEFORE = "as_before", "As before"
    AS_INTENDED = "as_intended", "As intended"
    NEITHER = "neither", "Neither as before nor as intended"
    NOT_NAMED = "not_named", "Tradovate did not name it"
    UNREADABLE = "unreadable", "Unreadable"
    NO_RESULT = "no_result", "No result yet"
    NO_ENDPOINT = "no_endpoint", "Tradovate offers no way to read it"
    RETIRED = "retired", "Its kind is no longer supported"


SHOWN_LOOK: Final[dict[Shown, Look]] = {
    Shown.AS_BEFORE: Look(tone="info", icon="equal", explanation="Tradovate shows the state from before the call."),
    Shown.AS_INTENDED: Look(tone="ok", icon="circle-check", explanation="Tradovate shows the state that was requested."),
    Shown.NEITHER: Look(tone="danger", icon="alert-octagon", explanation="Tradovate shows a third state."),
    Shown.NOT_NAMED: Look(
        tone="warn", icon="alert-triangle", explanation="Tradovate's answers left it out, which proves nothing."
    ),
    Shown.UNREADABLE: Look(tone="warn", icon="alert-triangle", explanation="What Tradovate sent can't be compared."),
    Shown.NO_RESULT: Look(tone="neutral", icon="circle-dashed", explanation="It was not read after its last call."),
    Shown.NO_ENDPOINT: Look(tone="neutral", icon="circle-dashed", explanation="No endpoint of Tradovate shows it."),
    Shown.RETIRED: Look(tone="warn", icon="alert-triangle", explanation="This version can't compare readings of this kind."),
}

_SHOWN_BY_FINDING: Final = {
    Finding.NOT_APPLIED: Shown.AS_BEFORE,
    Finding.APPLIED: Shown.AS_INTENDED,
    Finding.UNCHANGED: Shown.AS_INTENDED,
    Finding.ELSEWHERE: Shown.NEITHER,
}
_MALFORMED: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comparing a recorded state may raise if Tradovate sent a value that the kind does not expect."""


@dataclass(frozen=True, kw_only=True)
class LastCalls:
    """The numbers of an item's last calls, 0 if there is none: of all, of its writes, and of its read-backs with a response.

    `written_at` is when its last write ended, `write_note` what was noted about it.
    """

    last: int = 0
    write: int = 0
    read_back: int = 0
    written_at: datetime | None = None
    write_note: str = ""

    @property
    def are_read(self) -> bool:
        """Whether a read-back got a response after the last write."""
        return self.read_back > self.write


def last_calls(item_ids: Iterable[int]) -> dict[int, LastCalls]:
    """Return the last calls of items; items without a call are left out. Two queries."""
    written = Q(call__purpose=Purpose.WRITE)
    answered = Q(call__purpose=Purpose.READ_BACK, call__state=CallState.ANSWERED)
    rows = list(
        CallItem.objects.filter(item__in=list(item_ids))
        .values("item_id")
        .annotate(
            last=Max("call_id"),
            write=Max("call_id", filter=written),
            read_back=Max("call_id", filter=answered),
            written_at=Max(Coalesce("call__ended_at", "call__started_at"), filter=written),
        )
        .order_by()
    )
    writes = {row["write"] for row in rows if row["write"]}
    notes: dict[int | None, str] = dict(Call.objects.filter(pk__in=writes).values_list("pk", "note"))
    return {
        row["item_id"]: LastCalls(
            last=row["last"],
            write=row["write"] or 0,
            read_back=row["read_back"] or 0,
            written_at=row["written_at"],
            write_note=notes.get(row["write"], ""),
        )
        for row in rows
    }


class Reach:
    """What prevents readings from being made now; the stops are asked for when they are first needed."""

    @cached_property
    def stops(self) -> Stops:
        """All stops in force."""
        return stops_now()

    def delaying(self, kind: Kind, environment: str, lane: str) -> Stop | None:
        """Return the worst stop because of which a target of a kind can't be read back now; None if there is none."""
        ahead = Ahead(kind=kind, environment=Environment(environment), lane=Lane(lane), step=len(kind.steps))
        return next(iter(self.stops.delaying(ahead)), None)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about an unknown item. Items with equal evidence can be resolved together.

    `fields` names what the reading showed differently from before, if it is neither as before nor as intended.
    """

    environment: str
    kind_name: str
    step: int
    shown: Shown
    fields: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A short key for it in URLs and forms."""
        key = f"{self.environment}-{self.kind_name}-{self.step}-{self.shown.value}"
        return f"{key}-{sha256('|'.join(self.fields).encode()).hexdigest()[:12]}" if self.fields else key

    @property
    def words(self) -> str:
        """The evidence in words: "Lock on demo: As before"."""
        kind = named(self.kind_name)
        step = f" ({kind.steps[self.step].lower()})" if len(kind.steps) > 1 else ""
        return f"{kind.action_label}{step} on {self.environment}: {self.result}"

    @property
    def result(self) -> str:
        """What the last reading showed, with the fields that differ: "Neither as before nor as intended (Risk action)"."""
        return f"{self.shown.label} ({', '.join(self.fields)})" if self.fields else self.shown.label


@dataclass(frozen=True, kw_only=True)
class Question:
    """An item whose outcome is unknown, as a person has to resolve it.

    `mirrored` is the target's state in the mirror, if that was read after the last write.
    """

    item: Item
    kind: StoredKind
    calls: LastCalls
    mirrored: State | None
    reach: Reach = field(default_factory=Reach, compare=False, repr=False)

    @property
    def is_open(self) -> bool:
        """Whether its outcome is unknown, so that a person may resolve it."""
        return self.item.state == ItemState.UNKNOWN

    @property
    def reader(self) -> Kind | None:
        """The kind, if Tradovate can be asked again; None if it offers no way, or the kind is retired."""
        return self.kind if isinstance(self.kind, Kind) and self.kind.is_read_back else None

    @property
    def is_readable(self) -> bool:
        """Whether Tradovate can be asked again."""
        return self.reader is not None

    @property
    def is_sendable(self) -> bool:
        """Whether a call can be made for it at all: not if its kind is retired."""
        return isinstance(self.kind, Kind)

    @property
    def is_due(self) -> bool:
        """Whether it is due to be read back."""
        return self.item.not_before is not None and self.item.not_before <= timezone.now()

    @property
    def next_reading_at(self) -> datetime | None:
        """The future time at which it is read again; None if `next_reading` gives another reason."""
        return self.item.not_before if self.is_readable and not self.is_due else None

    @property
    def next_reading(self) -> str:
        """Whether it is read again, and when, as a sentence without its full stop."""
        if self.reader is None:
            return "It can't be read"
        if self.item.not_before is None:
            return "It is not read again by itself; a full read that proves what came of it settles it"
        if self.next_reading_at:
            return f"It is read again at {moment(self.next_reading_at, display_zone())}"
        stop = self.reach.delaying(self.reader, self.item.environment, self.item.change.lane)
        if stop is None:
            return "It is read again within seconds"
        until = f"until {moment(stop.until, display_zone())}" if stop.until else stop.until_words
        return f"It is to be read again, which waits {until}: {stop.because.rstrip('.')}"

    @property
    def is_typed(self) -> bool:
        """Whether a name or number has to be typed to resolve it: a second call may do harm, or its effect is final."""
        return self.kind.direction == Direction.DESTRUCTIVE or not (
            isinstance(self.kind, Kind) and self.kind.is_resend_safe(self.item.step)
        )

    @property
    def why(self) -> str:
        """Why the outcome is unknown, in up to three sentences: the result of the call first, then what was read."""
        call, later = (note.strip().rstrip(".") for note in (self.calls.write_note, self.item.note))
        notes = [note for note in ("" if call in later else call, later) if note] or ["The call ended without an answer"]
        note = ". ".join(f"{note[:1].upper()}{note[1:]}" for note in notes)
        if not self.is_sendable:
            return f"{note}. Its kind is no longer supported, so it can be neither read back nor sent again."
        return f"{note}." if self.is_readable else f"{note}. Tradovate offers no way to read back whether it was applied."

    @property
    def observed(self) -> State | None:
        """What was read after its last write, by its own read-back or else for the mirror; None if nothing was."""
        own: State | None = self.item.observed if self.calls.are_read else None
        return self.mirrored if own is None else own

    @cached_property
    def shown(self) -> Shown:
        """What its last reading showed."""
        item = self.item
        if not self.is_sendable:
            return Shown.RETIRED
        if self.reader is None:
            return Shown.NO_ENDPOINT
        if self.calls.are_read and NOT_NAMED in item.note:
            return Shown.NOT_NAMED
        if self.calls.are_read and UNREADABLE in item.note:
            return Shown.UNREADABLE
        if self.observed is None:
            return Shown.NO_RESULT
        try:
            before, after = item.before or {}, item.after or {}
            finding = self.reader.interpret_read_back(before=before, after=after, observed=self.observed, step=item.step)
        except _MALFORMED:
            return Shown.UNREADABLE
        return _SHOWN_BY_FINDING[finding]

    @cached_property
    def moved(self) -> tuple[Difference, ...]:
        """What the last reading showed differently from before; nothing if it showed no state."""
        if self.shown not in _SHOWN_BY_FINDING.values():
            return ()
        try:
            found = self.kind.differences(self.item.before or {}, self.observed or {})
        except _MALFORMED:
            return ()
        return tuple(each for each in found if each.before != each.after)

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence of the item."""
        fields = (f"{each.label} {each.direction}".strip() for each in self.moved) if self.shown == Shown.NEITHER else ()
        return Evidence(
            environment=self.item.environment,
            kind_name=self.item.change.kind,
            step=self.item.step,
            shown=self.shown,
            fields=tuple(sorted(set(fields))),
        )

    def refuses(self, person: Staff) -> str:
        """Return why this person can't resolve it, or "". PostgreSQL enforces the same (`accounts/changes/sql/`)."""
        if self.item.change.requested_by_id == person.pk:
            return "You requested this change, so somebody else has to decide."
        return conflict_with(self.item, person)


def question(item: Item) -> Question:
    """Return one item as a question; it need not be unknown."""
    (asked,) = questions([item])
    return asked


def questions(items: Iterable[Item]) -> list[Question]:
    """Return items, with their changes, as questions, in their order. A fixed number of queries for each kind."""
    found = list(items)
    calls: Mapping[int, LastCalls] = defaultdict(LastCalls, last_calls(item.pk for item in found))
    kinds = {item.pk: for_stored(item.change) for item in found}
    mirrored = _mirrored(found, kinds, calls)
    reach = Reach()
    return [
        Question(item=item, kind=kinds[item.pk], calls=calls[item.pk], mirrored=mirrored.get(item.pk), reach=reach)
        for item in found
    ]


def questions_of(item_ids: Collection[int], *, locked: bool = False) -> list[Question]:
    """Return items by their numbers, oldest first, as questions; they may be settled already.

    `locked`: their rows stay locked, in that order, until the transaction ends.
    """
    rows = Item.objects.select_for_update(of=("self",)) if locked else Item.objects.all()
    return questions(rows.select_related("change").filter(pk__in=list(item_ids)).order_by("pk"))


def _mirrored(items: Iterable[Item], kinds: Mapping[int, StoredKind], calls: Mapping[int, LastCalls]) -> dict[int, State]:
    """Return the mirror's states of unknown items without a read-back of their own, if read after the last write."""
    wanted: dict[tuple[Kind, str], list[Item]] = defaultdict(list)
    for item in items:
        kind, own = kinds[item.pk], calls[item.pk]
        if not (isinstance(kind, Kind) and kind.is_read_back):
            continue
        if item.state == ItemState.UNKNOWN and not (own.are_read and item.observed is not None):
            wanted[kind, item.environment].append(item)
    found: dict[int, State] = {}
    for (kind, environment), some in wanted.items():
        subjects = kind.subjects(Environment(environment), [item.target_id for item in some])
        for item in some:
            state = _state_since(kind, subjects.get(item.target_id), calls[item.pk].written_at)
            if state is not None:
                found[item.pk] = state
    return found


def _state_since(kind: Kind, subject: Any, written_at: datetime | None) -> State | None:
    """Return a mirrored target's state, if all of it was read after this time; None otherwise."""
    if subject is None or written_at is None:
        return None
    try:
        read_at = kind.read_at(subject)
        return kind.state(subject) if read_at and read_at > written_at else None
    except _MALFORMED:
        return None
