"""What a call rests on is read right before it, for that call, beside all else that a lane does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.changes.kinds.auto_liq_limits import AutoLiqLimitsKind
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.execution import reconcile
from accounts.execution import recover as sweeper
from accounts.execution.basis import basis
from accounts.execution.call_results import write_down
from accounts.execution.lane import work
from accounts.execution.send import make
from accounts.execution.settle import settle
from accounts.execution.timing import UNKNOWN_ENDS_MAX
from accounts.models import Account, AutoLiqLimits, Cash, RiskCategory
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Lane
from tests.approvals.policies import one_approval_at_most
from tests.changes.world import approve, ask
from tests.execution.worker import (
    ORIGIN,
    active_account,
    claims_of,
    make_due,
    read_back_due,
    reconciled,
    run,
    send_batch,
    send_item,
    sweep,
    the_item,
    worker_dies,
)
from tests.simulator.driver import SET_ACTION, Simulator

UPDATE_LIMITS = "/userAccountAutoLiq/updateuserautoliqs"
BALANCE = "/cashBalance/changedemobalance"
READ_LIMITS = "/userAccountAutoLiq/ldeps"


def open_accounts(count: int, skip: int = 0) -> list[int]:
    """Return ids of open accounts with limits of the firm on which no one has acted."""
    found = Account.objects.filter(
        environment="demo",
        archived=False,
        risk_status__admin_action="Normal",
        risk_status__liquidate_only_at=None,
        limits__level="firm",
    )
    return list(found.order_by("tradovate_id").values_list("tradovate_id", flat=True)[skip : skip + count])


def decided(support: Staff, supervisor: Staff, kind: str, *ids: int, **parameters: Any) -> Change:
    """Ask for a change, and approve it where policy wants that."""
    one_approval_at_most()
    change = ask(support, kind, *ids, parameters=parameters)
    return approve(supervisor, change) if change.approval.needed else change


def limit_of(simulator: Simulator, account_id: int, name: str) -> object:
    return simulator.account(account_id)["userAccountAutoLiq"].get(name)


def test_a_target_that_was_not_read_is_not_sent_along_with_those_that_were(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    """It comes up for sending while the others are read: its whole record would go out as the mirror knew it long ago."""
    first, late = open_accounts(2)
    change = decided(support, supervisor, "auto_liq_limits", first, late, weekly_loss_auto_liq_usd="6100")
    waits = Item.objects.get(change=change, target__endswith=f":{late}")
    Item.objects.filter(pk=waits.pk).update(not_before=timezone.now() + timedelta(hours=1))
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    before = limit_of(mirror, late, "weeklyLossAutoLiq")
    held = mirror.fault("hold", endpoint=READ_LIMITS, count=1)

    reading = threading.Thread(
        target=work, args=[Lane.BULK if change.lane == Lane.BULK else Lane.URGENT], kwargs={"origin": ORIGIN}
    )
    reading.start()
    mirror.wait_held(held)
    Item.objects.filter(pk=waits.pk).update(not_before=None)
    mirror.patch("userAccountAutoLiq", late, dailyLossAutoLiq=123.45)
    mirror.release(held)
    reading.join()

    assert limit_of(mirror, first, "weeklyLossAutoLiq") == 6100
    assert limit_of(mirror, late, "dailyLossAutoLiq") == 123.45
    assert limit_of(mirror, late, "weeklyLossAutoLiq") in {before, 6100}
    make_due(the_only(change, late))
    while send_batch(change.pk, origin=ORIGIN):
        pass
    read_back_due(origin=ORIGIN)
    assert limit_of(mirror, late, "weeklyLossAutoLiq") == 6100
    assert limit_of(mirror, late, "dailyLossAutoLiq") == 123.45
    assert the_only(change, late).state == ItemState.APPLIED


def the_only(change: Change, account_id: int) -> Item:
    return Item.objects.select_related("change").get(change=change, target__endswith=f":{account_id}")


def test_a_balance_that_has_moved_by_the_very_amount_is_not_moved_again(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    """The first attempt met a penalty and did nothing; what looks like its effect is somebody else's."""
    account_id = open_accounts(1, skip=4)[0]
    item = the_item(decided(support, supervisor, "demo_balance", account_id, cash_change_usd="100"))
    mirror.fault("p-ticket", endpoint=BALANCE, p_time=0, count=1)
    send_item(item.pk, origin=ORIGIN)
    assert (the_item(item.change).state, the_item(item.change).attempts) == (ItemState.QUEUED, 1)
    cash = mirror.account(account_id)["cashBalances"][0]
    mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 100)
    Cash.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    make_due(the_item(item.change))

    left = run(the_item(item.change))

    assert left.state == ItemState.SKIPPED
    assert "has changed since this was decided" in left.note
    assert mirror.account(account_id)["cashBalances"][0]["amount"] == cash["amount"] + 100


