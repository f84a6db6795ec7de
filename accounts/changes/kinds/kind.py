"""What every kind of change answers; one file in this folder for each kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from django import forms

from accounts.changes.kinds.effects import TargetEffects
from accounts.changes.states import Direction
from accounts.sync.actions import Part
from accounts.sync.complete import Answer
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode

State = Mapping[str, Any]
"""A target's state in a kind's own terms: JSON values only, since it is frozen in the item and compared with what is read."""

SubjectT = TypeVar("SubjectT")
"""The mirror's row of a target: `accounts.models.Account` or `Trader`."""


class Unit(StrEnum):
    """What a kind's targets are."""

    ACCOUNT = "account"
    TRADER = "trader"

    @property
    def one(self) -> str:
        """One of them, with its article."""
        return "an account" if self is Unit.ACCOUNT else "a trader"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What would happen to one target: its state before, what is sent for it, its effects, and what to know about it.

    `weight` sorts the plan among targets of the same `effects.liquidation`: the larger the effect, the further up.
    """

    before: State
    after: State
    effects: TargetEffects
    warnings: tuple[str, ...] = ()
    weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Why nothing would happen to one target."""

    reason: str
    before: State | None = None


class Finding(StrEnum):
    """What a read-back says of a call."""

    APPLIED = "applied"  # the intended state, reached after the call
    UNCHANGED = "unchanged"  # the intended state, which it had before
    NOT_APPLIED = "not_applied"  # exactly the state before the call
    ELSEWHERE = "elsewhere"  # neither: somebody or something else has changed it


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target as a kind sends it; `id` is Tradovate's, of an account or a trader.

    `carried` is what a call repeats of it as Tradovate has it, where it replaces a whole record (`Kind.carried`).
    """

    id: int
    before: State
    after: State
    carried: Any = None


@dataclass(frozen=True, kw_only=True)
class CallSpec:
    """What a kind is told to send: at most `batch_size` targets, in one call, `step` of `steps`."""

    permit: WritePermit
    targets: Sequence[Target]
    step: int
    reason_code: ReasonCode
    reason_text: str
    ticket: str | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a change alters, in words; `direction` is "looser", "tighter", or "" where neither is meant."""

    label: str
    before: str
    after: str
    direction: str = ""


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Why a reading tells nothing of a target; `may_come`: the next reading may."""

    why: str
    may_come: bool = True


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What Tradovate said when it was read: a state for each target that it told of, the evidence, and the mirror's part.

    `unread` says why nothing is known of a target that was asked for. `keep` writes what was read into the mirror; it is called
    inside the transaction that settles the items.
    """

    observed: Mapping[int, State]
    unread: Mapping[int, Unread]
    answers: Sequence[Answer]
    keep: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Which targets Tradovate has, and which it surely does not have. Of any other one nothing is known."""

    known: frozenset[int]
    gone: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Done:
    """An item that was applied: how its target stood, what was sent for it, and what its read-back showed.

    `observed` is None where no read-back showed what was meant: then a person has said that it was applied.
    """

    environment: Environment
    before: State
    after: State
    observed: State | None


@dataclass(frozen=True, kw_only=True)
class Inverse:
    """What would undo an item: a kind by its name, parameters that all of one change have to share, and the target's own.

    `remark` is what to know of it where it brings back something else than what was there.
    """

    kind_name: str
    parameters: State = field(default_factory=dict)
    own: State = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Irreversible:
    """Why nothing would undo an item."""

    reason: str


class Kind(ABC, Generic[SubjectT]):
    """One sort of change. Instances hold nothing; the classes are registered in `kinds/__init__.py`."""

    name: ClassVar[str]
    verb: ClassVar[str]  # on buttons: "Lock"
    action_label: ClassVar[str]  # on the account's own page: "Lock"
    effect: ClassVar[str]  # what it does, one sentence for the form
    direction: ClassVar[Direction]
    environments: ClassVar[frozenset[Environment]]
    icon: ClassVar[str]
    unit: ClassVar[Unit]
    steps: ClassVar[tuple[str, ...]] = ("",)  # what each call for an item does, in order
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()  # what each step calls, where that is the same for all; () where not
    reads: ClassVar[tuple[Endpoint, ...]] = ()  # what tells how its targets are, before and after its calls, asked by their ids
    batch_size: ClassVar[int] = 1
    urgent_up_to: ClassVar[int] = 0  # changes of so many items at most take the urgent lane
    rests_on_before: ClassVar[bool] = True  # it is only right while the account stands as it was shown
    is_read_back: ClassVar[bool] = True  # False: Tradovate has no read for it, and its answer is all there is
    judges_by_figures: ClassVar[bool] = False  # what it would liquidate is judged on realised figures
    answer_may_change_nothing: ClassVar[bool] = False  # an answered call that alters nothing is an outcome: unchanged
    read_at_once: ClassVar[int] = 20_000  # targets that one read-back tells of; fewer where no call lists them all
    parts: ClassVar[frozenset[Part]] = frozenset()  # what its plan rests on, beside the risk status: what a reading brings
    parameters_form: ClassVar[type[forms.Form] | None] = None
    takes_own_parameters: ClassVar[bool] = True  # False: a call says the same of all its targets, so none has its own
    ended_by: ClassVar[str] = ""  # the kind that takes it away again, where it may be asked for until a time
    warning: ClassVar[str] = ""  # what to know of every change of this kind

    @property
    def capability(self) -> str:
        """What a person must hold to ask for it."""
        return f"changes:request:{self.name}"

    @property
    def is_protective(self) -> bool:
        """Whether it only ever takes risk away, so that nothing pending may stand in its way."""
        return self.direction == Direction.PROTECTIVE

    def words(self, count: int) -> str:
        """Return what the button says: "Lock 1 account"."""
        return f"{self.verb} {count:,} {self.unit.value}{'' if count == 1 else 's'}"

    def form(self, environment: Environment, **given: Any) -> forms.Form | None:
        """Return the form of its parameters, as its targets' environment has it; None where nothing is to be filled in.

        `given` is what a form takes.
        """
        return self.parameters_form(**given) if self.parameters_form else None

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        """Return the parameters that a valid form holds, as the change keeps them: JSON values only."""
        return {name: value for name, value in cleaned.items() if value not in {None, ""}}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        """Return the parameters as label and value, for people."""
        return ()

    def of(self, parameters: State) -> "Kind[SubjectT]":
        """Return the kind as it works with a change's parameters: itself, unless they choose what is read and compared.

        For the same choice it is the same object. Everything but the words on screen goes through it.
        """
        return self

    def step_endpoints(self) -> tuple[Endpoint, ...]:
        """Return what each step calls; of a kind whose parameters decide it, that is the answer of the one `of` returns."""
        return self.endpoints

    def variants(self) -> "tuple[tuple[str, Kind[SubjectT]], ...]":
        """Return what people tell apart of this kind because Tradovate has an endpoint for each: its label, and the kind."""
        return ((self.action_label, self),)

    def is_resend_safe(self, step: int) -> bool:
        """Say whether this call may be made again once a read-back shows that it had no effect."""
        return False

    def requires_unchanged_state(self, step: int) -> bool:
        """Say whether this step is only right while the target stands as `is_as_shown` wants it."""
        return self.rests_on_before and step == 0

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        """Return the part of a target's state that has to be as it was shown for a step: all of it, or less. Pure."""
        return state

    def is_as_shown(self, *, before: State, after: State, now: State, step: int) -> bool:
        """Say whether a target that was shown as `before` and stands as `now` is one to take this step for. Pure."""
        shown, present = (self.relevant(state, before=before, after=after, step=step) for state in (before, now))
        return dict(shown) == dict(present)

    def rebased(self, *, before: State, after: State, now: State) -> tuple[State, State]:
        """Return what an item starts from and leads to, for a target that is as it was shown in what is relevant. Pure.

        Where a call replaces a whole record, what else has moved since is to stay as it is `now`.
        """
        return before, after

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        """Return what calls repeat of their targets as Tradovate has it, from the mirror; `targets` are their `after` by id."""
        return {}

    def lookup(self, client: Client, ids: Sequence[int]) -> Lookup | None:
        """Return which of the targets Tradovate has; None where it can't be asked.

        Asked when Tradovate refuses a batch because of one unknown id and does not say which (HTTP 404), and when it leaves
        targets out of the answer to a read.
        """
        return None

    def note_gone(self, environment: Environment, ids: Collection[int]) -> None:
        """Write into the mirror that Tradovate no longer has these targets."""

    @abstractmethod
    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, SubjectT]:
        """Return the mirror's rows of these targets, with everything that `plan` reads, in a fixed number of queries."""

    @abstractmethod
    def obstacle(self, subject: SubjectT) -> str:
        """Return why nothing can be sent for a target whatever is asked, or "". Pure."""

    def gone_among(self, environment: Environment, ids: Sequence[int]) -> set[int]:
        """Return which targets nothing can be sent for any more. Asked right before calls that rest on nothing else."""
        found = self.subjects(environment, ids)
        return {target_id for target_id in ids if target_id not in found or self.obstacle(found[target_id])}

    @abstractmethod
    def read_at(self, subject: SubjectT) -> datetime | None:
        """Return when the oldest of what the plan rests on was read from Tradovate; None where some of it never was. Pure."""

    def compared_at(self, subject: SubjectT) -> datetime | None:
        """Return when that was read which has to be as it was shown right before a call; None where it never was. Pure."""
        return self.read_at(subject)

    @abstractmethod
    def state(self, subject: SubjectT) -> State:
        """Return the target's present state as far as this kind changes or rests on it: an item's `before`. Pure."""

    @abstractmethod
    def plan(self, subject: SubjectT, *, parameters: State, contested: bool) -> Planned | Skip:
        """Return what would happen to a target without an obstacle, in a fitting environment. Pure: no query, no clock.

        `contested` says that a change of another kind is on its way for it, so that its present state may not last.
        """

    @abstractmethod
    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        """Return in words what is altered between two states. Pure."""

    @abstractmethod
    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        """Make the one call that is ordered; raises TradovateError as the client does."""

    @abstractmethod
    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        """Read what Tradovate now says of the targets, in the terms of `before`; raises TradovateError."""

    def read_step(self, client: Client, ids: Sequence[int], step: int) -> Reading:
        """Read what shows the outcome of this step, in the form that `judge` takes."""
        return self.read(client, ids)

    def read_all(self, client: Client, ids: Sequence[int]) -> Iterator[Reading]:
        """Read everything that `state` says, one call after the other."""
        yield self.read(client, ids)

    @abstractmethod
    def judge(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        """Say what a read-back tells about a call that was meant to change the target from `before`. Pure."""

    def proven_by_absence(self, after: State) -> bool:
        """Say whether it would be proven by something that is gone: then one answer without it is not enough."""
        return False

    def refuted_by_absence(self, after: State) -> bool:
        """Say whether something that is not there would show that it had no effect: then one answer is not enough."""
        return False

    def doubt(self, *, before: State, after: State, observed: State, step: int) -> str:
        """Return in words why a reading that is `ELSEWHERE` proves nothing. Pure."""
        return "When it was read back, it was neither as before nor as intended"

    @abstractmethod
    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return what would bring a target back to where it stood, all of it, or why nothing would. Pure."""

    def unchanged_since(self, done: Done, now: State) -> bool:
        """Say whether a target that stands as `now` is still as an item left it, in what the item has altered. Pure.

        What is not was changed since by somebody or something else, and no undo touches it. Asked only where there is one.
        """
        return dict(now) == dict(done.after if done.observed is None else done.observed)
