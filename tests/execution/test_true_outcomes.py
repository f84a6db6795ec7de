"""Outcomes stay true when answers are short, late, odd, reordered or wrong. Each test is one behaviour of Tradovate's."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.execution.lane import work
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.reconcile import settle_from_mirror
from accounts.execution.recover import sweep as sweep_once
from accounts.execution.settle import answer_detail
from accounts.models import Account, AutoLiqLimits, Position, PositionLimit, RiskCategory, RiskStatus
from accounts.models.api import AnswerCap, IdProof
from accounts.sync.actions import Part, refresh, sync
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.approvals.policies import one_approval_at_most
from tests.changes.world import approve, ask
from tests.execution.worker import (
    ORIGIN,
    active_account,
    later,
    make_due,
    read_back_due,
    reconciled,
    run,
    run_once,
    send_batch,
    send_item,
    the_item,
)
from tests.simulator.driver import SET_ACTION, Simulator

UPDATE_LIMITS = "/userAccountAutoLiq/updateuserautoliqs"
SWITCH = "/accountRiskStatus/switchriskcategory"
BALANCE = "/cashBalance/changedemobalance"


def open_accounts(count: int, skip: int = 0) -> list[int]:
    """Return ids of open accounts that no one has acted on."""
    found = Account.objects.filter(
        environment="demo", archived=False, risk_status__admin_action="Normal", risk_status__liquidate_only_at=None
    )
    return list(found.order_by("tradovate_id").values_list("tradovate_id", flat=True)[skip : skip + count])


def decided(support: Staff, supervisor: Staff, kind: str, *ids: int, **parameters: Any) -> Change:
    """Ask for a change, and approve it where policy wants that."""
    one_approval_at_most()
    change = ask(support, kind, *ids, parameters=parameters)
    return approve(supervisor, change) if change.approval.needed else change


def category_of_few() -> RiskCategory:
    """Return a category that most accounts are not in."""
    return min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())


def switch_to(category: RiskCategory) -> State:
    """Return the parameters of a switch."""
    return {"id": category.tradovate_id, "name": category.name, "environment": "demo"}


# --- Answers that are cut -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("cap", "drops"), [(60, "tail"), (90, "random")])
def test_a_switch_of_more_accounts_than_an_answer_holds_ends_verified(
    mirror: Simulator, support: Staff, supervisor: Staff, cap: int, drops: str
) -> None:
    category = category_of_few()
    ids = list(
        Account.objects.filter(environment="demo", archived=False)
        .exclude(risk_category=category)
        .order_by("tradovate_id")
        .values_list("tradovate_id", flat=True)
    )
    assert len(ids) > cap
    mirror.set(entity_cap=cap, entity_cap_drops=drops)
    try:
        change = decided(support, supervisor, "risk_category", *ids, **switch_to(category))
        assert later(change) == {ItemState.APPLIED: len(ids)}
    finally:
        mirror.set(entity_cap=0, entity_cap_drops="tail")
    assert {mirror.account(each)["account"]["riskCategoryId"] for each in ids} == {category.tradovate_id}
    assert mirror.call_count(SWITCH) == 1
    assert AnswerCap.objects.get(endpoint="account/items").rows == cap


def test_a_short_list_makes_no_account_archived_and_locks_stay_possible(mirror: Simulator, support: Staff) -> None:
    before = set(Account.objects.filter(archived=False).values_list("tradovate_id", flat=True))
    mirror.set(entity_cap=60)
    try:
        for _ in range(3):
            run_of_sync = sync(Environment.DEMO)
            assert run_of_sync is not None
            assert run_of_sync.failure == ""
            assert run_of_sync.untold == 0
    finally:
        mirror.set(entity_cap=0)
    assert set(Account.objects.filter(archived=False).values_list("tradovate_id", flat=True)) == before
    assert run(the_item(ask(support, "lock", max(before)))).state == ItemState.APPLIED


def test_an_account_that_is_left_out_everywhere_is_gone_only_after_a_404_or_two_full_reads(mirror: Simulator) -> None:
    ids = open_accounts(25)
    omitted = mirror.fault("omit", entity="account", account_ids=ids)  # `item` still finds them

    sync(Environment.DEMO)
    assert not Account.objects.filter(missing_since__isnull=False).exists()
    alone = Account.objects.filter(left_out_at__isnull=False)
    assert alone.count() == 5  # the others were asked for by themselves, and Tradovate has them

    # Twenty of them answer, so none of those is missing; the others are asked for when their turn comes.
    Account.objects.filter(left_out_at__isnull=False).update(left_out_at=timezone.now() - timedelta(minutes=3))
    mirror.control("DELETE", f"/faults/{omitted}")
    sync(Environment.DEMO)
    assert not Account.objects.filter(left_out_at__isnull=False).exists()
    assert not Account.objects.filter(archived=True, missing_since__isnull=False).exists()


def test_a_missing_account_that_answers_any_read_is_back(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    Account.objects.filter(tradovate_id=account_id).update(archived=True, missing_since=timezone.now() - timedelta(hours=1))

    refresh(Environment.DEMO, [account_id], lane=Lane.URGENT)

    account = Account.objects.get(tradovate_id=account_id)
    assert (account.archived, account.missing_since) == (False, None)
    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED


def test_an_account_with_one_of_two_positions_in_the_list_keeps_both(mirror: Simulator) -> None:
    account_id = open_accounts(1)[0]
    for _ in range(2):
        mirror.open_position(account_id)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.POSITIONS}))
    held = set(Position.objects.filter(account__tradovate_id=account_id).values_list("tradovate_id", flat=True))
    assert len(held) >= 2
    listed = [each for each in mirror.call("GET", "/position/list", token=mirror.token()).json() if each["id"] != max(held)]
    mirror.fault("answer", endpoint="/position/list", body=listed)

    sync(Environment.DEMO)

    now = set(Position.objects.filter(account__tradovate_id=account_id).values_list("tradovate_id", flat=True))
    assert now == held


def test_an_item_that_answers_leave_out_stays_open_until_one_names_it(mirror: Simulator, support: Staff) -> None:
    account_id, neighbour = open_accounts(2)
    mirror.fault("omit", entity="accountRiskStatus", account_ids=[account_id])
    change = ask(support, "lock", account_id, neighbour)
    while send_batch(change.pk, origin=ORIGIN):
        pass
    read_back_due(origin=ORIGIN)

    states = dict(change.items.values_list("target", "state"))
    assert states == {f"demo:account:{account_id}": ItemState.SENT, f"demo:account:{neighbour}": ItemState.APPLIED}
    mirror.clear_faults()
    assert later(change, rounds=1) == {ItemState.APPLIED: 2}


# --- Refusals and late effects ------------------------------------------------------------------------------------------


CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("lock", SET_ACTION, {}),
    ("auto_liq_limits", UPDATE_LIMITS, {"weekly_loss_auto_liq_usd": "7100"}),
    ("risk_category", SWITCH, {}),
    ("demo_balance", BALANCE, {"cash_change_usd": "100"}),
]


@pytest.mark.parametrize(("kind", "endpoint", "parameters"), CASES, ids=[each[0] for each in CASES])
@pytest.mark.parametrize("refusal", ["errorText", "404", "ok: false"])
def test_what_was_carried_out_in_spite_of_a_refusal_is_applied_and_says_so(
    *,
    mirror: Simulator,
    support: Staff,
    supervisor: Staff,
    kind: str,
    endpoint: str,
    parameters: dict[str, Any],
    refusal: str,
) -> None:
    account_id = open_accounts(1, skip=3)[0]
    if kind == "risk_category":
        parameters = dict(switch_to(RiskCategory.objects.exclude(accounts__tradovate_id=account_id).order_by("pk")[0]))
    if kind == "auto_liq_limits":
        parameters = {"weekly_loss_auto_liq_usd": str(7100 + len(refusal))}
    change = decided(support, supervisor, kind, account_id, **parameters)
    body: dict[str, Any] = {
        "errorText": {"status": 200, "body": {"errorText": "Busy", "ok": False}},
        "404": {"status": 404, "body": "Not found"},
        "ok: false": {"status": 200, "body": {"ok": False}},
    }[refusal]
    mirror.fault("answer", when="after", endpoint=endpoint, count=1, **body)

    item = run(the_item(change))

    assert item.state == ItemState.APPLIED
    assert item.note.endswith("It is as intended all the same: the read-back shows it")
    assert "Tradovate answered: Tradovate answered" not in item.note
    assert mirror.call_count(endpoint) == 1
    assert Call.objects.get(purpose=Purpose.WRITE).state == CallState.REJECTED


def test_an_effect_that_comes_after_a_refusal_and_after_the_first_read_back_is_found(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=4)[0]
    before = mirror.account(account_id)["cashBalances"][0]
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("errorText", endpoint=BALANCE, text="Busy", count=1)
    item = run_once(the_item(change))
    assert item.state == ItemState.UNKNOWN

    mirror.patch("cashBalance", before["id"], amount=before["amount"] + 100)
    item = reconciled(item)

    assert (item.state, item.note) == (
        ItemState.APPLIED,
        "Tradovate answered: Busy. It is as intended all the same: the read-back shows it",
    )
    assert mirror.call_count(BALANCE) == 1


def test_a_second_lock_need_not_wait_for_a_refused_one(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    mirror.fault("errorText", endpoint=SET_ACTION, text="Busy", count=1)
    first = run_once(the_item(ask(support, "lock", account_id)))
    assert first.state == ItemState.UNKNOWN

    second = run(the_item(ask(support, "lock", account_id)))

    assert second.state == ItemState.APPLIED


def test_a_balance_that_trading_moved_by_the_very_amount_is_left_to_a_person_with_the_figures(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=5)[0]
    cash = mirror.account(account_id)["cashBalances"][0]
    change = decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100")
    mirror.fault("cut", when="before", endpoint=BALANCE, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    week = cash.get("weekRealizedPnL", 0)
    mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 100, weekRealizedPnL=week + 100)

    item = reconciled(the_item(change))

    assert (item.state, item.not_before) == (ItemState.UNKNOWN, None)
    assert item.note == (
        "The call was for +$100.00, the balance moved by +$100.00, and trading realised +$100.00 meanwhile: "
        "these figures don't prove whether it was carried out"
    )
    assert mirror.call_count(BALANCE) == 1


def test_a_ticket_that_was_used_is_not_sent_again(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    mirror.fault("p-ticket", endpoint=SET_ACTION, p_time=0, count=1)
    item = run(the_item(ask(support, "lock", account_id)))
    assert item.ticket
    make_due(item)
    mirror.fault("423", endpoint=SET_ACTION, count=1)  # after the ticket was taken

    send_item(item.pk, origin=ORIGIN)

    assert the_item(item.change).ticket == ""


# --- Ids ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def other_ids(simulator: Simulator, transactional_db: None, real_broker: Any) -> Any:
    """A Tradovate whose risk statuses and limits have ids of their own, read into the mirror for the first time."""
    simulator.set(extension_id_offset=50_000_000)
    sync(Environment.DEMO)
    yield simulator
    simulator.set(extension_id_offset=0)


def test_records_with_ids_of_their_own_are_matched_with_no_account(other_ids: Simulator) -> None:
    assert set(IdProof.objects.values_list("entity", "matches")) == {
        ("accountRiskStatus", False),
        ("userAccountAutoLiq", False),
        ("permissionedAccountAutoLiq", False),
    }
    assert Account.objects.exists()
    assert not RiskStatus.objects.exists()


def test_with_ids_of_their_own_accounts_are_read_one_by_one_and_outcomes_stay_true(
    other_ids: Simulator, request: pytest.FixtureRequest
) -> None:
    from riskadmin.staff.roles import Role
    from tests.staff.people import make_person

    support, supervisor = make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)
    open_ids = Account.objects.filter(archived=False).order_by("-tradovate_id").values_list("tradovate_id", flat=True)
    account_id = next(each for each in open_ids if not other_ids.account(each)["restrictions"])
    refresh(Environment.DEMO, [account_id], lane=Lane.URGENT, parts=frozenset(Part))
    status = RiskStatus.objects.get()
    assert status.account.tradovate_id == account_id

    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    change = decided(support, supervisor, "auto_liq_limits", account_id, weekly_loss_auto_liq_usd="7200")
    assert run(the_item(change)).state == ItemState.APPLIED

    now = other_ids.account(account_id)
    assert now["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    assert now["userAccountAutoLiq"]["weeklyLossAutoLiq"] == 7200


@pytest.mark.parametrize("setting", [{"answer_order": "shuffled"}, {"omit_false": True}])
def test_answers_in_another_order_or_without_their_falses_are_understood(
    mirror: Simulator, support: Staff, supervisor: Staff, setting: dict[str, Any]
) -> None:
    ids = open_accounts(20, skip=6)
    limit = 7300 + len(setting.get("answer_order", ""))
    mirror.set(**setting)
    try:
        change = decided(support, supervisor, "auto_liq_limits", *ids, weekly_loss_auto_liq_usd=str(limit), do_not_unlock=False)
        assert later(change) == {ItemState.APPLIED: 20}
    finally:
        mirror.set(answer_order="plain", omit_false=False)
    assert {mirror.account(each)["userAccountAutoLiq"]["weeklyLossAutoLiq"] for each in ids} == {limit}


# --- Unknown items settled ----------------------------------------------------------------------------------------------


def unknown_lock(mirror: Simulator, support: Staff, account_id: int) -> Item:
    """Return a lock that Tradovate carried out and whose read-back never came: it waits for a person."""
    mirror.fault("cut", when="after", endpoint=SET_ACTION, count=1)
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    Item.objects.filter(pk=item.pk).update(not_before=None, note="It could not be read back")
    return the_item(item.change)


@pytest.mark.parametrize("reading", ["full read", "read on demand"])
def test_any_later_reading_that_proves_an_unknown_item_settles_it_and_all_others_it_proves(
    mirror: Simulator, support: Staff, reading: str
) -> None:
    items = [unknown_lock(mirror, support, account_id) for account_id in open_accounts(3, skip=20)]
    assert settle_from_mirror(origin=ORIGIN) == 0  # the mirror has nothing newer

    if reading == "full read":
        sync(Environment.DEMO)
    else:
        refresh(Environment.DEMO, [item.target_id for item in items], lane=Lane.URGENT)
    sweep_once(origin=ORIGIN)

    for item in items:
        item.refresh_from_db()
        assert item.state == ItemState.APPLIED
        assert item.note.startswith("No answer came, but a later reading (")
        assert item.observed is not None
    assert mirror.call_count(SET_ACTION) == 3


def test_a_reading_that_proves_nothing_leaves_an_unknown_item_to_people_with_what_was_seen(
    mirror: Simulator, support: Staff
) -> None:
    account_id = active_account()
    item = unknown_lock(mirror, support, account_id)
    mirror.patch("accountRiskStatus", account_id, adminAction="LiquidateOnlyModeImmediately")
    sync(Environment.DEMO)

    settle_from_mirror(origin=ORIGIN)

    item.refresh_from_db()
    assert (item.state, item.note) == (ItemState.UNKNOWN, "It could not be read back")
    assert item.observed is not None
    assert item.observed["admin_action"] == "LiquidateOnlyModeImmediately"


def test_a_limit_that_is_gone_from_one_answer_after_an_unanswered_removal_is_not_removed_yet(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = open_accounts(1, skip=9)[0]
    parts = frozenset({Part.PRE_TRADE, Part.POSITIONS})
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=parts)
    added = decided(
        support, supervisor, "position_limit", account_id, action="create", active=True, total_by="Overall", long_limit=7
    )
    assert run(the_item(added)).state == ItemState.APPLIED
    limit = PositionLimit.objects.filter(account__tradovate_id=account_id).order_by("-tradovate_id")[0]
    removal = decided(support, supervisor, "position_limit", account_id, action="delete", limit=limit.tradovate_id)
    mirror.fault("cut", when="before", endpoint="/userAccountPositionLimit/deleteuseraccountpositionlimit", count=1)
    send_item(the_item(removal).pk, origin=ORIGIN)
    short = mirror.fault("answer", endpoint="/userAccountPositionLimit/ldeps", body=[])
    wrong = mirror.fault("answer", endpoint="/userAccountPositionLimit/item", status=404, body="Not found")
    make_due(the_item(removal))
    read_back_due(origin=ORIGIN)

    item = the_item(removal)
    assert item.state == ItemState.UNKNOWN
    assert item.note == "It is gone from one answer; a second one has to show it before it counts as removed"

    for fault in (short, wrong):
        mirror.control("DELETE", f"/faults/{fault}")
    assert reconciled(item).state == ItemState.APPLIED  # there all along: sent again, and removed now
    assert mirror.call_count("/userAccountPositionLimit/deleteuseraccountpositionlimit") == 2
    held = mirror.account(account_id)["userAccountPositionLimits"]
    assert limit.tradovate_id not in {each["id"] for each in held}


# --- Nothing blocks a lane ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["No \ud800 such thing", "No\x00thing", "x" * 100_000])
def test_whatever_a_refusal_says_the_next_emergency_lock_leaves_at_once(mirror: Simulator, support: Staff, text: str) -> None:
    first, *others = open_accounts(6)
    body = {"errorText": text}
    mirror.fault("answer", endpoint=SET_ACTION, account_id=first, status=200, body=body, count=1)
    change = ask(support, "lock", first, *others)

    work(Lane.URGENT, origin=ORIGIN)

    states = dict(change.items.values_list("target", "state"))
    assert {states[f"demo:account:{each}"] for each in others} == {ItemState.APPLIED}
    assert states[f"demo:account:{first}"] in {ItemState.UNKNOWN, ItemState.REJECTED}
    assert later(change) == {ItemState.APPLIED: 5, ItemState.REJECTED: 1}
    note = change.items.get(target=f"demo:account:{first}").note
    assert note.startswith("Tradovate answered: ")


def test_an_answer_that_cannot_be_written_down_ends_as_unknown_and_keeps_no_other_from_leaving(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = open_accounts(6)
    evidence = answer_detail

    def cannot(http_record: Any) -> dict[str, Any]:
        if (
            http_record is not None
            and f'"accountId": {first},' in http_record.request_text
            and not http_record.response_text.startswith("'")
        ):
            raise ValueError("no column takes this")
        return evidence(http_record)

    monkeypatch.setattr("accounts.execution.call_results.answer_detail", cannot)
    change = ask(support, "lock", first, *others)

    work(Lane.URGENT, origin=ORIGIN)

    assert later(change, rounds=2) == {ItemState.APPLIED: 6}
    call = Call.objects.get(items__target=f"demo:account:{first}", purpose=Purpose.WRITE)
    assert call.state == CallState.UNKNOWN
    assert call.note == "Tradovate answered something that can't be written down; what it did is read back"
    assert call.response_text.startswith('\'{"accountRiskStatus"')


# --- Odd rows -----------------------------------------------------------------------------------------------------------


def test_an_odd_row_in_a_read_back_leaves_its_item_to_people_and_its_neighbours_settle(
    mirror: Simulator, support: Staff
) -> None:
    odd, *others = open_accounts(4)
    mirror.fault("odd", entity="accountRiskStatus", account_ids=[odd], fields={"adminTimestamp": "0001-01-01T00:00:00Z"})
    change = ask(support, "lock", odd, *others)

    assert later(change, rounds=1) == {ItemState.APPLIED: 3, ItemState.UNKNOWN: 1}

    item = change.items.get(state=ItemState.UNKNOWN)
    assert item.not_before is None
    assert item.note.startswith("Tradovate sent something unreadable: adminTimestamp is ")
    mirror.clear_faults()
    sync(Environment.DEMO)
    sweep_once(origin=ORIGIN)
    assert later(change, rounds=1) == {ItemState.APPLIED: 4}


def test_limits_with_an_odd_value_are_not_sent_over(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    odd, steady = open_accounts(2, skip=12)
    change = decided(support, supervisor, "auto_liq_limits", odd, steady, weekly_loss_auto_liq_usd="7400")
    before = mirror.account(odd)["userAccountAutoLiq"]
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    mirror.fault("odd", entity="userAccountAutoLiq", account_ids=[odd], fields={"dailyLossAlert": "a lot"})

    while send_batch(change.pk, origin=ORIGIN):
        pass
    read_back_due(origin=ORIGIN)

    states = {item.target_id: (item.state, item.note) for item in change.items.all()}
    assert states[steady][0] == ItemState.APPLIED
    assert states[odd] == (ItemState.QUEUED, 'Not sent: Tradovate sent something unreadable: dailyLossAlert is "a lot"')
    assert mirror.account(odd)["userAccountAutoLiq"] == before
