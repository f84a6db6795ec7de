"""The interface of every kind of change; one file in this folder for each kind."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from django import forms

from accounts.changes.kinds.effects import TargetEffects
from accounts.changes.kinds.stored import State, StoredKind
from accounts.changes.kinds.stored_form import Nothing, StoredForm
from accounts.changes.states import Direction
from accounts.sync.actions import Part
from accounts.sync.complete import Answer
from riskadmin.staff.models import Staff
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode

Subject: TypeAlias = Any
"""The mirror's row of a target, which only the kind itself looks into: `accounts.models.Account` or `Trader`."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The planned result for one target: its state before, what is sent for it, its effects, and what to know about it.

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
    """What a read-back shows about a call."""

    APPLIED = "applied"  # the intended state, reached after the call
    UNCHANGED = "unchanged"  # the intended state, which it had before
    NOT_APPLIED = "not_applied"  # exactly the state before the call
    ELSEWHERE = "elsewhere"  # neither: it was changed by someone or something else

    @property
    def is_as_intended(self) -> bool:
        """Whether the target is in the intended state."""
        return self in {Finding.APPLIED, Finding.UNCHANGED}


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target as a kind sends it; `id` is Tradovate's, of an account or a trader.

    `carried` is what a call repeats of Tradovate's record, if it replaces a whole record (`Kind.carried`).
    """

    id: int
    before: State
    after: State
    carried: Any = None


@dataclass(frozen=True, kw_only=True)
class CallSpec:
    """What a kind has to send: at most `batch_size` targets, in one call, `step` of `steps`."""

    permit: WritePermit
    targets: Sequence[Target]
    step: int
    reason_code: ReasonCode
    reason_text: str
    ticket: str | None


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Why a reading shows nothing about a target; `may_come`: the next reading may."""

    why: str
    may_come: bool = True


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The result of a read: a state for each target that it included, the evidence, and the mirror's part.

    `unread` says why nothing is known about a target that was asked for. `keep` writes what was read into the mirror; it is
    called inside the transaction that settles the items.
    """

    observed: Mapping[int, State]
    unread: Mapping[int, Unread]
    answers: Sequence[Answer]
    keep: Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """Which targets Tradovate has, and which it certainly does not have. About any other target nothing is known."""

    known: frozenset[int]
    gone: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Done:
    """An applied item: its target's state before, what was sent for it, and what its read-back showed.

    `observed` is None if no read-back showed the intended state: then a person has said that it was applied.
    """

    environment: Environment
    before: State
    after: State
    observed: State | None


@dataclass(frozen=True, kw_only=True)
class Inverse:
    """What would undo an item: a kind by its name, parameters that all items of one change share, and the target's own.

    `remark` is what to know if it restores something else than what was there.
    """

    kind_name: str
    parameters: State = field(default_factory=dict)
    own: State = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Irreversible:
    """Why nothing would undo an item."""

    reason: str


class Kind(StoredKind):
    """One kind of change. Instances hold no state; the classes are registered in `kinds/__init__.py`.

    A class states its facts as `spec = KindSpec(...)`, and what the engine has to know about its calls as class attributes.
    What the engine passes to it is as it is stored, JSON; each method reads what it needs of that as the kind's own forms.
    """

    parameters_type: ClassVar[type[StoredForm]] = Nothing
    state_type: ClassVar[type[StoredForm]]  # of `before` and of what is observed
    after_type: ClassVar[type[StoredForm]]  # of `after`: what is sent
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()  # what each step calls, if that is the same for all; () if not
    reads: ClassVar[tuple[Endpoint, ...]] = ()  # what reads its targets' state, before and after its calls, by their ids
    batch_size: ClassVar[int] = 1
    urgent_up_to: ClassVar[int] = 0  # changes with at most this many items take the urgent lane
    rests_on_before: ClassVar[bool] = True  # it is only right while the account's state is as it was shown
    is_read_back: ClassVar[bool] = True  # False: Tradovate has no read for it, and its response is the only evidence
    answer_may_change_nothing: ClassVar[bool] = False  # an accepted call that changes nothing is an outcome: unchanged
    read_at_once: ClassVar[int] = 20_000  # targets that one read-back covers; fewer if no call lists them all
    # what its plan depends on, in addition to the risk status: what a reading fetches
    parts: ClassVar[frozenset[Part]] = frozenset()
    shows_who_locked: ClassVar[bool] = False  # its preview names, for each account, who set what it lifts
    takes_own_parameters: ClassVar[bool] = True  # False: a call sends the same for all its targets, so none has its own

    @property
    def is_protective(self) -> bool:
        """Whether it only removes risk: no pending change may block it, except one of the same kind that is sent soon."""
        return self.direction == Direction.PROTECTIVE

    def calls_for(self, count: int) -> int:
        """Return how many calls this many targets take, not counting readings."""
        return -(-count // self.batch_size) * len(self.steps)

    def form(self, environment: Environment, *, viewer: Staff | None = None, **given: Any) -> forms.Form | None:
        """Return the form of its parameters, for its targets' environment; None if there is nothing to fill in.

        It offers what `viewer` has access to, all for None. `given` is what a form takes.
        """
        del environment, viewer
        return self.parameters_form(**given) if self.parameters_form else None

    def out_of_reach(self, environment: Environment, parameters: State, requester: Staff) -> str:
        """Return why somebody whose access is limited can't request these parameters, whatever the target, or ""."""
        del environment, parameters, requester
        return ""

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        """Return the parameters in a valid form, as the change stores them: JSON values only."""
        return {name: value for name, value in cleaned.items() if value not in {None, ""}}

    def as_typed(self, parameters: State) -> dict[str, Any]:
        """Return parameters of all targets as they are typed into its form."""
        return {name: ("yes" if value else "no") if isinstance(value, bool) else value for name, value in parameters.items()}

    def of(self, parameters: State) -> "Kind":
        """Return the kind for a change's parameters: itself, unless they decide what is read and compared.

        For the same parameters it is the same object. Everything except the words on screen uses it.
        """
        return self

    def step_endpoints(self) -> tuple[Endpoint, ...]:
        """Return what each step calls; if a kind's parameters decide it, the kind that `of` returns has them."""
        return self.endpoints

    def variants(self) -> "tuple[tuple[str, Kind], ...]":
        """Return the variants of this kind because Tradovate has an endpoint for each: its label, and the kind."""
        return ((self.action_label, self),)

    def is_resend_safe(self, step: int) -> bool:
        """Say whether this call may be made again once a read-back shows that it had no effect."""
        return False

    def requires_unchanged_state(self, step: int) -> bool:
        """Say whether this step is only right while the target passes `is_as_shown`."""
        return self.rests_on_before and step == 0

    def as_stored(self, stored: State, now: State) -> State:
        """Return the part of a state that a stored one speaks of: a field that was added to the kind since moves nothing. Pure.

        A kind that leaves out of its states what is not set returns all of it: there, an absent field says something.
        """
        return {name: value for name, value in now.items() if name in stored}

    def is_same(self, stored: State, now: State) -> bool:
        """Say whether a target in state `now` is as a stored state says. Pure."""
        return dict(stored) == dict(self.as_stored(stored, now))

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        """Return the part of a target's state that has to be as it was shown for a step: all of it, or less. Pure."""
        return state

    def is_as_shown(self, *, before: State, after: State, now: State, step: int) -> bool:
        """Say whether this step may be taken for a target that was shown as `before` and is now `now`. Pure."""
        shown, present = (self.relevant(state, before=before, after=after, step=step) for state in (before, now))
        return self.is_same(shown, present)

    def rebased(self, *, before: State, after: State, now: State) -> tuple[State, State]:
        """Return the states that an item starts from and leads to, if its target's relevant state is as shown. Pure.

        If a call replaces a whole record, whatever else has moved since is kept as it is `now`.
        """
        return before, after

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        """Return what calls repeat of Tradovate's records, from the mirror; `targets` are the targets' `after` by id."""
        return {}

    def lookup(self, client: Client, ids: Sequence[int]) -> Lookup | None:
        """Return which of the targets Tradovate has; None if it can't be asked.

        Asked when Tradovate refuses a batch because of one unknown id and does not say which (HTTP 404), and when it leaves
        targets out of the response to a read.
        """
        return None

    def note_gone(self, environment: Environment, ids: Collection[int]) -> None:
        """Write into the mirror that Tradovate no longer has these targets."""

    @abstractmethod
    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Subject]:
        """Return the mirror's rows of these targets, with everything that `plan` reads, in a fixed number of queries."""

    @abstractmethod
    def obstacle(self, subject: Subject) -> str:
        """Return why nothing can be sent for a target whatever is requested, or "". Pure."""

    def gone_among(self, environment: Environment, ids: Sequence[int]) -> set[int]:
        """Return which targets nothing can be sent for any more. Asked right before calls that depend on nothing else."""
        return self.gone_in(self.subjects(environment, ids), ids)

    def gone_in(self, found: Mapping[int, Subject], ids: Sequence[int]) -> set[int]:
        """Return the same, by the targets' rows that `subjects` has found. Pure."""
        return {target_id for target_id in ids if target_id not in found or self.obstacle(found[target_id])}

    @abstractmethod
    def read_at(self, subject: Subject) -> datetime | None:
        """Return when the oldest state that the plan depends on was read; None if some of it never was. Pure."""

    def compared_at(self, subject: Subject) -> datetime | None:
        """Return when the state was read that has to be as shown right before a call; None if it never was. Pure."""
        return self.read_at(subject)

    def state(self, subject: Subject) -> State:
        """Return the target's current state as far as this kind changes or depends on it: an item's `before`. Pure."""
        return self.mirrored_state(subject).to_json()

    @abstractmethod
    def mirrored_state(self, subject: Subject) -> StoredForm:
        """Return the same as a `state_type`. Pure."""

    @abstractmethod
    def plan(self, subject: Subject, *, parameters: State, contested: bool) -> Planned | Skip:
        """Return what would happen to a target without an obstacle, in a supported environment. Pure: no query, no clock.

        `contested` says that its current state may not last, or may not be what Tradovate has: another change is under way for
        it that does something else, the planned end of a lock is replaced, Tradovate sent something unreadable about it, or
        left its risk status out of its last answers.
        """

    @abstractmethod
    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        """Make the one call that is specified; raises TradovateError as the client does."""

    @abstractmethod
    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        """Read the targets' current state at Tradovate, in the terms of `before`; raises TradovateError."""

    def read_step(self, client: Client, ids: Sequence[int], step: int) -> Reading:
        """Read what shows the outcome of this step, in the form that `interpret_read_back` takes."""
        return self.read(client, ids)

    def read_all(self, client: Client, ids: Sequence[int]) -> Iterator[Reading]:
        """Read everything that `state` returns, one call after the other."""
        yield self.read(client, ids)

    @abstractmethod
    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        """Say by a read-back whether a call had its intended effect on a target that was in state `before`. Pure."""

    def proven_by_absence(self, after: State) -> bool:
        """Say whether the absence of something would prove it: then one response without it is not enough."""
        return False

    def refuted_by_absence(self, after: State) -> bool:
        """Say whether the absence of something would show that it had no effect: then one response is not enough."""
        return False

    def doubt(self, *, before: State, after: State, observed: State, step: int) -> str:
        """Return in words why a reading that is `ELSEWHERE` proves nothing. Pure."""
        return "When it was read back, it was neither as before nor as intended"

    @abstractmethod
    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return what would restore all of a target's previous state, or why nothing would. Pure."""

    def unchanged_since(self, done: Done, now: State) -> bool:
        """Say whether a target in state `now` is still as an item left it, in what the item has modified. Pure.

        If not, someone or something else has changed it since, and no undo touches it. Asked only if there is an undo.
        """
        return self.is_same(done.after if done.observed is None else done.observed, now)
