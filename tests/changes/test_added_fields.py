"""A field that a kind's state gains later does not hold up the changes that were stored before it existed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.approvals.subjects import DecisionRefused
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.kinds.kind import Done, Finding
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.claim import claim
from accounts.models import Account
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import ACTED_AT, CLOSING_ONLY, LOCKED, ORIGIN, approve, ask, make_account, set_status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]

STORED = {"admin_action": "Normal", "admin_at": None, "stopped_by_limit": True}


@pytest.fixture
def stored(support: Staff, monkeypatch: pytest.MonkeyPatch) -> Change:
    """A pending unlock, from before the state of these kinds had a field more."""
    make_account(101, LOCKED, admin_at=ACTED_AT)
    change = ask(support, "unlock", 101)
    as_before = AdminActionKind.state

    def state(self: AdminActionKind, subject: Account) -> State:
        return {**as_before(self, subject), "margin_call": False}

    monkeypatch.setattr(AdminActionKind, "state", state)
    return change


def test_it_is_approved_and_sent(stored: Change, supervisor: Staff) -> None:
    assert approve(supervisor, stored).state == ChangeState.RUNNING
    change = Change.objects.get(pk=stored.pk)
    (claimed,) = claim(change, calls=1, origin=ORIGIN, read_since=timezone.now() - timedelta(hours=2))
    assert [(item.state, item.found) for item in claimed.items] == [(ItemState.SENDING, None)]
    assert claimed.order.targets[0].after == {"admin_action": "Normal"}


def test_what_was_stored_still_counts(stored: Change, supervisor: Staff) -> None:
    item = stored.items.get()
    assert item.account is not None
    set_status(item.account, admin_action=CLOSING_ONLY)
    with pytest.raises(DecisionRefused) as refused:
        approve(supervisor, stored)
    assert [moved.pk for moved, _ in refused.value.moved] == [item.pk]


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"auto_liq_limits"}))
def test_of_every_kind_only_the_stored_fields_are_compared(name: str) -> None:
    kind = KINDS[name]
    assert kind.is_same({"a": 1}, {"a": 1, "added": 2})
    assert not kind.is_same({"a": 1}, {"a": 2, "added": 2})
    assert not kind.is_same({"a": 1, "b": 1}, {"a": 1}), "what is missing now has changed"


def test_a_limit_that_was_not_set_and_is_now_has_changed() -> None:
    assert not KINDS["auto_liq_limits"].is_same({"level": "firm"}, {"level": "firm", "daily_loss_auto_liq_usd": "500"})


def test_an_added_field_proves_no_effect() -> None:
    observed = {**STORED, "margin_call": False}
    assert (
        KINDS["unlock"].interpret_read_back(before=STORED, after={"admin_action": "Normal"}, observed=observed, step=0)
        == Finding.NOT_APPLIED
    )
    before = {"admin_action": "Normal", "admin_at": None, "stopped_at": None, "user_triggered": None}
    reset = KINDS["reset_auto_liq_status"]
    assert (
        reset.interpret_read_back(before=before, after={}, observed={**before, "margin_call": False}, step=0)
        == Finding.NOT_APPLIED
    )


def test_an_added_field_keeps_no_undo_from_what_was_left_as_it_was() -> None:
    done = Done(environment=Environment.DEMO, before={"max_net_liq_usd": "1"}, after={"max_net_liq_usd": "2"}, observed=None)
    assert KINDS["max_net_liq"].unchanged_since(done, {"max_net_liq_usd": "2", "added": True})
    assert not KINDS["max_net_liq"].unchanged_since(done, {"max_net_liq_usd": "3", "added": True})
