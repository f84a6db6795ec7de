"""Changes while no answer holds more than so many rows: whether they end applied, and what completing the answers costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.stored import State
from accounts.changes.plan import plan
from accounts.changes.states import ItemState
from accounts.models import Account, RiskCategory
from accounts.models.api import AnswerCap
from riskadmin.tradovate.vocabulary import Environment
from tests.bench.changes import approved, submitted
from tests.bench.execution import finished
from tests.bench.firm import Firm
from tests.bench.processes import workers
from tests.bench.report import Report

SIZES: Mapping[str, Mapping[str, Sequence[int]]] = {
    "small": {"caps": (0, 102, 70, 20), "switches": (800,)},
    "full": {"caps": (0, 1024, 700, 200), "switches": (8_000, 12_000)},
}
"""Rows that an answer holds, 0 for all of them, and accounts of each category switch."""

ACCOUNTS = {"small": 1_150, "full": 14_000}
"""Accounts of the firm; one in eight of them is closed or archived."""

LOCKS = {"small": 100, "full": 300}
LIMITS = 300
SWITCHED_PER_CALL = 10_000
CALLS_PER_SWITCH = {"small": 5, "full": 3}
"""A read, the switch and a read; up to 1,000 rows are read 500 at a time."""

CALLS_PER_LIMIT = 0.03
CALLS_PER_LOCK = 1.01
CALLS_PER_CUT_ANSWER = 4
"""A cut list may cost twice the answers that its rows fill, in the read before the call and in the one after it."""


def measure(firm: Firm, report: Report, directory: Path, *, scale: str) -> None:
    """Switch categories, set limits and lock under each cap, by real workers."""
    firm.simulator.set(user_calls_per_hour=100_000_000)
    sizes = SIZES[scale]
    with workers(directory / "short-answers", firm, "bulk", "urgent", BUDGET_CALLS_PER_HOUR="1000000"):
        for number, cap in enumerate(sizes["caps"]):
            firm.simulator.set(entity_cap=cap)
            for count in sizes["switches"]:
                _switch(firm, report, count, cap, most_calls=CALLS_PER_SWITCH[scale] * -(-count // SWITCHED_PER_CALL))
            _limits(firm, report, cap, dollars=1_300 + number)
            # From the other end of the firm: limits are set of accounts that are not locked.
            _change(firm, report, "lock", _open(LOCKS[scale], last=True), cap, goal=CALLS_PER_LOCK)
    firm.simulator.set(entity_cap=0)


def _switch(firm: Firm, report: Report, count: int, cap: int, *, most_calls: int) -> None:
    category = min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())
    accounts = Account.objects.filter(environment="demo", archived=False).exclude(risk_category=category)
    ids = list(accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[:count])
    _change(firm, report, "risk_category", ids, cap, parameters={"category": category}, goal=most_calls / len(ids))


def _limits(firm: Firm, report: Report, cap: int, *, dollars: int) -> None:
    parameters: State = {"level": "firm", "daily_loss_auto_liq_usd": Decimal(dollars)}
    _change(firm, report, "auto_liq_limits", _open(LIMITS), cap, parameters=parameters, goal=CALLS_PER_LIMIT)


def _open(count: int, *, last: bool = False) -> list[int]:
    accounts = Account.objects.filter(environment="demo", archived=False, risk_status__admin_action="Normal")
    return list(accounts.order_by("-tradovate_id" if last else "tradovate_id").values_list("tradovate_id", flat=True)[:count])


def _change(
    firm: Firm, report: Report, slug: str, ids: Sequence[int], cap: int, *, goal: float, parameters: State | None = None
) -> None:
    """Carry one out and report how much of it is applied, and its calls; `goal` is that of whole answers."""
    AnswerCap.objects.all().delete()  # what a cap is has to be found out again
    kind = KINDS[slug]
    shown = plan(
        kind, environment=Environment.DEMO, target_ids=ids, parameters=kind.parameters(parameters) if parameters else None
    )
    change = submitted(firm, list(ids), shown)
    firm.simulator.reset_counters()
    change = finished(approved(firm, change))
    calls = firm.simulator.counters()["calls"]
    sent = len(shown.sent)
    applied = change.items.filter(state=ItemState.APPLIED).count()
    answers = f"answers of {cap:,} rows at most" if cap else "whole answers"
    report.at_least(
        f"{slug} of {len(ids):,}, {answers}: applied", applied / sent, "of the sent", goal=1, compared_with=f"{sent:,} sent"
    )
    report.at_most(
        "  calls for each account, reads before and after included",
        calls / sent,
        "calls",
        goal=goal + (CALLS_PER_CUT_ANSWER * -(-sent // cap) / sent if cap else 0),
        compared_with=f"{calls:,} calls",
    )
