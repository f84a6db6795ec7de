"""POST /userAccountAutoLiq/updateuserautoliq, create and update: one account's limits."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.simulator.conftest import Post
from tests.simulator.driver import UPDATE_LIMIT, VIEWER, Simulator

CREATE, UPDATE = "/userAccountAutoLiq/create", "/userAccountAutoLiq/update"
SOME = {"dailyLossAlert": 800.0, "dailyLossAutoLiq": 5000.0, "doNotUnlock": True}


def test_one_item_goes_flat(simulator: Simulator, post: Post, account: int) -> None:
    answer = post(UPDATE_LIMIT, {"accountId": account, "asOwner": True, **SOME}).json()

    state = simulator.account(account)
    assert answer["userAccountAutoLiq"] == state["userAccountAutoLiq"] == {"id": account, **SOME}
    assert answer["permissionedAccountAutoLiq"] == state["permissionedAccountAutoLiq"]
    assert [effect["action"] for effect in simulator.effects(account_id=account)] == ["limits_updated"]


def test_the_traders_own_record(simulator: Simulator, post: Post, account: int) -> None:
    before = simulator.account(account)["userAccountAutoLiq"]
    answer = post(UPDATE_LIMIT, {"accountId": account, "asOwner": False, **SOME}).json()
    assert answer["permissionedAccountAutoLiq"] == {"id": account, "dailyLossAlert": 800.0, "dailyLossAutoLiq": 5000.0}
    assert answer["userAccountAutoLiq"] == before


def test_refusals_of_one_item(simulator: Simulator, post: Post, account: int) -> None:
    assert post(UPDATE_LIMIT, {"accountId": 0}).json() == {"errorText": "Account Id should be greater than 0"}
    negative = post(UPDATE_LIMIT, {"accountId": account, "weeklyLossAutoLiq": -0.5}).json()
    assert negative == {"errorText": "Weekly Loss Auto Liq should be greater than or equal to 0"}
    assert post(UPDATE_LIMIT, {"accountId": 999}).status_code == 404
    assert post(UPDATE_LIMIT, {"accountId": account, "asOwner": 1}).status_code == 400
    viewer = simulator.token(VIEWER)
    assert post(UPDATE_LIMIT, {"accountId": account}, token=viewer).status_code == 401
    simulator.set(not_admin_status=200)
    assert post(UPDATE_LIMIT, {"accountId": 0}, token=viewer).json() == {"errorText": "Access is denied"}
    assert simulator.effects(account_id=account) == []


def test_the_entity_is_updated(simulator: Simulator, post: Post, account: int) -> None:
    simulator.set(omitted_limits="keep")
    before = simulator.account(account)["userAccountAutoLiq"]

    answer = post(UPDATE, {"id": account, **SOME}).json()

    assert answer == {**before, **SOME} == simulator.account(account)["userAccountAutoLiq"]
    simulator.set(omitted_limits="clear")
    assert post(UPDATE, {"id": account, **SOME}).json() == {"id": account, **SOME}
    assert len(simulator.effects(account_id=account)) == 2


def test_the_entity_is_created_once(tmp_path: Path) -> None:
    # One of its own: the account made here would be in the lists that other tests count.
    with Simulator(tmp_path, traders=1, accounts=1) as own:
        [other] = own.account_ids(limit=1)
        account = {**own.account(other)["account"], "name": "BARE"}
        fresh = account.pop("id") + 1000
        own.patch("account", fresh, **account | {"active": True, "closed": False, "archived": False})
        token = own.token()

        def send(path: str) -> requests.Response:
            return own.call("POST", path, token=token, body={"id": fresh, **SOME})

        assert send(UPDATE).status_code == 404
        assert send(CREATE).json() == {"id": fresh, **SOME}
        [violation] = send(CREATE).json()["violations"]
        assert violation == {"constraint": "unique", "value": fresh, "description": "User Account Auto Liq already exists"}
        assert [effect["action"] for effect in own.effects(account_id=fresh, source="call")] == ["limits_updated"]


def test_limits_of_the_entity_act_at_once(simulator: Simulator, post: Post, account: int) -> None:
    cash = simulator.account(account)["cashBalances"][0]
    simulator.patch("cashBalance", cash["id"], realizedPnL=-300.0)
    post(UPDATE, {"id": account, "dailyLossAutoLiq": 250.0})
    assert simulator.account(account)["breach"] == "daily"


@pytest.mark.parametrize("path", [CREATE, UPDATE])
def test_refusals_of_the_entity(simulator: Simulator, post: Post, account: int, path: str) -> None:
    for changes, text in (
        ({"id": 0}, "Id should be greater than 0"),
        ({"dailyLossAlert": -1}, "Daily Loss Alert should be greater than or equal to 0"),
        ({"trailingMaxDrawdownMode": "Weekly"}, "Trailing Max Drawdown Mode should be between EOD and RealTime"),
    ):
        [violation] = post(path, {"id": account, **changes}).json()["violations"]
        assert violation["description"] == text
    assert post(path, {"id": 999}).status_code == 404
    assert post(path, {"id": account, "steppedCooldown": {}}).status_code == 400
    assert post(path, {"id": account}, token=simulator.token(VIEWER)).status_code == 401
    assert simulator.effects(account_id=account) == []


@pytest.mark.parametrize(("path", "key"), [(UPDATE_LIMIT, "accountId"), (UPDATE, "id")])
def test_archived_accounts_are_accepted_silently(simulator: Simulator, post: Post, path: str, key: str) -> None:
    archived = simulator.account_ids("archived")[0]
    before = simulator.account(archived)
    assert post(path, {key: archived, **SOME}).status_code == 200
    assert simulator.account(archived) == before
