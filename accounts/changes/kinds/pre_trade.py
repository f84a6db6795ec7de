"""What position limits and risk parameters share: one record of an account is added, changed or removed in one call.

Source: the partner OpenAPI document. An item depends on all the account's records of its type, since only the list before and
after shows which one a call has created. What happens to a field that an update leaves out is not documented, so an update
carries the whole record; how to clear a field is not documented either, and is not offered.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final, Self

from django.db.models import QuerySet

from accounts.changes.kinds.caps import beyond_cap
from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.kind import Done, Finding, Inverse, Irreversible, Planned, Skip
from accounts.changes.kinds.pre_trade_records import (
    Action,
    PreTradeParameters,
    RecordAfter,
    RecordsState,
    made_by,
    the_one_made,
    without_number,
)
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET
from accounts.changes.kinds.units import AccountKind
from accounts.models import Account, pre_trade
from accounts.models.pre_trade import ID, OWNER, Field, PreTradeValueType, Record, Tighter, in_json, in_words, scope_words
from accounts.sync.actions import Part
from riskadmin.tradovate.endpoints import Endpoint

ACTION: Final = "action"
"""The form's field for the action."""

ACCOUNTS_PER_READ: Final = 50
"""Accounts in one read-back: each may have many records."""


ACTION_WORDS: Final = {Action.CREATE: "Add one", Action.UPDATE: "Change one", Action.DELETE: "Remove one"}


