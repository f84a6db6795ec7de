"""POST /accountRiskStatus/setadminautoliqaction, by its page."""

from __future__ import annotations

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import OTHER_ADMIN, SET_ACTION, VIEWER, Simulator


def lock(account: int, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "accountId": account,
        "adminAction": "LockTradingImmediately",
        "adminActionReasonCode": "Other",
        "adminActionReason": "runaway algorithm",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def test_a_lock_is_answered_stored_logged_and_counted_once(simulator: Simulator, post: Post, account: int) -> None:
    answer = post(SET_ACTION, lock(account))

    status = answer.json()["accountRiskStatus"]
    assert (answer.status_code, status["id"], status["adminAction"]) == (200, account, "LockTradingImmediately")
    state = simulator.account(account)
    assert state["accountRiskStatus"] == status
    assert state["restrictions"] == ["LockTradingImmediately"]
    assert state["may_open_positions"] is False
    assert [entry["adminAction"] for entry in state["riskStatusLog"]] == ["LockTradingImmediately"]
    [effect] = simulator.effects(account_id=account)
    assert effect["source"] == "call"
    assert effect["endpoint"] == SET_ACTION
    assert effect["entity"] == "accountRiskStatus"
    assert effect["before"]["adminAction"] == "Normal"
    assert effect["after"] == status
    assert effect["detail"] == {"reasonCode": "Other", "reason": "runaway algorithm"}
    assert simulator.call_count(SET_ACTION) == 1


def test_the_same_lock_twice_shows_as_two_effects(simulator: Simulator, post: Post, account: int) -> None:
    post(SET_ACTION, lock(account))
    post(SET_ACTION, lock(account))

    assert len(simulator.effects(account_id=account, action="admin_action")) == 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"accountId": 0}, "Account Id should be greater than 0"),
        ({"accountId": -5}, "Account Id should be greater than 0"),
        ({"adminAction": "Lock"}, "Admin Action should be between Normal and LiquidateImmediately"),
        ({"adminAction": None}, "Admin Action should be between Normal and LiquidateImmediately"),
        ({"adminActionReasonCode": "Bored"}, "Admin Action Reason Code should be between CloseAMLDecision and Other"),
        ({"adminActionReasonCode": None}, "Admin Action Reason Code should be between CloseAMLDecision and Other"),
        ({"adminActionReason": "x" * 8193}, "Admin Action Reason should be no longer than 8192"),
        ({"adminActionReason": None}, "Admin Action Reason should be specified"),
        ({"adminActionReason": "  "}, "Admin Action Reason should be specified"),
    ],
)
def test_each_error_text_of_the_page_and_nothing_happens(
    simulator: Simulator, post: Post, account: int, changes: dict[str, object], text: str
) -> None:
    answer = post(SET_ACTION, lock(account, **changes))

    assert (answer.status_code, answer.json()) == (200, {"errorText": text})
    assert simulator.effects(account_id=account) == []


def test_the_longest_reason_is_accepted_and_other_codes_need_none(post: Post, account: int) -> None:
    assert "accountRiskStatus" in post(SET_ACTION, lock(account, adminActionReason="x" * 8192)).json()
    coded = lock(account, adminActionReasonCode="RestrictedRiskRestriction", adminActionReason=None)
    assert "accountRiskStatus" in post(SET_ACTION, coded).json()


def test_the_live_host_denies_access_within_a_200(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("active", host="live", limit=1)

    answer = post(SET_ACTION, lock(account), host="live")

    assert (answer.status_code, answer.json()) == (200, {"errorText": "Access is denied"})
    assert simulator.effects(account_id=account) == []


def test_a_user_who_is_no_admin_draws_401_or_by_setting_the_error_text(simulator: Simulator, post: Post, account: int) -> None:
    viewer = simulator.token(VIEWER)

    answer = post(SET_ACTION, lock(account), token=viewer)
    assert (answer.status_code, answer.text) == (401, "Access is denied")

    simulator.set(not_admin_status=200)
    answer = post(SET_ACTION, lock(account), token=viewer)
    assert (answer.status_code, answer.json()) == (200, {"errorText": "Access is denied"})
    assert simulator.effects(account_id=account) == []


def test_unknown_foreign_and_other_host_accounts_are_404(simulator: Simulator, post: Post, account: int) -> None:
    [live_account] = simulator.account_ids(host="live", limit=1)

    assert post(SET_ACTION, lock(999)).status_code == 404
    assert post(SET_ACTION, lock(live_account)).status_code == 404
    assert post(SET_ACTION, lock(account), token=simulator.token(OTHER_ADMIN)).status_code == 404


def test_an_archived_account_is_accepted_silently(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("archived", limit=1)

    answer = post(SET_ACTION, lock(account))

    assert answer.status_code == 200
    assert answer.json()["accountRiskStatus"]["adminAction"] == "Normal"
    assert simulator.effects(account_id=account) == []


def test_liquidation_closes_positions_and_a_lock_keeps_them(simulator: Simulator, post: Post, account: int) -> None:
    simulator.open_position(account, 3)

    post(SET_ACTION, lock(account))
    assert [p["netPos"] for p in simulator.account(account)["positions"]] == [3]

    post(SET_ACTION, lock(account, adminAction="LiquidateImmediately"))
    assert [p["netPos"] for p in simulator.account(account)["positions"]] == [0]
    assert [e["action"] for e in simulator.effects(account_id=account)] == [
        "opened",
        "admin_action",
        "admin_action",
        "liquidated",
    ]


def test_liquidate_only_keeps_positions_and_normal_clears_everything(simulator: Simulator, post: Post, account: int) -> None:
    simulator.open_position(account, -2)

    status = post(SET_ACTION, lock(account, adminAction="LiquidateOnlyModeImmediately")).json()["accountRiskStatus"]
    assert status["liquidateOnly"] == status["adminTimestamp"]
    assert [p["netPos"] for p in simulator.account(account)["positions"]] == [-2]

    status = post(SET_ACTION, lock(account, adminAction="Normal")).json()["accountRiskStatus"]
    assert status["adminAction"] == "Normal"
    assert "liquidateOnly" not in status
    assert simulator.account(account)["may_open_positions"] is True


def test_paths_are_matched_without_case_and_get_does_not_write(simulator: Simulator, post: Post, account: int) -> None:
    assert "accountRiskStatus" in post("/AccountRiskStatus/SetAdminAutoLiqAction", lock(account)).json()
    answer = simulator.call("GET", SET_ACTION, token=simulator.token(), query=lock(account))
    assert answer.status_code == 404
    assert len(simulator.effects(account_id=account)) == 1


@pytest.mark.parametrize("body", [[1], "text", {"accountId": "7"}, {"accountId": True}, {"accountId": 2**63}])
def test_bodies_of_the_wrong_type_are_400(post: Post, body: object) -> None:
    assert post(SET_ACTION, body).status_code == 400


def test_a_missing_body_is_400(simulator: Simulator, token: str) -> None:
    assert simulator.call("POST", SET_ACTION, token=token).status_code == 400
