"""The read operations, their scope, and the forms in which ids may come."""

from __future__ import annotations

import pytest
import requests

from tests.simulator.driver import OTHER_ADMIN, VIEWER, Simulator

EXTENSIONS = ("accountRiskStatus", "userAccountAutoLiq", "permissionedAccountAutoLiq")
LISTED = (*EXTENSIONS, "account", "user", "tradingPermission", "position", "cashBalance", "riskCategory")


def get(simulator: Simulator, token: str, path: str, *, host: str = "demo", **query: object) -> requests.Response:
    return simulator.call("GET", path, host=host, token=token, query=query)


def ids(answer: requests.Response) -> list[int]:
    assert answer.status_code == 200
    return [entity["id"] for entity in answer.json()]


@pytest.mark.parametrize("kind", LISTED)
def test_lists_hold_what_the_organization_has_on_this_host(simulator: Simulator, token: str, kind: str) -> None:
    demo, live = (ids(get(simulator, token, f"/{kind}/list", host=host)) for host in ("demo", "live"))
    assert demo
    assert live
    if kind != "user":
        assert not set(demo) & set(live)
    if kind in {*EXTENSIONS, "account", "cashBalance"}:
        assert (len(demo), len(live)) == (400, 40)


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_extension_entities_share_the_id_of_their_account(simulator: Simulator, token: str, kind: str) -> None:
    accounts = ids(get(simulator, token, "/account/list"))
    assert ids(get(simulator, token, f"/{kind}/list")) == accounts
    assert get(simulator, token, f"/{kind}/item", id=accounts[0]).json()["id"] == accounts[0]
    assert ids(get(simulator, token, f"/{kind}/deps", masterid=accounts[1])) == [accounts[1]]
    masters = f"{accounts[2]},{accounts[1]}"
    assert ids(get(simulator, token, f"/{kind}/ldeps", masterids=masters)) == [accounts[1], accounts[2]]


def test_ids_come_with_commas_repeated_or_in_brackets_and_unknown_ones_are_left_out(simulator: Simulator, token: str) -> None:
    one, two, three = simulator.account_ids(limit=3)
    for given in (f"{three},{one},999", [three, one, 999], f"[{three},{one},999]", f"[{three}, {one}]"):
        assert ids(get(simulator, token, "/account/items", ids=given)) == [one, three]
    body = {"ids": [two, one]}
    assert ids(simulator.call("POST", "/account/items", token=token, body=body)) == [one, two]


def test_unknown_entities_and_endpoints_are_404_and_missing_ids_400(simulator: Simulator, token: str) -> None:
    [live] = simulator.account_ids(host="live", limit=1)
    for path, query in (
        ("/account/item", {"id": 999}),
        ("/account/item", {"id": live}),
        ("/contract/list", {}),
        ("/account/find", {"name": "nothing"}),
    ):
        assert get(simulator, token, path, **query).status_code == 404
    for path, query in (
        ("/account/items", {}),
        ("/account/item", {"id": "x"}),
        ("/account/item", {"id": "1,2"}),
        ("/account/deps", {}),
    ):
        assert get(simulator, token, path, **query).status_code == 400
    assert simulator.call("POST", "/account/list", token=token, body=[1]).status_code == 400


def test_paths_are_matched_without_case(simulator: Simulator, token: str) -> None:
    assert get(simulator, token, "/ACCOUNT/List").content == get(simulator, token, "/account/list").content


def test_accounts_belong_to_a_holder_and_permissions_name_the_trader(simulator: Simulator, token: str) -> None:
    account = get(
        simulator, token, "/account/find", name=simulator.account(simulator.account_ids()[0])["account"]["name"]
    ).json()
    assert account["id"] in ids(get(simulator, token, "/account/deps", masterid=account["userId"]))
    permissions = get(simulator, token, "/tradingPermission/list").json()
    [permission] = [p for p in permissions if p["accountId"] == account["id"]]
    assert permission["userId"] != account["userId"]
    mine = ids(get(simulator, token, "/tradingPermission/deps", masterid=permission["userId"]))
    assert permission["id"] in mine


def test_another_organization_sees_its_own_only(simulator: Simulator, token: str) -> None:
    other = simulator.token(OTHER_ADMIN)
    accounts = get(simulator, other, "/account/list").json()
    assert [account["name"][:3] for account in accounts] == ["NVX"] * 3
    assert get(simulator, token, "/account/item", id=accounts[0]["id"]).status_code == 404
    assert ids(get(simulator, token, "/account/items", ids=accounts[0]["id"])) == []
    assert not set(ids(get(simulator, other, "/position/list"))) & set(ids(get(simulator, token, "/position/list")))


