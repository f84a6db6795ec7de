"""What position limits and risk parameters share: one record of an account is added, changed or removed in one call.

Source: the partner OpenAPI document. An item depends on all the account's records of its type, since only the list before and
after shows which one a call has created. What happens to a field that an update leaves out is not documented, so an update
carries the whole record; how to clear a field is not documented either, and is not offered.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Final, Self

from django.db.models import QuerySet

from accounts.changes.kinds.caps import beyond_cap
from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.kind import Done, Finding, Inverse, Irreversible, Planned, Skip, Target
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import AccountKind
from accounts.models import Account
from accounts.models.pre_trade import (
    ID,
    OWNER,
    UNSET,
    Field,
    PreTradeValueType,
    Record,
    Tighter,
    in_json,
    in_words,
    scope_words,
)
from accounts.sync.actions import Part
from riskadmin.tradovate.endpoints import Endpoint

ACTION: Final = "action"
RECORD: Final = "record"
RECORDS: Final = "records"

ACCOUNTS_PER_READ: Final = 50
"""Accounts in one read-back: each may have many records."""


class Action(StrEnum):
    """What a change does to a record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


ACTION_WORDS: Final = {Action.CREATE: "Add one", Action.UPDATE: "Change one", Action.DELETE: "Remove one"}


class PreTradeKind(AccountKind):
    """A kind about records of one type. `of` returns the instance for the action that a change's parameters name."""

    urgent_up_to = 50
    read_at_once = ACCOUNTS_PER_READ
    parts = frozenset({Part.PRE_TRADE})

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
        return self if self.action != Action.CREATE else self._others.get(str(parameters.get(ACTION)), self)

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
        action = parameters.get(ACTION)
        said = [("What to do", ACTION_WORDS[Action(action)])] if action in set(Action) else []
        said += [(self.number_words[name], str(parameters[name])) for name in self._numbers if name in parameters]
        said += [(field.label, in_words(field, parameters[field.name])) for field in self.fields if field.name in parameters]
        return tuple(said)

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

    def state(self, subject: Account) -> State:
        return {RECORDS: [dict(record) for record in self.records(subject)]}

    # --- The plan ---------------------------------------------------------------------------------------------------------

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        if not self.were_read(subject):
            return Skip(reason=f"Its {self.noun}s were never read; read the account first")
        if parameters.get(ACTION) not in set(Action):
            return Skip(reason=f"It is not said whether a {self.noun} is added, changed or removed", before=before)
        if parameters[ACTION] != self.action:
            return Skip(reason="It can't be another action than the change's own: ask for it separately", before=before)
        given = {field.name: parameters[field.name] for field in self.fields if field.name in parameters}
        if self.action == Action.CREATE:
            return self._plan_new(subject, parameters, given, before)
        record = _by_number(before).get(parameters.get(self.key, 0))
        if record is None:
            which = f"{self.noun} {parameters[self.key]}" if self.key in parameters else f"{self.noun} that was named"
            return Skip(reason=f"It has no {which}", before=before)
        if self.action == Action.DELETE:
            if given:
                return Skip(reason="A removal takes no new values", before=before)
            after: State = {ACTION: self.action.value, ID: record[ID]}
            return self._planned(subject, before, after, self.removal_warnings(subject, record[ID]))
        wanted = {**record, **given}
        if not given or wanted == record:
            return Skip(reason="Already so" if given else "Nothing new was filled in", before=before)
        altered = {name: value for name, value in given.items() if record.get(name) != value}
        reason = self.unsendable(subject.tradovate_id, wanted) or beyond_cap(subject, self._to_be_set(altered))
        if reason:
            return Skip(reason=reason, before=before)
        after = {ACTION: self.action.value, ID: record[ID], RECORD: wanted}
        return self._planned(subject, before, after, self.warnings(subject, wanted))

    def _plan_new(self, subject: Account, parameters: State, given: Record, before: State) -> Planned | Skip:
        if self.key in parameters:
            return Skip(reason=f"A new {self.noun} has no number yet", before=before)
        record = {**self.defaults, **given}
        if self.owner:
            record[OWNER] = parameters.get(self.owner)
        reason = (
            self.misplaced(subject, record)
            or self._lacking(record, given)
            or self.unsendable(subject.tradovate_id, record)
            or beyond_cap(subject, self._to_be_set(record))
        )
        if reason:
            return Skip(reason=reason, before=before)
        after = {ACTION: self.action.value, RECORD: record}
        warnings = self.warnings(subject, record)
        if any(_without_number(each) == record for each in self.records(subject)):
            warnings = ("It has one just like it already: there would be two", *warnings)
        return self._planned(subject, before, after, warnings)

    def _to_be_set(self, values: Record) -> dict[str, Decimal]:
        return {field.name: Decimal(values[field.name]) for field in self.fields if field.is_number and field.name in values}

    def _lacking(self, record: Record, given: Record) -> str:
        for field in self.fields:
            if field.name in self.required and field.name not in record:
                return f"Not filled in: {field.label}"
        if not any(field.name in given for field in self.fields if field.tighter in {Tighter.LOWER, Tighter.HIGHER}):
            return "None of the limits was filled in"
        return ""

    def _planned(self, subject: Account, before: State, after: State, warnings: tuple[str, ...]) -> Planned:
        directions = [each.direction for each in self.differences(before, after)]
        record = after.get(RECORD)
        open_ = sum(1 for position in subject.positions.all() if position.net_pos)
        effects = TargetEffects(
            direction=EffectDirection.of(directions),
            liquidation=Liquidation.POSSIBLE if record and self.holds_more(subject, record) else Liquidation.NO,
            open_positions=open_ or (0 if subject.positions_read_at else None),
            money_effect_usd=self._money_effect(_by_number(before).get(after.get(ID, 0), {}), record or {}),
        )
        weight = float(directions.count("looser"))
        return Planned(before=before, after=after, effects=effects, warnings=warnings, weight=weight)

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
        shown = _by_number(before)
        if ACTION not in after:
            return self._moved(shown, _by_number(after))
        was, becomes = shown.get(after.get(ID, 0)), after.get(RECORD)
        name = f"{self.noun.capitalize()} {after[ID]}" if ID in after else f"New {self.noun}"
        presence = (
            Difference(
                label=name,
                before=UNSET if was is None else self.words_of(was),
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

    def altered(self, target: Target) -> tuple[str, ...]:
        """Return the names of the fields that an update changes."""
        was, becomes = _by_number(target.before)[target.after[ID]], target.after[RECORD]
        return tuple(field.name for field in self.fields if was.get(field.name) != becomes.get(field.name))

    # --- Tradovate --------------------------------------------------------------------------------------------------------

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        was, now = _by_number(before), _by_number(observed)
        if after.get(ACTION) == Action.CREATE:
            new = [record for number, record in now.items() if number not in was]
            # Tradovate may fill in what was left out. Two equal records are one more than requested: a person has to decide.
            made = [record for record in new if after[RECORD].items() <= record.items()]
            return Finding.APPLIED if len(made) == 1 else Finding.ELSEWHERE if new else Finding.NOT_APPLIED
        number = after.get(ID, 0)
        shown, found, wanted = was.get(number), now.get(number), after.get(RECORD)
        if found == wanted:
            return Finding.UNCHANGED if shown == wanted else Finding.APPLIED
        return Finding.NOT_APPLIED if found == shown else Finding.ELSEWHERE

    def proven_by_absence(self, after: State) -> bool:
        return bool(after.get(ACTION) == Action.DELETE)

    def refuted_by_absence(self, after: State) -> bool:
        return bool(after.get(ACTION) == Action.CREATE)

    # --- Undoing ----------------------------------------------------------------------------------------------------------

    back_again: ClassVar[str] = "It comes back under a new number"
    """What to know about a removed record that is created again."""

    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return the removal of what was added, the creation of what was removed, or the previous values, all or none."""
        if done.after[ACTION] == Action.CREATE:
            made = _made(done)
            if made is None:
                return Irreversible(reason=f"Which {self.noun} was made isn't known: remove it by its number")
            return self._inverse(Action.DELETE, {self.key: made[ID]})
        was = _by_number(done.before)[done.after[ID]]
        if done.after[ACTION] == Action.DELETE:
            record = {field.name: was[field.name] for field in self.fields if field.name in was}
            return self._inverse(Action.CREATE, record | ({self.owner: was[OWNER]} if self.owner else {}), self.back_again)
        altered = [field for field in self.fields if done.after[RECORD].get(field.name) != was.get(field.name)]
        unset = [field.label for field in altered if field.name not in was]
        if unset:
            return Irreversible(reason=f"Not set before, and Tradovate documents no way to clear it again: {', '.join(unset)}")
        return self._inverse(Action.UPDATE, {self.key: was[ID], **{field.name: was[field.name] for field in altered}})

    def _inverse(self, action: Action, own: State, remark: str = "") -> Inverse:
        return Inverse(kind_name=self.name, parameters={ACTION: action.value}, own=own, remark=remark)

    def unchanged_since(self, done: Done, now: State) -> bool:
        present = _by_number(now)
        if done.after[ACTION] == Action.CREATE:
            made = _made(done)
            return made is not None and present.get(made[ID]) == made
        if done.after[ACTION] == Action.UPDATE:
            return bool(present.get(done.after[ID]) == done.after[RECORD])
        # Someone may have created it again manually.
        known = _by_number(done.before if done.observed is None else done.observed)
        was = _without_number(_by_number(done.before)[done.after[ID]])
        return done.after[ID] not in present and not any(
            _without_number(record) == was for number, record in present.items() if number not in known
        )


def _made(done: Done) -> Record | None:
    """Return the record that an item has added, as it was read back; None if none, or more than one, can be it."""
    was, now = _by_number(done.before), _by_number(done.observed or {})
    new = [record for number, record in now.items() if number not in was and done.after[RECORD].items() <= record.items()]
    return new[0] if len(new) == 1 else None


def typed(record: Record, fields: Sequence[Field]) -> dict[str, Any]:
    """Return a record's fields as the client takes them, without its own number."""
    return {
        field.name: Decimal(record[field.name])
        if field.value_type in {PreTradeValueType.PCT, PreTradeValueType.USD}
        else record[field.name]
        for field in fields
        if field.name in record
    }


def by_account(ids: Iterable[int], records: Sequence[tuple[int, Record]]) -> dict[int, State]:
    """Return the state of each requested account, from records with their accounts; without any it has none."""
    found: dict[int, list[Record]] = {account_id: [] for account_id in ids}
    for account_id, record in sorted(records, key=lambda pair: int(pair[1][ID])):
        if account_id in found:
            found[account_id].append(record)
    return {account_id: {RECORDS: of_account} for account_id, of_account in found.items()}


def _by_number(state: State) -> dict[int, Record]:
    return {record[ID]: record for record in state.get(RECORDS, ())}


def _without_number(record: Record) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != ID}


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
