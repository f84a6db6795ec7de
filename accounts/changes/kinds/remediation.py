"""Remediation: correct an account after an incident: its balance, its peak, and the unlock. Three calls, in this order.

Source: seed "Set Admin Auto Liq Action", which names the three operations of "account remediation" and no order. The unlock
comes last: until then no one trades on figures that are half corrected, no drawdown that is still used up stops the account
again, and a remediation that ends half done leaves it locked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import (
    AdminActionAfter,
    RiskState,
    read_risk_statuses,
    risk_state,
    send_admin_action,
)
from accounts.changes.kinds.caps import beyond_cap, hold_against_caps
from accounts.changes.kinds.demo_balance import (
    CashAfter,
    CashState,
    CommentField,
    balance_warnings,
    cash_after,
    cash_differences,
    cash_doubt,
    cash_effects,
    cash_read,
    cash_state,
    interpret_cash,
    no_cash,
    read_cash,
    send_cash_change,
    to_be_set,
)
from accounts.changes.kinds.effects import Liquidation, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.max_net_liq import PeakAfter, PeakState, peak_difference, peak_state, send_peak
from accounts.changes.kinds.money import UsdField, to_cents, usd, usd_parameters, usd_words
from accounts.changes.kinds.peak import (
    floor_distance,
    floor_liquidation,
    floor_warnings,
    position_warnings,
    size_warnings,
)
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import oldest
from accounts.changes.kinds.unlock import Unlock
from accounts.changes.states import Direction
from accounts.models import Account, RiskStatus
from accounts.sync.actions import Part
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import (
    ACCOUNT_RISK_STATUSES_BY_ACCOUNT,
    CASH_BALANCES_BY_ACCOUNT,
    CHANGE_DEMO_BALANCE,
    SET_ADMIN_AUTO_LIQ_ACTION,
    UPDATE_MAX_NET_LIQ,
)
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import AdminAction, Environment

BALANCE, PEAK, UNLOCK = range(3)


@dataclass(frozen=True, kw_only=True)
class RiskAndPeak(RiskState, PeakState):
    """What the reading of a risk status shows."""


@dataclass(frozen=True, kw_only=True)
class RemediationState(RiskAndPeak, CashState):
    """What the three steps depend on. A read-back shows the part of its step only."""


@dataclass(frozen=True, kw_only=True)
class RemediationAfter(CashAfter, PeakAfter, AdminActionAfter):
    """What the three steps send."""


@dataclass(frozen=True, kw_only=True)
class RemediationParameters(StoredForm):
    """The corrected values, as texts that `money.usd` reads."""

    amount_usd: str | Unset = UNSET
    max_net_liq_usd: str | Unset = UNSET
    comment: str | Unset = UNSET


class RemediationForm(forms.Form):
    """The corrected values."""

    amount_usd = UsdField(label="Balance", help_text="The cash afterwards; what is added or taken follows from it.")
    max_net_liq_usd = UsdField(label="Max net liq", help_text="The floor of a trailing drawdown lies that much below it.")
    comment = CommentField()

    def clean(self) -> dict[str, Any]:
        """Check both amounts against the firm's caps."""
        cleaned = super().clean() or self.cleaned_data
        hold_against_caps(self)
        return cleaned


