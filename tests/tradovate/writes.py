"""One call of each writing method: what it must send, what Tradovate answers, what the method makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from riskadmin.tradovate.auto_liq import AutoLiqFields, AutoLiqUpdate
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.entities import CooldownStep
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.pre_trade import PositionLimitFields, RiskParameterFields
from riskadmin.tradovate.vocabulary import AdminAction, ProductType, ReasonCode, TotalBy

PERMIT = WritePermit(call_id=7, good_for_s=3600.0)

EVERY_FIELD = AutoLiqFields(
    changes_locked=False,
    margin_percentage_alert=Decimal(70),
    daily_loss_percentage_alert=Decimal("1.5"),
    daily_loss_alert=Decimal("300.10"),
    margin_percentage_liq_only=Decimal(80),
    daily_loss_percentage_liq_only=Decimal("1.8"),
    daily_loss_liq_only=Decimal("400.20"),
    margin_percentage_auto_liq=Decimal(90),
    daily_loss_percentage_auto_liq=Decimal("2.0"),
    daily_loss_auto_liq=Decimal("500.30"),
    weekly_loss_auto_liq=Decimal(1500),
    flatten_timestamp=datetime(2026, 3, 2, 15, 10, tzinfo=timezone(timedelta(hours=-6))),
    trailing_max_drawdown=Decimal(2500),
    trailing_max_drawdown_limit=Decimal(50100),
    trailing_max_drawdown_mode="EOD",
    daily_profit_auto_liq=Decimal(0),
    weekly_profit_auto_liq=Decimal("9999.99"),
    do_not_unlock=True,
    stepped_cooldown=(CooldownStep(step_number=1, step_distance=Decimal("10.5"), cooldown_minutes=30),),
    stepped_unlimited=False,
)
EVERY_FIELD_SENT: dict[str, Any] = {
    "changesLocked": False,
    "marginPercentageAlert": 70,
    "dailyLossPercentageAlert": 1.5,
    "dailyLossAlert": 300.1,
    "marginPercentageLiqOnly": 80,
    "dailyLossPercentageLiqOnly": 1.8,
    "dailyLossLiqOnly": 400.2,
    "marginPercentageAutoLiq": 90,
    "dailyLossPercentageAutoLiq": 2.0,
    "dailyLossAutoLiq": 500.3,
    "weeklyLossAutoLiq": 1500,
    "flattenTimestamp": "2026-03-02T21:10:00Z",
    "trailingMaxDrawdown": 2500,
    "trailingMaxDrawdownLimit": 50100,
    "trailingMaxDrawdownMode": "EOD",
    "dailyProfitAutoLiq": 0,
    "weeklyProfitAutoLiq": 9999.99,
    "doNotUnlock": True,
    "steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": 10.5, "cooldownMinutes": 30}]},
    "steppedUnlimited": False,
}
POSITION_LIMIT = PositionLimitFields(
    account_id=41,
    active=True,
    total_by=TotalBy.PRODUCT,
    product_id=9,
    product_type=ProductType.FUTURES,
    long_limit=5,
    exposed_limit=0,
    description="five lots",
)
POSITION_LIMIT_SENT: dict[str, Any] = {
    "productId": 9,
    "productType": "Futures",
    "accountId": 41,
    "active": True,
    "totalBy": "Product",
    "longLimit": 5,
    "exposedLimit": 0,
    "description": "five lots",
}
RISK_PARAMETER = RiskParameterFields(
    user_account_position_limit_id=3,
    max_opening_order_qty=2,
    margin_dollar_value=Decimal("1200.50"),
    hard_limit=True,
)
RISK_PARAMETER_SENT: dict[str, Any] = {
    "userAccountPositionLimitId": 3,
    "maxOpeningOrderQty": 2,
    "marginDollarValue": 1200.5,
    "hardLimit": True,
}


@dataclass(frozen=True, kw_only=True)
class Write:
    """A call of `method` with `arguments`; `answer` is a clean one."""

    method: str
    path: str
    arguments: dict[str, Any]
    body: dict[str, Any]
    answer: dict[str, Any]
    demo_only: bool = False
    unreadable: list[dict[str, Any]] = field(default_factory=list)  # answers with 200 that say too little or nonsense

    def __call__(self, client: Client, **others: Any) -> Reply[Any]:
        reply: Reply[Any] = getattr(client, self.method)(**{"permit": PERMIT, **self.arguments, **others})
        return reply


SIMPLE_UNREADABLE: list[dict[str, Any]] = [{}, {"ok": None}, {"errorText": ""}, {"ok": "yes"}]
STATUS_UNREADABLE: list[dict[str, Any]] = [{"accountRiskStatus": [1]}, {"accountRiskStatus": {"id": "41"}}]
ENTITY_UNREADABLE: list[dict[str, Any]] = [{}, {"id": "3"}]

WRITES = [
    Write(
        method="set_admin_auto_liq_action",
        path="accountRiskStatus/setadminautoliqaction",
        arguments={
            "account_id": 41,
            "action": AdminAction.LOCK,
            "reason_code": ReasonCode.OTHER,
            "reason": "runaway algorithm",
        },
        body={
            "accountId": 41,
            "adminAction": "LockTradingImmediately",
            "adminActionReasonCode": "Other",
            "adminActionReason": "runaway algorithm",
        },
        answer={"accountRiskStatus": {"id": 41, "adminAction": "LockTradingImmediately"}},
        demo_only=True,
        unreadable=STATUS_UNREADABLE,
    ),
    Write(
        method="switch_risk_category",
        path="accountRiskStatus/switchriskcategory",
        arguments={"account_ids": [9876543210, 41], "risk_category_id": 3},
        body={"accountIds": [9876543210, 41], "riskCategoryId": 3},
        answer={"ok": True, "errorText": ""},
        unreadable=SIMPLE_UNREADABLE,
    ),
    Write(
        method="expire_user_lockout",
        path="user/expireuserlockout",
        arguments={"user_id": 8, "notes": "asked for by phone"},
        body={"userId": 8, "notes": "asked for by phone"},
        answer={"ok": True},
        demo_only=True,
        unreadable=SIMPLE_UNREADABLE,
    ),
    Write(
        method="reset_auto_liq_status",
        path="accountRiskStatus/resetautoliqstatus",
        arguments={"account_id": 41},
        body={"accountId": 41},
        answer={"accountRiskStatus": {"id": 41, "adminAction": "Normal"}},
        unreadable=STATUS_UNREADABLE,
    ),
    Write(
        method="update_max_net_liq",
        path="accountRiskStatus/updatemaxnetliq",
        arguments={"account_id": 41, "max_net_liq_usd": Decimal("50000.10")},
        body={"accountId": 41, "maxNetLiq": 50000.1},
        answer={"accountRiskStatus": {"id": 41, "maxNetLiq": 50000.1}},
        demo_only=True,
        unreadable=STATUS_UNREADABLE,
    ),
    Write(
        method="change_demo_balance",
        path="cashBalance/changedemobalance",
        arguments={"account_id": 41, "cash_change_usd": Decimal("-250.75"), "comment": "wrong fill"},
        body={"accountId": 41, "cashChange": -250.75, "comment": "wrong fill"},
        answer={"totalCashValue": 49749.25, "errorText": ""},
        demo_only=True,
        unreadable=[{"netLiq": "49749.25"}],
    ),
    Write(
        method="update_user_auto_liqs",
        path="userAccountAutoLiq/updateuserautoliqs",
        arguments={
            "items": [
                AutoLiqUpdate(account_id=41, as_owner=True, fields=EVERY_FIELD),
                AutoLiqUpdate(account_id=41, as_owner=False, fields=AutoLiqFields(daily_loss_alert=Decimal("0.1"))),
            ],
        },
        body={
            "items": [
                {"accountId": 41, "asOwner": True, **EVERY_FIELD_SENT},
                {"accountId": 41, "asOwner": False, "dailyLossAlert": 0.1},
            ],
        },
        answer={
            "userAutoLiqs": [
                {"userAccountAutoLiq": {"id": 41, **EVERY_FIELD_SENT}, "permissionedAccountAutoLiq": {"id": 41}},
                {"permissionedAccountAutoLiq": {"id": 41, "dailyLossAlert": 0.1}},
            ],
        },
        unreadable=[{}, {"userAutoLiqs": None}, {"userAutoLiqs": {}}],
    ),
    Write(
        method="create_user_account_position_limit",
        path="userAccountPositionLimit/create",
        arguments={"limit": POSITION_LIMIT},
        body=POSITION_LIMIT_SENT,
        answer={"id": 3, **POSITION_LIMIT_SENT},
        unreadable=[*ENTITY_UNREADABLE, {"id": 3, "accountId": 41}],
    ),
    Write(
        method="update_user_account_position_limit",
        path="userAccountPositionLimit/update",
        arguments={"position_limit_id": 3, "limit": POSITION_LIMIT, "carried": {}, "altered": ()},
        body={"id": 3, **POSITION_LIMIT_SENT},
        answer={"id": 3, **POSITION_LIMIT_SENT},
        unreadable=ENTITY_UNREADABLE,
    ),
    Write(
        method="delete_user_account_position_limit",
        path="userAccountPositionLimit/deleteuseraccountpositionlimit",
        arguments={"position_limit_id": 3},
        body={"userAccountPositionLimitId": 3},
        answer={"success": True},
    ),
    Write(
        method="create_user_account_risk_parameter",
        path="userAccountRiskParameter/create",
        arguments={"parameter": RISK_PARAMETER},
        body=RISK_PARAMETER_SENT,
        answer={"id": 5, **RISK_PARAMETER_SENT},
        unreadable=[*ENTITY_UNREADABLE, {"id": 5}],
    ),
    Write(
        method="update_user_account_risk_parameter",
        path="userAccountRiskParameter/update",
        arguments={"risk_parameter_id": 5, "parameter": RISK_PARAMETER, "carried": {}, "altered": ()},
        body={"id": 5, **RISK_PARAMETER_SENT},
        answer={"id": 5, **RISK_PARAMETER_SENT},
        unreadable=ENTITY_UNREADABLE,
    ),
    Write(
        method="delete_user_account_risk_parameter",
        path="userAccountPositionLimit/deleteuseraccountriskparameter",
        arguments={"risk_parameter_id": 5},
        body={"userAccountRiskParameterId": 5},
        answer={},
    ),
]
BY_METHOD = {write.method: write for write in WRITES}
