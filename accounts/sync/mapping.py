"""Tradovate's entities as rows of the mirror: pure, one function per table.

What Tradovate leaves out is NULL here, or an empty text. A name longer than its column is cut, because one odd name must not
keep ten thousand accounts unread; a number too large for its column can't be cut, and is reported by `misfit`. All ids are our
keys except `tradovate_id`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final

from django.db import models

from accounts.models import Account as AccountRow
from accounts.models import AutoLiqLimits, Cash, LimitLevel, RiskParameter, RiskStatus, Source
from accounts.models import Position as PositionRow
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, ValueType
from riskadmin.tradovate.encoding import to_json, tradovate_name
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    CooldownStep,
    LossLimits,
    Position,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.pre_trade import Scope, UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.reading import named
from riskadmin.tradovate.vocabulary import Environment

Row = Mapping[str, Any]

USD = 1
"""Tradovate's currency id of the US dollar."""

# The columns that hold a number, and the entity's field that it comes from.
_ACCOUNT_NUMBERS: Final = {"evaluation_size_usd": "evaluation_size"}
_STATUS_NUMBERS: Final = {"max_net_liq_usd": "max_net_liq", "min_net_liq_usd": "min_net_liq"}
_LIMITS_NUMBERS: Final = {field.name: field.entity_name for field in AUTO_LIQ_FIELDS.values() if field.is_number}
_CASH_NUMBERS: Final = {
    "amount_usd": "amount",
    "amount_sod_usd": "amount_sod",
    "realized_pnl_usd": "realized_pnl",
    "week_realized_pnl_usd": "week_realized_pnl",
}
_POSITION_NUMBERS: Final = {"net_pos": "net_pos", "net_price": "net_price"}
_RISK_PARAMETER_NUMBERS: Final = {"margin_percentage": "margin_percentage", "margin_dollar_value": "margin_dollar_value"}

_NUMBERS: Final[Mapping[type[models.Model], Mapping[str, str]]] = {
    AccountRow: _ACCOUNT_NUMBERS,
    RiskStatus: _STATUS_NUMBERS,
    AutoLiqLimits: _LIMITS_NUMBERS,
    Cash: _CASH_NUMBERS,
    PositionRow: _POSITION_NUMBERS,
    RiskParameter: _RISK_PARAMETER_NUMBERS,
}
"""In all other columns every number that the client reads fits: they hold int64."""


def misfit(model: type[models.Model], row: Row) -> tuple[str, object] | None:
    """Return Tradovate's name and the value of a number that its column can't hold, or None if each fits.

    If there are several, the names are comma-separated and the values have their names.
    """
    bad = {
        name: value
        for column, below, name in _bounds(model)
        if (value := row[column]) is not None and not -below < value < below
    }
    if not bad:
        return None
    error = named(bad)
    return error.field, error.value


@cache
def _bounds(model: type[models.Model]) -> tuple[tuple[str, Decimal, str], ...]:
    """Return each number column of a model with the bound of its absolute value, and Tradovate's name for it."""
    return tuple(
        (column, _bound(model._meta.get_field(column)), tradovate_name(field))
        for column, field in _NUMBERS.get(model, {}).items()
    )


def _bound(field: Any) -> Decimal:
    if isinstance(field, models.DecimalField):
        # PostgreSQL rounds half up, away from zero: from here on it would need one more digit.
        digits, places = field.max_digits, field.decimal_places
        return Decimal(10) ** (digits - places) - Decimal(5).scaleb(-places - 1)
    return Decimal(2**31)


def _numbers(columns: Mapping[str, str], entity: object) -> Row:
    return {column: getattr(entity, field, None) for column, field in columns.items()}


@dataclass(frozen=True, slots=True)
class ReadStamp:
    """What a row records about its reading: the environment, when its read began, and which kind of read it was."""

    environment: Environment
    read_at: datetime
    source: Source

    @property
    def age(self) -> Row:
        """The freshness columns of every mirror row."""
        return {"fresh_at": self.read_at, "source": self.source.value}

    @property
    def place(self) -> Row:
        """The columns of a row that is identified by its environment and Tradovate's id."""
        return {"environment": self.environment.value, **self.age}


def category_row(category: RiskCategory, reading: ReadStamp) -> Row:
    """A risk category; one without a name is named by its number."""
    name = category.name or f"Category {category.id}"
    return {**reading.place, "tradovate_id": category.id, "name": name[:128]}


def trader_row(user: User, reading: ReadStamp) -> Row:
    """A trader that this read found."""
    return {
        **reading.place,
        "tradovate_id": user.id,
        "name": user.name[:64],
        "email": (user.email or "")[:254],
        "status": (user.status or "")[:32],
        "missing_since": None,
        "left_out_at": None,
    }


def account_row(account: Account, reading: ReadStamp, *, category_id: int | None) -> Row:
    """An account that this read found. How Tradovate shows an archived one is not documented, so each sign counts."""
    closed = bool(account.closed)
    return {
        **reading.place,
        "tradovate_id": account.id,
        "name": account.name[:64],
        "account_type": (account.account_type or "")[:32],
        "closed": closed,
        "restricted": bool(account.restricted),
        "archived": closed or bool(account.archived) or account.active is False,
        "missing_since": None,
        "left_out_at": None,
        "risk_category_id": category_id,
        **_numbers(_ACCOUNT_NUMBERS, account),
        "opened_at": account.timestamp,
    }


