"""The whole product as processes, hurt where it hurts most: nothing is lost, nothing is done twice, and it is soon over."""

import signal
from typing import Any

from tests.simulator.driver import SET_ACTION
from tests.stack import LiveStack, PeopleClient, free_accounts

LOCKED = "LockTradingImmediately"


def lock(stack: LiveStack, account_id: int, reason: str) -> int:
    """Ask for a lock on the web, as support; return the change's number."""
    return PeopleClient(stack.base_url, "support").ask("lock", account_id, reason=reason)


def state_of(stack: LiveStack, change: int) -> str:
    ((state,),) = stack.rows("SELECT state FROM changes_item WHERE change_id = %s", change)
    return str(state)


def wait_applied(stack: LiveStack, change: int) -> None:
    stack.wait_until(lambda: state_of(stack, change) == "applied")


def effects(stack: LiveStack, account_id: int) -> list[dict[str, Any]]:
    return stack.simulator.effects(account_id=account_id, source="call")


def tags(stack: LiveStack, change: int) -> list[str]:
    return [row[0] for row in stack.rows("SELECT tag FROM audit_event WHERE change_id = %s ORDER BY id", change)]


def test_a_worker_killed_during_its_calls(live_stack: LiveStack) -> None:
    """One call is held back before its effect, one after it, when the worker dies; no one but the simulator knows which."""
    accounts = [account_id for account_id, _ in free_accounts(live_stack, 2)]
    changes = []
    for side, account_id in zip(("before", "after"), accounts, strict=True):
        fault = live_stack.simulator.fault("hold", when=side, endpoint=SET_ACTION, account_id=account_id, count=1)
        changes.append(lock(live_stack, account_id, f"Worker killed {side} the effect"))
        live_stack.simulator.wait_held(fault)
    assert [state_of(live_stack, change) for change in changes] == ["sending", "sending"]

    live_stack.kill("worker-urgent", signal.SIGKILL)
    live_stack.simulator.clear_faults()
    live_stack.start("worker-urgent")

    for change, account_id in zip(changes, accounts, strict=True):
        wait_applied(live_stack, change)
        assert live_stack.simulator.account(account_id)["accountRiskStatus"]["adminAction"] == LOCKED
        assert len(effects(live_stack, account_id)) == 1
        reported = tags(live_stack, change)
        assert reported[:2] == ["change:request:submitted", "item:call:claimed"]
        assert "item:outcome:unknown" in reported
        assert reported[-2:] == ["item:outcome:settled", "change:run:finished"]


def test_redis_wiped_between_submit_and_dispatch(live_stack: LiveStack) -> None:
    ((account_id, _),) = free_accounts(live_stack, 1)
    live_stack.kill("worker-urgent", signal.SIGSTOP)
    try:
        change = lock(live_stack, account_id, "Redis wiped before the message was read")
        live_stack.wipe_redis()
    finally:
        live_stack.kill("worker-urgent", signal.SIGCONT)

    wait_applied(live_stack, change)
    assert len(effects(live_stack, account_id)) == 1


def test_a_wiped_redis_forgets_no_call(live_stack: LiveStack) -> None:
    ((account_id, _),) = free_accounts(live_stack, 1)
    ((made,),) = live_stack.rows("SELECT count(*) FROM accounts_apiattempt")
    live_stack.wipe_redis()

    change = lock(live_stack, account_id, "Right after a wipe")
    wait_applied(live_stack, change)

    ((counted,),) = live_stack.rows("SELECT count(*) FROM accounts_apiattempt")
    assert counted > made
    assert live_stack.redis.keys("tradovate:budget:*") == []
