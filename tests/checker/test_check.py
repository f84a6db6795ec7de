"""The checker against doctored logs: one in which all is right, and for each rule logs in which something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.checker import KEEP_ANSWERS, check
from tests.simulator.driver import (
    CREATE_POSITION_LIMIT,
    EXPIRE_LOCKOUT,
    MAX_NET_LIQ,
    SET_ACTION,
    SNAPSHOT,
    SWITCH_CATEGORY,
    UPDATE_LIMIT,
    UPDATE_LIMITS,
    Simulator,
)

LOCK = {"accountId": 7, "adminAction": "LockTradingImmediately", "adminActionReasonCode": "CloseFraud"}
SWITCH = {"accountIds": [7, 8], "riskCategoryId": 3}
RECORD = '{"id":7,"dailyLossAutoLiq":66.66666667,"novelty":{"steps":[1.50]}}'


def call(
    number: int,
    endpoint: str,
    request: object = None,
    answer: object = None,
    *,
    at: str = "2026-11-29T12:00:00.000Z",
    **fields: object,
) -> dict[str, Any]:
    """Return a row of the log; a string as request or answer stands there as it is."""
    is_read = isinstance(request, str) and not request.startswith("{")
    row = {"id": number, "at": at, "host": "demo", "method": "GET" if is_read or request is None else "POST"}
    row |= {"endpoint": endpoint, "outcome": "done", "fault": "", "status": 200}
    row |= {"request": request if isinstance(request, str) else json.dumps(request) if request is not None else ""}
    row |= {"answer": answer if isinstance(answer, str) or answer is None else json.dumps(answer)}
    return row | fields


def read_limits(number: int = 1) -> dict[str, Any]:
    return call(number, "/userAccountAutoLiq/ldeps", "masterids=7", f"[{RECORD}]")


def update(number: int, more: str, **fields: Any) -> dict[str, Any]:
    return call(number, UPDATE_LIMITS, f'{{"items":[{{"accountId":7,"asOwner":true{more}}}]}}', **fields)


GOOD: tuple[Mapping[str, Any], ...] = (
    call(1, "/auth/accesstokenrequest", method="POST"),
    call(2, "/account/list", "", [{"id": 7}, {"id": 8}]),
    call(3, "/account/items", "ids=8,7", [{"id": 7}]),
    call(4, "/position/ldeps", "masterids=7,8", [{"id": 900, "accountId": 8}]),
    call(5, "/userAccountRiskParameter/ldeps", "masterids=70", [{"id": 1, "userAccountPositionLimitId": 70}]),
    call(6, "/tradingPermission/deps", "masterid=70", [{"id": 1, "userId": 70, "accountId": 3}]),
    read_limits(7),
    update(
        8,
        ',"dailyLossAutoLiq":66.66666667,"novelty":{"steps":[1.50]}',
        answer=f'{{"userAutoLiqs":[{{"userAccountAutoLiq":{RECORD}}}]}}',
    ),
    call(9, SET_ACTION, LOCK, {"accountRiskStatus": {"id": 7}}),
    call(10, SWITCH_CATEGORY, SWITCH, {"p-ticket": "T", "p-time": 5}),
    call(11, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}, {"ok": True}, at="2026-11-29T12:00:05.000Z"),
    call(12, SWITCH_CATEGORY, SWITCH, {"ok": True}, host="live"),
    call(13, SNAPSHOT, {"accountId": 7}, {"netLiq": 1.5}),
    call(14, EXPIRE_LOCKOUT, {"userId": 9}, "<!DOCTYPE html>"),
    call(15, "/account/items", "ids=7", [{"id": 999}, None, "x"], fault="odd"),
)


def test_a_log_in_which_all_is_right_has_nothing_wrong() -> None:
    assert check(GOOD) == []
    assert check(reversed(GOOD)) == []


TICKET = {"p-ticket": "T", "p-time": 5}
LATER = {"at": "2026-11-29T12:00:09Z"}

WRONG: tuple[tuple[str, tuple[dict[str, Any], ...], str], ...] = (
    ("no body", (call(1, SET_ACTION, None, method="POST"),), "'accountId' is a required property"),
    ("no JSON", (call(1, SET_ACTION, "{'a':1}"),), "can't be read"),
    ("a key twice", (call(1, SET_ACTION, '{"accountId":7,"accountId":8}'),), "the key accountId is there twice"),
    ("not an object", (call(1, SET_ACTION, "[1]", method="POST"),), "its body is no object"),
    ("unreadable for Tradovate", (call(1, SET_ACTION, LOCK, outcome="unreadable"),), "Tradovate could not read it"),
    ("an operation of no page", (call(1, "/account/closeaccount", {"accountId": 7}),), "no page has this operation"),
    ("a list that no page has", (call(1, "/userAccountPositionLimit/list", ""),), "no page has this operation"),
    ("an unknown key", (call(1, SET_ACTION, {**LOCK, "colour": "red"}),), "colour"),
    ("a wrong type", (call(1, SET_ACTION, {**LOCK, "accountId": "7"}),), "'7' is not of type 'integer'"),
    ("no value of the enumeration", (call(1, SET_ACTION, {**LOCK, "adminAction": "Lock"}),), "'Lock' is not one of"),
    ("NaN", (call(1, MAX_NET_LIQ, '{"accountId":7,"maxNetLiq":NaN}'),), "NaN is no number that JSON has"),
    ("a write by GET", (call(1, SNAPSHOT, "accountId=7"),), "a write by GET"),
    ("demo only, on live: lock", (call(1, SET_ACTION, LOCK, host="live"),), "not to be called on live"),
    ("demo only, on live: lockout", (call(1, EXPIRE_LOCKOUT, {"userId": 9}, host="live"),), "not to be called on live"),
    ("an unknown key of no record", (update(1, ',"novelty":1'),), "unknown key novelty"),
    ("a record's key with other digits", (read_limits(), update(2, ',"novelty":{"steps":[1.5]}')), "unknown key novelty"),
    ("a key that was shown only later", (update(1, ',"novelty":{"steps":[1.50]}'), read_limits(2)), "unknown key novelty"),
    (
        "a key of the other level's record",
        (read_limits(), call(2, UPDATE_LIMIT, '{"accountId":7,"asOwner":false,"novelty":{"steps":[1.50]}}')),
        "unknown key novelty",
    ),
    (
        "a key of another account's record",
        (read_limits(), call(2, UPDATE_LIMITS, '{"items":[{"accountId":8,"novelty":{"steps":[1.50]}}]}')),
        "unknown key novelty",
    ),
    (
        "an unknown key of what is new",
        (call(1, CREATE_POSITION_LIMIT, {"accountId": 7, "active": True, "totalBy": "Overall", "novelty": 1}),),
        "novelty",
    ),
    ("a ticket out of nowhere", (call(1, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}),), "never given"),
    (
        "a ticket twice",
        (
            call(1, SWITCH_CATEGORY, SWITCH, TICKET),
            call(2, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}, **LATER),
            call(3, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}, **LATER),
        ),
        "the ticket that call 2 has used",
    ),
    (
        "a ticket too early",
        (
            call(1, SWITCH_CATEGORY, SWITCH, TICKET),
            call(2, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}, at="2026-11-29T12:00:04Z"),
        ),
        "1.000 s before its time",
    ),
    (
        "a ticket with another body",
        (
            call(1, SWITCH_CATEGORY, SWITCH, TICKET),
            call(2, SWITCH_CATEGORY, {**SWITCH, "riskCategoryId": 4, "p-ticket": "T"}, **LATER),
        ),
        "the ticket of another request, that of call 1",
    ),
    (
        "a ticket that needs a captcha",
        (
            call(1, SWITCH_CATEGORY, SWITCH, {**TICKET, "p-captcha": True}),
            call(2, SWITCH_CATEGORY, {**SWITCH, "p-ticket": "T"}, **LATER),
        ),
        "only a person can redeem",
    ),
    (
        "too many accounts",
        (call(1, SWITCH_CATEGORY, {"accountIds": list(range(1, 10_002)), "riskCategoryId": 3}),),
        "10001 accounts",
    ),
    ("an account twice", (call(1, SWITCH_CATEGORY, {**SWITCH, "accountIds": [7, 7]}),), "an account twice"),
    ("two items of an account", (call(1, UPDATE_LIMITS, {"items": [{"accountId": 7}] * 2}),), "an account twice"),
    ("too many ids", (call(1, "/account/items", "ids=" + ",".join(map(str, range(501)))),), "ids has 501 ids"),
    ("two ids of one", (call(1, "/account/item", "id=7,8"),), "id has 2 ids"),
    ("an id twice", (call(1, "/account/items", "ids=7,7"),), "ids has an id twice"),
    ("too long a query", (call(1, "/account/items", "ids=" + ",".join(f"{10**18 + n}" for n in range(450))),), "a query of"),
    ("ids in brackets", (call(1, "/account/items", "ids=[7,8]"),), "no list of ids with commas"),
    ("no ids", (call(1, "/account/items", ""),), "no list of ids with commas"),
    ("an unknown parameter", (call(1, "/account/list", "since=3"),), "unknown parameter since"),
    ("another parameter", (call(1, "/account/ldeps", "ids=3"),), "unknown parameter ids"),
    ("an id that no one asked for", (call(1, "/account/items", "ids=7", [{"id": 8}]),), "the id 8 was answered"),
    ("another item", (call(1, "/account/item", "id=7", {"id": 8}),), "the id 8 was answered"),
    (
        "a stranger's position",
        (call(1, "/position/ldeps", "masterids=7", [{"id": 7, "accountId": 8}]),),
        "a row of 8 was answered",
    ),
    ("a stranger's status", (call(1, "/accountRiskStatus/ldeps", "masterids=7", [{"id": 8}]),), "a row of 8 was answered"),
    (
        "a stranger's limits",
        (update(1, "", answer={"userAutoLiqs": [{"userAccountAutoLiq": {"id": 8}}]}),),
        "a record of 8 was answered",
    ),
)


@pytest.mark.parametrize(("calls", "words"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG])
def test_what_is_wrong_is_named(calls: tuple[dict[str, Any], ...], words: str) -> None:
    found = check(calls)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize("refusal", [{"outcome": "unauthorized"}, {"outcome": "fault", "fault": "answer", "status": 401}])
def test_a_ticket_whose_sending_was_refused_for_its_token_is_not_used_up(refusal: dict[str, Any]) -> None:
    sent = {**SWITCH, "p-ticket": "T"}
    assert (
        check(
            (
                call(1, SWITCH_CATEGORY, SWITCH, TICKET),
                call(2, SWITCH_CATEGORY, sent, **LATER, **refusal),
                call(3, SWITCH_CATEGORY, sent, **LATER),
            )
        )
        == []
    )


def test_ids_of_extensions_may_differ_from_their_accounts() -> None:
    read = call(1, "/userAccountAutoLiq/ldeps", "masterids=7", [{"id": 107, "novelty": 1.5}])
    sent = call(2, UPDATE_LIMITS, '{"items":[{"accountId":7,"novelty":1.5}]}')
    assert check((read, sent), extension_id_offset=100) == []
    assert len(check((read, sent))) == 2


# --- the log of a real simulator ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    settings = {"kept_answer_bytes": KEEP_ANSWERS}
    with Simulator(tmp_path_factory.mktemp("checked"), traders=5, accounts=20, settings=settings) as simulator:
        yield simulator


def test_the_log_of_a_simulator_is_read(simulator: Simulator) -> None:
    token = simulator.token()
    [account] = simulator.account_ids("active", limit=1)
    simulator.patch("userAccountAutoLiq", account, novelty=1.25)
    simulator.call("GET", "/userAccountAutoLiq/ldeps", token=token, query={"masterids": account})
    body: dict[str, object] = {"items": [{"accountId": account, "novelty": 1.25}]}
    simulator.fault("p-ticket", endpoint=UPDATE_LIMITS, p_time=3, count=1)
    ticket = simulator.call("POST", UPDATE_LIMITS, token=token, body=body).json()["p-ticket"]
    simulator.advance(3)
    simulator.call("POST", UPDATE_LIMITS, token=token, body={**body, "p-ticket": ticket})
    assert check(simulator.calls()) == []

    simulator.call("POST", UPDATE_LIMITS, token=token, body={**body, "p-ticket": ticket})
    simulator.call("POST", SET_ACTION, token=token, body={**LOCK, "accountId": account}, host="live")
    # The used ticket draws a new one, which is no answer to complain of.
    used, on_live = check(simulator.calls())
    assert "has used" in used
    assert "not to be called on live" in on_live
