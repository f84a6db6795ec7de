"""Habits of Tradovate's answers, each a setting: cut and shuffled lists, left out falses, other ids, unknown fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.simulator.conftest import Post
from tests.simulator.driver import (
    DELETE_POSITION_LIMIT,
    SET_ACTION,
    SWITCH_CATEGORY,
    UPDATE_LIMIT,
    UPDATE_LIMITS,
    Simulator,
    SimulatorError,
)

EXTENSIONS = ("accountRiskStatus", "userAccountAutoLiq", "permissionedAccountAutoLiq")
LOCK = {"adminAction": "LockTradingImmediately", "adminActionReasonCode": "RestrictedRiskRestriction"}


def get(simulator: Simulator, token: str, path: str, **query: object) -> requests.Response:
    return simulator.call("GET", path, token=token, query=query)


def ids(answer: requests.Response) -> list[int]:
    assert answer.status_code == 200
    return [entity["id"] for entity in answer.json()]


def send_limits(simulator: Simulator, token: str, account: int, fields: str) -> requests.Response:
    """Set an account's limits to fields given as JSON text, which is sent as it stands."""
    body = f'{{"items":[{{"accountId":{account},{fields}}}]}}'
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return requests.post(simulator.demo_url + UPDATE_LIMITS, data=body.encode(), headers=headers, timeout=10)


# --- caps ------------------------------------------------------------------------------------------


def test_a_cap_of_one_path_replaces_the_general_one(simulator: Simulator, token: str) -> None:
    simulator.set(entity_cap=7, entity_caps={"/account/list": 3, "/user/list": 0})
    wanted = simulator.account_ids(limit=10)
    assert ids(get(simulator, token, "/account/list")) == sorted(wanted)[:3]
    assert len(ids(get(simulator, token, "/user/list"))) > 7
    assert len(ids(get(simulator, token, "/account/items", ids=wanted))) == 7
    assert len(ids(get(simulator, token, "/accountRiskStatus/ldeps", masterids=wanted))) == 7


def test_only_a_cap_that_names_it_cuts_the_answer_of_updateuserautoliqs(
    simulator: Simulator, post: Post, untouched: Iterator[int]
) -> None:
    items = [{"accountId": next(untouched), "dailyLossAutoLiq": 5000.0} for _ in range(4)]
    simulator.set(entity_cap=2)
    assert len(post(UPDATE_LIMITS, {"items": items}).json()["userAutoLiqs"]) == 4

    simulator.set(entity_caps={UPDATE_LIMITS.lower(): 3})
    answered = post(UPDATE_LIMITS, {"items": items}).json()["userAutoLiqs"]

    assert [pair["userAccountAutoLiq"]["id"] for pair in answered] == [item["accountId"] for item in items[:3]]
    for item in items:
        assert len(simulator.effects(account_id=item["accountId"], action="limits_updated")) == 2


def lengths(simulator: Simulator, token: str, count: int) -> list[int]:
    return [len(ids(get(simulator, token, "/account/list"))) for _ in range(count)]


def test_a_cap_may_vary_by_day(simulator: Simulator) -> None:
    simulator.set(entity_cap=400, entity_cap_min=5)
    days = []
    for _ in range(4):
        same_day = lengths(simulator, simulator.token(), 2)
        assert len(set(same_day)) == 1
        days.append(same_day[0])
        simulator.advance(86_400)
    assert len(set(days)) > 1
    assert all(5 <= length <= 400 for length in days)


def test_a_cap_may_vary_from_call_to_call_within_its_range(simulator: Simulator, token: str) -> None:
    simulator.set(entity_cap=60, entity_cap_min=50, entity_cap_varies="call")
    found = lengths(simulator, token, 20)
    assert len(set(found)) > 1
    assert all(50 <= length <= 60 for length in found)


def test_a_cut_answer_leaves_out_its_tail_or_random_rows(simulator: Simulator, token: str) -> None:
    whole = ids(get(simulator, token, "/account/list"))
    simulator.set(entity_cap=100, entity_cap_drops="random")
    first, second = (ids(get(simulator, token, "/account/list")) for _ in range(2))
    assert (len(first), len(second)) == (100, 100)
    assert first == sorted(first) != whole[:100]
    assert first != second
    assert set(first) | set(second) <= set(whole)


# --- order, falses, ids ----------------------------------------------------------------------------


