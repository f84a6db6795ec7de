"""Auto-liq limits: what an account may lose, win and use in margin before Tradovate stops it; many accounts per call.

Source: seed "Update User Auto Liqs". Tradovate keeps two records for an account, the firm's (`asOwner`) and the trader's own; a
change is about one of them, its *level*. What happens to a field that a call leaves out is not documented, so every call
carries the whole record of its level exactly as it was read right before, with the modified fields. How to clear a field is not
documented either, and is not offered.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from django.conf import settings

from accounts.changes.kinds.caps import beyond_cap
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.limit_effects import effects_of
from accounts.changes.kinds.limit_fields import (
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
from accounts.changes.kinds.spec import KindSpec, supervised
from accounts.changes.kinds.stored import Difference, State
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
TEMPLATE: Final = "template"
"""The parameter that names the template whose limits a change applies, with its version, for display."""


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
        policy=(
            supervised("May loosen, and may liquidate at once."),
            supervised("So many at once need two supervisors.", at_least_items=301, decisions_needed=2),
        ),
    )
    uses_realised_figures = True
    endpoints = (UPDATE_USER_AUTO_LIQS,)
    urgent_up_to = 50
    parts = frozenset({Part.LIMITS, Part.CASH, Part.POSITIONS})
    parameters_form = LimitsForm

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
        return self._traders if parameters.get(LEVEL) == LimitLevel.TRADER else self

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        given = {name: in_json(cleaned.get(name)) for name in AUTO_LIQ_FIELDS}
        level = {LEVEL: cleaned[LEVEL]} if cleaned.get(LEVEL) else {}
        return level | {name: value for name, value in given.items() if value is not None and value != ""}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        whose = dict(LEVEL_CHOICES)[parameters.get(LEVEL, LimitLevel.FIRM.value)]
        given = ((field, parameters.get(name)) for name, field in AUTO_LIQ_FIELDS.items())
        template = [("Template", str(parameters[TEMPLATE]))] if parameters.get(TEMPLATE) else []
        values = [(field.label, in_words(field, value)) for field, value in given if value is not None]
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

    def state(self, subject: Account) -> State:
        limits = level_limits(subject)
        return {LEVEL: self.level.value, **(limits.record if limits else {})}

    # --- The plan ---------------------------------------------------------------------------------------------------------

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        limits = level_limits(subject)
        if limits is None:
            return Skip(reason=self.obstacle(subject))
        before = self.state(subject)
        given = {name: value for name, value in parameters.items() if name in AUTO_LIQ_FIELDS}
        new = {name: value for name, value in given.items() if limits.record.get(name) != value}
        changed = {name: AUTO_LIQ_FIELDS[name] for name in new}
        becomes = {**limits.record, **new}
        reason = self._misplaced(parameters, given)
        if not reason and not changed:
            reason = "Already so" if given else "No limit was filled in"
        reason = reason or unsendable(new) or beyond_cap(subject, _numbers(changed, becomes))
        if reason:
            return Skip(reason=reason, before=before)
        effects = effects_of(subject, limits, after=becomes, changed=changed)
        return Planned(
            before=before,
            after={**before, **new},
            effects=effects.target,
            warnings=effects.warnings,
            weight=effects.weight,
        )

    def _misplaced(self, parameters: State, given: State) -> str:
        """Return why parameters of a single account don't fit the change's level, or ""."""
        if parameters.get(LEVEL, self.level) != self.level:
            return "It asks for the other level than the change: ask for those accounts in a change of their own"
        if self.level == LimitLevel.TRADER:
            for field in AUTO_LIQ_FIELDS.values():
                if field.is_firm_only and field.name in given:
                    return f"Only the firm's limits have this: {field.label}"
        return ""

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        whose = " (trader's own)" if after.get(LEVEL) == LimitLevel.TRADER else ""
        return tuple(
            Difference(
                label=f"{field.label}{whose}",
                before=in_words(field, before.get(name)),
                after=in_words(field, after.get(name)),
                direction=direction(field, before.get(name), after.get(name)),
            )
            for name, field in AUTO_LIQ_FIELDS.items()
            if before.get(name) != after.get(name)
        )

    # --- Tradovate --------------------------------------------------------------------------------------------------------

    def carried(self, environment: Environment, targets: Mapping[int, State]) -> Mapping[int, Any]:
        return limit_records(environment, list(targets), self.level)

    def as_stored(self, stored: State, now: State) -> State:
        return now  # a limit that is not in a state is not set, and may have been set since

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        altered = (LEVEL, *_altered(before, after))
        return {name: value for name, value in without_falses(state).items() if name in altered}

    def rebased(self, *, before: State, after: State, now: State) -> tuple[State, State]:
        return now, {**now, **_altered(before, after)}

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        items = [
            AutoLiqUpdate(
                account_id=target.id,
                as_owner=target.after[LEVEL] == LimitLevel.FIRM,
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

        observed = {record.id: {LEVEL: self.level.value, **record_read(record, self.level)} for record in read.found}
        return reading_of(client, read, observed=observed, keep=keep)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        # The whole record counts: if Tradovate dropped a field that was to be kept, the account would have lost a limit.
        if dict(observed) != dict(after):  # an absent flag that means false is false
            before, after, observed = map(without_falses, (before, after, observed))
        if dict(observed) == dict(after):
            return Finding.UNCHANGED if dict(before) == dict(after) else Finding.APPLIED
        return Finding.NOT_APPLIED if dict(observed) == dict(before) else Finding.ELSEWHERE

    # --- Undoing ----------------------------------------------------------------------------------------------------------

    def inverse(self, done: Done) -> Inverse | Irreversible:
        """Return the modified limits as they were, or, if one of them was not set, why none is restored.

        All or nothing: limits are set to fit each other, and a mix of old and new limits was never chosen by anyone.
        """
        altered = _altered(done.before, done.after)
        unset = [field.label for name, field in AUTO_LIQ_FIELDS.items() if name in altered and name not in done.before]
        if unset:
            return Irreversible(reason=f"Not set before, and Tradovate documents no way to clear it again: {', '.join(unset)}")
        own = {name: done.before[name] for name in altered}
        return Inverse(kind_name=self.name, parameters={LEVEL: self.level.value}, own=own)

    def unchanged_since(self, done: Done, now: State) -> bool:
        # Someone may have set one of the others since: it is kept, since an undo sends them as they are.
        return all(now.get(name) == value for name, value in _altered(done.before, done.after).items())


def _altered(before: State, after: State) -> dict[str, Any]:
    """Return the limits that an item modifies, with their new values."""
    return {name: value for name, value in after.items() if name in AUTO_LIQ_FIELDS and before.get(name) != value}


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
