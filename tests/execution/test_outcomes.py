"""Every way a call can end, against a real simulator: the item's outcome is what Tradovate's own state says."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.models import Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallState, Purpose
from accounts.gateway.ledger import PostgresLedger
from accounts.models import Account, RiskStatus
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.errors import StoreUnavailable
from tests.changes.world import approve, ask
from tests.execution.worker import (
    ORIGIN,
    active_account,
    make_due,
    read_back_due,
    reconciled,
    run,
    run_once,
    send_item,
    sweep,
    the_item,
)
from tests.simulator.driver import SET_ACTION, Simulator
from tests.waiting import wait_until

LOCKED = "LockTradingImmediately"


def effects_of(simulator: Simulator, account_id: int) -> list[dict[str, Any]]:
    """What calls changed about an account, as the simulator tells it."""
    return simulator.effects(account_id=account_id, endpoint=SET_ACTION, source="call")


def tags_of(item: Item) -> list[str]:
    return list(Event.objects.filter(item_id=item.pk).order_by("pk").values_list("tag", flat=True))


def test_a_lock_is_applied_and_proven(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()

    item = run(the_item(ask(support, "lock", account_id, reason_text="Trader asked on the phone")))

    assert item.state == ItemState.APPLIED
    assert item.change.state == ChangeState.FINISHED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == LOCKED
    assert RiskStatus.objects.get(account__tradovate_id=account_id, account__environment="demo").admin_action == LOCKED
    assert tags_of(item) == [Tag.CHANGE_SUBMITTED, Tag.ITEM_CLAIMED, Tag.ITEM_SENT, Tag.ITEM_SETTLED]
    assert mirror.call_count(SET_ACTION) == 1
    sent = Call.objects.get(purpose=Purpose.WRITE)
    assert (sent.state, sent.status) == (CallState.ANSWERED, 200)
    assert json.loads(sent.request_text) == {
        "accountId": account_id,
        "adminAction": LOCKED,
        "adminActionReasonCode": "Other",
        "adminActionReason": "Trader asked on the phone",
    }
    assert "LockTradingImmediately" in sent.response_text
    settled = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_SETTLED)
    assert settled.reason_text == "Trader asked on the phone"
    assert settled.detail["outcome"] == "applied"
    assert settled.after is not None
    assert settled.after["admin_action"] == LOCKED


def test_a_second_delivery_does_nothing(mirror: Simulator, support: Staff) -> None:
    item = the_item(ask(support, "lock", active_account()))
    run(item)
    events = Event.objects.count()

    again = run(item)

    assert again.state == ItemState.APPLIED
    assert mirror.call_count(SET_ACTION) == 1
    assert Event.objects.count() == events


def test_nothing_is_sent_before_the_decision(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    run(the_item(ask(support, "lock", account_id)))
    unlock = ask(support, "unlock", account_id)

    assert run(the_item(unlock)).state == ItemState.WAITING
    sweep(origin=ORIGIN)
    assert mirror.call_count(SET_ACTION) == 1

    approve(supervisor, unlock)
    assert run(the_item(unlock)).state == ItemState.APPLIED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == "Normal"


@pytest.mark.parametrize(
    ("fault", "fields", "note"),
    [
        ("errorText", {"text": "Access is denied"}, "Tradovate answered: Access is denied"),
        (
            "errorText",
            {"text": "Admin Action Reason should be specified"},
            "Tradovate answered: Admin Action Reason should be specified",
        ),
    ],
)
def test_what_tradovate_refuses_is_rejected_in_its_words(
    mirror: Simulator, support: Staff, fault: str, fields: dict[str, Any], note: str
) -> None:
    account_id = active_account()
    mirror.fault(fault, endpoint=SET_ACTION, **fields)

    item = run_once(the_item(ask(support, "lock", account_id)))
    assert item.state == ItemState.UNKNOWN  # an effect may still come
    assert item.note.startswith(f"{note}. Nothing has happened so far")

    item = reconciled(item)
    assert (item.state, item.note) == (ItemState.REJECTED, note)
    assert item.change.state == ChangeState.FINISHED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == "Normal"
    assert effects_of(mirror, account_id) == []


def test_an_account_that_is_gone_is_rejected_with_the_status(mirror: Simulator, support: Staff) -> None:
    item = the_item(ask(support, "lock", active_account()))
    gone = 987_654_321
    Account.objects.filter(tradovate_id=item.target_id, environment="demo").update(tradovate_id=gone)
    # The target is frozen, as it must be: a new change is planned for the id that Tradovate does not know.
    item = the_item(ask(support, "lock", gone))

    item = reconciled(run(item))

    assert (item.state, item.note) == (ItemState.REJECTED, "Tradovate answered: Not found (HTTP 404)")
    assert mirror.call_count("/account/item") > 0


@pytest.mark.parametrize(
    ("fault", "when"),
    [
        ("cut", "before"),
        ("cut", "after"),
        ("500", "before"),
        ("500", "after"),
        ("html", "before"),
        ("html", "after"),
        ("cut-body", "after"),
    ],
)
def test_an_unclear_end_is_reconciled_with_one_effect(mirror: Simulator, support: Staff, fault: str, when: str) -> None:
    account_id = active_account()
    mirror.fault(fault, when=when, endpoint=SET_ACTION, count=1)
    item = the_item(ask(support, "lock", account_id))

    send_item(item.pk, origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN
    settled = reconciled(item)
    assert settled.state == ItemState.APPLIED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == LOCKED
    assert len(effects_of(mirror, account_id)) == 1
    assert Tag.ITEM_UNKNOWN in tags_of(item)


def test_an_unknown_end_is_not_sent_again_while_it_may_still_take_effect(mirror: Simulator, support: Staff) -> None:
    mirror.fault("cut", endpoint=SET_ACTION, count=1)
    item = run(the_item(ask(support, "lock", active_account())))

    assert item.state == ItemState.UNKNOWN
    assert item.not_before is not None
    assert item.claimed_at is not None
    assert item.not_before >= item.claimed_at + timedelta(seconds=10)


def test_a_penalty_waits_and_replays_its_ticket(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    mirror.fault("p-ticket", endpoint=SET_ACTION, count=1, p_time=2)
    item = run(the_item(ask(support, "lock", account_id)))

    assert item.state == ItemState.QUEUED
    assert item.ticket != ""
    assert item.not_before is not None
    assert item.not_before > timezone.now()
    assert effects_of(mirror, account_id) == []
    assert tags_of(item)[-1] == Tag.ITEM_DEFERRED

    mirror.advance(3)

    def is_applied() -> bool:
        make_due(item)
        return run(item).state == ItemState.APPLIED

    wait_until(is_applied)  # our own count of the penalty is the real clock's
    assert len(effects_of(mirror, account_id)) == 1
    replay = Call.objects.filter(purpose=Purpose.WRITE).latest("pk")
    assert json.loads(replay.request_text)["p-ticket"] != ""


@pytest.mark.parametrize("fault", ["429", "423"])
def test_a_stop_halts_everything_and_the_item_waits(mirror: Simulator, support: Staff, fault: str) -> None:
    mirror.fault(fault, endpoint=SET_ACTION, count=1)
    first, second = (ask(support, "lock", active_account(number)) for number in (0, 1))

    stopped = run(the_item(first))
    also = run(the_item(second))

    for item in (stopped, also):
        assert item.state == ItemState.QUEUED
        assert item.note != ""
        held_until = item.change.held_until
        assert held_until is not None
        assert held_until > timezone.now() + timedelta(minutes=50)
    assert mirror.call_count(SET_ACTION) == 1


def test_an_unlock_is_skipped_when_the_account_changed_after_the_approval(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account()
    run(the_item(ask(support, "lock", account_id)))
    unlock = ask(support, "unlock", account_id)
    approve(supervisor, unlock)
    mirror.patch("accountRiskStatus", account_id, adminAction="LiquidateImmediately", adminTimestamp="2026-11-20T15:00:00.000Z")
    RiskStatus.objects.filter(account__tradovate_id=account_id).update(fresh_at=timezone.now() - timedelta(minutes=1))

    item = run(the_item(unlock))

    assert item.state == ItemState.SKIPPED
    assert "has changed since" in item.note
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == "LiquidateImmediately"
    assert mirror.call_count(SET_ACTION) == 1


def test_a_protective_lock_is_not_blocked_by_an_unknown_one(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    mirror.fault("cut", endpoint=SET_ACTION, count=1)
    unknown = the_item(ask(support, "lock", account_id))
    send_item(unknown.pk, origin=ORIGIN)
    assert the_item(unknown.change).state == ItemState.UNKNOWN

    lock = run(the_item(ask(support, "lock", account_id)))

    assert lock.state == ItemState.APPLIED


def test_a_second_item_of_the_same_target_waits_its_turn(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    first = the_item(ask(support, "lock", account_id))
    second = the_item(ask(support, "liquidate_only", account_id))
    Item.objects.filter(pk=first.pk).update(state=ItemState.SENDING, lease_until=timezone.now() + timedelta(seconds=30))

    send_item(second.pk, origin=ORIGIN)

    assert the_item(second.change).state == ItemState.QUEUED
    assert mirror.call_count(SET_ACTION) == 0
    assert not Event.objects.filter(item_id=second.pk, tag=Tag.ITEM_CLAIMED).exists()


def test_a_lapsed_lease_becomes_unknown_and_then_true(mirror: Simulator, support: Staff) -> None:
    item = the_item(ask(support, "lock", active_account()))
    long_ago = timezone.now() - timedelta(minutes=2)
    Item.objects.filter(pk=item.pk).update(
        state=ItemState.SENDING, attempts=1, claimed_at=long_ago, lease_until=long_ago + timedelta(seconds=30)
    )

    sweep(origin=ORIGIN)  # lapsed, read back: no effect, queued again
    assert the_item(item.change).state == ItemState.QUEUED

    assert run(item).state == ItemState.APPLIED
    assert mirror.call_count(SET_ACTION) == 1


def test_no_event_no_call(mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    item = the_item(ask(support, "lock", active_account()))

    def unwritable(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("riskadmin.audit.actions.copy_in", unwritable)
    with pytest.raises(OSError, match="disk full"):
        send_item(item.pk, origin=ORIGIN)

    assert mirror.call_count(SET_ACTION) == 0
    assert the_item(item.change).state == ItemState.QUEUED
    assert not Call.objects.exists()


def test_nothing_leaves_when_the_budget_can_not_be_counted(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = the_item(ask(support, "lock", active_account()))

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(PostgresLedger, "admit", away)

    deferred = run(item)

    assert deferred.state == ItemState.QUEUED
    assert mirror.call_count(SET_ACTION) == 0
    assert not Call.objects.exists()


def test_a_lock_needs_no_redis(mirror: Simulator, support: Staff, settings: Settings) -> None:
    item = the_item(ask(support, "lock", active_account()))
    settings.REDIS_URL = "unix:///nonexistent/redis.sock"

    assert run(item).state == ItemState.APPLIED


def test_several_accounts_cost_one_read_back(mirror: Simulator, support: Staff) -> None:
    change = ask(support, "lock", *(active_account(number) for number in range(5)))

    for item in change.items.order_by("position"):
        send_item(item.pk, origin=ORIGIN)
    read_back_due(origin=ORIGIN)

    assert set(change.items.values_list("state", "note")) == {(ItemState.APPLIED, "")}
    assert mirror.call_count(SET_ACTION) == 5
    assert mirror.call_count("/accountRiskStatus/items") + mirror.call_count("/accountRiskStatus/ldeps") == 1


def test_closing_only_never_loosens_a_lock_whose_answer_was_lost(mirror: Simulator, support: Staff) -> None:
    account_id = active_account()
    closing_only = the_item(ask(support, "liquidate_only", account_id))
    lock = the_item(ask(support, "lock", account_id))
    mirror.fault("cut", when="after", endpoint=SET_ACTION, count=1)
    send_item(lock.pk, origin=ORIGIN)
    assert the_item(lock.change).state == ItemState.UNKNOWN  # it was applied, and the mirror does not know yet

    assert run(closing_only).state == ItemState.SKIPPED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == LOCKED
