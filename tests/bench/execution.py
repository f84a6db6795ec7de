"""Carrying out at scale, by real workers: how fast against bare calls, and how many calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.queries import progress
from accounts.changes.states import ChangeState, ItemState
from accounts.sync import sync
from riskadmin.tradovate.vocabulary import Environment
from tests.bench.changes import approved, submitted
from tests.bench.firm import Firm
from tests.bench.processes import workers
from tests.bench.report import Report
from tests.simulator.driver import SET_ACTION
from tests.waiting import wait_until

AT_ONCE = 16
LATENCY_MS = 100


def measure(firm: Firm, report: Report, directory: Path) -> None:
    """Measure every goal that is about carrying out."""
    firm.simulator.set(user_calls_per_hour=100_000_000, sessions_per_user=100)
    kind = KINDS["lock"]
    shown = plan(kind, environment=Environment.DEMO, target_ids=firm.open_accounts())
    ids = [row.target_id for row in shown.sent]
    with workers(directory / "rate", firm, "bulk", "urgent", CALLS_AT_ONCE=str(AT_ONCE), BUDGET_CALLS_PER_HOUR="1000000"):
        for latency_ms in (LATENCY_MS, 0):
            _rate(firm, report, ids, latency_ms=latency_ms)


def _rate(firm: Firm, report: Report, ids: Sequence[int], *, latency_ms: int) -> None:
    """Lock everything, unlocked before, and compare with the bare calls."""
    _unlock(firm, ids)
    firm.simulator.set(latency_ms=latency_ms)
    try:
        bare_s = _bare(firm, ids)
        _unlock(firm, ids)
        firm.simulator.reset_counters()
        change_s, change = _locked(firm, ids)
    finally:
        firm.simulator.set(latency_ms=0)
    calls = len(firm.simulator.calls(limit=10_000))
    applied = change.items.filter(state=ItemState.APPLIED).count()
    rate, bare = len(ids) / change_s, len(ids) / bare_s
    of = f"{len(ids):,} locks, {AT_ONCE} at once, {latency_ms} ms"
    report.at_least(f"{of}: applied", applied / len(ids), "of the sent", goal=1, compared_with=f"{change_s:.1f} s")
    if latency_ms:
        report.at_least(
            "  rate against a bare thread pool",
            rate / bare,
            "x",
            goal=0.95,
            compared_with=f"{rate:.0f} a second, bare {bare:.0f}",
        )
    else:
        report.at_least(
            "  items a second",
            rate,
            "1/s",
            goal=0,
            compared_with=f"bare {bare:.0f}; bound by the leader's Python and PostgreSQL",
        )
    report.at_most(
        "  calls for each account, read-backs included", calls / len(ids), "calls", goal=1.01, compared_with=f"{calls} calls"
    )


def _locked(firm: Firm, ids: Sequence[int]) -> tuple[float, Change]:
    """Ask for the locks and wait for the last one, with somebody looking on; return the seconds it took."""
    kind = KINDS["lock"]
    shown = plan(kind, environment=Environment.DEMO, target_ids=ids)
    change = approved(firm, submitted(firm, list(ids), shown))

    def is_finished() -> bool:
        return progress(change.pk).change.state == ChangeState.FINISHED

    wait_until(is_finished, timeout=600, every=1.0)
    change.refresh_from_db()
    assert change.decided_at
    assert change.finished_at
    return (change.finished_at - change.decided_at).total_seconds(), change


def _unlock(firm: Firm, ids: Sequence[int]) -> None:
    """Take every lock away, and have the mirror know."""
    _bare(firm, ids, "Normal")
    run = sync(Environment.DEMO)
    assert run is not None
    assert run.failure == "", run.failure


def _bare(firm: Firm, ids: Sequence[int], action: str = "LockTradingImmediately") -> float:
    """Make such calls with nothing but `requests`; return the seconds it took."""
    token, local = firm.simulator.token(), threading.local()

    def call(account_id: int) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
            local.session.headers["Authorization"] = f"Bearer {token}"
        body = {
            "accountId": account_id,
            "adminAction": action,
            "adminActionReasonCode": "Other",
            "adminActionReason": "Bare",
        }
        answer = local.session.post(f"{firm.simulator.demo_url}{SET_ACTION}", json=body, timeout=20)
        assert answer.json()["accountRiskStatus"]["adminAction"] == action, answer.text

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(call, ids))
    return time.perf_counter() - began
