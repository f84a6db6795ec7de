"""What the engine sends, read by a strict checker that knows Tradovate's pages and not the client."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.stored import State
from accounts.changes.states import ChangeState
from accounts.execution.models import Call, Purpose
from accounts.models import Account, RiskCategory
from accounts.sync.actions import Part, refresh, sync
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import approve, ask
from tests.checker import KEEP_ANSWERS, check
from tests.execution.worker import active_account, run, the_item
from tests.simulator.driver import Simulator


@pytest.fixture
def kept(mirror: Simulator) -> Iterator[Simulator]:
    """The simulator, which keeps its answers for the checker."""
    mirror.set(kept_answer_bytes=KEEP_ANSWERS)
    yield mirror
    mirror.set(kept_answer_bytes=0)


def stopped_account() -> int:
    """Return an account that a limit has stopped."""
    found = Account.objects.filter(environment="demo", archived=False, closed=False)
    stopped = found.filter(risk_status__admin_at=None, risk_status__liquidate_only_at__isnull=False)
    return stopped.order_by("tradovate_id").values_list("tradovate_id", flat=True)[0]


def another_category(account_id: int) -> State:
    """Return a switch to a category in which the account is not."""
    elsewhere = RiskCategory.objects.filter(environment="demo").exclude(accounts__tradovate_id=account_id)
    other = elsewhere.order_by("tradovate_id")[0]
    return KINDS["risk_category"].parameters({"category": other})


def parameters_of(kind: str, account_id: int) -> State:
    """Return what is asked for, as the form of a kind cleans it."""
    if kind == "risk_category":
        return another_category(account_id)
    return KINDS[kind].parameters(CLEANED[kind]) if CLEANED[kind] else {}


CLEANED: dict[str, dict[str, Any]] = {
    "lock": {},
    "auto_liq_limits": {"level": "firm", "daily_loss_auto_liq_usd": Decimal(6300)},
    "risk_category": {},
    "position_limit": {"action": "create", "total_by": "Overall", "long_limit": 7},
    "max_net_liq": {"max_net_liq_usd": Decimal(61_000)},
    "demo_balance": {"cash_change_usd": Decimal("12.50"), "comment": "A test"},
    "reset_auto_liq_status": {},
}


@pytest.mark.parametrize("kind", CLEANED)
def test_every_request_of_a_change_is_one_that_the_pages_allow(
    kept: Simulator, support: Staff, supervisor: Staff, kind: str
) -> None:
    account_id = stopped_account() if kind == "reset_auto_liq_status" else active_account()
    if kind == "position_limit":
        refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.PRE_TRADE}))
    change = ask(support, kind, account_id, parameters=parameters_of(kind, account_id))
    if change.state == ChangeState.PENDING:
        change = approve(supervisor, change)

    run(the_item(change))

    assert Call.objects.filter(purpose=Purpose.WRITE, items__change=change).count() == 1
    assert kept.effects(account_id=account_id, source="call")
    assert check(kept.calls(limit=10_000)) == []


def test_every_request_of_a_sync_is_one_that_the_pages_allow(kept: Simulator) -> None:
    assert sync(Environment.DEMO) is not None
    assert len(kept.calls()) > 5
    assert check(kept.calls(limit=10_000)) == []
