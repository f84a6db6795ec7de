"""Changes that others make at Tradovate become events; those made here, and what Tradovate does by itself, do not."""

import threading
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.models import Account, AutoLiqLimits, MirrorMove, RiskCategory, RiskStatus
from accounts.outside.attribute import attribute_moves
from accounts.sync.actions import Part, refresh, sync
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import between
from tests.changes.world import approve, ask
from tests.execution.pre_trade import approved, make_limited
from tests.execution.test_undo import run as run_change
from tests.execution.test_undo import undo
from tests.execution.worker import ORIGIN, active_account, read_back_due, run, send_item, the_item
from tests.simulator.driver import SET_ACTION, Simulator
from tests.staff.people import make_person

LOCKED, CLOSING_ONLY, NORMAL = "LockTradingImmediately", "LiquidateOnlyModeImmediately", "Normal"
AT = "2026-11-20T15:00:00.000Z"


def read() -> None:
    """Read everything once more, as beat does."""
    done = sync(Environment.DEMO)
    assert done is not None
    assert done.failure == ""


def attributed() -> list[tuple[str, int | None, Any, Any]]:
    """Attribute what there is to attribute, and return every event of an outside change: tag, account, before and after."""
    attribute_moves(origin=ORIGIN)
    events = Event.objects.filter(tag__startswith="outside:").order_by("pk")
    return list(events.values_list("tag", "account_id", "before", "after"))


def left_unattributed() -> int:
    return MirrorMove.objects.filter(judged_at=None).count()


def another_category(account: Account) -> RiskCategory:
    """A category of demo that the account is not in."""
    assert account.risk_category_id is not None
    return RiskCategory.objects.filter(environment="demo").exclude(pk=account.risk_category_id)[0]


def limits_of(account_id: int) -> AutoLiqLimits:
    return AutoLiqLimits.objects.get(account__environment="demo", account__tradovate_id=account_id, level="firm")


# --- What others do -----------------------------------------------------------------------------------------------------


def test_a_first_reading_and_one_that_finds_the_same_move_nothing(mirror: Simulator) -> None:
    assert MirrorMove.objects.count() == 0
    read()
    refresh(Environment.DEMO, [active_account()], lane=Lane.BULK, parts=frozenset({Part.LIMITS, Part.PRE_TRADE, Part.ACCOUNT}))
    assert MirrorMove.objects.count() == 0
    assert attributed() == []


def test_a_lock_by_somebody_else_is_an_event_with_before_after_and_the_two_readings(mirror: Simulator) -> None:
    account_id = active_account()
    known_at = RiskStatus.objects.get(account__tradovate_id=account_id, account__environment="demo").fresh_at
    mirror.patch("accountRiskStatus", account_id, adminAction=LOCKED, adminTimestamp=AT)
    read()

    assert attributed() == [
        (
            "outside:status:changed",
            account_id,
            {"admin_action": NORMAL, "admin_at": None},
            {"admin_action": LOCKED, "admin_at": "2026-11-20T15:00:00Z"},
        )
    ]
    event = Event.objects.get(tag="outside:status:changed")
    status = RiskStatus.objects.select_related("account").get(account__tradovate_id=account_id, account__environment="demo")
    move = MirrorMove.objects.get()
    assert event.detail == {
        "kind": "lock",
        "known_at": known_at.isoformat(),
        "read_at": status.fresh_at.isoformat(),
        "source": "sync",
        "move": move.pk,
    }
    assert (event.environment, event.account_name, event.staff_id, event.job) == ("demo", status.account.name, None, "tests")
    line = EventLine(event)
    assert (line.title, line.actor, line.actor_role) == ("Locked outside riskadmin", "Outside riskadmin", "")
    assert line.sentence == (
        f"Someone at Tradovate or the trader's firm changed {status.account.name}: locked, "
        f"{between(known_at, status.fresh_at, display_zone())}"
    )
    assert [(change.label, change.before, change.after) for change in line.changes] == [
        ("Risk action", "Normal", "Locked (no orders)")
    ]
    # The same state read again, and attributed again, is no second change.
    read()
    assert len(attributed()) == 1


