"""POST /cashBalance/changedemobalance, whose refusals are always HTTP 200, and the snapshot it answers with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import DEMO_BALANCE, OTHER_ADMIN, SNAPSHOT, VIEWER, Simulator

CAP = "Maximum cash amount in the simulation account must be less than or equal to $50,000"
HOURLY = "One change to the simulation cash balance is permitted per hour. Please try again later."


def cash(simulator: Simulator, account: int) -> dict[str, Any]:
    [found] = simulator.account(account)["cashBalances"]
    return dict(found)


def trader_token(simulator: Simulator, account: int) -> str:
    trader = simulator.account(account)["traders"][0]
    simulator.patch("user", trader["id"], status="Active")
    return simulator.token(trader["name"])


def set_amount(simulator: Simulator, account: int, amount: float) -> None:
    simulator.patch("cashBalance", cash(simulator, account)["id"], amount=amount)


def test_cash_and_peak_move_together(simulator: Simulator, post: Post, account: int) -> None:
    before, risk = cash(simulator, account), simulator.account(account)["accountRiskStatus"]

    answer = post(DEMO_BALANCE, {"accountId": account, "cashChange": 250.25, "comment": "incident 12"}).json()

    after, state = cash(simulator, account), simulator.account(account)
    assert answer["totalCashValue"] == after["amount"] == round(before["amount"] + 250.25, 2)
    assert (after["realizedPnL"], after["amountSOD"]) == (before["realizedPnL"], before["amountSOD"])
    assert state["accountRiskStatus"]["maxNetLiq"] == round(risk["maxNetLiq"] + 250.25, 2)
    assert state["accountRiskStatus"]["minNetLiq"] == round(risk["minNetLiq"] + 250.25, 2)
    booked, shifted = simulator.effects(account_id=account)
    assert (booked["action"], shifted["action"]) == ("demo_balance_changed", "max_net_liq_shifted")
    assert booked["detail"] == {"cashChange": 250.25, "comment": "incident 12"}
    assert len(state["riskStatusLog"]) == 1


def test_each_change_counts_as_it_is_a_difference(simulator: Simulator, post: Post, account: int) -> None:
    before = cash(simulator, account)["amount"]
    for _ in range(2):
        post(DEMO_BALANCE, {"accountId": account, "cashChange": -100})
    assert cash(simulator, account)["amount"] == round(before - 200, 2)
    comments = [effect["detail"]["comment"] for effect in simulator.effects(account_id=account, entity="cashBalance")]
    assert comments == ["Demo Change", "Demo Change"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"accountId": 0}, "Account Id should be greater than 0"),
        ({"accountId": -1}, "Account Id should be greater than 0"),
        ({"cashChange": -1_000_000}, "Cash Change should be greater than -1000000"),
        ({"cashChange": 1_000_000}, "Cash Change should be less than 1000000"),
        ({"comment": "x" * 65}, "Comment should be no longer than 64"),
        ({"accountId": 999}, "Access denied"),
    ],
)
def test_texts_about_the_request(simulator: Simulator, post: Post, account: int, changes: dict[str, object], text: str) -> None:
    answer = post(DEMO_BALANCE, {"accountId": account, "cashChange": 1, **changes})
    assert (answer.status_code, answer.json()) == (200, {"errorText": text})
    assert simulator.effects(account_id=account) == []


@pytest.mark.parametrize("change", [-999_999.99, 999_999.99])
def test_the_bounds_themselves_are_excluded_and_what_is_within_is_not(post: Post, account: int, change: float) -> None:
    assert "errorText" not in post(DEMO_BALANCE, {"accountId": account, "cashChange": change, "comment": "x" * 64}).json()


def test_live_names_the_right_host(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("active", host="live", limit=1)
    answer = post(DEMO_BALANCE, {"accountId": account, "cashChange": 1}, host="live")
    assert (answer.status_code, answer.json()) == (
        200,
        {"errorText": "This endpoint should be called on demo.tradovateapi.com"},
    )


@pytest.mark.parametrize("name", [OTHER_ADMIN, VIEWER])
def test_accounts_of_others_are_denied(simulator: Simulator, post: Post, account: int, name: str) -> None:
    answer = post(DEMO_BALANCE, {"accountId": account, "cashChange": 1}, token=simulator.token(name))
    assert (answer.status_code, answer.json()) == (200, {"errorText": "Access denied"})
    assert simulator.effects(account_id=account) == []


@pytest.mark.parametrize("scenario", ["closed", "archived"])
def test_closed_accounts_are_called_so(simulator: Simulator, post: Post, scenario: str) -> None:
    account = simulator.account_ids(scenario)[0]
    answer = post(DEMO_BALANCE, {"accountId": account, "cashChange": 1})
    assert (answer.status_code, answer.json()) == (200, {"errorText": "Demo account is closed"})


def test_an_account_archived_without_being_closed_is_accepted_silently(simulator: Simulator, post: Post, account: int) -> None:
    simulator.patch("account", account, archived=True)
    before = cash(simulator, account)
    assert "errorText" not in post(DEMO_BALANCE, {"accountId": account, "cashChange": 1}).json()
    assert cash(simulator, account) == before


def test_a_trader_may_change_once_an_hour_and_up_to_the_cap(simulator: Simulator, post: Post, account: int) -> None:
    set_amount(simulator, account, 49_000.0)
    token = trader_token(simulator, account)

    def change(by: float) -> object:
        return post(DEMO_BALANCE, {"accountId": account, "cashChange": by}, token=token).json().get("errorText")

    assert change(1_000.01) == CAP
    assert change(1_000) is None
    assert change(-1) == HOURLY
    simulator.advance(3601)
    assert change(-1) is None
    assert [effect["user_id"] for effect in simulator.effects(account_id=account, entity="cashBalance", source="call")]
    assert cash(simulator, account)["amount"] == 49_999.0


def test_administrators_have_no_hour_and_by_setting_a_cap(simulator: Simulator, post: Post, account: int) -> None:
    set_amount(simulator, account, 49_000.0)
    change = {"accountId": account, "cashChange": 2_000}

    simulator.set(demo_cash_cap_for_admins=True)
    assert post(DEMO_BALANCE, change).json() == {"errorText": CAP}
    simulator.set(demo_cash_cap_for_admins=False)
    for _ in range(2):
        assert "errorText" not in post(DEMO_BALANCE, change).json()
    assert cash(simulator, account)["amount"] == 53_000.0


@pytest.mark.parametrize("changes", [{"cashChange": None}, {"cashChange": "1"}, {"accountId": "1"}, {"comment": 1}])
def test_fields_of_the_wrong_type(post: Post, account: int, changes: dict[str, object]) -> None:
    assert post(DEMO_BALANCE, {"accountId": account, "cashChange": 1, **changes}).status_code == 400


def test_the_snapshot_adds_up(simulator: Simulator, post: Post, account: int) -> None:
    simulator.open_position(account, -2)
    held = cash(simulator, account)

    answer = post(SNAPSHOT, {"accountId": account}).json()

    margin = simulator.control("GET", "/demo/entities/contractMargin/3570918")
    assert answer == {
        "openPnL": 0.0,
        "totalCashValue": held["amount"],
        "cashUSD": held["amount"],
        "totalCashValueSOD": held["amountSOD"],
        "cashSODUSD": held["amountSOD"],
        "realizedPnL": held["realizedPnL"],
        "weekRealizedPnL": held["weekRealizedPnL"],
        "totalPnL": held["realizedPnL"],
        "netLiq": held["amount"],
        "initialMargin": 2 * margin["initialMargin"],
        "maintenanceMargin": 2 * margin["maintenanceMargin"],
    }
    assert simulator.effects(account_id=account, source="call") == []


def test_the_snapshot_of_nothing(post: Post) -> None:
    assert post(SNAPSHOT, {"accountId": 999}).status_code == 404
    assert post(SNAPSHOT, {"accountId": 0}).json() == {"errorText": "Account Id should be greater than 0"}
