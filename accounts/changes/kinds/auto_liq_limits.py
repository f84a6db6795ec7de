"""Auto-liq limits: what an account may lose, win and use in margin before Tradovate stops it; many accounts per call.

Source: seed "Update User Auto Liqs". Tradovate keeps two records for an account, the firm's (`asOwner`) and the trader's own; a
change is about one of them, its *level*. What happens to a field that a call leaves out is not documented, so every call
carries the whole record of its level exactly as it was read right before, with the modified fields. How to clear a field is not
documented either, and is not offered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django.conf import settings

from accounts.changes.kinds.caps import beyond_cap
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.limit_effects import effects_of
from accounts.changes.kinds.limit_fields import (
    Record,
    direction,
    fields_to_send,
    in_json,
    in_words,
    record_read,
    unsendable,
    without_falses,
)
from accounts.changes.kinds.limit_form import LEVEL_CHOICES, LimitsForm
from accounts.changes.kinds.limit_mirror import accounts_with_limits, level_limits, limit_records
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import AccountKind, gone, reading_of
from accounts.changes.states import Direction
from accounts.models import Account, LimitLevel, Source
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, AutoLiqField
from accounts.sync.actions import Part
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import account_keys, store_limits
from riskadmin.tradovate.auto_liq import AutoLiqUpdate
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import (
    PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT,
    UPDATE_USER_AUTO_LIQS,
    USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT,
    Endpoint,
)
from riskadmin.tradovate.errors import OutcomeUnknown, Rejected
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.reading import Unreadable, parse_json
from riskadmin.tradovate.vocabulary import Environment

LEVEL: Final = "level"


@dataclass(frozen=True, kw_only=True)
class LimitsState(StoredForm):
    """One level's limits. Which there are is said once, in `models.auto_liq_fields`; one that is not among them is not set."""

    rest: ClassVar[str] = "limits"

    level: str
    limits: Record

    def with_limits(self, limits: Record) -> "LimitsState":
        """Return the state with other values of some limits."""
        return replace(self, limits={**self.limits, **limits})

    def without_falses(self) -> "LimitsState":
        """Return the state as it is compared: Tradovate may leave out a flag that is false."""
        return replace(self, limits=without_falses(self.limits))


@dataclass(frozen=True, kw_only=True)
class LimitsParameters(StoredForm):
    """The new limits of a level; `template` names the template that a change applies, with its version, for display.

    `template_version` is that version; PostgreSQL checks the limits against it (`accounts/limit_templates/sql/`).
    """

    rest: ClassVar[str] = "limits"

    level: str | Unset = UNSET
    template: str | Unset = UNSET
    template_version: int | Unset = UNSET
    limits: Record

    @property
    def known_limits(self) -> dict[str, Any]:
        """The new limits, without what is not known here."""
        return {name: value for name, value in self.limits.items() if name in AUTO_LIQ_FIELDS}


