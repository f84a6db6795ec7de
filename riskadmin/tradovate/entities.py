"""Tradovate's entities in Tradovate's own terms: frozen, money as ``Decimal`` dollars, instants aware.

Most fields are optional in the documentation and are therefore ``None`` when absent. Only the fields that an entity can't
do without are required. ``extra`` keeps the fields that this code does not name; ``record``, for entities that an update
replaces as a whole, keeps the whole of it exactly as received. ``from_json`` raises ``reading.Unreadable``.

Sources: seeds 000 and 001 for risk status and auto-liq limits, the partner OpenAPI document for the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from riskadmin.tradovate.entity import Entity
from riskadmin.tradovate.values import (
    ABSENT,
    Extra,
    Integer,
    Number,
    OptionalFlag,
    OptionalInstant,
    OptionalInteger,
    OptionalNumber,
    OptionalText,
    OptionalTradeDate,
    Record,
    Text,
    optional_list_in,
    optional_word,
)
from riskadmin.tradovate.vocabulary import AdminAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Entity):
    """A trading account.

    ``user_id`` is the master holder; the trader is found through ``TradingPermission``. ``active`` and ``archived`` are no
    longer in the current schema, but some versions still send them.
    """

    id: Integer
    name: Text
    user_id: OptionalInteger
    account_type: OptionalText
    active: OptionalFlag
    archived: OptionalFlag
    closed: OptionalFlag
    restricted: OptionalFlag
    risk_category_id: OptionalInteger
    auto_liq_profile_id: OptionalInteger
    evaluation_size: OptionalNumber
    timestamp: OptionalInstant
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Entity):
    """A person known to Tradovate: a trader or one of the organisation's own."""

    id: Integer
    name: Text
    email: OptionalText
    status: OptionalText
    professional: OptionalFlag
    organization_id: OptionalInteger
    timestamp: OptionalInstant
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPermission(Entity):
    """Which user trades which account. ``status`` is Accepted while they may."""

    id: Integer
    user_id: Integer
    account_id: Integer
    status: OptionalText
    account_holder_contact: OptionalText
    account_holder_email: OptionalText
    cta_contact: OptionalText
    cta_email: OptionalText
    updated: OptionalInstant
    approved_by_id: OptionalInteger
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRiskStatus(Entity):
    """What restricts an account now. It names no account: its id is assumed to be the account's (inferred).

    An action that is absent although it has a time is missing, which does not show that no action was taken.
    """

    required_with: ClassVar[Mapping[str, str]] = {"adminTimestamp": "adminAction"}

    id: Integer
    admin_action: Annotated[AdminAction | str | None, optional_word(AdminAction), ABSENT]
    admin_timestamp: OptionalInstant
    liquidate_only: OptionalInstant
    user_triggered_liq_only: OptionalFlag
    max_net_liq: OptionalNumber
    min_net_liq: OptionalNumber
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownStep(Entity):
    """One step of ``steppedCooldown``; ``step_distance`` in dollars, the cooldown in minutes."""

    step_number: Integer
    step_distance: Number
    cooldown_minutes: Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class LossLimits(Entity):
    """The levels that both auto-liq records share: per cent of margin, per cent and dollars of loss and profit."""

    id: Integer
    changes_locked: OptionalFlag
    margin_percentage_alert: OptionalNumber
    daily_loss_percentage_alert: OptionalNumber
    daily_loss_alert: OptionalNumber
    margin_percentage_liq_only: OptionalNumber
    daily_loss_percentage_liq_only: OptionalNumber
    daily_loss_liq_only: OptionalNumber
    margin_percentage_auto_liq: OptionalNumber
    daily_loss_percentage_auto_liq: OptionalNumber
    daily_loss_auto_liq: OptionalNumber
    weekly_loss_auto_liq: OptionalNumber
    daily_profit_auto_liq: OptionalNumber
    weekly_profit_auto_liq: OptionalNumber
    extra: Extra
    record: Record = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionedAccountAutoLiq(LossLimits):
    """The trader's own, stricter limits of an account. Source: seed 000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccountAutoLiq(LossLimits):
    """The firm's limits of an account; the id is the account's. Source: seed 000."""

    flatten_timestamp: OptionalInstant
    trailing_max_drawdown: OptionalNumber
    trailing_max_drawdown_limit: OptionalNumber
    trailing_max_drawdown_mode: OptionalText
    do_not_unlock: OptionalFlag
    stepped_cooldown: Annotated[tuple[CooldownStep, ...] | None, optional_list_in("steps", CooldownStep.from_json), ABSENT]
    stepped_unlimited: OptionalFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskCategory(Entity):
    """A pre-trade risk profile. Its schema is not public: only id and name are used."""

    id: Integer
    name: OptionalText
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Position(Entity):
    """Contracts held by an account. Flat rows (``net_pos`` 0) stay at Tradovate."""

    id: Integer
    account_id: Integer
    contract_id: Integer
    net_pos: Integer
    net_price: OptionalNumber
    bought: OptionalInteger
    bought_value: OptionalNumber
    sold: OptionalInteger
    sold_value: OptionalNumber
    prev_pos: OptionalInteger
    prev_price: OptionalNumber
    timestamp: OptionalInstant
    trade_date: OptionalTradeDate
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBalance(Entity):
    """Cash of an account in one currency; ``amount_sod`` is the start of the session's day."""

    id: Integer
    account_id: Integer
    amount: Number
    realized_pnl: OptionalNumber
    week_realized_pnl: OptionalNumber
    amount_sod: OptionalNumber
    currency_id: OptionalInteger
    timestamp: OptionalInstant
    trade_date: OptionalTradeDate
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBalanceSnapshot(Entity):
    """An account's money at this moment, in dollars. ``sod`` is the start of the session's day.

    It names no account. ``withdrawal_reject_reason`` is NoData or PendingContactInfoChange where it has a documented value.
    """

    ignored: ClassVar = frozenset({"errorText"})  # empty in an answer that is not an error

    total_cash_value: OptionalNumber
    total_pnl: OptionalNumber
    net_liq: OptionalNumber
    open_pnl: OptionalNumber
    realized_pnl: OptionalNumber
    week_realized_pnl: OptionalNumber
    initial_margin: OptionalNumber
    maintenance_margin: OptionalNumber
    net_liq_sod: OptionalNumber
    total_cash_value_sod: OptionalNumber
    cash_usd: OptionalNumber
    cash_sod_usd: OptionalNumber
    full_initial_margin: OptionalNumber
    full_initial_margin_sod: OptionalNumber
    auto_liq_level: OptionalNumber
    currency_cash_avail_withdrawal_usd: OptionalNumber
    withdrawal_reject_reason: OptionalText
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin(Entity):
    """The margin of one contract, in dollars. The id is that of the contract or product (1:1, inferred)."""

    id: Integer
    initial_margin: Number
    maintenance_margin: Number
    timestamp: OptionalInstant
    extra: Extra


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractMargin(Margin):
    """Margin of one contract of one month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductMargin(Margin):
    """Margin of a product."""