def test_answers_may_come_in_another_order(simulator: Simulator, post: Post, token: str, untouched: Iterator[int]) -> None:
    accounts = sorted(next(untouched) for _ in range(12))
    simulator.set(answer_order="shuffled")
    for path, query in (
        ("/account/items", {"ids": accounts}),
        ("/accountRiskStatus/ldeps", {"masterids": accounts}),
    ):
        found = ids(get(simulator, token, path, **query))
        assert found != accounts
        assert sorted(found) == accounts

    items = [{"accountId": each, "dailyLossAutoLiq": 5000.0 + each} for each in accounts]
    answered = [pair["userAccountAutoLiq"] for pair in post(UPDATE_LIMITS, {"items": items}).json()["userAutoLiqs"]]

    assert [record["id"] for record in answered] != accounts
    assert {record["id"]: record["dailyLossAutoLiq"] for record in answered} == {each: 5000.0 + each for each in accounts}


def test_falses_may_be_left_out(simulator: Simulator, token: str, account: int) -> None:
    simulator.set(omit_false=True)
    body = {"items": [{"accountId": account, "doNotUnlock": False, "changesLocked": True}]}
    [pair] = simulator.call("POST", UPDATE_LIMITS, token=token, body=body).json()["userAutoLiqs"]
    assert pair["userAccountAutoLiq"] == {"id": account, "changesLocked": True}
    assert get(simulator, token, "/userAccountAutoLiq/item", id=account).json() == {"id": account, "changesLocked": True}
    assert simulator.account(account)["userAccountAutoLiq"]["doNotUnlock"] is False
    refused = simulator.call("POST", SWITCH_CATEGORY, token=token, body={"accountIds": [], "riskCategoryId": 3})
    assert refused.json() == {"errorText": "Empty accountIds"}
    simulator.fault("errorText", text="Busy", endpoint=DELETE_POSITION_LIMIT, count=1)
    deleted = simulator.call("POST", DELETE_POSITION_LIMIT, token=token, body={"userAccountPositionLimitId": 1})
    assert deleted.json() == {"errorText": "Busy"}


OFFSET = 7_000_000


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_extensions_may_have_ids_of_their_own(simulator: Simulator, token: str, account: int, kind: str) -> None:
    simulator.set(extension_id_offset=OFFSET)
    own = account + OFFSET
    assert get(simulator, token, f"/{kind}/deps", masterid=account).json()[0]["id"] == own
    assert ids(get(simulator, token, f"/{kind}/ldeps", masterids=account)) == [own]
    assert get(simulator, token, f"/{kind}/item", id=own).json()["id"] == own
    assert ids(get(simulator, token, f"/{kind}/items", ids=f"{own},{account}")) == [own]
    assert get(simulator, token, f"/{kind}/item", id=account).status_code == 404
    assert own in ids(get(simulator, token, f"/{kind}/list"))
    assert simulator.account(account)[kind]["id"] == account


def test_writes_answer_with_the_extensions_own_ids(simulator: Simulator, post: Post, token: str, account: int) -> None:
    simulator.set(extension_id_offset=OFFSET)
    own = account + OFFSET
    assert post(SET_ACTION, {"accountId": account, **LOCK}).json()["accountRiskStatus"]["id"] == own
    pair = post(UPDATE_LIMIT, {"accountId": account, "dailyLossAutoLiq": 5000.5}).json()
    assert (pair["userAccountAutoLiq"]["id"], pair["permissionedAccountAutoLiq"]["id"]) == (own, own)
    record = post("/userAccountAutoLiq/update", {"id": own, "dailyLossAutoLiq": 6000.5}).json()
    assert record == {"id": own, "dailyLossAutoLiq": 6000.5}
    assert simulator.account(account)["userAccountAutoLiq"] == {"id": account, "dailyLossAutoLiq": 6000.5}
    fault = simulator.fault("500", endpoint="/accountRiskStatus/items", account_id=account)
    assert get(simulator, token, "/accountRiskStatus/items", ids=own).status_code == 500
    assert simulator.control("GET", f"/faults/{fault}")["hits"] == 1


# --- unknown fields and numbers --------------------------------------------------------------------


def shown_limits(simulator: Simulator, token: str, account: int) -> str:
    return get(simulator, token, "/userAccountAutoLiq/item", id=account).text