class Remediation(Unlock):
    """An unlock with the figures corrected before it."""

    spec = KindSpec(
        name="remediation",
        verb="Remediate",
        action_label="Remediate",
        effect=(
            "Puts right an account after an incident: sets the balance, then the max net liq, then unlocks it. Three calls for "
            "each account, each only after the one before is proven. Stopped on the way, the account stays locked."
        ),
        warning=(
            "A change of the balance whose outcome stays unknown is never made again by itself: it would count twice. The "
            "steps after it then wait for a person."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="first-aid-kit",
        permission="ask to remediate accounts",
    )
    uses_realised_figures = True
    urgent_up_to = 0
    parts = frozenset({Part.CASH, Part.POSITIONS, Part.LIMITS})
    steps = ("Set the balance", "Set the max net liq", "Unlock")
    endpoints = (CHANGE_DEMO_BALANCE, UPDATE_MAX_NET_LIQ, SET_ADMIN_AUTO_LIQ_ACTION)
    reads = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT, CASH_BALANCES_BY_ACCOUNT)
    parameters_form = RemediationForm
    parameters_type = RemediationParameters
    state_type = RemediationState
    after_type = RemediationAfter

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        return usd_parameters(cleaned)

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        given = RemediationParameters.from_json(parameters)
        return (
            ("Balance", usd_words(usd(given.amount_usd))),
            ("Max net liq", usd_words(usd(given.max_net_liq_usd))),
            *((("Comment", given.comment),) if given.comment else ()),
        )

    def is_resend_safe(self, step: int) -> bool:
        return step != BALANCE

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return super().mirrored(accounts).select_related("cash")

    def obstacle(self, subject: Account) -> str:
        return super().obstacle(subject) or no_cash(subject)

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *(cash_read(subject) or (None,))

    def compared_at(self, subject: Account) -> datetime | None:
        return oldest(super().compared_at(subject), subject.cash.fresh_at if hasattr(subject, "cash") else None)

    def mirrored_state(self, subject: Account) -> RemediationState:
        return RemediationState(**vars(_risk_and_peak(subject.risk_status)), **vars(cash_state(subject.cash)))

    def requires_unchanged_state(self, step: int) -> bool:
        return step in {BALANCE, UNLOCK}

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        return RiskState.from_json(state).to_json() if step == UNLOCK else state

    def is_as_shown(self, *, before: State, after: State, now: State, step: int) -> bool:
        if step != UNLOCK:
            return super().is_as_shown(before=before, after=after, now=now, step=step)
        # A lock set meanwhile was set by another person or by a limit, and its removal was not approved.
        was, is_ = RiskState.from_json(before), RiskState.from_json(now)
        return not is_.is_acted_on_since(was) and is_.stopped_by_limit <= was.stopped_by_limit

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before, given = self.mirrored_state(subject), RemediationParameters.from_json(parameters)
        amount, peak = usd(given.amount_usd), usd(given.max_net_liq_usd)
        if amount is None or peak is None:
            missing = "balance" if amount is None else "max net liq"
            return Skip(reason=f"No {missing} is given that Tradovate could take", before=before.to_json())
        change = amount - before.amount_usd
        if not change:
            return Skip(reason="Has this balance already: ask for max net liq and unlock instead", before=before.to_json())
        cash = cash_after(before, change, given.comment)
        if isinstance(cash, str):
            return Skip(reason=cash, before=before.to_json())
        reason = beyond_cap(subject, {**to_be_set(cash, is_set=True), "max_net_liq_usd": peak})
        if reason:
            return Skip(reason=reason, before=before.to_json())
        after = RemediationAfter(**vars(cash), max_net_liq_usd=to_cents(peak), admin_action=AdminAction.NORMAL)
        open_ = ("Not locked: the trader may trade while it is put right",) if self.is_reached(before) else ()
        floor = floor_warnings(subject, peak_usd=peak, cash_usd=amount)
        size = size_warnings(subject, "Balance", amount) + size_warnings(subject, "Max net liq", peak)
        warnings = (*open_, *balance_warnings(after), *floor, *size, *position_warnings(subject), *self.limit_warnings(subject))
        return Planned(
            before=before.to_json(),
            after=after.to_json(),
            effects=self._effects(subject, before, after),
            warnings=warnings,
            weight=float(abs(change)),
        )

    def _effects(self, subject: Account, before: RemediationState, after: RemediationAfter) -> TargetEffects:
        change, peak = after.cash_change_usd, after.max_net_liq_usd
        cash = cash_effects(subject, change, self.differences(before.to_json(), after.to_json()))
        floor = floor_liquidation(subject, floor_distance(subject, peak_usd=peak, cash_usd=after.amount_usd))
        moved = abs(peak - (before.max_net_liq_usd or 0))
        return replace(
            cash,
            liquidation=floor if floor is Liquidation.NOW or cash.liquidation is Liquidation.NO else cash.liquidation,
            money_effect_usd=max(abs(change), moved),
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        # A read-back shows one step only.
        found: tuple[Difference, ...] = ()
        if CashAfter.fits(after) or CashState.fits(after):
            becomes = CashAfter.from_json(after) if CashAfter.fits(after) else CashState.from_json(after)
            found += cash_differences(CashState.from_json(before), becomes)
        if PeakState.fits(after):
            found += (peak_difference(PeakState.from_json(before), PeakState.from_json(after)),)
        return found + (super().differences(before, after) if AdminActionAfter.fits(after) else ())

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        if order.step == BALANCE:
            return send_cash_change(client, order)
        return send_peak(client, order) if order.step == PEAK else send_admin_action(client, order, AdminAction.NORMAL)

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, _risk_and_peak)

    def read_step(self, client: Client, ids: Sequence[int], step: int) -> Reading:
        return read_cash(client, ids) if step == BALANCE else self.read(client, ids)

    def read_all(self, client: Client, ids: Sequence[int]) -> Iterator[Reading]:
        yield self.read(client, ids)
        yield read_cash(client, ids)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        if step == BALANCE:
            return interpret_cash(before=before, after=after, observed=observed)
        if step == PEAK:
            return _interpret_peak(before=before, after=after, observed=observed)
        risk_before, risk_now = (RiskState.from_json(state).to_json() for state in (before, observed))
        found = super().interpret_read_back(before=risk_before, after=after, observed=risk_now, step=step)
        # The item is more than its last step, and its balance has been changed.
        return Finding.APPLIED if found == Finding.UNCHANGED else found

    def doubt(self, *, before: State, after: State, observed: State, step: int) -> str:
        if step == BALANCE:
            return cash_doubt(before=before, after=after, observed=observed)
        return super().doubt(before=before, after=after, observed=observed, step=step)

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(
            reason="It set balance, max net liq and unlock together, and no change takes back all three: lock it first, then "
            "put the amounts right by changes of their own"
        )


def _interpret_peak(*, before: State, after: State, observed: State) -> Finding:
    """Interpret the peak after the balance was changed, which is said to have moved it by as much [?]."""
    peak, was = PeakState.from_json(observed).max_net_liq_usd, PeakState.from_json(before).max_net_liq_usd
    if peak == PeakAfter.from_json(after).max_net_liq_usd:
        return Finding.APPLIED
    moved = None if was is None else to_cents(was + CashAfter.from_json(after).cash_change_usd)
    return Finding.NOT_APPLIED if peak in {was, moved} else Finding.ELSEWHERE


def _risk_and_peak(status: RiskStatus | AccountRiskStatus) -> RiskAndPeak:
    return RiskAndPeak(**vars(risk_state(status)), **vars(peak_state(status)))
