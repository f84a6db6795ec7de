"""Liquidate, then lock, against a real simulator: never liquidated twice by itself, and never left without its lock."""

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.approvals.subjects import NotAllowed
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallState, Purpose
from accounts.models import Account
from accounts.sync.actions import Part, refresh
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import approve, ask
from tests.execution.worker import ORIGIN, active_account, reconciled, run, send_item, sweep, the_item, worker_dies, writes
from tests.simulator.driver import SET_ACTION, Simulator
from tests.staff.people import make_person

LIQUIDATE, LOCK = "LiquidateImmediately", "LockTradingImmediately"


@pytest.fixture
def account_id(mirror: Simulator) -> int:
    """An account that holds a position, as the mirror knows."""
    found = active_account()
    mirror.open_position(found, 3)
    refresh(Environment.DEMO, [found], lane=Lane.BULK, parts=frozenset({Part.POSITIONS}))
    mirror.reset_counters()
    return found


@pytest.fixture
def approved(account_id: int, supervisor: Staff) -> Item:
    """A liquidation that one supervisor asked for and another approved."""
    change = ask(supervisor, "liquidate", account_id, reason_text="Trades another firm's money")
    return the_item(approve(make_person(Role.SUPERVISOR, "supervisor2"), change))


def actions_of(simulator: Simulator, account_id: int) -> list[str]:
    """The admin actions that calls have set on an account, in their order."""
    effects = simulator.effects(account_id=account_id, source="call", action="admin_action")
    return [effect["after"]["adminAction"] for effect in effects]


def is_flat(simulator: Simulator, account_id: int) -> bool:
    return all(not position["netPos"] for position in simulator.account(account_id)["positions"])


def body(account_id: int, action: str) -> str:
    return json.dumps(
        {
            "accountId": account_id,
            "adminAction": action,
            "adminActionReasonCode": "Other",
            "adminActionReason": "Trades another firm's money",
        },
    )


def test_it_is_liquidated_and_then_locked(mirror: Simulator, account_id: int, approved: Item) -> None:
    halfway = run(approved)

    assert (halfway.state, halfway.step, halfway.note, halfway.attempts) == (ItemState.QUEUED, 1, "Done: Liquidate", 0)
    assert halfway.is_half_done
    assert is_flat(mirror, account_id)
    assert actions_of(mirror, account_id) == [LIQUIDATE]

    done = run(approved)

    assert (done.state, done.note) == (ItemState.APPLIED, "")
    assert not done.is_half_done
    assert done.change.state == ChangeState.FINISHED
    assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]
    assert done.after == {"admin_actions": [LIQUIDATE, LOCK]}
    assert writes(done.change) == [body(account_id, action) for action in done.after["admin_actions"]]
    assert list(Event.objects.filter(item_id=done.pk).order_by("pk").values_list("tag", flat=True)) == [
        Tag.CHANGE_SUBMITTED,
        Tag.ITEM_CLAIMED,
        Tag.ITEM_SENT,
        Tag.ITEM_STEP_DONE,
        Tag.ITEM_CLAIMED,
        Tag.ITEM_SENT,
        Tag.ITEM_SETTLED,
    ]


def test_nothing_is_sent_before_the_decision(mirror: Simulator, account_id: int, supervisor: Staff) -> None:
    item = the_item(ask(supervisor, "liquidate", account_id))

    assert reconciled(item).state == ItemState.WAITING
    assert mirror.call_count(SET_ACTION) == 0


def test_a_flat_account_is_only_locked(mirror: Simulator, supervisor: Staff) -> None:
    flat = Account.objects.filter(environment="demo", archived=False, positions=None, risk_status__admin_action="Normal")
    account_id = flat.order_by("tradovate_id").values_list("tradovate_id", flat=True)[0]
    planned = plan(KINDS["liquidate"], environment=Environment.DEMO, target_ids=[account_id])
    assert planned.rows[0].warnings == ("Flat: only locks",)
    assert planned.calls_needed == 2

    change = approve(make_person(Role.SUPERVISOR, "supervisor2"), ask(supervisor, "liquidate", account_id))

    assert reconciled(the_item(change)).state == ItemState.APPLIED
    assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]


class TestKilled:
    """The worker dies somewhere between the two calls: its lease runs out, and the sweeper finds what it left."""

    def test_before_the_first_call(self, mirror: Simulator, account_id: int, approved: Item) -> None:
        Item.objects.filter(pk=approved.pk).update(state=ItemState.SENDING, attempts=1)
        worker_dies(approved)

        item = reconciled(approved)

        # Whether it was sent is what the worker alone knew; no effect is seen, and a liquidation is never made again by itself.
        assert (item.state, item.step, item.not_before) == (ItemState.UNKNOWN, 0, None)
        assert item.note == "The read-back shows no effect, and it is not sent again by itself"
        assert mirror.call_count(SET_ACTION) == 0

    def test_after_the_first_answer(self, mirror: Simulator, account_id: int, approved: Item) -> None:
        send_item(approved.pk, origin=ORIGIN)
        assert the_item(approved.change).state == ItemState.SENT
        worker_dies(approved)

        item = reconciled(approved)

        assert item.state == ItemState.APPLIED
        assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]

    def test_between_the_calls(self, mirror: Simulator, account_id: int, approved: Item) -> None:
        assert run(approved).step == 1
        Item.objects.filter(pk=approved.pk).update(state=ItemState.SENDING, attempts=1)  # claimed, and never sent
        worker_dies(approved)

        sweep(origin=ORIGIN)
        found = the_item(approved.change)
        assert (found.state, found.step, found.is_half_done) == (ItemState.QUEUED, 1, True)

        assert reconciled(approved).state == ItemState.APPLIED
        assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]

    def test_after_the_second_answer(self, mirror: Simulator, account_id: int, approved: Item) -> None:
        run(approved)
        send_item(approved.pk, origin=ORIGIN)
        worker_dies(approved)

        assert reconciled(approved).state == ItemState.APPLIED
        assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]