class PreTradeKind(AccountKind):
    """A kind about records of one type. `of` returns the instance for the action that a change's parameters name."""

    urgent_up_to = 50
    read_at_once = ACCOUNTS_PER_READ
    parts = frozenset({Part.PRE_TRADE})
    parameters_type: ClassVar[type[PreTradeParameters]]
    state_type = RecordsState
    after_type = RecordAfter

    noun: ClassVar[str]  # "position limit"
    fields: ClassVar[tuple[Field, ...]]
    required: ClassVar[tuple[str, ...]] = ()  # fields without which none can be created
    owner: ClassVar[str] = ""  # the parameter that names a new record's parent, if that is not the account
    key: ClassVar[str]  # the parameter that names a record by its number
    endpoint_of: ClassVar[Mapping[Action, Endpoint]]
    defaults: ClassVar[Record] = {}  # for a new record

    def __init__(self, action: Action = Action.CREATE) -> None:
        self.action = action

    @cached_property
    def _others(self) -> dict[str, Self]:
        return {action: type(self)(action) for action in (Action.UPDATE, Action.DELETE)}

    def of(self, parameters: State) -> Self:
        given = self.parameters_type.from_json(parameters)
        return self if self.action != Action.CREATE else self._others.get(str(given.action), self)

    def step_endpoints(self) -> tuple[Endpoint, ...]:
        return (self.endpoint_of[self.action],)

    def variants(self) -> tuple[tuple[str, Self], ...]:
        return tuple(
            (f"{self.action_label}: {words.lower()}", self.of({ACTION: action})) for action, words in ACTION_WORDS.items()
        )

    def is_resend_safe(self, step: int) -> bool:
        # Sent again, it would create a second one. A removal that comes too late is refused: there is nothing left to remove.
        return self.action != Action.CREATE

    # --- Parameters -------------------------------------------------------------------------------------------------------

    @property
    def _numbers(self) -> tuple[str, ...]:
        return tuple(name for name in (self.owner, self.key) if name)

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        names = (ACTION, *self._numbers, *(field.name for field in self.fields))
        given = ((name, in_json(cleaned.get(name))) for name in names)
        return {name: value for name, value in given if value is not None and value != ""}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        given = self.parameters_type.from_json(parameters)
        said = [("What to do", ACTION_WORDS[Action(given.action)])] if given.action in set(Action) else []
        said += [(self.number_words[name], str(parameters[name])) for name in self._numbers if name in parameters]
        said += [(field.label, in_words(field, value)) for field, value in self._values(given)]
        return tuple(said)

    def _values(self, given: PreTradeParameters) -> list[tuple[Field, Any]]:
        return [(field, given.values[field.name]) for field in self.fields if field.name in given.values]

    number_words: ClassVar[Mapping[str, str]]  # labels of `owner` and `key`

    # --- The mirror -------------------------------------------------------------------------------------------------------

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        # A parameter belongs to a limit, and deleting a limit may delete its parameters: neither is independent.
        return subject.position_limits_read_at, subject.risk_parameters_read_at

    @abstractmethod
    def were_read(self, subject: Account) -> bool:
        """Say whether the account's records were ever read."""

    @abstractmethod
    def records(self, subject: Account) -> list[Record]:
        """Return the account's records, by their numbers."""

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        # Every column: the two times of its readings are deferred otherwise.
        return super().mirrored(accounts.defer(None)).prefetch_related("positions", "position_limits__risk_parameters")

    def mirrored_state(self, subject: Account) -> RecordsState:
        return RecordsState(records=tuple(dict(record) for record in self.records(subject)))

    # --- The plan ---------------------------------------------------------------------------------------------------------

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        if not self.were_read(subject):
            return Skip(reason=f"Its {self.noun}s were never read; read the account first")
        given, before = self.parameters_type.from_json(parameters), self.mirrored_state(subject)
        outcome = self._refusal(given) or self._plan(subject, given, before)
        return Skip(reason=outcome, before=before.to_json()) if isinstance(outcome, str) else outcome

    def _refusal(self, given: PreTradeParameters) -> str:
        if given.action not in set(Action):
            return f"It is not said whether a {self.noun} is added, changed or removed"
        if given.action != self.action:
            return "It can't be another action than the change's own: ask for it separately"
        return ""

    def _plan(self, subject: Account, given: PreTradeParameters, before: RecordsState) -> Planned | str:
        """Return what the action does to the account's records, or why nothing."""
        values = {field.name: value for field, value in self._values(given)}
        number = getattr(given, self.key)
        if self.action == Action.CREATE:
            return self._plan_new(subject, given, values, before)
        record = before.numbered(number)
        if record is None:
            return f"It has no {self.noun} {'that was named' if number is UNSET else number}"
        if self.action == Action.DELETE:
            if values:
                return "A removal takes no new values"
            removal = RecordAfter(action=self.action, id=record[ID])
            return self._planned(subject, before, removal, self.removal_warnings(subject, record[ID]))
        wanted = {**record, **values}
        if not values or wanted == record:
            return "Already so" if values else "Nothing new was filled in"
        altered = {name: value for name, value in values.items() if record.get(name) != value}
        reason = self.unsendable(subject.tradovate_id, wanted) or beyond_cap(subject, self._to_be_set(altered))
        if reason:
            return reason
        after = RecordAfter(action=self.action, id=record[ID], record=wanted)
        return self._planned(subject, before, after, self.warnings(subject, wanted))

    def _plan_new(self, subject: Account, given: PreTradeParameters, values: Record, before: RecordsState) -> Planned | str:
        if getattr(given, self.key) is not UNSET:
            return f"A new {self.noun} has no number yet"
        record = {**self.defaults, **values}
        if self.owner:
            record[OWNER] = getattr(given, self.owner) or None
        reason = (
            self.misplaced(subject, record)
            or self._lacking(record, values)
            or self.unsendable(subject.tradovate_id, record)
            or beyond_cap(subject, self._to_be_set(record))
        )
        if reason:
            return reason
        warnings = self.warnings(subject, record)
        if any(without_number(each) == record for each in before.records):
            warnings = ("It has one just like it already: there would be two", *warnings)
        return self._planned(subject, before, RecordAfter(action=self.action, record=record), warnings)

    def _to_be_set(self, values: Record) -> dict[str, Decimal]:
        return {field.name: Decimal(values[field.name]) for field in self.fields if field.is_number and field.name in values}

    def _lacking(self, record: Record, given: Record) -> str:
        for field in self.fields:
            if field.name in self.required and field.name not in record:
                return f"Not filled in: {field.label}"
        if not any(field.name in given for field in self.fields if field.tighter in {Tighter.LOWER, Tighter.HIGHER}):
            return "None of the limits was filled in"
        return ""

    def _planned(self, subject: Account, before: RecordsState, after: RecordAfter, warnings: tuple[str, ...]) -> Planned:
        directions = [each.direction for each in self._differences(before, after)]
        open_ = sum(1 for position in subject.positions.all() if position.net_pos)
        effects = TargetEffects(
            direction=EffectDirection.of(directions),
            liquidation=Liquidation.POSSIBLE if after.record and self.holds_more(subject, after.record) else Liquidation.NO,
            open_positions=open_ or (0 if subject.positions_read_at else None),
            money_effect_usd=self._money_effect(before.numbered(after.id) or {}, after.record or {}),
        )
        weight = float(directions.count("looser"))
        return Planned(before=before.to_json(), after=after.to_json(), effects=effects, warnings=warnings, weight=weight)

    def _money_effect(self, was: Record, becomes: Record) -> Decimal | None:
        """Return the largest difference of an amount in dollars; unset counts as nothing."""
        moved = [
            abs(Decimal(becomes.get(field.name, 0)) - Decimal(was.get(field.name, 0)))
            for field in self.fields
            if field.value_type is PreTradeValueType.USD and was.get(field.name) != becomes.get(field.name)
        ]
        return max(moved, default=None)

    def holds_more(self, subject: Account, record: Record) -> bool:
        """Say whether the account holds more than this record would allow. Pure."""
        return False

    def misplaced(self, subject: Account, record: Record) -> str:
        """Return why a new record can't be created where it is requested, or "". Pure."""
        return ""

    def warnings(self, subject: Account, record: Record) -> tuple[str, ...]:
        """Return what a person should know before the account gets this record. Pure."""
        return ()

    def removal_warnings(self, subject: Account, number: int) -> tuple[str, ...]:
        """Return what a person should know before this record is removed. Pure."""
        return ()

    @abstractmethod
    def unsendable(self, account_id: int, record: Record) -> str:
        """Return why Tradovate's documentation forbids a record, or "". Pure."""

    # --- Descriptions -----------------------------------------------------------------------------------------------------

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        shown = RecordsState.from_json(before)
        if RecordsState.fits(after):
            return self._moved(shown.by_number, RecordsState.from_json(after).by_number)
        return self._differences(shown, RecordAfter.from_json(after))

    def _differences(self, before: RecordsState, after: RecordAfter) -> tuple[Difference, ...]:
        was, becomes = before.numbered(after.id), after.record or None
        name = f"{self.noun.capitalize()} {after.id}" if after.id else f"New {self.noun}"
        presence = (
            Difference(
                label=name,
                before=pre_trade.UNSET if was is None else self.words_of(was),
                after="removed" if becomes is None else self.words_of(becomes),
            ),
        )
        return (*(presence if was is None or becomes is None else ()), *self._altered(was, becomes))

    def words_of(self, record: Record) -> str:
        """Return in short what a record is about."""
        return scope_words(record)

    def _altered(self, was: Record | None, becomes: Record | None) -> tuple[Difference, ...]:
        old, new = was or {}, becomes or {}
        # Inactive limits never restrict trading.
        is_idle = not (old.get("active", was is not None) or new.get("active", becomes is not None))
        return tuple(
            Difference(
                label=field.label,
                before=in_words(field, old.get(field.name)),
                after=in_words(field, new.get(field.name)),
                direction="" if is_idle else _direction(field, old.get(field.name), new.get(field.name)),
            )
            for field in self.fields
            if old.get(field.name) != new.get(field.name)
        )

    def _moved(self, shown: Mapping[int, Record], now: Mapping[int, Record]) -> tuple[Difference, ...]:
        """Return what is no longer as it was shown."""
        return tuple(
            Difference(
                label=f"{self.noun.capitalize()} {number}",
                before=self._all_words(shown.get(number)),
                after=self._all_words(now.get(number)),
            )
            for number in sorted({*shown, *now})
            if shown.get(number) != now.get(number)
        )

    def _all_words(self, record: Record | None) -> str:
        if record is None:
            return "none"
        terms = (f"{each.label.lower()} {in_words(each, record[each.name])}" for each in self.fields if each.name in record)
        return f"{record[ID]}: {', '.join(terms)}"

    def altered(self, before: State, after: RecordAfter) -> tuple[str, ...]:
        """Return the names of the fields that an update changes."""
        was, becomes = RecordsState.from_json(before).by_number[after.number], after.wanted
        return tuple(field.name for field in self.fields if was.get(field.name) != becomes.get(field.name))

    # --- Tradovate --------------------------------------------------------------------------------------------------------

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        was, now = RecordsState.from_json(before), RecordsState.from_json(observed)
        sent = RecordAfter.from_json(after)
        if sent.action == Action.CREATE:
            # Tradovate may fill in what was left out. Two equal records are one more than requested: a person has to decide.
            made = made_by(sent, was, now)
            is_new = now.by_number.keys() - was.by_number.keys()
            return Finding.APPLIED if len(made) == 1 else Finding.ELSEWHERE if is_new else Finding.NOT_APPLIED
        shown, found = was.numbered(sent.number), now.numbered(sent.number)
        wanted = None if sent.action == Action.DELETE else sent.wanted
        if found == wanted:
            return Finding.UNCHANGED if shown == wanted else Finding.APPLIED
        return Finding.NOT_APPLIED if found == shown else Finding.ELSEWHERE

    def proven_by_absence(self, after: State) -> bool:
        return RecordAfter.from_json(after).action == Action.DELETE

    def refuted_by_absence(self, after: State) -> bool:
        return RecordAfter.from_json(after).action == Action.CREATE

    # --- Undoing ----------------------------------------------------------------------------------------------------------

    back_again: ClassVar[str] = "It comes back under a new number"
    """What to know about a removed record that is created again."""

    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return the removal of what was added, the creation of what was removed, or the previous values, all or none."""
        sent, before = RecordAfter.from_json(done.after), RecordsState.from_json(done.before)
        if sent.action == Action.CREATE:
            made = the_one_made(done)
            if made is None:
                return Irreversible(reason=f"Which {self.noun} was made isn't known: remove it by its number")
            return self._inverse(Action.DELETE, {self.key: made[ID]})
        was = before.by_number[sent.number]
        if sent.action == Action.DELETE:
            record = {field.name: was[field.name] for field in self.fields if field.name in was}
            return self._inverse(Action.CREATE, record | ({self.owner: was[OWNER]} if self.owner else {}), self.back_again)
        altered = [field for field in self.fields if sent.wanted.get(field.name) != was.get(field.name)]
        unset = [field.label for field in altered if field.name not in was]
        if unset:
            return Irreversible(reason=f"Not set before, and Tradovate documents no way to clear it again: {', '.join(unset)}")
        return self._inverse(Action.UPDATE, {self.key: was[ID], **{field.name: was[field.name] for field in altered}})

    def _inverse(self, action: Action, own: State, remark: str = "") -> Inverse:
        return Inverse(kind_name=self.name, parameters={ACTION: action.value}, own=own, remark=remark)

    def unchanged_since(self, done: Done, now: State) -> bool:
        sent, present = RecordAfter.from_json(done.after), RecordsState.from_json(now).by_number
        if sent.action == Action.CREATE:
            made = the_one_made(done)
            return made is not None and present.get(made[ID]) == made
        if sent.action == Action.UPDATE:
            return present.get(sent.number) == sent.wanted
        # Someone may have created it again manually.
        before = RecordsState.from_json(done.before)
        known = before if done.observed is None else RecordsState.from_json(done.observed)
        was = without_number(before.by_number[sent.number])
        return sent.number not in present and not any(
            without_number(record) == was for number, record in present.items() if number not in known.by_number
        )


def _direction(field: Field, was: object, becomes: object) -> str:
    before, after = _room(field, was), _room(field, becomes)
    return "looser" if after > before else "tighter" if after < before else ""


def _room(field: Field, value: object) -> float:
    """Return how much a value allows a trader to do, to be compared with another value of the same field."""
    match field.tighter, value:
        case Tighter.LOWER, int():
            return value
        case Tighter.HIGHER, int():
            return -value
        case Tighter.YES, True:
            return 0
        case Tighter.UNSAID, _:
            return 0
        case _:
            return float("inf")