def test_a_trader_sees_herself_and_her_accounts(simulator: Simulator) -> None:
    account = simulator.account_ids("active")[0]
    trader = simulator.account(account)["traders"][0]
    simulator.patch("user", trader["id"], status="Active")
    token = simulator.token(trader["name"])
    mine = simulator.user(trader["id"])["account_ids"]
    assert ids(get(simulator, token, "/user/list")) == [trader["id"]]
    assert account in ids(get(simulator, token, "/account/list"))
    assert set(ids(get(simulator, token, "/cashBalance/list"))) <= {key + 60_000_000 for key in mine}
    assert get(simulator, token, "/account/item", id=account).status_code == 200
    [stranger] = simulator.account_ids("liquidated", limit=1)
    if stranger not in mine:
        assert get(simulator, token, "/account/item", id=stranger).status_code == 404
    viewer = simulator.token(VIEWER)
    assert ids(get(simulator, viewer, "/account/list")) == []


def test_the_entity_cap_cuts_silently(simulator: Simulator, token: str) -> None:
    simulator.set(entity_cap=7)
    assert len(ids(get(simulator, token, "/account/list"))) == 7
    wanted = simulator.account_ids(limit=10)
    assert ids(get(simulator, token, "/account/items", ids=wanted)) == wanted[:7]


def test_archived_accounts_are_listed_or_by_setting_not(simulator: Simulator, token: str) -> None:
    archived = set(simulator.account_ids("archived"))
    assert archived <= set(ids(get(simulator, token, "/account/list")))
    simulator.set(list_archived=False)
    assert not archived & set(ids(get(simulator, token, "/account/list")))


def test_newer_endpoints_can_be_switched_off(simulator: Simulator, token: str) -> None:
    locked = simulator.account_ids("locked")[0]
    log = get(simulator, token, "/accountRiskStatusLog/deps", masterid=locked).json()
    assert {entry["accountId"] for entry in log} == {locked}
    assert get(simulator, token, "/accountRiskStatusLog/list").status_code == 404
    simulator.set(newer_endpoints=False)
    assert get(simulator, token, "/accountRiskStatusLog/deps", masterid=locked).status_code == 404


RISK_READS = {
    "accountRiskStatus": ("item", "items", "deps", "ldeps", "list"),
    "contractMargin": ("item", "items", "deps", "ldeps"),
    "permissionedAccountAutoLiq": ("item", "items", "deps", "ldeps", "list"),
    "productMargin": ("item", "items", "deps", "ldeps", "list"),
    "userAccountAutoLiq": ("item", "items", "deps", "ldeps", "list"),
    "userAccountPositionLimit": ("item", "items", "deps", "ldeps"),
    "userAccountRiskParameter": ("item", "items", "deps", "ldeps"),
}
RISK_WRITES = (
    "accountRiskStatus/resetautoliqstatus",
    "accountRiskStatus/setaccountnotes",
    "accountRiskStatus/setadminautoliqaction",
    "accountRiskStatus/switchriskcategory",
    "accountRiskStatus/updatemaxnetliq",
    "userAccountAutoLiq/create",
    "userAccountAutoLiq/update",
    "userAccountAutoLiq/updateuserautoliq",
    "userAccountPositionLimit/create",
    "userAccountPositionLimit/deleteuseraccountpositionlimit",
    "userAccountPositionLimit/deleteuseraccountriskparameter",
    "userAccountPositionLimit/update",
    "userAccountRiskParameter/create",
    "userAccountRiskParameter/update",
)


def test_every_one_of_the_46_risk_endpoints_is_there(simulator: Simulator) -> None:
    wanted = {f"/{kind}/{name}" for kind, names in RISK_READS.items() for name in names} | {f"/{p}" for p in RISK_WRITES}
    assert len(wanted) == 46
    assert wanted <= set(simulator.control("GET", "/")["endpoints"])


def of_kind(simulator: Simulator, kind: str) -> tuple[int, int]:
    """Return an entity's id and its master's."""
    limited = next(
        state
        for state in (simulator.account(key) for key in simulator.account_ids(limit=400))
        if state["userAccountRiskParameters"]
    )
    account: int = limited["account"]["id"]
    [parameter, *_] = limited["userAccountRiskParameters"]
    return {
        "contractMargin": (3570918, 3570918),
        "productMargin": (620101, 620101),
        "userAccountPositionLimit": (limited["userAccountPositionLimits"][0]["id"], account),
        "userAccountRiskParameter": (parameter["id"], parameter["userAccountPositionLimitId"]),
    }.get(kind, (account, account))


@pytest.mark.parametrize("kind", RISK_READS)
def test_every_risk_read_answers(simulator: Simulator, token: str, kind: str) -> None:
    key, master = of_kind(simulator, kind)
    entity = get(simulator, token, f"/{kind}/item", id=key).json()
    assert entity["id"] == key
    assert get(simulator, token, f"/{kind}/item", id=999).status_code == 404
    assert get(simulator, token, f"/{kind}/items", ids=f"{key},999").json() == [entity]
    assert entity in get(simulator, token, f"/{kind}/deps", masterid=master).json()
    assert entity in get(simulator, token, f"/{kind}/ldeps", masterids=[master, 999]).json()
    assert get(simulator, token, f"/{kind}/deps", masterid=999).json() == []
    listed = get(simulator, token, f"/{kind}/list")
    if "list" in RISK_READS[kind]:
        assert entity in listed.json()
    else:
        assert listed.status_code == 404
