"""Set the peak (max net liq) that an account's trailing drawdown depends on: one account per call to updatemaxnetliq.

Source: the partner documentation's "Update Max Net Liq", for simulation accounts. The value is absolute, so a call may be made
again once a read-back shows that it did nothing. A peak below the account's net liquidation rises again by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from accounts.changes.kinds.money import UsdField, to_cents, to_cents_if_set, usd, usd_parameters, usd_words
from accounts.changes.kinds.peak import (
    firm_limits_read,
    floor_distance,
    floor_liquidation,
    floor_warnings,
    position_warnings,
    size_warnings,
    with_firm_limits,
)
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import AccountKind, open_positions, with_held
from accounts.changes.states import Direction
from accounts.models import Account, RiskStatus
from accounts.sync.actions import Part
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNT_RISK_STATUSES_BY_ACCOUNT, UPDATE_MAX_NET_LIQ
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment


@dataclass(frozen=True, kw_only=True)
class PeakState(StoredForm):
    """The peak that Tradovate has on record for an account, if it has one."""

    max_net_liq_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class PeakAfter(StoredForm):
    """The peak that a call sets."""

    max_net_liq_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class MaxNetLiqParameters(StoredForm):
    """The peak, as a text that `money.usd` reads."""

    max_net_liq_usd: str | Unset = UNSET


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
        recorded={"max_net_liq_usd": "Max net liq in USD"},
    )
    uses_realised_figures = True
    endpoints = (UPDATE_MAX_NET_LIQ,)
    reads = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT,)
    parts = frozenset({Part.CASH, Part.POSITIONS, Part.LIMITS})
    parameters_form = MaxNetLiqForm
    parameters_type = MaxNetLiqParameters
    state_type = PeakState
    after_type = PeakAfter

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        return usd_parameters(cleaned)

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        peak = MaxNetLiqParameters.from_json(parameters).max_net_liq_usd
        return (("Max net liq", usd_words(usd(peak))),) if peak else ()

    def is_resend_safe(self, step: int) -> bool:
        return True

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(with_firm_limits(super().mirrored(accounts)).select_related("cash"))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *cash_read(subject), *firm_limits_read(subject)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def mirrored_state(self, subject: Account) -> PeakState:
        return peak_state(subject.risk_status)

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.mirrored_state(subject)
        peak = usd(MaxNetLiqParameters.from_json(parameters).max_net_liq_usd)
        if peak is None:
            return Skip(reason="No max net liq is given that Tradovate could take", before=before.to_json())
        after = PeakAfter(max_net_liq_usd=to_cents(peak))
        if after.max_net_liq_usd == before.max_net_liq_usd:
            return Skip(reason="Has this max net liq already", before=before.to_json())
        reason = beyond_cap(subject, {"max_net_liq_usd": peak})
        if reason:
            return Skip(reason=reason, before=before.to_json())
        cash = subject.cash.amount_usd if hasattr(subject, "cash") else None
        warnings = (
            *floor_warnings(subject, peak_usd=peak, cash_usd=cash),
            *size_warnings(subject, "Max net liq", peak),
            *position_warnings(subject),
        )
        moved = abs(peak - (before.max_net_liq_usd or 0))
        effects = TargetEffects(
            direction=EffectDirection.of((peak_difference(before, after).direction,)),
            liquidation=floor_liquidation(subject, floor_distance(subject, peak_usd=peak, cash_usd=cash)),
            open_positions=open_positions(subject),
            money_effect_usd=moved,
        )
        return Planned(before=before.to_json(), after=after.to_json(), effects=effects, warnings=warnings, weight=float(moved))

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        return (peak_difference(PeakState.from_json(before), PeakState.from_json(after)),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        return send_peak(client, order)

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, peak_state)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        was, now = PeakState.from_json(before).max_net_liq_usd, PeakState.from_json(observed).max_net_liq_usd
        if now == PeakAfter.from_json(after).max_net_liq_usd:
            return Finding.UNCHANGED if now == was else Finding.APPLIED
        return Finding.NOT_APPLIED if now == was else Finding.ELSEWHERE

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = PeakState.from_json(done.before)
        if was.max_net_liq_usd is None:
            return Irreversible(reason="It had no max net liq before, and Tradovate documents no way to clear one")
        return Inverse(kind_name=self.name, own=was.to_json())


def peak_state(status: RiskStatus | AccountRiskStatus) -> PeakState:
    """Return the peak of a risk status, from the mirror or as read, to the cent."""
    peak = status.max_net_liq_usd if isinstance(status, RiskStatus) else status.max_net_liq
    return PeakState(max_net_liq_usd=to_cents_if_set(peak))


def peak_difference(before: PeakState, after: PeakState | PeakAfter) -> Difference:
    """Describe how the peak moves: the higher it is, the higher the floor of a trailing drawdown."""
    was, becomes = before.max_net_liq_usd, after.max_net_liq_usd
    direction = ""
    if was is not None and becomes is not None and was != becomes:
        direction = "looser" if becomes < was else "tighter"
    return Difference(label="Max net liq", before=usd_words(was), after=usd_words(becomes), direction=direction)


def send_peak(client: Client, order: CallSpec) -> HttpRecord:
    """Set the peak of the one account in the order."""
    (target,) = order.targets
    reply = client.update_max_net_liq(
        permit=order.permit,
        account_id=target.id,
        max_net_liq_usd=PeakAfter.from_json(target.after).max_net_liq_usd,
        ticket=order.ticket,
    )
    return reply.http_record
