"""Effects that come when an item has its outcome already: they are told and never attributed to the call in silence."""

import pytest

from accounts.changes.states import ItemState
from accounts.models import MirrorMove
from accounts.sync.actions import refresh
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import ask
from tests.execution.test_outside_changes import LOCKED, NORMAL, attributed, left_unattributed, read
from tests.execution.worker import active_account, run, the_item
from tests.simulator.driver import SET_ACTION, Simulator


@pytest.mark.parametrize("sees_it", ["full read", "reading on demand"])
def test_the_effect_of_a_refused_lock_that_comes_after_its_outcome_is_an_event(
    mirror: Simulator, support: Staff, sees_it: str
) -> None:
    account_id = active_account()
    mirror.fault("errorText", endpoint=SET_ACTION, text="Busy", count=1)
    item = run(the_item(ask(support, "lock", account_id)))
    assert item.state == ItemState.REJECTED
    assert attributed() == []

    mirror.patch("accountRiskStatus", account_id, adminAction=LOCKED, adminTimestamp="2026-11-20T15:00:00.000Z")
    if sees_it == "full read":
        read()
    else:
        refresh(Environment.DEMO, [account_id], lane=Lane.URGENT)

    ((tag, found, before, after),) = attributed()
    assert (tag, found) == ("outside:status:changed", account_id)
    assert (before["admin_action"], after["admin_action"]) == (NORMAL, LOCKED)
    assert MirrorMove.objects.get().outside_kind == "lock"
    assert left_unattributed() == 0
    # The outcome stays what it was: the trail has both, the refusal and the effect.
    assert the_item(item.change).state == ItemState.REJECTED
    settled = Event.objects.get(item_id=item.pk, tag="item:outcome:settled")
    assert settled.detail["outcome"] == "rejected"
    assert Event.objects.get(tag="outside:status:changed").pk > settled.pk