def permission_row(permission: TradingPermission, reading: ReadStamp, *, account_id: int, trader_id: int) -> Row:
    """Who may trade an account."""
    return {
        **reading.place,
        "tradovate_id": permission.id,
        "account_id": account_id,
        "trader_id": trader_id,
        "status": (permission.status or "")[:32],
        "missing_since": None,
        "left_out_at": None,
    }


def risk_status_row(status: AccountRiskStatus, reading: ReadStamp, *, account_id: int) -> Row:
    """An account's risk status."""
    return {
        **reading.age,
        "account_id": account_id,
        "admin_action": (status.admin_action or "")[:64],
        "admin_at": status.admin_timestamp,
        "liquidate_only_at": status.liquidate_only,
        "user_triggered_liq_only": status.user_triggered_liq_only,
        **_numbers(_STATUS_NUMBERS, status),
    }


def limits_row(limits: LossLimits, reading: ReadStamp, *, account_id: int) -> Row:
    """One level of an account's limits; the firm's record has fields that the trader's lacks."""
    is_firm = isinstance(limits, UserAccountAutoLiq)
    return {
        **reading.age,
        "account_id": account_id,
        "level": (LimitLevel.FIRM if is_firm else LimitLevel.TRADER).value,
        **{name: convert(getattr(limits, field, None)) for name, field, convert in _LIMITS_COLUMNS},
        "record": to_json(limits.record),
    }


def _as_it_is(value: object) -> object:
    return value


def _mode(mode: str | None) -> str:
    return (mode or "")[:16]


def _steps(steps: Sequence[CooldownStep] | None) -> list[dict[str, Any]] | None:
    if steps is None:
        return None
    return [
        {"step": step.step_number, "distance_usd": _shortest(step.step_distance), "cooldown_minutes": step.cooldown_minutes}
        for step in steps
    ]


_CONVERTED: Final[Mapping[ValueType, Callable[[Any], object]]] = {ValueType.MODE: _mode, ValueType.STEPS: _steps}
_LIMITS_COLUMNS: Final = tuple(
    (field.name, field.entity_name, _CONVERTED.get(field.value_type, _as_it_is)) for field in AUTO_LIQ_FIELDS.values()
)


def _shortest(number: Decimal) -> str:
    """A number as its shortest text, 250.0 as "250": equal steps must look equal."""
    return format(number.normalize(), "f") if number else "0"


def cash_row(balance: CashBalance, reading: ReadStamp, *, account_id: int) -> Row:
    """An account's dollars."""
    return {
        **reading.age,
        "account_id": account_id,
        **_numbers(_CASH_NUMBERS, balance),
    }


def position_row(position: Position, reading: ReadStamp, *, account_id: int) -> Row:
    """One open position."""
    return {
        **reading.age,
        "account_id": account_id,
        "tradovate_id": position.id,
        "contract_id": position.contract_id,
        **_numbers(_POSITION_NUMBERS, position),
        "traded_at": position.timestamp,
    }


def position_limit_row(limit: UserAccountPositionLimit, reading: ReadStamp, *, account_id: int) -> Row:
    """One position limit."""
    return {
        **reading.age,
        **_scope(limit),
        "account_id": account_id,
        "tradovate_id": limit.id,
        "unknown_fields": sorted(limit.extra),
        "record": to_json(limit.record),
        "active": limit.active,
        "total_by": limit.total_by,
        "risk_time_period_id": limit.risk_time_period_id,
        "short_limit": limit.short_limit,
        "long_limit": limit.long_limit,
        "exposed_limit": limit.exposed_limit,
        "fungible_exposed_limit": limit.fungible_exposed_limit,
        "description": limit.description or "",
    }


def risk_parameter_row(parameter: UserAccountRiskParameter, reading: ReadStamp, *, position_limit_id: int) -> Row:
    """One risk parameter of a position limit."""
    return {
        **reading.age,
        **_scope(parameter),
        "position_limit_id": position_limit_id,
        "tradovate_id": parameter.id,
        "unknown_fields": sorted(parameter.extra),
        "record": to_json(parameter.record),
        "max_opening_order_qty": parameter.max_opening_order_qty,
        "max_closing_order_qty": parameter.max_closing_order_qty,
        "fungible_max_opening_order_qty": parameter.fungible_max_opening_order_qty,
        "fungible_max_closing_order_qty": parameter.fungible_max_closing_order_qty,
        "max_back_month": parameter.max_back_month,
        "pre_expiration_days": parameter.pre_expiration_days,
        **_numbers(_RISK_PARAMETER_NUMBERS, parameter),
        "hard_limit": parameter.hard_limit,
    }


def _scope(scope: Scope) -> Row:
    return {
        "contract_id": scope.contract_id,
        "product_id": scope.product_id,
        "exchange_id": scope.exchange_id,
        "product_type": scope.product_type or "",
        "risk_discount_contract_group_id": scope.risk_discount_contract_group_id,
        "product_verification_status": scope.product_verification_status or "",
        "contract_group_id": scope.contract_group_id,
        "fungible_product_id": scope.fungible_product_id,
    }
