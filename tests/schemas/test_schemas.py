"""The reduced schemas accept the pages' own examples and refuse what the pages leave open."""

from __future__ import annotations

import pytest

from tests.schemas import ENDPOINTS, document, request_errors, response_errors

LOCK = {"accountId": 1, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseAMLDecision"}
GOOD_REQUESTS: dict[str, dict[str, object]] = {
    "setadminautoliqaction": LOCK,
    "switchriskcategory": {"accountIds": [1234567890, 9876543210], "riskCategoryId": 3},
    "updateuserautoliqs": {"items": [{"accountId": 1}]},
    "expireuserlockout": {"userId": 1},
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
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_pages_examples_fit(endpoint: str) -> None:
    assert request_errors(endpoint, GOOD_REQUESTS[endpoint]) == []
    assert response_errors(endpoint, GOOD_RESPONSES[endpoint]) == []
    assert document(endpoint)["path"].lower().endswith(endpoint)


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
    ],
)
def test_bodies_that_the_prose_forbids_are_refused(endpoint: str, body: object) -> None:
    assert request_errors(endpoint, body)
