"""POST /accountRiskStatus/switchriskcategory, by its page."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulator.conftest import Post
from tests.simulator.driver import SWITCH_CATEGORY, VIEWER, Simulator

REDUCED, HALTED, LIVE_HALTED = 4, 6, 16


def category(simulator: Simulator, account: int) -> int:
    found: int = simulator.account(account)["account"]["riskCategoryId"]
    return found


def test_many_accounts_are_switched_and_those_already_there_skipped(
    simulator: Simulator, post: Post, untouched: Iterator[int]
) -> None:
    accounts = [next(untouched) for _ in range(5)]
    simulator.patch("account", accounts[0], riskCategoryId=HALTED)

    answer = post(SWITCH_CATEGORY, {"accountIds": accounts, "riskCategoryId": HALTED})

    assert answer.json() == {"ok": True, "errorText": ""}
    assert {category(simulator, account) for account in accounts} == {HALTED}
    switched = [e["account_id"] for e in simulator.effects(action="category_switched") if e["account_id"] in accounts]
    assert switched == accounts[1:]


def test_both_error_texts(post: Post) -> None:
    empty = {"ok": False, "errorText": "Empty accountIds"}
    assert post(SWITCH_CATEGORY, {"accountIds": [], "riskCategoryId": HALTED}).json() == empty
    body = {"accountIds": list(range(1, 10_002)), "riskCategoryId": HALTED}
    too_many = {"ok": False, "errorText": "Only 10000 accounts are allowed in single operation"}
    assert post(SWITCH_CATEGORY, body).json() == too_many


def test_one_unknown_account_or_category_is_404_and_nothing_is_switched(simulator: Simulator, post: Post, account: int) -> None:
    before = category(simulator, account)

    assert post(SWITCH_CATEGORY, {"accountIds": [account, 999], "riskCategoryId": HALTED}).status_code == 404
    assert post(SWITCH_CATEGORY, {"accountIds": [account], "riskCategoryId": 77}).status_code == 404

    assert category(simulator, account) == before
    assert simulator.effects(account_id=account) == []


def test_positions_are_reevaluated_and_liquidated_above_the_new_lots(
    simulator: Simulator, post: Post, untouched: Iterator[int]
) -> None:
    small, large = next(untouched), next(untouched)
    for account, lots in ((small, 2), (large, 3)):
        simulator.patch("account", account, riskCategoryId=3)
        simulator.open_position(account, lots)

    post(SWITCH_CATEGORY, {"accountIds": [small, large], "riskCategoryId": REDUCED})

    assert [p["netPos"] for p in simulator.account(small)["positions"]] == [2]
    assert [p["netPos"] for p in simulator.account(large)["positions"]] == [0]
    for account in (small, large):
        assert len(simulator.effects(account_id=account, action="positions_reevaluated")) == 1


def test_archived_accounts_are_accepted_silently(simulator: Simulator, post: Post) -> None:
    account = simulator.account_ids("archived")[1]
    before = category(simulator, account)

    assert post(SWITCH_CATEGORY, {"accountIds": [account], "riskCategoryId": HALTED}).json()["ok"] is True
    assert category(simulator, account) == before


def test_it_works_on_the_live_host_with_its_own_categories(simulator: Simulator, post: Post) -> None:
    [account] = simulator.account_ids("active", host="live", limit=1)
    body = {"accountIds": [account], "riskCategoryId": LIVE_HALTED}

    assert post(SWITCH_CATEGORY, body, host="live").json()["ok"] is True
    assert simulator.account(account, host="live")["account"]["riskCategoryId"] == LIVE_HALTED
    assert post(SWITCH_CATEGORY, {"accountIds": [account], "riskCategoryId": HALTED}, host="live").status_code == 404


def test_a_user_who_is_no_admin_is_refused(simulator: Simulator, post: Post, account: int) -> None:
    body = {"accountIds": [account], "riskCategoryId": HALTED}
    viewer = simulator.token(VIEWER)

    assert post(SWITCH_CATEGORY, body, token=viewer).status_code == 401
    simulator.set(not_admin_status=200)
    assert post(SWITCH_CATEGORY, body, token=viewer).json() == {"ok": False, "errorText": "Access is denied"}
    assert simulator.effects(account_id=account) == []
