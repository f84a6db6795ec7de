"""Each fault, and whether the effect has happened when it shows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.simulator.driver import SET_ACTION, Simulator, SimulatorError
from tests.waiting import wait_until

LOCK = {"adminAction": "LockTradingImmediately", "adminActionReasonCode": "RestrictedRiskRestriction"}


def lock(simulator: Simulator, token: str, account: int, *, timeout_s: float = 10, **more: object) -> requests.Response:
    body = {"accountId": account, **LOCK, **more}
    return simulator.call("POST", SET_ACTION, token=token, body=body, timeout_s=timeout_s)


def effects(simulator: Simulator, account: int) -> int:
    return len(simulator.effects(account_id=account, action="admin_action"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["429", "423", "500", "errorText", "html"])
def test_refusals_before_and_after_the_effect(simulator: Simulator, token: str, account: int, kind: str, when: str) -> None:
    simulator.fault(kind, endpoint=SET_ACTION, when=when, **({"text": "Busy"} if kind == "errorText" else {}))

    answer = lock(simulator, token, account)

    assert answer.status_code == {"429": 429, "423": 423, "500": 500}.get(kind, 200)
    if kind == "429":
        assert answer.content == b""
    if kind == "errorText":
        assert answer.json() == {"errorText": "Busy"}
    if kind == "html":
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.text.startswith("<!DOCTYPE html>")
    assert effects(simulator, account) == (1 if when == "after" else 0)


def test_error_text_has_the_shape_of_its_endpoint(simulator: Simulator, token: str) -> None:
    simulator.fault("errorText", text="Nope")
    simple = simulator.call("POST", "/user/expireuserlockout", token=token, body={"userId": 1})
    assert simple.json() == {"ok": False, "errorText": "Nope"}
    limits = simulator.call("POST", "/userAccountAutoLiq/updateuserautoliqs", token=token, body={"items": []})
    assert limits.json() == {"userAutoLiqs": [], "errorText": "Nope"}


def test_any_answer(simulator: Simulator, token: str, account: int) -> None:
    violations = {"violations": [{"constraint": "max", "value": "9", "description": "too many"}]}
    simulator.fault("answer", body=violations, count=1)
    simulator.fault("answer", body="gone fishing", status=599, count=1, skip=1)
    assert lock(simulator, token, account).json() == violations
    answer = lock(simulator, token, account)
    assert (answer.status_code, answer.text) == (599, "gone fishing")


@pytest.mark.parametrize(("when", "expected"), [("before", 0), ("after", 1)])
def test_a_cut_connection(simulator: Simulator, token: str, account: int, when: str, expected: int) -> None:
    simulator.fault("cut", account_id=account, when=when)
    with pytest.raises(requests.ConnectionError):
        lock(simulator, token, account)
    assert effects(simulator, account) == expected
    assert simulator.calls(endpoint=SET_ACTION)[0]["status"] is None


def test_a_cut_body_comes_after_the_effect(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("cut-body", account_id=account)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        lock(simulator, token, account)
    assert effects(simulator, account) == 1


@pytest.mark.parametrize(("when", "expected"), [("before", 0), ("after", 1)])
def test_a_call_that_hangs(simulator: Simulator, token: str, account: int, when: str, expected: int) -> None:
    fault = simulator.fault("hang", account_id=account, when=when)
    with pytest.raises(requests.ReadTimeout):
        lock(simulator, token, account, timeout_s=0.2)
    simulator.wait_held(fault)
    assert effects(simulator, account) == expected
    simulator.clear_faults()
    assert lock(simulator, token, account).status_code == 200


def test_a_held_call_is_counted_at_once_and_answered_when_released(simulator: Simulator, token: str, account: int) -> None:
    fault = simulator.fault("hold", account_id=account, when="after")
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(lock, simulator, token, account)
        simulator.wait_held(fault)
        assert effects(simulator, account) == 1
        assert simulator.call_count(SET_ACTION) == 1
        assert not pending.done()
        simulator.release(fault)
        assert pending.result().json()["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    assert effects(simulator, account) == 1


def test_a_call_held_before_its_effect_takes_effect_when_released(simulator: Simulator, token: str, account: int) -> None:
    fault = simulator.fault("hold", account_id=account)
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(lock, simulator, token, account)
        simulator.wait_held(fault)
        assert effects(simulator, account) == 0
        assert simulator.calls(endpoint=SET_ACTION)[0]["outcome"] == "waiting"
        simulator.release(fault)
        assert pending.result().status_code == 200
    assert effects(simulator, account) == 1
    assert simulator.calls(endpoint=SET_ACTION)[0]["outcome"] == "done"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("errorText", {"text": "Busy"}),
        ("answer", {"status": 404, "body": "Not found"}),
        ("answer", {"body": {"ok": False}}),
        ("500", {}),
        ("html", {}),
    ],
)
def test_a_refused_call_takes_effect_later(
    simulator: Simulator, token: str, account: int, kind: str, fields: dict[str, Any]
) -> None:
    fault = simulator.fault(kind, endpoint=SET_ACTION, effect_after_ms=3_600_000, count=1, **fields)
    answer = lock(simulator, token, account)
    assert "accountRiskStatus" not in answer.text
    simulator.wait_held(fault)
    assert effects(simulator, account) == 0
    assert simulator.calls(endpoint=SET_ACTION)[0]["outcome"] == "fault"

    simulator.release(fault)

    wait_until(lambda: effects(simulator, account))
    [call] = simulator.calls(endpoint=SET_ACTION)
    assert (call["outcome"], call["status"]) == ("late", answer.status_code)
    [effect] = simulator.effects(account_id=account, action="admin_action")
    assert (effect["call_id"], effect["after"]["adminAction"]) == (call["id"], "LockTradingImmediately")


def test_a_late_effect_comes_by_itself_and_after_a_cut_too(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("cut", account_id=account, effect_after_ms=1)
    with pytest.raises(requests.ConnectionError):
        lock(simulator, token, account)
    wait_until(lambda: effects(simulator, account))
    assert effects(simulator, account) == 1


def test_one_endpoint_may_refuse_for_good_without_signing_anybody_out(simulator: Simulator, token: str) -> None:
    simulator.fault("answer", status=401, body="Access is denied", endpoint="/position/list")
    for _ in range(3):
        answer = simulator.call("GET", "/position/list", token=token)
        assert (answer.status_code, answer.text) == (401, "Access is denied")
        assert simulator.call("GET", "/account/list", token=token).status_code == 200
    assert simulator.call("GET", "/position/list", token=simulator.token()).status_code == 401
    assert simulator.call("GET", "/auth/me", token=token).status_code == 200


def test_latency_delays_but_changes_nothing(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("latency", account_id=account, ms=300)
    with pytest.raises(requests.ReadTimeout):
        lock(simulator, token, account, timeout_s=0.1)
    simulator.clear_faults()
    simulator.set(latency_ms=1)
    assert lock(simulator, token, account).status_code == 200


def test_a_penalty_ticket_and_its_replay(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("p-ticket", account_id=account, p_time=7)
    penalty = lock(simulator, token, account).json()
    ticket = {"p-ticket": penalty["p-ticket"]}
    assert penalty == {**ticket, "p-time": 7}

    assert "p-ticket" in lock(simulator, token, account, **ticket).json()
    simulator.advance(7)
    assert "accountRiskStatus" in lock(simulator, token, account, **ticket).json()
    assert effects(simulator, account) == 1


def test_a_penalty_with_a_captcha_is_never_redeemed(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("p-ticket", account_id=account, captcha=True)
    penalty = lock(simulator, token, account).json()
    assert penalty == {"p-ticket": penalty["p-ticket"], "p-time": 5, "p-captcha": True}
    simulator.advance(3600)
    assert "p-ticket" in lock(simulator, token, account, **{"p-ticket": penalty["p-ticket"]}).json()
    assert effects(simulator, account) == 0


def test_count_skip_account_user_and_host_narrow_a_fault(simulator: Simulator, token: str, account: int) -> None:
    simulator.fault("500", endpoint="accountRiskStatus/SetAdminAutoLiqAction", account_id=account, count=2, skip=1)
    assert [lock(simulator, token, account).status_code for _ in range(4)] == [200, 500, 500, 200]

    other = simulator.account_ids("locked")[0]
    simulator.clear_faults()
    simulator.fault("500", account_id=other)
    simulator.fault("500", host="live")
    simulator.fault("500", user_id=1)
    assert lock(simulator, token, account).status_code == 200
    assert simulator.call("GET", "/riskCategory/list", token=token, host="live").status_code == 500
    assert simulator.call("GET", "/accountRiskStatus/items", token=token, query={"ids": f"1,{other}"}).status_code == 500
    assert simulator.call("GET", "/position/deps", token=token, query={"masterid": other}).status_code == 500
    switch = {"accountIds": [account, other], "riskCategoryId": 3}
    assert simulator.call("POST", "/accountRiskStatus/switchriskcategory", token=token, body=switch).status_code == 500


def test_probability_is_reproducible_by_seed(simulator: Simulator, token: str) -> None:
    def pattern(seed: int) -> list[int]:
        simulator.clear_faults()
        simulator.fault("500", endpoint="/riskCategory/list", probability=0.5, seed=seed)
        return [simulator.call("GET", "/riskCategory/list", token=token).status_code for _ in range(20)]

    first = pattern(7)
    assert set(first) == {200, 500}
    assert pattern(7) == first
    assert pattern(8) != first


def test_faulty_calls_count_toward_the_limits(simulator: Simulator, token: str) -> None:
    simulator.fault("500", endpoint="/riskCategory/list")
    simulator.set(user_calls_per_hour=2)
    codes = [simulator.call("GET", "/riskCategory/list", token=token).status_code for _ in range(3)]
    assert codes == [500, 500, 429]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "explode"},
        {"kind": "500", "colour": "red"},
        {"kind": "500", "endpoint": "/no/such"},
        {"kind": "500", "host": "replay"},
        {"kind": "500", "when": "during"},
        {"kind": "500", "count": "two"},
        {"kind": "p-ticket", "when": "after"},
    ],
)
def test_faults_that_make_no_sense_are_refused(simulator: Simulator, rule: dict[str, object]) -> None:
    with pytest.raises(SimulatorError, match="400"):
        simulator.control("POST", "/faults", rule)
    assert simulator.control("GET", "/faults") == {"faults": []}


def test_a_fault_shows_its_progress_and_can_be_dropped_alone(simulator: Simulator, token: str) -> None:
    fault = simulator.fault("500", endpoint="/riskCategory/list")
    kept = simulator.fault("latency", ms=0)
    simulator.call("GET", "/riskCategory/list", token=token)
    assert simulator.control("GET", f"/faults/{fault}")["hits"] == 1
    simulator.control("DELETE", f"/faults/{fault}")
    assert [rule["id"] for rule in simulator.control("GET", "/faults")["faults"]] == [kept]
    with pytest.raises(SimulatorError, match="404"):
        simulator.control("GET", f"/faults/{fault}")
