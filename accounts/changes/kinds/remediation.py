"""Remediation: correct an account after an incident: its balance, its peak, and the unlock. Three calls, in this order.

Source: seed "Set Admin Auto Liq Action", which names the three operations of "account remediation" and no order. The unlock
comes last: until then no one trades on figures that are half corrected, no drawdown that is still used up stops the account
again, and a remediation that ends half done leaves it locked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import (
    read_risk_statuses,
    risk_state,
    risk_state_read,
    send_admin_action,
)
from accounts.changes.kinds.caps import beyond_cap, hold_against_caps
from accounts.changes.kinds.demo_balance import (
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
from accounts.changes.kinds.max_net_liq import peak_difference, peak_read, send_peak
from accounts.changes.kinds.money import UsdField, usd_parameter, usd_text, usd_words
from accounts.changes.kinds.peak import (
    floor_distance,
    floor_liquidation,
    floor_warnings,
    position_warnings,
    size_warnings,
)
from accounts.changes.kinds.spec import KindSpec, supervised
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import oldest
from accounts.changes.kinds.unlock import Unlock
from accounts.changes.states import Direction
from accounts.models import Account
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

RISK: Final = ("admin_action", "admin_at", "stopped_by_limit")


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
        policy=(supervised("Money, and the trader may trade again."),),
    )
    uses_realised_figures = True
    urgent_up_to = 0
    parts = frozenset({Part.CASH, Part.POSITIONS, Part.LIMITS})
    steps = ("Set the balance", "Set the max net liq", "Unlock")
    endpoints = (CHANGE_DEMO_BALANCE, UPDATE_MAX_NET_LIQ, SET_ADMIN_AUTO_LIQ_ACTION)
    reads = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT, CASH_BALANCES_BY_ACCOUNT)
    parameters_form = RemediationForm

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        return {
            name: usd_text(value) if isinstance(value, Decimal) else value
            for name, value in cleaned.items()
            if value is not None and value != ""
        }

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        comment = parameters.get("comment")
        return (
            ("Balance", usd_words(parameters.get("amount_usd"))),
            ("Max net liq", usd_words(parameters.get("max_net_liq_usd"))),
            *((("Comment", comment),) if comment else ()),
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

    def state(self, subject: Account) -> State:
        status, cash = subject.risk_status, subject.cash
        return {
            **risk_state(status.admin_action, status.admin_at, status.liquidate_only_at),
            "max_net_liq_usd": usd_text(status.max_net_liq_usd),
            **cash_state(cash.amount_usd, cash.week_realized_pnl_usd),
        }

    def requires_unchanged_state(self, step: int) -> bool:
        return step in {BALANCE, UNLOCK}

    def relevant(self, state: State, *, before: State, after: State, step: int) -> State:
        return _risk(state) if step == UNLOCK else state

    def is_as_shown(self, *, before: State, after: State, now: State, step: int) -> bool:
        if step != UNLOCK:
            return super().is_as_shown(before=before, after=after, now=now, step=step)
        # A lock set meanwhile was set by another person or by a limit, and its removal was not approved.
        acted = (now["admin_action"], now["admin_at"]) != (before["admin_action"], before["admin_at"])
        return not acted and now["stopped_by_limit"] <= before["stopped_by_limit"]

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        amount, peak = usd_parameter(parameters, "amount_usd"), usd_parameter(parameters, "max_net_liq_usd")
        if amount is None or peak is None:
            missing = "balance" if amount is None else "max net liq"
            return Skip(reason=f"No {missing} is given that Tradovate could take", before=before)
        change = amount - Decimal(before["amount_usd"])
        if not change:
            return Skip(reason="Has this balance already: ask for max net liq and unlock instead", before=before)
        cash = cash_after(before, change, parameters.get("comment"))
        if isinstance(cash, str):
            return Skip(reason=cash, before=before)
        reason = beyond_cap(subject, {**to_be_set(cash, is_set=True), "max_net_liq_usd": peak})
        if reason:
            return Skip(reason=reason, before=before)
        after = {**cash, "max_net_liq_usd": usd_text(peak), "admin_action": AdminAction.NORMAL.value}
        open_ = ("Not locked: the trader may trade while it is put right",) if self.is_reached(before) else ()
        floor = floor_warnings(subject, peak_usd=peak, cash_usd=amount)
        size = size_warnings(subject, "Balance", amount) + size_warnings(subject, "Max net liq", peak)
        warnings = (*open_, *balance_warnings(after), *floor, *size, *position_warnings(subject), *self.limit_warnings(subject))
        effects = self._effects(subject, before, after, change)
        return Planned(before=before, after=after, effects=effects, warnings=warnings, weight=float(abs(change)))

    def _effects(self, subject: Account, before: State, after: State, change: Decimal) -> TargetEffects:
        cash = cash_effects(subject, change, self.differences(before, after))
        amount, peak = Decimal(after["amount_usd"]), Decimal(after["max_net_liq_usd"])
        floor = floor_liquidation(subject, floor_distance(subject, peak_usd=peak, cash_usd=amount))
        moved = abs(peak - Decimal(before["max_net_liq_usd"] or 0))
        return replace(
            cash,
            liquidation=floor if floor is Liquidation.NOW or cash.liquidation is Liquidation.NO else cash.liquidation,
            money_effect_usd=max(abs(change), moved),
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        # A read-back shows one step only.
        found = cash_differences(before, after) if "amount_usd" in after else ()
        found += (peak_difference(before, after),) if "max_net_liq_usd" in after else ()
        return found + (super().differences(before, after) if "admin_action" in after else ())

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
        found = super().interpret_read_back(before=_risk(before), after=after, observed=_risk(observed), step=step)
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
    peak, was = observed["max_net_liq_usd"], before["max_net_liq_usd"]
    if peak == after["max_net_liq_usd"]:
        return Finding.APPLIED
    moved = None if was is None else usd_text(Decimal(was) + Decimal(after["cash_change_usd"]))
    return Finding.NOT_APPLIED if peak in {was, moved} else Finding.ELSEWHERE


def _risk(state: State) -> State:
    return {name: state[name] for name in RISK}


def _risk_and_peak(status: AccountRiskStatus) -> State:
    return {**risk_state_read(status), **peak_read(status)}
