"""Reading entities: exact money, aware instants, nothing lost, nothing guessed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    CashBalanceSnapshot,
    ContractMargin,
    CooldownStep,
    PermissionedAccountAutoLiq,
    Position,
    ProductMargin,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.reading import Unreadable, parse_json
from riskadmin.tradovate.vocabulary import AdminAction, ProductType, ReasonCode, TotalBy
from tests.schemas import document


def test_risk_status_as_in_the_seed() -> None:
    text = """{"id": 1, "adminAction": "AgreedOnLiqOnlyModeByAutoLiq", "adminTimestamp": "2024-01-15T09:30:00Z",
               "liquidateOnly": "2024-01-15T09:30:00.125Z", "userTriggeredLiqOnly": true, "maxNetLiq": 1.1, "minNetLiq": 100}"""
    assert AccountRiskStatus.from_json(parse_json(text)) == AccountRiskStatus(
        id=1,
        admin_action=AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ,
        admin_timestamp=datetime(2024, 1, 15, 9, 30, tzinfo=UTC),
        liquidate_only=datetime(2024, 1, 15, 9, 30, 0, 125_000, tzinfo=UTC),
        user_triggered_liq_only=True,
        max_net_liq=Decimal("1.1"),
        min_net_liq=Decimal(100),
        extra={},
    )


def test_limits_as_in_the_seed() -> None:
    properties = document("entities")["$defs"]["userAccountAutoLiq"]["properties"]
    data: dict[str, object] = dict.fromkeys(properties, 2500.25)
    data |= {"id": 41, "changesLocked": True, "doNotUnlock": False, "steppedUnlimited": True}
    data |= {"flattenTimestamp": "2026-03-02T21:00:00Z", "trailingMaxDrawdownMode": "EOD"}
    data |= {"steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": 10.5, "cooldownMinutes": 30}]}}
    limits = UserAccountAutoLiq.from_json(parse_json(json.dumps(data)))
    assert limits.extra == {}
    assert (limits.id, limits.daily_loss_auto_liq, limits.weekly_profit_auto_liq) == (
        41,
        Decimal("2500.25"),
        Decimal("2500.25"),
    )
    assert limits.stepped_cooldown == (CooldownStep(step_number=1, step_distance=Decimal("10.5"), cooldown_minutes=30),)
    assert limits.trailing_max_drawdown_mode == "EOD"

    names = document("entities")["$defs"]["permissionedAccountAutoLiq"]["properties"]
    permissioned = PermissionedAccountAutoLiq.from_json({name: 41 if name == "id" else None for name in names})
    assert (permissioned.id, permissioned.extra) == (41, {})


@pytest.mark.parametrize(
    ("entity", "required"),
    [
        (Account, {"id": 1, "name": "A1"}),
        (User, {"id": 1, "name": "trader"}),
        (TradingPermission, {"id": 1, "userId": 2, "accountId": 3}),
        (AccountRiskStatus, {"id": 1}),
        (UserAccountAutoLiq, {"id": 1}),
        (PermissionedAccountAutoLiq, {"id": 1}),
        (RiskCategory, {"id": 1}),
        (Position, {"id": 1, "accountId": 2, "contractId": 3, "netPos": 0}),
        (CashBalance, {"id": 1, "accountId": 2, "amount": 0}),
    ],
)
def test_missing_and_null_are_the_same_and_the_unknown_is_kept(entity: type[Account], required: dict[str, object]) -> None:
    bare = entity.from_json(required)
    nulls = {
        "timestamp": None,
        "adminAction": None,
        "liquidateOnly": None,
        "dailyLossAutoLiq": None,
        "steppedCooldown": None,
        "tradeDate": None,
        "status": None,
    }
    known = entity.from_json(required | nulls | {"fromTomorrow": {"a": [1]}})
    assert known.extra["fromTomorrow"] == {"a": [1]}
    for field in entity.__dataclass_fields__:
        if field not in {"extra", "record"}:
            assert getattr(known, field) == getattr(bare, field)
    for name in required:
        with pytest.raises(Unreadable):
            entity.from_json({key: value for key, value in required.items() if key != name})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "1"),
        ("id", 1.5),
        ("id", True),
        ("name", 7),
        ("closed", "false"),
        ("closed", 0),
        ("evaluationSize", "50000"),
        ("evaluationSize", True),
        ("timestamp", "yesterday"),
        ("timestamp", 1700000000),
    ],
)
def test_a_wrong_type_is_not_guessed_at(field: str, value: object) -> None:
    with pytest.raises(Unreadable, match=f"{field} should be"):
        Account.from_json({"id": 1, "name": "A1", field: value})


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_an_entity_is_an_object(data: object) -> None:
    with pytest.raises(Unreadable):
        RiskCategory.from_json(data)


def test_money_is_exact() -> None:
    data = parse_json('{"id": 1, "accountId": 2, "amount": 10000000000000000.01, "realizedPnL": -0.10, "amountSOD": 1e3}')
    cash = CashBalance.from_json(data)
    assert (str(cash.amount), str(cash.realized_pnl), cash.amount_sod) == ("10000000000000000.01", "-0.10", Decimal(1000))


def test_ids_are_64_bit() -> None:
    assert RiskCategory.from_json(parse_json('{"id": 9223372036854775807}')).id == 2**63 - 1


def test_trade_dates() -> None:
    row: dict[str, object] = {"id": 1, "accountId": 2, "contractId": 3, "netPos": 0}
    assert Position.from_json(row | {"tradeDate": {"year": 2026, "month": 3, "day": 2}}).trade_date == date(2026, 3, 2)
    for wrong in ({"year": 2026, "month": 13, "day": 2}, {"year": 2026}, "2026-03-02"):
        with pytest.raises(Unreadable):
            Position.from_json(row | {"tradeDate": wrong})


def test_instants_are_aware() -> None:
    def timestamp(text: str) -> datetime | None:
        return Account.from_json({"id": 1, "name": "A1", "timestamp": text}).timestamp

    assert timestamp("2026-03-02T15:00:00") == datetime(2026, 3, 2, 15, tzinfo=UTC)
    assert timestamp("2026-03-02T15:00:00-06:00") == datetime(2026, 3, 2, 15, tzinfo=timezone(timedelta(hours=-6)))


def test_words_are_those_of_the_seed() -> None:
    definitions = document("entities")["$defs"]
    assert {action.value for action in AdminAction} == set(definitions["adminAction"]["enum"])
    assert {code.value for code in ReasonCode} == set(definitions["adminActionReasonCode"]["enum"])


POSITION_LIMIT = {
    "id": 3,
    "accountId": 41,
    "active": True,
    "totalBy": "ProductType",
    "contractId": 1,
    "productId": 2,
    "exchangeId": 4,
    "productType": "Futures",
    "riskDiscountContractGroupId": 5,
    "productVerificationStatus": "ReadyToTrade",
    "contractGroupId": 6,
    "fungibleProductId": 7,
    "riskTimePeriodId": 8,
    "shortLimit": 10,
    "longLimit": 11,
    "exposedLimit": 12,
    "fungibleExposedLimit": 120,
    "description": "lots",
}
RISK_PARAMETER = {
    "id": 5,
    "userAccountPositionLimitId": 3,
    "contractId": 1,
    "productId": 2,
    "exchangeId": 4,
    "productType": "Swap",
    "riskDiscountContractGroupId": 5,
    "productVerificationStatus": "Verified",
    "contractGroupId": 6,
    "fungibleProductId": 7,
    "maxOpeningOrderQty": 100,
    "maxClosingOrderQty": 101,
    "fungibleMaxOpeningOrderQty": 102,
    "fungibleMaxClosingOrderQty": 103,
    "maxBackMonth": 2,
    "preExpirationDays": 3,
    "marginPercentage": 12.5,
    "marginDollarValue": 1200.5,
    "hardLimit": False,
}


def test_a_position_limit_is_read_whole_and_requested_again() -> None:
    limit = UserAccountPositionLimit.from_json(POSITION_LIMIT)
    assert (limit.id, limit.account_id, limit.total_by, limit.product_type) == (
        3,
        41,
        TotalBy.PRODUCT_TYPE,
        ProductType.FUTURES,
    )
    assert (limit.short_limit, limit.long_limit, limit.exposed_limit, limit.fungible_exposed_limit) == (10, 11, 12, 120)
    assert limit.extra == {}
    assert {"id": limit.id, **limit.to_json()} == POSITION_LIMIT


def test_a_risk_parameter_is_read_whole_and_requested_again() -> None:
    parameter = UserAccountRiskParameter.from_json(parse_json(json.dumps(RISK_PARAMETER)))
    assert (parameter.margin_percentage, parameter.hard_limit) == (Decimal("12.5"), False)
    assert parameter.extra == {}
    assert {"id": parameter.id, **parameter.to_json()} == parse_json(json.dumps(RISK_PARAMETER))


def test_words_of_pre_trade_limits_that_we_do_not_know_are_kept_and_never_sent() -> None:
    limit = UserAccountPositionLimit.from_json({**POSITION_LIMIT, "totalBy": "Moon", "productType": "Tulips", "new": [1]})
    assert (limit.total_by, limit.product_type, limit.extra) == ("Moon", "Tulips", {"new": [1]})
    with pytest.raises(ValueError, match="Moon"):
        limit.to_json()


def test_a_position_limit_without_a_word_about_being_in_force_is_not() -> None:
    assert UserAccountPositionLimit.from_json({**POSITION_LIMIT, "active": None}).active is False


@pytest.mark.parametrize("missing", ["id", "accountId", "totalBy"])
def test_a_position_limit_needs_what_makes_it_one(missing: str) -> None:
    with pytest.raises(Unreadable, match=missing):
        UserAccountPositionLimit.from_json({**POSITION_LIMIT, missing: None})


@pytest.mark.parametrize("kind", [ContractMargin, ProductMargin])
def test_margins(kind: type[ContractMargin | ProductMargin]) -> None:
    text = '{"id": 9, "initialMargin": 1320.55, "maintenanceMargin": 1200, "timestamp": "2026-03-02T21:00:00Z", "new": 1}'
    margin = kind.from_json(parse_json(text))
    assert type(margin) is kind
    assert (margin.id, margin.initial_margin, margin.maintenance_margin) == (9, Decimal("1320.55"), Decimal(1200))
    assert (margin.timestamp, margin.extra) == (datetime(2026, 3, 2, 21, tzinfo=UTC), {"new": 1})
    with pytest.raises(Unreadable, match="initialMargin"):
        kind.from_json({"id": 9})


def test_a_cash_balance_snapshot() -> None:
    numbers = {
        "totalCashValue": "total_cash_value",
        "totalPnL": "total_pnl",
        "netLiq": "net_liq",
        "openPnL": "open_pnl",
        "realizedPnL": "realized_pnl",
        "weekRealizedPnL": "week_realized_pnl",
        "initialMargin": "initial_margin",
        "maintenanceMargin": "maintenance_margin",
        "netLiqSOD": "net_liq_sod",
        "totalCashValueSOD": "total_cash_value_sod",
        "cashUSD": "cash_usd",
        "cashSODUSD": "cash_sod_usd",
        "fullInitialMargin": "full_initial_margin",
        "fullInitialMarginSOD": "full_initial_margin_sod",
        "autoLiqLevel": "auto_liq_level",
        "currencyCashAvailWithdrawalUSD": "currency_cash_avail_withdrawal_usd",
    }
    values = {name: Decimal(number) / 100 for number, name in enumerate(numbers, start=1)}
    data = {**values, "withdrawalRejectReason": "NoData", "errorText": ""}
    snapshot = CashBalanceSnapshot.from_json(data)
    assert {theirs: getattr(snapshot, ours) for theirs, ours in numbers.items()} == values
    assert (snapshot.withdrawal_reject_reason, snapshot.extra) == ("NoData", {})