@pytest.mark.parametrize(
    ("action", "kind", "title"),
    [
        (CLOSING_ONLY, "closing_only", "Set to closing only outside riskadmin"),
        ("LiquidateImmediately", "liquidate", "Liquidated and locked outside riskadmin"),
        ("DisableAutoLiq", "action", "Admin action changed outside riskadmin"),
    ],
)
def test_each_action_of_somebody_else_has_its_name(mirror: Simulator, action: str, kind: str, title: str) -> None:
    account_id = active_account()
    mirror.patch("accountRiskStatus", account_id, adminAction=action, adminTimestamp=AT, liquidateOnly=AT)
    read()
    assert [tag for tag, *_ in attributed()] == ["outside:status:changed"]
    assert MirrorMove.objects.get().outside_kind == kind
    assert EventLine(Event.objects.get(tag="outside:status:changed")).title == title


def test_an_unlock_by_somebody_else_of_our_lock(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    assert attributed() == []
    ours = RiskStatus.objects.get(account__tradovate_id=account_id, account__environment="demo").admin_at
    assert ours is not None
    mirror.patch("accountRiskStatus", account_id, adminAction=NORMAL, adminTimestamp="2099-01-01T00:00:00.000Z")
    read()
    ((tag, found, before, after),) = attributed()
    assert (tag, found, before["admin_action"], after["admin_action"]) == (
        "outside:status:changed",
        account_id,
        LOCKED,
        NORMAL,
    )
    assert datetime.fromisoformat(before["admin_at"]) == ours.replace(microsecond=ours.microsecond // 1000 * 1000)
    assert MirrorMove.objects.get(outside_kind="unlock").account.tradovate_id == account_id


def test_limits_of_either_level_a_category_and_a_position_limit_by_somebody_else(mirror: Simulator) -> None:
    limited = make_limited(mirror)
    account = Account.objects.get(environment="demo", tradovate_id=limited.account_id)
    old = account.risk_category
    new = another_category(account)
    assert old is not None
    mirror.patch("userAccountAutoLiq", limited.account_id, weeklyLossAutoLiq=7777)
    mirror.patch("permissionedAccountAutoLiq", limited.account_id, dailyLossAlert=111)
    read()  # a trader's record that appears is read for the first time
    mirror.patch("permissionedAccountAutoLiq", limited.account_id, dailyLossAlert=222)
    mirror.patch("account", limited.account_id, riskCategoryId=new.tradovate_id)
    mirror.patch("userAccountPositionLimit", limited.limit, exposedLimit=9)
    mirror.patch("userAccountRiskParameter", limited.parameter, maxOpeningOrderQty=8)
    read()
    refresh(Environment.DEMO, [limited.account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))

    found = {(tag, *sorted(after)): (before, after) for tag, _, before, after in attributed()}
    position_limit, parameter = f"position_limit_{limited.limit}", f"risk_parameter_{limited.parameter}"
    assert found["outside:limits:changed", "weekly_loss_auto_liq_usd"][1] == {"weekly_loss_auto_liq_usd": "7777.00"}
    assert found["outside:limits:changed", "daily_loss_alert_usd"][1] == {"daily_loss_alert_usd": "222.00"}
    assert found["outside:category:changed", "category"] == ({"category": old.name}, {"category": new.name})
    before, after = found["outside:position_limits:changed", position_limit]
    assert (before[position_limit]["exposed_limit"], after[position_limit]["exposed_limit"]) == (3, 9)
    before, after = found["outside:risk_parameters:changed", parameter]
    assert (before[parameter]["max_opening_order_qty"], after[parameter]["max_opening_order_qty"]) == (2, 8)


def test_a_position_limit_removed_by_somebody_else(mirror: Simulator) -> None:
    limited = make_limited(mirror)
    limited.remove_limit()
    refresh(Environment.DEMO, [limited.account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    name = f"position_limit_{limited.limit}"
    ((tag, account_id, before, after),) = attributed()
    assert (tag, account_id, after) == ("outside:position_limits:changed", limited.account_id, {name: None})
    assert before[name]["exposed_limit"] == 3


# --- What is done here --------------------------------------------------------------------------------------------------


def test_our_own_changes_and_their_undo_are_not_outside(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    lock = run_change(ask(support, "lock", account_id))
    undo(lock, support, supervisor)
    own: dict[str, object] = {"level": "firm", "weekly_loss_auto_liq_usd": "6001"}
    run_change(approve(supervisor, ask(support, "auto_liq_limits", account_id, parameters=own)))
    run_change(ask(support, "liquidate_only", account_id))
    account = Account.objects.get(environment="demo", tradovate_id=account_id)
    new = another_category(account)
    category = {"id": new.tradovate_id, "name": new.name, "environment": "demo"}
    run_change(approve(supervisor, ask(support, "risk_category", account_id, parameters=category)))
    read()
    assert MirrorMove.objects.count() == 5
    assert attributed() == []
    assert left_unattributed() == 0


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_our_own_position_limits_are_not_outside(mirror: Simulator, support: Staff, supervisor: Staff, action: str) -> None:
    limited = make_limited(mirror)
    parameters: dict[str, object] = {
        "create": {"action": "create", "total_by": "Overall", "exposed_limit": 1},
        "update": {"action": "update", "limit": limited.limit, "exposed_limit": 5},
        "delete": {"action": "delete", "limit": limited.limit},
    }[action]
    assert run(approved(support, supervisor, "position_limit", limited.account_id, **parameters)).state == ItemState.APPLIED
    refresh(Environment.DEMO, [limited.account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    assert MirrorMove.objects.filter(subject="position_limits").count() == 1
    assert attributed() == []
    assert left_unattributed() == 0


def test_a_full_read_that_sees_our_lock_before_its_read_back_waits_for_it(mirror: Simulator, support: Staff) -> None:
    account_id, other = active_account(0), active_account(1)
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    mirror.patch("accountRiskStatus", other, adminAction=LOCKED, adminTimestamp=AT)
    read()

    assert [account for _, account, *_ in attributed()] == [other]
    assert left_unattributed() == 1
    read_back_due(origin=ORIGIN)
    assert the_item(item.change).state == ItemState.APPLIED
    assert [account for _, account, *_ in attributed()] == [other]
    assert left_unattributed() == 0


def test_our_lock_whose_outcome_stays_unknown_is_ours(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    mirror.fault("cut", when="after", endpoint=SET_ACTION, count=1)
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN
    read()
    assert attributed() == []
    assert left_unattributed() == 1  # it is still to be read back

    Item.objects.filter(pk=item.pk).update(not_before=None)  # for a person to decide
    assert attributed() == []
    assert left_unattributed() == 0


def test_our_refused_lock_that_had_its_effect_is_ours(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    item = the_item(ask(support, "lock", account_id))
    mirror.fault("errorText", when="after", text="Access is denied", endpoint=SET_ACTION, count=1)
    send_item(item.pk, origin=ORIGIN)
    read()
    read_back_due(origin=ORIGIN)
    Item.objects.filter(pk=item.pk).update(not_before=None)
    assert MirrorMove.objects.get().fields["admin_action"] == [NORMAL, LOCKED]
    assert attributed() == []
    assert left_unattributed() == 0


def test_what_a_full_read_sees_between_the_two_calls_of_a_liquidation_is_ours(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account()
    change = approve(make_person(Role.SUPERVISOR, "supervisor2"), ask(supervisor, "liquidate", account_id))
    item = the_item(change)
    send_item(item.pk, origin=ORIGIN)
    read()
    read_back_due(origin=ORIGIN)
    send_item(item.pk, origin=ORIGIN)
    read_back_due(origin=ORIGIN)
    assert the_item(change).state == ItemState.APPLIED
    moves = MirrorMove.objects.order_by("pk").values_list("fields__admin_action", flat=True)
    assert list(moves) == [[NORMAL, "LiquidateImmediately"], ["LiquidateImmediately", LOCKED]]
    assert attributed() == []
    assert left_unattributed() == 0


# --- Both at once -------------------------------------------------------------------------------------------------------


def test_a_change_by_others_between_our_call_and_its_read_back_is_outside(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    mirror.patch("accountRiskStatus", account_id, adminAction=CLOSING_ONLY, adminTimestamp="2099-01-01T00:00:00.000Z")
    read_back_due(origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN

    ((_, found, before, after),) = attributed()
    assert (found, before["admin_action"], after["admin_action"]) == (account_id, NORMAL, CLOSING_ONLY)


def test_our_lock_taken_away_before_anybody_saw_it_is_an_unlock_outside(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    item = the_item(ask(support, "lock", account_id))
    send_item(item.pk, origin=ORIGIN)
    mirror.patch("accountRiskStatus", account_id, adminAction=NORMAL, adminTimestamp="2099-01-01T00:00:00.000Z")
    read_back_due(origin=ORIGIN)
    Item.objects.filter(pk=item.pk).update(not_before=None)

    attributed()
    assert list(MirrorMove.objects.values_list("account__tradovate_id", "outside_kind")) == [(account_id, "unlock")]


def test_a_lock_set_again_by_somebody_else_is_not_taken_for_ours(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    assert run(the_item(ask(support, "lock", account_id))).state == ItemState.APPLIED
    mirror.patch("accountRiskStatus", account_id, adminTimestamp="2099-01-01T00:00:00.000Z")
    read()
    assert [(after["admin_action"], after["admin_at"]) for *_, after in attributed()] == [(LOCKED, "2099-01-01T00:00:00Z")]


def test_of_limits_moved_by_us_and_by_somebody_else_only_theirs_are_outside(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account()
    own: dict[str, object] = {"level": "firm", "weekly_loss_auto_liq_usd": "6001"}
    before = limits_of(account_id).margin_alert_pct
    item = the_item(approve(supervisor, ask(support, "auto_liq_limits", account_id, parameters=own)))
    send_item(item.pk, origin=ORIGIN)
    mirror.patch("userAccountAutoLiq", account_id, marginPercentageAlert=91)
    read()
    read_back_due(origin=ORIGIN)

    assert attributed() == [
        (
            "outside:limits:changed",
            account_id,
            {"margin_alert_pct": None if before is None else str(before)},
            {"margin_alert_pct": "91.0000"},
        )
    ]
    assert set(MirrorMove.objects.get().fields) == {"weekly_loss_auto_liq_usd", "margin_alert_pct"}


# --- What Tradovate does by itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stays", [False, True])
def test_a_limit_that_acts_is_no_persons_act(mirror: Simulator, *, stays: bool) -> None:
    account_id = active_account()
    mirror.patch("userAccountAutoLiq", account_id, doNotUnlock=stays)
    read()
    attribute_moves(origin=ORIGIN)
    before = Event.objects.filter(tag="outside:status:changed").count()
    mirror.breach(account_id)
    read()
    moved = MirrorMove.objects.get(subject="status")
    assert moved.fields["admin_action"] == [NORMAL, LOCKED if stays else NORMAL]
    attribute_moves(origin=ORIGIN)
    assert Event.objects.filter(tag="outside:status:changed").count() == before == 0
    assert left_unattributed() == 0


def test_a_stop_that_ends_with_its_session_is_no_persons_act(mirror: Simulator) -> None:
    account_id = active_account()
    mirror.breach(account_id)
    read()
    mirror.patch("accountRiskStatus", account_id, liquidateOnly=None)  # as at the start of a session
    read()
    assert MirrorMove.objects.filter(subject="status", account__tradovate_id=account_id).count() == 2
    assert attributed() == []


def test_normal_sent_by_somebody_else_to_end_a_limits_stop_is_an_unlock(mirror: Simulator) -> None:
    account_id = active_account()
    mirror.breach(account_id)
    read()
    mirror.patch("accountRiskStatus", account_id, liquidateOnly=None, adminAction=NORMAL, adminTimestamp=AT)
    read()
    ((_, found, before, after),) = attributed()
    assert (found, after) == (account_id, {"admin_action": NORMAL, "admin_at": "2026-11-20T15:00:00Z", "stopped_at": None})
    assert before["stopped_at"] is not None
    assert MirrorMove.objects.get(outside_kind="unlock")


# --- Once, however many look --------------------------------------------------------------------------------------------


def test_two_jobs_at_once_record_each_change_once(mirror: Simulator) -> None:
    ids = [active_account(number) for number in range(6)]
    for account_id in ids:
        mirror.patch("accountRiskStatus", account_id, adminAction=LOCKED, adminTimestamp=AT)
    read()
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        attribute_moves(origin=ORIGIN)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait()
    for worker in workers:
        worker.join()
    assert sorted(str(account) for _, account, *_ in attributed()) == sorted(map(str, ids))


def test_a_move_that_another_job_is_attributing_is_left_to_it(mirror: Simulator) -> None:
    mirror.patch("accountRiskStatus", active_account(), adminAction=LOCKED, adminTimestamp=AT)
    read()
    found: list[int] = []

    def work() -> None:
        found.append(attribute_moves(origin=ORIGIN))
        connection.close()

    with transaction.atomic():
        list(MirrorMove.objects.select_for_update())
        other = threading.Thread(target=work)
        other.start()
        other.join()
    assert found == [0]
    assert len(attributed()) == 1


def test_without_its_event_a_move_stays_to_be_attributed(mirror: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.patch("accountRiskStatus", active_account(), adminAction=LOCKED, adminTimestamp=AT)
    read()

    def unwritable(*_: object, **__: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("riskadmin.audit.actions.copy_in", unwritable)
        with pytest.raises(OSError, match="disk full"):
            attribute_moves(origin=ORIGIN)
    assert left_unattributed() == 1
    assert MirrorMove.objects.get().outside_kind == ""
    assert len(attributed()) == 1