class TestCut:
    """The connection breaks, so that no answer comes."""

    @pytest.mark.parametrize("fault", ["cut", "500", "html"])
    def test_a_liquidation_without_effect_waits_for_a_person(
        self, mirror: Simulator, account_id: int, approved: Item, fault: str
    ) -> None:
        mirror.fault(fault, when="before", endpoint=SET_ACTION, count=1)

        item = reconciled(approved)

        assert (item.state, item.step, item.not_before) == (ItemState.UNKNOWN, 0, None)
        assert mirror.call_count(SET_ACTION) == 1
        assert not is_flat(mirror, account_id)

    @pytest.mark.parametrize("fault", ["cut", "500", "html"])
    def test_a_liquidation_that_had_its_effect_continues_to_its_lock(
        self, mirror: Simulator, account_id: int, approved: Item, fault: str
    ) -> None:
        mirror.fault(fault, when="after", endpoint=SET_ACTION, count=1)

        assert reconciled(approved).state == ItemState.APPLIED
        assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_the_lock_is_made_again_until_it_is_there(
        self, mirror: Simulator, account_id: int, approved: Item, when: str
    ) -> None:
        run(approved)
        mirror.fault("cut", when=when, endpoint=SET_ACTION, count=1)

        assert reconciled(approved).state == ItemState.APPLIED
        assert actions_of(mirror, account_id) == [LIQUIDATE, LOCK]
        assert mirror.call_count(SET_ACTION) == (3 if when == "before" else 2)


REFUSALS = [
    "Account Id should be greater than 0",
    "Admin Action should be between Normal and LiquidateImmediately",
    "Admin Action Reason Code should be between CloseAMLDecision and Other",
    "Admin Action Reason should be no longer than 8192",
    "Admin Action Reason should be specified",
    "Access is denied",
    "This endpoint should be called on live.tradovateapi.com",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refused_liquidation_is_rejected_in_tradovates_words(
    mirror: Simulator, account_id: int, approved: Item, text: str
) -> None:
    mirror.fault("errorText", endpoint=SET_ACTION, text=text, count=1)

    item = reconciled(approved)

    assert (item.state, item.note) == (ItemState.REJECTED, f"Tradovate answered: {text}")
    assert not item.is_half_done
    assert not is_flat(mirror, account_id)
    assert mirror.call_count(SET_ACTION) == 1


def test_an_unknown_account_is_rejected_with_the_status(mirror: Simulator, supervisor: Staff) -> None:
    gone = 987_654_321
    Account.objects.filter(tradovate_id=active_account(), environment="demo").update(tradovate_id=gone)
    change = approve(make_person(Role.SUPERVISOR, "supervisor2"), ask(supervisor, "liquidate", gone))

    item = run(the_item(change))

    assert item.state == ItemState.REJECTED
    assert "404" in item.note


def test_a_refused_lock_is_shown_as_half_done(
    mirror: Simulator, account_id: int, approved: Item, client: Client, supervisor: Staff
) -> None:
    run(approved)
    mirror.fault("errorText", endpoint=SET_ACTION, text="Access is denied", count=1)

    item = reconciled(approved)

    assert (item.state, item.note) == (ItemState.REJECTED, "Half done (Liquidate). Tradovate answered: Access is denied")
    assert item.is_half_done
    assert actions_of(mirror, account_id) == [LIQUIDATE]
    assert Call.objects.filter(purpose=Purpose.WRITE, state=CallState.REJECTED).count() == 1
    client.force_login(supervisor)
    page = client.get(reverse("changes:detail", args=[item.change_id])).content.decode()
    assert "Half done</span>" in page
    assert "Half done (Liquidate). Tradovate answered: Access is denied" in page


def test_a_penalty_between_the_calls_waits_and_continues(mirror: Simulator, account_id: int, approved: Item) -> None:
    run(approved)
    mirror.fault("429", endpoint=SET_ACTION, count=1)

    item = run(approved)

    assert (item.state, item.step, item.is_half_done) == (ItemState.QUEUED, 1, True)
    assert item.not_before is not None
    assert actions_of(mirror, account_id) == [LIQUIDATE]


def test_somebody_elses_act_between_the_calls_does_not_keep_the_lock_away(
    mirror: Simulator, account_id: int, approved: Item
) -> None:
    run(approved)
    seen: dict[str, Any] = {"adminAction": "Normal", "adminTimestamp": "2026-11-20T15:00:00.000Z"}
    mirror.patch("accountRiskStatus", account_id, **seen)

    assert reconciled(approved).state == ItemState.APPLIED
    assert mirror.account(account_id)["accountRiskStatus"]["adminAction"] == LOCK


def test_support_can_not_request_it(account_id: int, support: Staff) -> None:
    with pytest.raises(NotAllowed):
        ask(support, "liquidate", account_id)
    assert Change.objects.count() == 0
