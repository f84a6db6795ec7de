"""Figures that no column holds, rows that lack a field, two rows for one thing: what they say nothing of stays unproven."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.execution.lane import work
from accounts.execution.models import Call
from accounts.execution.recover import sweep as sweep_once
from accounts.models import Account, AutoLiqLimits, Cash, RiskCategory, RiskStatus
from accounts.outside.attribute import attribute_moves
from accounts.sync.actions import Part, refresh, sync
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import ask
from tests.execution.pre_trade import make_limited
from tests.execution.test_true_outcomes import decided, open_accounts, switch_to
from tests.execution.worker import ORIGIN, later, read_back_due, reconciled, run, run_once, send_batch, send_item, the_item
from tests.rewriting import let_calls_age
from tests.simulator.driver import SET_ACTION, Simulator

BALANCE = "/cashBalance/changedemobalance"
CREATE_LIMIT = "/userAccountPositionLimit/create"


@pytest.fixture(autouse=True)
def no_fault_is_left(simulator_process: Simulator) -> Iterator[None]:
    yield
    simulator_process.clear_faults()


def cash_of(mirror: Simulator, account_id: int) -> dict[str, Any]:
    return dict(mirror.account(account_id)["cashBalances"][0])


def booked(mirror: Simulator, account_id: int) -> int:
    return len(mirror.effects(account_id=account_id, source="call", action="demo_balance_changed"))


def another_category(account_id: int) -> dict[str, Any]:
    category = RiskCategory.objects.filter(environment="demo").exclude(accounts__tradovate_id=account_id).order_by("pk")[0]
    return dict(switch_to(category))


def test_position_limit_p_ticket_then_somebody_else_makes_the_same_one(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    limited = make_limited(mirror)
    change = decided(
        support,
        supervisor,
        "position_limit",
        limited.account_id,
        action="create",
        active=True,
        total_by="Overall",
        long_limit=9,
    )
    mirror.fault("p-ticket", endpoint=CREATE_LIMIT, p_time=0, count=1)
    item = run_once(the_item(change))
    assert item.state == ItemState.QUEUED
    body = {"accountId": limited.account_id, "active": True, "totalBy": "Overall", "longLimit": 9}
    assert mirror.call("POST", CREATE_LIMIT, token=mirror.token(), body=body).status_code == 200
    Account.objects.update(position_limits_read_at=timezone.now() - timedelta(minutes=5))
    item = reconciled(item)
    made = [each for each in limited.position_limits().values() if each.get("longLimit") == 9]
    assert len(made) == 1


def test_an_emergency_lock_that_did_nothing_and_one_odd_row_is_sent_again(mirror: Simulator, support: Staff) -> None:
    account_id = open_accounts(1, skip=40)[0]
    change = ask(support, "lock", account_id)
    mirror.fault("cut", when="before", endpoint=SET_ACTION, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    mirror.fault("odd", entity="accountRiskStatus", account_ids=[account_id], fields={"maxNetLiq": "a lot"}, count=1)
    read_back_due(origin=ORIGIN)
    for _ in range(3):
        sync(Environment.DEMO)
        refresh(Environment.DEMO, [account_id], lane=Lane.URGENT)
        sweep_once(origin=ORIGIN)
        later(change, rounds=2)
    assert the_item(change).state == ItemState.APPLIED


def test_an_emergency_lock_left_out_of_answers_for_two_minutes_is_sent_again(mirror: Simulator, support: Staff) -> None:
    account_id = open_accounts(1, skip=41)[0]
    change = ask(support, "lock", account_id)
    mirror.fault("cut", when="before", endpoint=SET_ACTION, count=1)
    omitted = mirror.fault("omit", entity="accountRiskStatus", account_ids=[account_id])
    later(change, rounds=3)
    for _ in range(2):
        Item.objects.filter(change=change).update(claimed_at=timezone.now() - timedelta(minutes=3))
        let_calls_age(Call.objects.filter(items__change=change), timedelta(minutes=3))
        later(change, rounds=1)
    mirror.control("DELETE", f"/faults/{omitted}")
    for _ in range(3):
        sync(Environment.DEMO)
        sweep_once(origin=ORIGIN)
        later(change, rounds=2)
    assert the_item(change).state == ItemState.APPLIED


@pytest.mark.parametrize("absent", ["adminAction", "adminTimestamp"])
def test_an_unlock_that_is_refused_and_a_field_left_out_of_the_read_back(
    mirror: Simulator, support: Staff, supervisor: Staff, absent: str
) -> None:
    account_id = open_accounts(1, skip=43 if absent == "adminAction" else 44)[0]
    if absent == "adminAction":
        assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    else:
        mirror.patch("userAccountAutoLiq", account_id, doNotUnlock=True)
        mirror.breach(account_id, "daily")
        if mirror.account(account_id)["accountRiskStatus"].get("adminTimestamp") is None:
            mirror.patch("accountRiskStatus", account_id, adminTimestamp="2026-10-01T10:00:00Z", adminAction="Normal")
        refresh(Environment.DEMO, [account_id], lane=Lane.URGENT, parts=frozenset(Part))
    was = mirror.account(account_id)["accountRiskStatus"]
    change = decided(support, supervisor, "unlock", account_id)
    mirror.fault("errorText", endpoint=SET_ACTION, text="Busy", count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    mirror.fault("odd", entity="accountRiskStatus", account_ids=[account_id], without=[absent])
    item = reconciled(the_item(change))
    assert mirror.account(account_id)["accountRiskStatus"] == was
    assert item.state != ItemState.APPLIED


def test_an_unlock_never_undoes_a_lock_made_since_the_account_was_read(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=45)[0]
    assert run(the_item(ask(support, "liquidate_only", account_id))).state == ItemState.APPLIED
    change = decided(support, supervisor, "unlock", account_id)
    refresh(Environment.DEMO, [account_id], lane=Lane.URGENT, parts=frozenset(Part))
    RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    body = {
        "accountId": account_id,
        "adminAction": "LockTradingImmediately",
        "adminActionReasonCode": "Other",
        "adminActionReason": "By hand",
    }
    assert mirror.call("POST", SET_ACTION, token=mirror.token(), body=body).status_code == 200
    run(the_item(change))
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"


def test_a_reset_that_is_refused_while_somebody_unlocks_is_not_applied(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=46)[0]
    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    change = decided(support, supervisor, "reset_auto_liq_status", account_id)
    mirror.fault("errorText", endpoint="/accountRiskStatus/resetautoliqstatus", text="Busy", count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    body = {"accountId": account_id, "adminAction": "Normal", "adminActionReasonCode": "Other", "adminActionReason": "By hand"}
    mirror.call("POST", SET_ACTION, token=mirror.token(), body=body)
    item = reconciled(the_item(change))
    assert item.state != ItemState.APPLIED


def test_balance_cut_and_traded_alike_and_the_weeks_profit_left_out(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=50)[0]
    cash = cash_of(mirror, account_id)
    mirror.patch("cashBalance", cash["id"], weekRealizedPnL=40)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.CASH, Part.POSITIONS}))
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("cut", when="before", endpoint=BALANCE, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 100, weekRealizedPnL=140)
    mirror.fault("odd", entity="cashBalance", account_ids=[account_id], without=["weekRealizedPnL"])
    item = reconciled(the_item(change))
    assert booked(mirror, account_id) == 0
    assert item.state != ItemState.APPLIED


def test_balance_cut_and_traded_alike_in_the_next_week(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = open_accounts(1, skip=51)[0]
    cash = cash_of(mirror, account_id)
    mirror.patch("cashBalance", cash["id"], weekRealizedPnL=40)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.CASH, Part.POSITIONS}))
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("cut", when="before", endpoint=BALANCE, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    # Sunday: the week's profit goes to zero; then +100 is traded.
    mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 100, weekRealizedPnL=100)
    item = reconciled(the_item(change))
    assert booked(mirror, account_id) == 0
    assert item.state != ItemState.APPLIED


def test_an_amount_of_1e30_costs_its_own_row_only(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    odd, other, *others = open_accounts(5, skip=52)
    change = decided(support, supervisor, "demo_balance", odd, *others, cash_change_usd="10")
    second = decided(support, supervisor, "risk_category", other, **another_category(other))
    while send_batch(change.pk, origin=ORIGIN):
        pass
    while send_batch(second.pk, origin=ORIGIN):
        pass
    mirror.fault("odd", entity="cashBalance", account_ids=[odd], fields={"amount": 1e30})
    for _ in range(3):
        later(change, rounds=1)
        later(second, rounds=1)
    states = {item.target_id: item.state for item in change.items.all()}
    assert {states[each] for each in others} == {ItemState.APPLIED}
    assert the_item(second).state == ItemState.APPLIED


def test_an_amount_of_1e30_blocks_no_lane(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    """The same through the lane's own loop."""
    odd, other, *others = open_accounts(5, skip=57)
    change = decided(support, supervisor, "demo_balance", odd, *others, cash_change_usd="10")
    mirror.fault("odd", entity="cashBalance", account_ids=[odd], fields={"amount": 1e30})
    Item.objects.filter(change=change).update(not_before=None)
    while send_batch(change.pk, origin=ORIGIN):
        pass
    second = decided(support, supervisor, "risk_category", other, **another_category(other))
    while send_batch(second.pk, origin=ORIGIN):
        pass
    Item.objects.filter(state=ItemState.SENT).update(not_before=timezone.now() - timedelta(seconds=1))
    for _ in range(3):
        work(Lane.BULK, origin=ORIGIN)
        Item.objects.filter(state__in=["sent", "unknown"], not_before__isnull=False).update(
            not_before=timezone.now() - timedelta(seconds=1)
        )
    states = {item.target_id: item.state for item in change.items.all()}
    assert the_item(second).state == ItemState.APPLIED
    assert {states[each] for each in others} == {ItemState.APPLIED}


