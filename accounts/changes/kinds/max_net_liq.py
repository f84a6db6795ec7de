"""Set the peak (max net liq) that an account's trailing drawdown depends on: one account per call to updatemaxnetliq.

Source: the partner documentation's "Update Max Net Liq", for simulation accounts. The value is absolute, so a call may be made
again once a read-back shows that it did nothing. A peak below the account's net liquidation rises again by itself.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import read_risk_statuses
from accounts.changes.kinds.caps import beyond_cap, hold_against_caps
from accounts.changes.kinds.demo_balance import cash_read
from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.money import UsdField, usd_parameter, usd_text, usd_words
from accounts.changes.kinds.peak import (
    firm_limits_read,
    floor_distance,
    floor_liquidation,
    floor_warnings,
    position_warnings,
    size_warnings,
    with_firm_limits,
)
from accounts.changes.kinds.spec import KindSpec, supervised
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import AccountKind, open_positions, with_held
from accounts.changes.states import Direction
from accounts.models import Account
from accounts.sync.actions import Part
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNT_RISK_STATUSES_BY_ACCOUNT, UPDATE_MAX_NET_LIQ
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment


class MaxNetLiqForm(forms.Form):
    """The new peak."""

    max_net_liq_usd = UsdField(label="Max net liq", help_text="The floor of a trailing drawdown lies that much below it.")

    def clean(self) -> dict[str, Any]:
        """Check it against the firm's caps."""
        cleaned = super().clean() or self.cleaned_data
        hold_against_caps(self)
        return cleaned


class MaxNetLiq(AccountKind):
    """The highest net liquidation that Tradovate has on record for an account."""

    spec = KindSpec(
        name="max_net_liq",
        verb="Set the max net liq of",
        action_label="Max net liq",
        effect=(
            "Sets the highest net liquidation on record, from which a trailing drawdown is counted: a lower one gives the "
            "trader more room, a higher one less, and may liquidate at once."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="trending-up",
        permission="ask to set the max net liq of accounts",
        policy=(supervised("May loosen, and may liquidate at once."),),
        recorded={"max_net_liq_usd": "Max net liq in USD"},
    )
    uses_realised_figures = True
    endpoints = (UPDATE_MAX_NET_LIQ,)
    reads = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT,)
    parts = frozenset({Part.CASH, Part.POSITIONS, Part.LIMITS})
    parameters_form = MaxNetLiqForm

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        return {name: usd_text(value) for name, value in cleaned.items() if value is not None}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        name = "max_net_liq_usd"
        return (("Max net liq", usd_words(parameters[name])),) if name in parameters else ()

    def is_resend_safe(self, step: int) -> bool:
        return True

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(with_firm_limits(super().mirrored(accounts)).select_related("cash"))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *cash_read(subject), *firm_limits_read(subject)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def state(self, subject: Account) -> State:
        return {"max_net_liq_usd": usd_text(subject.risk_status.max_net_liq_usd)}

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        peak = usd_parameter(parameters, "max_net_liq_usd")
        if peak is None:
            return Skip(reason="No max net liq is given that Tradovate could take", before=before)
        after = {"max_net_liq_usd": usd_text(peak)}
        if after == before:
            return Skip(reason="Has this max net liq already", before=before)
        reason = beyond_cap(subject, {"max_net_liq_usd": peak})
        if reason:
            return Skip(reason=reason, before=before)
        cash = subject.cash.amount_usd if hasattr(subject, "cash") else None
        warnings = (
            *floor_warnings(subject, peak_usd=peak, cash_usd=cash),
            *size_warnings(subject, "Max net liq", peak),
            *position_warnings(subject),
        )
        moved = abs(peak - Decimal(before["max_net_liq_usd"] or 0))
        effects = TargetEffects(
            direction=EffectDirection.of(each.direction for each in self.differences(before, after)),
            liquidation=floor_liquidation(subject, floor_distance(subject, peak_usd=peak, cash_usd=cash)),
            open_positions=open_positions(subject),
            money_effect_usd=moved,
        )
        return Planned(before=before, after=after, effects=effects, warnings=warnings, weight=float(moved))

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        return (peak_difference(before, after),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        return send_peak(client, order)

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, peak_read)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        peak = observed["max_net_liq_usd"]
        if peak == after["max_net_liq_usd"]:
            return Finding.UNCHANGED if peak == before["max_net_liq_usd"] else Finding.APPLIED
        return Finding.NOT_APPLIED if peak == before["max_net_liq_usd"] else Finding.ELSEWHERE

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = done.before["max_net_liq_usd"]
        if was is None:
            return Irreversible(reason="It had no max net liq before, and Tradovate documents no way to clear one")
        return Inverse(kind_name=self.name, own={"max_net_liq_usd": was})


def peak_read(status: AccountRiskStatus) -> State:
    """Return the peak as it was read."""
    return {"max_net_liq_usd": usd_text(status.max_net_liq)}


def peak_difference(before: State, after: State) -> Difference:
    """Describe how the peak moves: the higher it is, the higher the floor of a trailing drawdown."""
    was, becomes = before.get("max_net_liq_usd"), after.get("max_net_liq_usd")
    direction = ""
    if was is not None and becomes is not None and was != becomes:
        direction = "looser" if Decimal(becomes) < Decimal(was) else "tighter"
    return Difference(label="Max net liq", before=usd_words(was), after=usd_words(becomes), direction=direction)


def send_peak(client: Client, order: CallSpec) -> HttpRecord:
    """Set the peak of the one account in the order."""
    (target,) = order.targets
    reply = client.update_max_net_liq(
        permit=order.permit,
        account_id=target.id,
        max_net_liq_usd=Decimal(target.after["max_net_liq_usd"]),
        ticket=order.ticket,
    )
    return reply.http_record
