"""A trader's own lockout ended, against a real simulator: Tradovate's answer is all there is."""

import json

import pytest

from accounts.changes.models import Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import CallState
from accounts.models import Account, Trader
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from tests.changes.world import approve, ask
from tests.execution.worker import ORIGIN, reconciled, run, send_item, the_item, worker_dies, writes
from tests.simulator.driver import EXPIRE_LOCKOUT, Simulator

REASON = "Called, and asked to trade again\nSaid why"


@pytest.fixture
def trader_id(mirror: Simulator) -> int:
    """A trader who has locked herself out."""
    account = Account.objects.filter(environment="demo", archived=False, trader__isnull=False).order_by("tradovate_id").first()
    assert account is not None
    assert account.trader is not None
    mirror.start_lockout(account.trader.tradovate_id, minutes=600)
    return account.trader.tradovate_id


@pytest.fixture
def approved(trader_id: int, support: Staff, supervisor: Staff) -> Item:
    """The end of her lockout, asked for and approved."""
    return the_item(approve(supervisor, ask(support, "user_lockout", trader_id, reason_text=REASON)))


def is_locked_out(simulator: Simulator, trader_id: int) -> bool:
    return bool(simulator.user(trader_id)["locked_out"])


def ended(simulator: Simulator, trader_id: int) -> list[object]:
    """The notes of every lockout of hers that was ended."""
    effects = simulator.effects(entity="_lockout", entity_id=trader_id, action="lockout_expired", source="call")
    return [effect["detail"]["notes"] for effect in effects]


def test_it_is_ended_with_the_reason_as_notes(mirror: Simulator, trader_id: int, approved: Item) -> None:
    before = len(ended(mirror, trader_id))
    item = run(approved)

    assert (item.state, item.note) == (ItemState.APPLIED, "Tradovate says so; it offers no way to read it back")
    assert item.change.state == ChangeState.FINISHED
    assert (item.target, item.account, item.after) == (f"demo:trader:{trader_id}", None, {"lockout": "ended"})
    assert item.target_name == Trader.objects.get(tradovate_id=trader_id, environment="demo").name
    assert not is_locked_out(mirror, trader_id)
    assert ended(mirror, trader_id)[before:] == [REASON]
    assert writes(item.change) == [json.dumps({"userId": trader_id, "notes": REASON})]
    settled = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_SETTLED)
    assert (settled.account_id, settled.account_name) == (None, item.target_name)
    assert settled.detail["response"] == '{"ok":true}'


def test_nothing_is_sent_before_the_decision(mirror: Simulator, trader_id: int, support: Staff) -> None:
    item = the_item(ask(support, "user_lockout", trader_id))

    assert reconciled(item).state == ItemState.WAITING
    assert mirror.call_count(EXPIRE_LOCKOUT) == 0


class TestRefused:
    """Each refusal that Tradovate documents, as it comes about; the texts are those of its sister endpoints."""

    def test_without_an_active_lockout(self, trader_id: int, support: Staff, supervisor: Staff, approved: Item) -> None:
        assert run(approved).state == ItemState.APPLIED

        again = run(the_item(approve(supervisor, ask(support, "user_lockout", trader_id))))

        assert again.state == ItemState.REJECTED
        assert again.note == "Tradovate answered: User does not have an active lockout."

    def test_a_username_that_is_not_known(self, mirror: Simulator, trader_id: int, support: Staff, supervisor: Staff) -> None:
        Trader.objects.filter(tradovate_id=trader_id, environment="demo").update(tradovate_id=987_654_321)

        item = run(the_item(approve(supervisor, ask(support, "user_lockout", 987_654_321))))

        assert (item.state, item.note) == (ItemState.REJECTED, "Tradovate answered: User not found.")

    def test_of_another_organisation(self, mirror: Simulator, trader_id: int, approved: Item) -> None:
        ours = mirror.user(trader_id)["user"]["organizationId"]
        mirror.patch("user", trader_id, organizationId=987_654)
        try:
            item = run(approved)
        finally:
            mirror.patch("user", trader_id, organizationId=ours)

        assert item.state == ItemState.REJECTED
        assert item.note == "Tradovate answered: Unauthorized: only org admins may expire a trading lockout."
        assert is_locked_out(mirror, trader_id)

    @pytest.mark.parametrize(
        "text",
        [
            "Unauthorized: only org admins may expire a trading lockout.",
            "User not found.",
            "User does not have an active lockout.",
            "Notes should be no longer than 8192",
            "Access is denied",
        ],
    )
    def test_in_tradovates_words(self, mirror: Simulator, trader_id: int, approved: Item, text: str) -> None:
        mirror.fault("errorText", endpoint=EXPIRE_LOCKOUT, text=text, count=1)

        item = reconciled(approved)

        assert (item.state, item.note) == (ItemState.REJECTED, f"Tradovate answered: {text}")
        assert is_locked_out(mirror, trader_id)
        assert mirror.call_count(EXPIRE_LOCKOUT) == 1


class TestUnknown:
    """Without an answer no one knows, and nothing can be read: a person has to look."""

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("fault", ["cut", "500", "html"])
    def test_no_answer(self, mirror: Simulator, trader_id: int, approved: Item, fault: str, when: str) -> None:
        mirror.fault(fault, when=when, endpoint=EXPIRE_LOCKOUT, count=1)

        item = reconciled(approved)

        assert (item.state, item.not_before) == (ItemState.UNKNOWN, None)
        assert mirror.call_count(EXPIRE_LOCKOUT) == 1
        assert is_locked_out(mirror, trader_id) == (when == "before")
        event = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_UNKNOWN)
        assert event.detail["needs_person"] is True

    def test_a_worker_that_dies(self, mirror: Simulator, approved: Item) -> None:
        Item.objects.filter(pk=approved.pk).update(state=ItemState.SENDING, attempts=1)
        worker_dies(approved)

        item = reconciled(approved)

        assert (item.state, item.not_before) == (ItemState.UNKNOWN, None)
        assert mirror.call_count(EXPIRE_LOCKOUT) == 0


def test_a_penalty_waits(mirror: Simulator, trader_id: int, approved: Item) -> None:
    mirror.fault("p-ticket", endpoint=EXPIRE_LOCKOUT, count=1, p_time=600)

    send_item(approved.pk, origin=ORIGIN)

    item = the_item(approved.change)
    assert (item.state, item.ticket != "") == (ItemState.QUEUED, True)
    assert item.calls.get().state == CallState.NOT_HANDLED
    assert is_locked_out(mirror, trader_id)
