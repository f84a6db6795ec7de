"""Tradovate's entities in Tradovate's own terms: frozen, money as ``Decimal`` dollars, instants aware.

Most fields are optional in the documentation and are therefore ``None`` when absent; only what makes no sense without
is required. ``extra`` keeps the fields that this code does not name. ``from_json`` raises ``reading.Unreadable``.
Sources: seeds 000 and 001 for risk status and auto-liq limits, the partner OpenAPI document for the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Self

from riskadmin.tradovate.reading import Fields
from riskadmin.tradovate.vocabulary import AdminAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A trading account.

    ``user_id`` is the master holder; the trader is found through ``TradingPermission``. ``active`` and ``archived``
    are gone from the current schema but still answered by some versions.
    """

    id: int
    name: str
    user_id: int | None
    account_type: str | None
    active: bool | None
    archived: bool | None
    closed: bool | None
    restricted: bool | None
    risk_category_id: int | None
    auto_liq_profile_id: int | None
    evaluation_size: Decimal | None
    timestamp: datetime | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            name=fields.need_text("name"),
            user_id=fields.integer("userId"),
            account_type=fields.text("accountType"),
            active=fields.flag("active"),
            archived=fields.flag("archived"),
            closed=fields.flag("closed"),
            restricted=fields.flag("restricted"),
            risk_category_id=fields.integer("riskCategoryId"),
            auto_liq_profile_id=fields.integer("autoLiqProfileId"),
            evaluation_size=fields.decimal("evaluationSize"),
            timestamp=fields.instant("timestamp"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person known to Tradovate: a trader or one of the organisation's own."""

    id: int
    name: str
    email: str | None
    status: str | None
    professional: bool | None
    organization_id: int | None
    timestamp: datetime | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            name=fields.need_text("name"),
            email=fields.text("email"),
            status=fields.text("status"),
            professional=fields.flag("professional"),
            organization_id=fields.integer("organizationId"),
            timestamp=fields.instant("timestamp"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPermission:
    """Says which user trades which account; ``status`` is Accepted while they may."""

    id: int
    user_id: int
    account_id: int
    status: str | None
    account_holder_contact: str | None
    account_holder_email: str | None
    cta_contact: str | None
    cta_email: str | None
    updated: datetime | None
    approved_by_id: int | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            user_id=fields.need_integer("userId"),
            account_id=fields.need_integer("accountId"),
            status=fields.text("status"),
            account_holder_contact=fields.text("accountHolderContact"),
            account_holder_email=fields.text("accountHolderEmail"),
            cta_contact=fields.text("ctaContact"),
            cta_email=fields.text("ctaEmail"),
            updated=fields.instant("updated"),
            approved_by_id=fields.integer("approvedById"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRiskStatus:
    """What restricts an account now. It names no account: its id is taken to be the account's (inferred)."""

    id: int
    admin_action: AdminAction | str | None
    admin_timestamp: datetime | None
    liquidate_only: datetime | None
    user_triggered_liq_only: bool | None
    max_net_liq: Decimal | None
    min_net_liq: Decimal | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            admin_action=fields.word("adminAction", AdminAction),
            admin_timestamp=fields.instant("adminTimestamp"),
            liquidate_only=fields.instant("liquidateOnly"),
            user_triggered_liq_only=fields.flag("userTriggeredLiqOnly"),
            max_net_liq=fields.decimal("maxNetLiq"),
            min_net_liq=fields.decimal("minNetLiq"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownStep:
    """One step of ``steppedCooldown``; ``step_distance`` in dollars, the cooldown in minutes."""

    step_number: int
    step_distance: Decimal
    cooldown_minutes: int

    @classmethod
    def from_fields(cls, fields: Fields) -> Self:
        """Read one step."""
        return cls(
            step_number=fields.need_integer("stepNumber"),
            step_distance=fields.need_decimal("stepDistance"),
            cooldown_minutes=fields.need_integer("cooldownMinutes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LossLimits:
    """The ladder that both auto-liq records share: per cent of margin, per cent and dollars of loss and profit."""

    id: int
    changes_locked: bool | None
    margin_percentage_alert: Decimal | None
    daily_loss_percentage_alert: Decimal | None
    daily_loss_alert: Decimal | None
    margin_percentage_liq_only: Decimal | None
    daily_loss_percentage_liq_only: Decimal | None
    daily_loss_liq_only: Decimal | None
    margin_percentage_auto_liq: Decimal | None
    daily_loss_percentage_auto_liq: Decimal | None
    daily_loss_auto_liq: Decimal | None
    weekly_loss_auto_liq: Decimal | None
    daily_profit_auto_liq: Decimal | None
    weekly_profit_auto_liq: Decimal | None
    extra: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionedAccountAutoLiq(LossLimits):
    """The trader's own, stricter limits of an account. Source: seed 000."""

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        ladder = _ladder(fields)
        return cls(id=fields.need_integer("id"), changes_locked=fields.flag("changesLocked"), **ladder, extra=fields.rest())


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccountAutoLiq(LossLimits):
    """The firm's limits of an account; the id is the account's. Source: seed 000."""

    flatten_timestamp: datetime | None
    trailing_max_drawdown: Decimal | None
    trailing_max_drawdown_limit: Decimal | None
    trailing_max_drawdown_mode: str | None
    do_not_unlock: bool | None
    stepped_cooldown: tuple[CooldownStep, ...] | None
    stepped_unlimited: bool | None

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        ladder = _ladder(fields)
        cooldown = fields.nested("steppedCooldown")
        return cls(
            id=fields.need_integer("id"),
            changes_locked=fields.flag("changesLocked"),
            **ladder,
            flatten_timestamp=fields.instant("flattenTimestamp"),
            trailing_max_drawdown=fields.decimal("trailingMaxDrawdown"),
            trailing_max_drawdown_limit=fields.decimal("trailingMaxDrawdownLimit"),
            trailing_max_drawdown_mode=fields.text("trailingMaxDrawdownMode"),
            do_not_unlock=fields.flag("doNotUnlock"),
            stepped_cooldown=None if cooldown is None else _steps(cooldown),
            stepped_unlimited=fields.flag("steppedUnlimited"),
            extra=fields.rest(),
        )


_LADDER = {
    "margin_percentage_alert": "marginPercentageAlert",
    "daily_loss_percentage_alert": "dailyLossPercentageAlert",
    "daily_loss_alert": "dailyLossAlert",
    "margin_percentage_liq_only": "marginPercentageLiqOnly",
    "daily_loss_percentage_liq_only": "dailyLossPercentageLiqOnly",
    "daily_loss_liq_only": "dailyLossLiqOnly",
    "margin_percentage_auto_liq": "marginPercentageAutoLiq",
    "daily_loss_percentage_auto_liq": "dailyLossPercentageAutoLiq",
    "daily_loss_auto_liq": "dailyLossAutoLiq",
    "weekly_loss_auto_liq": "weeklyLossAutoLiq",
    "daily_profit_auto_liq": "dailyProfitAutoLiq",
    "weekly_profit_auto_liq": "weeklyProfitAutoLiq",
}


def _ladder(fields: Fields) -> dict[str, Decimal | None]:
    return {ours: fields.decimal(theirs) for ours, theirs in _LADDER.items()}


def _steps(cooldown: Fields) -> tuple[CooldownStep, ...]:
    return tuple(CooldownStep.from_fields(step) for step in cooldown.each("steps"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCategory:
    """A pre-trade risk profile. Its schema is not public: id and name are all that is relied on."""

    id: int
    name: str | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(id=fields.need_integer("id"), name=fields.text("name"), extra=fields.rest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Contracts held by an account; flat rows (``net_pos`` 0) persist at Tradovate."""

    id: int
    account_id: int
    contract_id: int
    net_pos: int
    net_price: Decimal | None
    bought: int | None
    bought_value: Decimal | None
    sold: int | None
    sold_value: Decimal | None
    prev_pos: int | None
    prev_price: Decimal | None
    timestamp: datetime | None
    trade_date: date | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            account_id=fields.need_integer("accountId"),
            contract_id=fields.need_integer("contractId"),
            net_pos=fields.need_integer("netPos"),
            net_price=fields.decimal("netPrice"),
            bought=fields.integer("bought"),
            bought_value=fields.decimal("boughtValue"),
            sold=fields.integer("sold"),
            sold_value=fields.decimal("soldValue"),
            prev_pos=fields.integer("prevPos"),
            prev_price=fields.decimal("prevPrice"),
            timestamp=fields.instant("timestamp"),
            trade_date=fields.trade_date("tradeDate"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBalance:
    """Cash of an account in one currency; ``amount_sod`` is the start of the session's day."""

    id: int
    account_id: int
    amount: Decimal
    realized_pnl: Decimal | None
    week_realized_pnl: Decimal | None
    amount_sod: Decimal | None
    currency_id: int | None
    timestamp: datetime | None
    trade_date: date | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            account_id=fields.need_integer("accountId"),
            amount=fields.need_decimal("amount"),
            realized_pnl=fields.decimal("realizedPnL"),
            week_realized_pnl=fields.decimal("weekRealizedPnL"),
            amount_sod=fields.decimal("amountSOD"),
            currency_id=fields.integer("currencyId"),
            timestamp=fields.instant("timestamp"),
            trade_date=fields.trade_date("tradeDate"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBalanceSnapshot:
    """An account's money at this moment, in dollars; ``sod`` is the start of the session's day.

    It names no account. ``withdrawal_reject_reason`` is NoData or PendingContactInfoChange where it is known at all.
    """

    total_cash_value: Decimal | None
    total_pnl: Decimal | None
    net_liq: Decimal | None
    open_pnl: Decimal | None
    realized_pnl: Decimal | None
    week_realized_pnl: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    net_liq_sod: Decimal | None
    total_cash_value_sod: Decimal | None
    cash_usd: Decimal | None
    cash_sod_usd: Decimal | None
    full_initial_margin: Decimal | None
    full_initial_margin_sod: Decimal | None
    auto_liq_level: Decimal | None
    currency_cash_avail_withdrawal_usd: Decimal | None
    withdrawal_reject_reason: str | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it; ``errorText`` is empty in an answer that gets here."""
        fields = Fields(data)
        fields.text("errorText")
        return cls(
            total_cash_value=fields.decimal("totalCashValue"),
            total_pnl=fields.decimal("totalPnL"),
            net_liq=fields.decimal("netLiq"),
            open_pnl=fields.decimal("openPnL"),
            realized_pnl=fields.decimal("realizedPnL"),
            week_realized_pnl=fields.decimal("weekRealizedPnL"),
            initial_margin=fields.decimal("initialMargin"),
            maintenance_margin=fields.decimal("maintenanceMargin"),
            net_liq_sod=fields.decimal("netLiqSOD"),
            total_cash_value_sod=fields.decimal("totalCashValueSOD"),
            cash_usd=fields.decimal("cashUSD"),
            cash_sod_usd=fields.decimal("cashSODUSD"),
            full_initial_margin=fields.decimal("fullInitialMargin"),
            full_initial_margin_sod=fields.decimal("fullInitialMarginSOD"),
            auto_liq_level=fields.decimal("autoLiqLevel"),
            currency_cash_avail_withdrawal_usd=fields.decimal("currencyCashAvailWithdrawalUSD"),
            withdrawal_reject_reason=fields.text("withdrawalRejectReason"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """What one contract costs in margin, in dollars; the id is that of what it is the margin of (1:1, inferred)."""

    id: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    timestamp: datetime | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            id=fields.need_integer("id"),
            initial_margin=fields.need_decimal("initialMargin"),
            maintenance_margin=fields.need_decimal("maintenanceMargin"),
            timestamp=fields.instant("timestamp"),
            extra=fields.rest(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractMargin(Margin):
    """Margin of one contract of one month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductMargin(Margin):
    """Margin of a product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who Tradovate takes us for."""

    user_id: int | None
    name: str | None
    full_name: str | None
    email: str | None
    organization_name: str | None
    extra: Mapping[str, object]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read one as Tradovate sends it."""
        fields = Fields(data)
        return cls(
            user_id=fields.integer("userId"),
            name=fields.text("name"),
            full_name=fields.text("fullName"),
            email=fields.text("email"),
            organization_name=fields.text("organizationName"),
            extra=fields.rest(),
        )