def test_unknown_fields_are_stored_and_numbers_keep_their_text(simulator: Simulator, token: str, account: int) -> None:
    sent = '"weeklyLossAutoLiq":66.66666667,"noveltyLoss":1e17,"noveltyShare":0.10000000000000000555,"novelty":{"steps":[1.50]}'
    answer = send_limits(simulator, token, account, sent)
    assert answer.status_code == 200
    assert f'"userAccountAutoLiq":{{"id":{account},{sent}}}' in answer.text
    assert shown_limits(simulator, token, account) == f'{{"id":{account},{sent}}}'


def test_unknown_fields_of_a_record_are_kept_or_cleared_like_known_ones(simulator: Simulator, token: str, account: int) -> None:
    simulator.patch("userAccountAutoLiq", account, noveltyLoss=12.25, dailyLossAlert=700.5)
    simulator.set(omitted_limits="keep")
    send_limits(simulator, token, account, '"dailyLossAlert":600.5')
    kept = simulator.account(account)["userAccountAutoLiq"]
    assert (kept["noveltyLoss"], kept["dailyLossAlert"]) == (12.25, 600.5)

    simulator.set(omitted_limits="clear")
    send_limits(simulator, token, account, '"dailyLossAlert":500.5')
    assert shown_limits(simulator, token, account) == f'{{"id":{account},"dailyLossAlert":500.5}}'


def test_unknown_fields_are_stored_with_position_limits(simulator: Simulator, token: str, account: int) -> None:
    def write(verb: str, more: dict[str, Any]) -> dict[str, Any]:
        body = {"accountId": account, "active": True, "totalBy": "Overall", "longLimit": 3, **more}
        answer: dict[str, Any] = simulator.call("POST", f"/userAccountPositionLimit/{verb}", token=token, body=body).json()
        return answer

    made = write("create", {"novelty": "x", "p-time": 1})
    assert made == {
        "id": made["id"],
        "accountId": account,
        "active": True,
        "totalBy": "Overall",
        "longLimit": 3,
        "novelty": "x",
    }
    simulator.set(omitted_limits="keep")
    assert write("update", {"id": made["id"], "longLimit": 4})["novelty"] == "x"
    simulator.set(omitted_limits="clear")
    assert "novelty" not in write("update", {"id": made["id"], "longLimit": 5})


def test_numbers_and_lone_surrogates_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("restarted")
    with Simulator(data, traders=3, accounts=3) as simulator:
        [account, *_] = simulator.account_ids()
        token = simulator.token()
        sent = '"dailyLossAlert":66.66666667,"noveltyLoss":1e17,"noveltyName":"a\\ud800b"'
        send_limits(simulator, token, account, sent)
        simulator.set(entity_caps={"/account/list": 2}, answer_order="shuffled", omit_false=True)
        simulator.kill()
        simulator.start()
        assert shown_limits(simulator, token, account) == f'{{"id":{account},{sent}}}'
        assert len(ids(get(simulator, token, "/account/list"))) == 2
        settings = simulator.control("GET", "/settings")
        assert (settings["answer_order"], settings["omit_false"]) == ("shuffled", True)


def test_caps_may_be_set_on_the_command_line(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("capped")
    with Simulator(data, traders=3, accounts=3, settings={"entity_caps": '{"/account/list": 1}'}) as simulator:
        assert len(ids(get(simulator, simulator.token(), "/account/list"))) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"entity_caps": {"/Account/List": 1}},
        {"entity_caps": {"/account/list": -1}},
        {"entity_caps": {"/account/list": True}},
        {"entity_cap_varies": "hour"},
        {"entity_cap_drops": "head"},
        {"answer_order": "reversed"},
    ],
)
def test_invalid_variants_are_refused(simulator: Simulator, settings: dict[str, object]) -> None:
    before = simulator.control("GET", "/settings")
    with pytest.raises(SimulatorError, match="400"):
        simulator.set(**settings)
    assert simulator.control("GET", "/settings") == before


# --- answers that are kept -------------------------------------------------------------------------


def test_answers_up_to_a_size_are_kept_beside_their_calls(simulator: Simulator, token: str, account: int) -> None:
    def kept() -> list[str | None]:
        return [call["answer"] for call in simulator.calls(endpoint="/account/items")]

    get(simulator, token, "/account/items", ids=account)
    assert kept() == [None]
    simulator.set(kept_answer_bytes=2000)
    answer = get(simulator, token, "/account/items", ids=account).text
    get(simulator, token, "/account/items", ids=simulator.account_ids(limit=50))
    assert kept() == [None, answer, None]
    simulator.token()
    assert [call["answer"] for call in simulator.calls(endpoint="/auth/accesstokenrequest")] == [None, None]