class AutoLiqLimitsKind(AccountKind):
    """New limits of one level. `of` returns the instance for the level that a change's parameters name."""

    spec = KindSpec(
        name="auto_liq_limits",
        verb="Change the limits of",
        action_label="Change limits",
        effect="Replaces the limits you fill in; they hold at once. What you leave empty stays as it is, account by account.",
        warning="An account that is beyond a new limit already is liquidated as soon as the limit is set.",
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO, Environment.LIVE}),
        icon="adjustments",
        permission="ask to change limits",
    )
    uses_realised_figures = True
    endpoints = (UPDATE_USER_AUTO_LIQS,)
    urgent_up_to = 50
    parts = frozenset({Part.LIMITS, Part.CASH, Part.POSITIONS})
    parameters_form = LimitsForm
    parameters_type = LimitsParameters
    state_type = LimitsState
    after_type = LimitsState

    def __init__(self, level: LimitLevel = LimitLevel.FIRM) -> None:
        self.level = level

    @property
    def batch_size(self) -> int:  # type: ignore[override]  # a setting: how many Tradovate takes is not documented
        return int(settings.LIMITS_PER_CALL)

    @property
    def reads(self) -> tuple[Endpoint, ...]:  # type: ignore[override]  # each level has its own
        is_firm = self.level == LimitLevel.FIRM
        return (USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT if is_firm else PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT,)

    @cached_property
    def _traders(self) -> "AutoLiqLimitsKind":
        return AutoLiqLimitsKind(LimitLevel.TRADER)

    def of(self, parameters: State) -> "AutoLiqLimitsKind":
        return self._traders if LimitsParameters.from_json(parameters).level == LimitLevel.TRADER else self

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        given = {name: in_json(cleaned.get(name)) for name in AUTO_LIQ_FIELDS}
        limits = {name: value for name, value in given.items() if value is not None and value != ""}
        return LimitsParameters(level=cleaned.get(LEVEL) or UNSET, limits=limits).to_json()

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        given = LimitsParameters.from_json(parameters)
        whose = dict(LEVEL_CHOICES)[given.level or LimitLevel.FIRM.value]
        template = [("Template", given.template)] if given.template else []
        limits = ((field, given.limits.get(name)) for name, field in AUTO_LIQ_FIELDS.items())
        values = [(field.label, in_words(field, value)) for field, value in limits if value is not None]
        return (*template, ("Whose limits", whose), *values)

    def is_resend_safe(self, step: int) -> bool:
        return True

    # --- The mirror -------------------------------------------------------------------------------------------------------

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Account]:
        return accounts_with_limits(environment, ids, self.level)

    def obstacle(self, subject: Account) -> str:
        why = gone(subject)
        if not why and level_limits(subject) is None:
            whose = "firm's" if self.level == LimitLevel.FIRM else "trader's own"
            return f"Its {whose} limits were never read; read the account first"
        return why

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        limits = level_limits(subject)
        return (limits.read_at,) if limits else (None,)

    def compared_at(self, subject: Account) -> datetime | None:
        limits = level_limits(subject)
        return limits.limits_read_at if limits else None

    def mirrored_state(self, subject: Account) -> LimitsState:
        limits = level_limits(subject)
        return LimitsState(level=self.level, limits=limits.record if limits else {})

    # --- The plan ---------------------------------------------------------------------------------------------------------

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        limits = level_limits(subject)
        if limits is None:
            return Skip(reason=self.obstacle(subject))
        asked, before = LimitsParameters.from_json(parameters), self.mirrored_state(subject)
        given = asked.known_limits
        new = {name: value for name, value in given.items() if limits.record.get(name) != value}
        changed = {name: AUTO_LIQ_FIELDS[name] for name in new}
        becomes = {**limits.record, **new}
        reason = self._misplaced(asked.level, given)
        if not reason and not changed:
            reason = "Already so" if given else "No limit was filled in"
        reason = reason or unsendable(new) or beyond_cap(subject, _numbers(changed, becomes))
        if reason:
            return Skip(reason=reason, before=before.to_json())
        effects = effects_of(subject, limits, after=becomes, changed=changed)
        return Planned(
            before=before.to_json(),
            after=before.with_limits(new).to_json(),
            effects=effects.target,
            warnings=effects.warnings,
            weight=effects.weight,
        )

    def _misplaced(self, level: str | Unset, given: Record) -> str:
        """Return why parameters of a single account don't fit the change's level, or ""."""
        if level is not UNSET and level != self.level:
            return "It asks for the other level than the change: ask for those accounts in a change of their own"
        if self.level == LimitLevel.TRADER:
            for field in AUTO_LIQ_FIELDS.values():
                if field.is_firm_only and field.name in given:
                    return f"Only the firm's limits have this: {field.label}"
        return ""

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        was, becomes = LimitsState.from_json(before).limits, LimitsState.from_json(after)
        whose = " (trader's own)" if becomes.level == LimitLevel.TRADER else ""
        return tuple(
            Difference(
                label=f"{field.label}{whose}",
                before=in_words(field, was.get(name)),
                after=in_words(field, becomes.limits.get(name)),
                direction=direction(field, was.get(name), becomes.limits.get(name)),
            )
            for name, field in AUTO_LIQ_FIELDS.items()
            if was.get(name) != becomes.limits.get(name)
        )

    # --- Tradovate --------------------------------------------------------------------------------------------------------

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        return limit_records(environment, list(targets), self.level)

    def as_stored(self, stored: State, now: State) -> State:
        return now  # a limit that is not in a state is not set, and may have been set since

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        altered, present = _altered(before, after), LimitsState.from_json(state).without_falses()
        return replace(present, limits={name: value for name, value in present.limits.items() if name in altered}).to_json()

    def rebased(self, *, before: State, after: State, now: State) -> tuple[State, State]:
        return now, LimitsState.from_json(now).with_limits(_altered(before, after)).to_json()

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        items = [
            AutoLiqUpdate(
                account_id=target.id,
                as_owner=LimitsState.from_json(target.after).level == LimitLevel.FIRM,
                fields=fields_to_send(_altered(target.before, target.after)),
                carried=target.carried,
            )
            for target in order.targets
        ]
        try:
            return client.update_user_auto_liqs(permit=order.permit, items=items, ticket=order.ticket).http_record
        except Rejected as error:
            if _did_some(error.http_record):
                raise OutcomeUnknown(
                    f"Tradovate refused the call and answered for some of its accounts: {error.message}",
                    http_record=error.http_record,
                ) from error
            raise

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        read = Reader(client).limits(self.level, ids)

        def keep() -> None:
            reading = ReadStamp(client.environment, read.read_at, Source.CONFIRM)
            store_limits(
                account_keys(client.environment, read.reported), read.found, reading, unreadable=read.odd, level=self.level
            )

        observed = {each.id: LimitsState(level=self.level, limits=record_read(each, self.level)) for each in read.found}
        return reading_of(client, read, observed=observed, keep=keep)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        # The whole record counts: if Tradovate dropped a field that was to be kept, the account would have lost a limit.
        was, intended, now = (LimitsState.from_json(state) for state in (before, after, observed))
        if now != intended:  # an absent flag that means false is false
            was, intended, now = (each.without_falses() for each in (was, intended, now))
        if now == intended:
            return Finding.UNCHANGED if was == intended else Finding.APPLIED
        return Finding.NOT_APPLIED if now == was else Finding.ELSEWHERE

    # --- Undoing ----------------------------------------------------------------------------------------------------------

    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return the modified limits as they were, or, if one of them was not set, why none is restored.

        All or nothing: limits are set to fit each other, and a mix of old and new limits was never chosen by anyone.
        """
        altered, was = _altered(done.before, done.after), LimitsState.from_json(done.before).limits
        unset = [field.label for name, field in AUTO_LIQ_FIELDS.items() if name in altered and name not in was]
        if unset:
            return Irreversible(reason=f"Not set before, and Tradovate documents no way to clear it again: {', '.join(unset)}")
        shared = LimitsParameters(level=self.level, limits={}).to_json()
        return Inverse(kind_name=self.name, parameters=shared, own={name: was[name] for name in altered})

    def unchanged_since(self, done: Done, now: State) -> bool:
        # Someone may have set one of the others since: it is kept, since an undo sends them as they are.
        present = LimitsState.from_json(now).limits
        return all(present.get(name) == value for name, value in _altered(done.before, done.after).items())


def _altered(before: State, after: State) -> dict[str, Any]:
    """Return the limits that an item modifies, with their new values."""
    was, becomes = LimitsState.from_json(before).limits, LimitsState.from_json(after).limits
    return {name: value for name, value in becomes.items() if name in AUTO_LIQ_FIELDS and was.get(name) != value}


def _numbers(changed: Mapping[str, AutoLiqField], record: Mapping[str, Any]) -> dict[str, Decimal]:
    """Return the numbers among the changed fields, as the record has them."""
    return {name: Decimal(record[name]) for name, field in changed.items() if field.is_number}


def _did_some(http_record: HttpRecord | None) -> bool:
    """Say whether a refusal came with responses for items: then some of them may have been carried out."""
    try:
        answer = parse_json(http_record.response_text) if http_record else None
    except Unreadable:
        return False
    return isinstance(answer, dict) and bool(answer.get("userAutoLiqs"))