def test_two_cash_rows_of_one_account_that_differ(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = open_accounts(1, skip=60)[0]
    cash = cash_of(mirror, account_id)
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("errorText", when="after", endpoint=BALANCE, text="Busy", count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    now = cash_of(mirror, account_id)
    stale = {**cash, "id": cash["id"] + 7_000_000}
    mirror.fault("answer", endpoint="/cashBalance/ldeps", body=[now, stale])
    mirror.fault("answer", endpoint="/cashBalance/deps", body=[now, stale])
    Cash.objects.update(fresh_at=timezone.now() - timedelta(hours=1))  # the mirror's is from before the call
    item = reconciled(the_item(change))
    assert mirror.call_count(BALANCE) == 1
    assert item.state != ItemState.REJECTED


def test_a_ticket_longer_than_any_column(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = open_accounts(1, skip=61)[0]
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("answer", endpoint=BALANCE, count=1, status=200, body={"p-ticket": "x" * 300, "p-time": 1})
    work(Lane(Change.objects.get(pk=change.pk).lane), origin=ORIGIN)
    item = reconciled(the_item(change))
    assert item.state == ItemState.APPLIED


def test_limits_that_do_not_fit_the_mirror_are_not_sent_over(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = open_accounts(1, skip=130)[0]
    mirror.patch("userAccountAutoLiq", account_id, trailingMaxDrawdown=2000)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset(Part))
    change = decided(support, supervisor, "auto_liq_limits", account_id, weekly_loss_auto_liq_usd="7421")
    # Somebody tightens the drawdown at Tradovate, and sets another limit to what no column of the mirror holds.
    mirror.patch("userAccountAutoLiq", account_id, trailingMaxDrawdown=500, dailyProfitAutoLiq=1e17)
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    reconciled(the_item(change))
    now = mirror.account(account_id)["userAccountAutoLiq"]
    assert (now.get("trailingMaxDrawdown"), now.get("dailyProfitAutoLiq")) == (500, 1e17)


def test_an_amount_of_1e30_right_before_a_call_blocks_no_lane(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    odd, other = open_accounts(2, skip=134)
    decided(support, supervisor, "demo_balance", odd, cash_change_usd="10")
    second = decided(support, supervisor, "demo_balance", other, cash_change_usd="10")
    Cash.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    mirror.fault("odd", entity="cashBalance", account_ids=[odd], fields={"amount": 1e30})
    for _ in range(4):
        work(Lane.BULK, origin=ORIGIN)
        sweep_once(origin=ORIGIN)
    assert the_item(second).state == ItemState.APPLIED


def test_a_peak_of_1e30_blocks_no_lane(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    odd, other = open_accounts(2, skip=136)
    peak = Decimal(str(mirror.account(odd)["accountRiskStatus"]["maxNetLiq"])) + 5
    decided(support, supervisor, "max_net_liq", odd, max_net_liq_usd=str(peak))
    second = decided(support, supervisor, "demo_balance", other, cash_change_usd="10")
    RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    mirror.fault("odd", entity="accountRiskStatus", account_ids=[odd], fields={"maxNetLiq": 1e30})
    for _ in range(4):
        work(Lane.BULK, origin=ORIGIN)
        sweep_once(origin=ORIGIN)
    assert the_item(second).state == ItemState.APPLIED


@pytest.mark.parametrize("sort", ["unlock", "risk_category", "demo_balance"])
def test_a_row_that_does_not_fit_the_mirror_hides_no_move_before_a_call(
    mirror: Simulator, support: Staff, supervisor: Staff, sort: str
) -> None:
    """One number of the row is too large for its column, so the mirror keeps the old row; meanwhile somebody moved the target."""
    account_id = open_accounts(1, skip=150)[0]
    parameters: dict[str, Any] = {}
    if sort == "unlock":
        assert run(the_item(ask(support, "liquidate_only", account_id))).state == ItemState.APPLIED
    elif sort == "risk_category":
        first, second = (
            RiskCategory.objects.filter(environment="demo").exclude(accounts__tradovate_id=account_id).order_by("pk")[:2]
        )
        parameters = dict(switch_to(first))
    else:
        parameters = {"cash_change_usd": "100"}
    change = decided(support, supervisor, sort, account_id, **parameters)
    if sort == "unlock":
        body = {
            "accountId": account_id,
            "adminAction": "LockTradingImmediately",
            "adminActionReasonCode": "Other",
            "adminActionReason": "By hand",
        }
        assert mirror.call("POST", SET_ACTION, token=mirror.token(), body=body).status_code == 200
        mirror.patch("accountRiskStatus", account_id, minNetLiq=1e17)
        RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    elif sort == "risk_category":
        mirror.patch("account", account_id, riskCategoryId=second.tradovate_id, evaluationSize=1e17)
        Account.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    else:
        cash = cash_of(mirror, account_id)
        mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 50, amountSOD=1e17)
        Cash.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    reconciled(the_item(change))
    now = mirror.account(account_id)
    if sort == "unlock":
        assert now["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    elif sort == "risk_category":
        assert now["account"]["riskCategoryId"] == second.tradovate_id
    else:
        assert booked(mirror, account_id) == 0


def test_a_status_row_without_its_action_is_no_unlock_by_somebody(mirror: Simulator, support: Staff) -> None:
    account_id = open_accounts(1, skip=156)[0]
    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    attribute_moves(origin=ORIGIN)
    mirror.fault("odd", entity="accountRiskStatus", account_ids=[account_id], without=["adminAction"], count=1)
    refresh(Environment.DEMO, [account_id], lane=Lane.URGENT)
    attribute_moves(origin=ORIGIN)
    assert RiskStatus.objects.get(account__tradovate_id=account_id).admin_action == "LockTradingImmediately"
    assert not Event.objects.filter(tag=Tag.OUTSIDE_STATUS).exists()


def test_two_refused_locks_of_which_one_account_is_gone(mirror: Simulator, support: Staff) -> None:
    gone, there = open_accounts(2, skip=158)
    change = ask(support, "lock", gone, there)
    mirror.fault("answer", endpoint=SET_ACTION, status=404, body="Not found", count=2)
    mirror.fault("omit", entity="accountRiskStatus", account_ids=[gone])
    mirror.fault("omit", entity="account", account_ids=[gone])
    mirror.fault("answer", endpoint="/account/item", account_id=gone, status=404, body="Not found")
    counts = later(change)
    assert counts == {ItemState.REJECTED: 2}