def test_a_call_that_is_taken_again_and_again_without_effect_is_left_to_a_person(mirror: Simulator, support: Staff) -> None:
    account_id = active_account(3)
    answer = {"accountRiskStatus": {"id": account_id, "adminAction": "LockTradingImmediately"}}
    mirror.fault("answer", endpoint=SET_ACTION, account_id=account_id, status=200, body=answer)
    item = the_item(ask(support, "lock", account_id))

    for _ in range(UNKNOWN_ENDS_MAX + 2):
        Item.objects.filter(pk=item.pk, state=ItemState.SENT).update(lease_until=timezone.now() - timedelta(seconds=1))
        item = reconciled(item, rounds=1)
    left = reconciled(item)

    assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
    assert mirror.call_count(SET_ACTION) == UNKNOWN_ENDS_MAX
    assert left.note == "The read-back shows no effect, and it is not sent again by itself"
    mirror.clear_faults()


def test_a_lock_leaves_while_the_targets_of_another_urgent_change_are_still_being_read(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    slow, urgent = open_accounts(2, skip=8)
    change = decided(support, supervisor, "auto_liq_limits", slow, weekly_loss_auto_liq_usd="6200")
    assert change.lane == Lane.URGENT
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    held = mirror.fault("hold", endpoint=READ_LIMITS, count=1)
    working = threading.Thread(target=work, args=[Lane.URGENT], kwargs={"origin": ORIGIN})
    working.start()
    try:
        mirror.wait_held(held)
        lock = ask(support, "lock", urgent)
        work(Lane.URGENT, origin=ORIGIN)  # wakes the one that works
        effects = wait_for_effect(mirror, urgent)
        assert the_item(change).state == ItemState.QUEUED
    finally:
        mirror.release(held)
        working.join()
    assert [each["action"] for each in effects] == ["admin_action"]
    assert the_item(lock).state == ItemState.APPLIED
    assert the_item(change).state == ItemState.APPLIED


def wait_for_effect(simulator: Simulator, account_id: int) -> list[dict[str, Any]]:
    from tests.waiting import wait_until

    return wait_until(lambda: simulator.effects(account_id=account_id, source="call"))


def test_a_lock_need_not_wait_for_a_bulk_call_that_shows_no_effect_yet(
    mirror: Simulator, support: Staff, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoLiqLimitsKind, "urgent_up_to", 0)
    account_id = open_accounts(1, skip=12)[0]
    bulk = decided(support, supervisor, "auto_liq_limits", account_id, weekly_loss_auto_liq_usd="6300")
    assert bulk.lane == Lane.BULK
    before = limit_of(mirror, account_id, "weeklyLossAutoLiq")
    claims = claims_of(bulk, origin=ORIGIN)
    write_down([make(each) for each in claims], read_back_at=timezone.now() + timedelta(minutes=1), origin=ORIGIN)
    mirror.patch("userAccountAutoLiq", account_id, weeklyLossAutoLiq=before)
    assert the_item(bulk).state == ItemState.SENT
    lock = ask(support, "lock", account_id)

    work(Lane.URGENT, origin=ORIGIN)

    assert the_item(lock).state == ItemState.APPLIED
    assert the_item(bulk).state == ItemState.UNKNOWN


def test_the_items_of_a_killed_call_recover_together(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    category = min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())
    ids = [
        each
        for each in open_accounts(60)
        if Account.objects.get(environment="demo", tradovate_id=each).risk_category != category
    ]
    parameters = {"id": category.tradovate_id, "name": category.name, "environment": "demo"}
    change = decided(support, supervisor, "risk_category", *ids, **parameters)
    (claimed,) = claims_of(change, origin=ORIGIN)
    for item in claimed.items:
        worker_dies(item)

    assert sweeper.give_up_lapsed(origin=ORIGIN) == len(claimed.items) == len(ids)

    reported = Event.objects.filter(change_id=change.pk, tag=Tag.ITEM_UNKNOWN)
    assert [event.detail["items"] for event in reported] == [len(ids)]
    assert reconciled(claimed.items[0]).state == ItemState.APPLIED


def test_an_item_that_can_not_be_compared_keeps_no_other_from_being_settled(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = open_accounts(2, skip=16)
    items = []
    for account_id in (broken, sound):
        mirror.fault("cut", when="after", endpoint=SET_ACTION, count=1)
        item = the_item(ask(support, "lock", account_id))
        send_item(item.pk, origin=ORIGIN)
        Item.objects.filter(pk=item.pk).update(not_before=None)
        items.append(item)

    def basis_but_of_one(kind: Kind, item: Item) -> Any:
        if item.pk == items[0].pk:
            raise KeyError("admin_action")
        return basis(kind, item)

    monkeypatch.setattr(reconcile, "basis", basis_but_of_one)
    run(the_item(ask(support, "lock", open_accounts(1, skip=20)[0])))
    from accounts.sync.actions import sync
    from riskadmin.tradovate.vocabulary import Environment

    sync(Environment.DEMO)
    reconcile.settle_from_mirror(origin=ORIGIN)

    assert Item.objects.get(pk=items[1].pk).state == ItemState.APPLIED
    assert Item.objects.get(pk=items[0].pk).state == ItemState.UNKNOWN


def test_a_part_of_the_sweep_that_breaks_leaves_the_others_to_their_work(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(**_: object) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(sweeper, "settle_from_mirror", breaks)
    woken: list[str] = []
    monkeypatch.setattr(sweeper, "wake_lanes", lambda: woken.append("woken"))
    item = the_item(ask(support, "lock", active_account(7)))
    claims_of(item.change, origin=ORIGIN)
    worker_dies(item)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        sweep(origin=ORIGIN)

    assert woken
    assert Item.objects.get(pk=item.pk).state != ItemState.SENDING


def test_what_an_earlier_reading_showed_stays_where_the_last_one_shows_nothing(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    """One of them is gone: its neighbours settle with it all the same."""
    ids = open_accounts(2, skip=24)
    change = decided(support, supervisor, "auto_liq_limits", *ids, weekly_loss_auto_liq_usd="6400")
    (claimed,) = claims_of(change, origin=ORIGIN)
    first, second = claimed.items
    Item.objects.filter(pk=second.pk).update(observed={"weekly_loss_auto_liq_usd": "1"})

    with transaction.atomic():
        settled = settle(
            claimed.items,
            came_from=ItemState.SENDING,
            to=ItemState.REJECTED,
            note="",
            origin=ORIGIN,
            observed={first.target_id: {"weekly_loss_auto_liq_usd": "2"}},
        )

    assert len(settled) == 2
    assert Item.objects.get(pk=first.pk).observed == {"weekly_loss_auto_liq_usd": "2"}
    assert Item.objects.get(pk=second.pk).observed == {"weekly_loss_auto_liq_usd": "1"}
