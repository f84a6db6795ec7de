"""The reduced schemas accept the pages' own examples and refuse what the pages leave open."""

from __future__ import annotations

import pytest

from tests.schemas import ENDPOINTS, document, request_errors, response_errors, schema_name

LIMITS: dict[str, object] = {"id": 1, "dailyLossAutoLiq": 500.0}
POSITION_LIMIT: dict[str, object] = {
    "accountId": 1,
    "active": True,
    "totalBy": "Overall",
    "exposedLimit": 3,
    "description": "x" * 64,
}
RISK_PARAMETER: dict[str, object] = {
    "userAccountPositionLimitId": 1,
    "maxOpeningOrderQty": 3,
    "marginPercentage": 50.5,
    "hardLimit": True,
}
SNAPSHOT: dict[str, object] = {"totalCashValue": 50000.0, "netLiq": 50010.5, "openPnL": 10.5}
LOCK = {"accountId": 1, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseAMLDecision"}
GOOD_REQUESTS: dict[str, dict[str, object]] = {
    "setadminautoliqaction": LOCK,
    "switchriskcategory": {"accountIds": [1234567890, 9876543210], "riskCategoryId": 3},
    "updateuserautoliqs": {"items": [{"accountId": 1}]},
    "expireuserlockout": {"userId": 1},
    "updatemaxnetliq": {"accountId": 1, "maxNetLiq": 50000.5},
    "resetautoliqstatus": {"accountId": 1},
    "setaccountnotes": {"accountId": 1},
    "updateuserautoliq": {"accountId": 1, "asOwner": True},
    "changedemobalance": {"accountId": 1, "cashChange": -100.5, "comment": "x" * 64},
    "getcashbalancesnapshot": {"accountId": 1},
    "deleteuseraccountpositionlimit": {"userAccountPositionLimitId": 1},
    "deleteuseraccountriskparameter": {"userAccountRiskParameterId": 1},
    "useraccountautoliq-create": LIMITS,
    "useraccountautoliq-update": LIMITS,
    "useraccountpositionlimit-create": POSITION_LIMIT,
    "useraccountpositionlimit-update": {"id": 1, **POSITION_LIMIT},
    "useraccountriskparameter-create": RISK_PARAMETER,
    "useraccountriskparameter-update": {"id": 1, **RISK_PARAMETER},
}
STATUS = {
    "id": 1,
    "adminAction": "AgreedOnLiqOnlyModeByAutoLiq",
    "adminTimestamp": "2024-01-15T09:30:00Z",
    "liquidateOnly": "2024-01-15T09:30:00Z",
    "userTriggeredLiqOnly": True,
    "maxNetLiq": 1.1,
    "minNetLiq": 1.1,
}
GOOD_RESPONSES: dict[str, dict[str, object]] = {
    "setadminautoliqaction": {"errorText": "string", "accountRiskStatus": STATUS},
    "switchriskcategory": {"ok": True, "errorText": ""},
    "updateuserautoliqs": {"userAutoLiqs": [{"userAccountAutoLiq": {"id": 1}, "permissionedAccountAutoLiq": {"id": 1}}]},
    "expireuserlockout": {"ok": True, "errorText": "string"},
    "updatemaxnetliq": {"accountRiskStatus": STATUS},
    "resetautoliqstatus": {"accountRiskStatus": STATUS},
    "setaccountnotes": {"ok": True},
    "updateuserautoliq": {"userAccountAutoLiq": {"id": 1}, "permissionedAccountAutoLiq": {"id": 1}},
    "changedemobalance": SNAPSHOT,
    "getcashbalancesnapshot": SNAPSHOT,
    "deleteuseraccountpositionlimit": {"success": True},
    "deleteuseraccountriskparameter": {"success": False, "errorText": "string"},
    "useraccountautoliq-create": LIMITS,
    "useraccountautoliq-update": LIMITS,
    "useraccountpositionlimit-create": {"id": 1, **POSITION_LIMIT},
    "useraccountpositionlimit-update": {"id": 1, **POSITION_LIMIT},
    "useraccountriskparameter-create": {"id": 1, **RISK_PARAMETER},
    "useraccountriskparameter-update": {"violations": [{"constraint": "min", "value": -1, "description": "string"}]},
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_pages_examples_fit(endpoint: str) -> None:
    assert request_errors(endpoint, GOOD_REQUESTS[endpoint]) == []
    assert response_errors(endpoint, GOOD_RESPONSES[endpoint]) == []
    assert schema_name(document(endpoint)["path"]) == endpoint


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_missing_or_empty_body_and_unknown_keys_are_refused(endpoint: str) -> None:
    assert request_errors(endpoint, None)
    assert request_errors(endpoint, {})
    assert request_errors(endpoint, {**GOOD_REQUESTS[endpoint], "colour": "red"})
    assert response_errors(endpoint, {**GOOD_RESPONSES[endpoint], "colour": "red"})


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("setadminautoliqaction", LOCK | {"accountId": 0}),
        ("setadminautoliqaction", LOCK | {"adminAction": "Lock"}),
        ("setadminautoliqaction", LOCK | {"adminActionReasonCode": "Other"}),
        ("setadminautoliqaction", LOCK | {"adminActionReasonCode": "Other", "adminActionReason": " "}),
        ("setadminautoliqaction", LOCK | {"adminActionReason": "x" * 8193}),
        ("switchriskcategory", {"accountIds": [], "riskCategoryId": 3}),
        ("switchriskcategory", {"accountIds": [1] * 10_001, "riskCategoryId": 3}),
        ("updateuserautoliqs", {"items": []}),
        ("updateuserautoliqs", {"items": [{"accountId": 1, "colour": "red"}]}),
        ("updateuserautoliqs", {"items": [{"accountId": 1, "trailingMaxDrawdownMode": "Weekly"}]}),
        ("updateuserautoliqs", {"items": [{"accountId": 1, "steppedCooldown": {"steps": [{"stepNumber": 1}]}}]}),
        ("updateuserautoliqs", {"items": [{"accountId": 1, "flattenTimestamp": "tomorrow"}]}),
        ("expireuserlockout", {"userId": 1, "notes": "x" * 8193}),
        ("changedemobalance", {"accountId": 1, "cashChange": 1_000_000}),
        ("changedemobalance", {"accountId": 1, "cashChange": -1_000_000}),
        ("changedemobalance", {"accountId": 1, "cashChange": 1, "comment": "x" * 65}),
        ("useraccountpositionlimit-create", POSITION_LIMIT | {"exposedLimit": -1}),
        ("useraccountpositionlimit-create", POSITION_LIMIT | {"totalBy": "Account"}),
        ("useraccountpositionlimit-create", POSITION_LIMIT | {"description": "x" * 65}),
        ("useraccountpositionlimit-update", POSITION_LIMIT),
        ("useraccountriskparameter-create", RISK_PARAMETER | {"maxOpeningOrderQty": 1.5}),
    ],
)
def test_bodies_that_the_prose_forbids_are_refused(endpoint: str, body: object) -> None:
    assert request_errors(endpoint, body)
