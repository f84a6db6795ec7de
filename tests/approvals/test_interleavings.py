"""A sample of random interleavings; `make interleavings` runs at least ten thousand, in lots, and prints how many."""

import os
import sys

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from accounts.changes import freshness
from accounts.models import RiskStatus
from tests.approvals.machine import Firm, Interleavings, make_firm

pytestmark = pytest.mark.django_db

RUNS = int(os.environ.get("INTERLEAVINGS", "20"))
LOT = 200
"""So many runs are taken back together: rows that were taken back make PostgreSQL slower."""


@pytest.fixture
def firm(monkeypatch: pytest.MonkeyPatch) -> Firm:
    """What each run begins with. Tradovate says that nothing has moved."""
    monkeypatch.setattr(freshness, "refresh", lambda *_, **__: RiskStatus.objects.update(fresh_at=timezone.now()))
    Interleavings.firm = make_firm()
    return Interleavings.firm


@pytest.mark.parametrize("lot", range(0, RUNS, LOT))
def test_nothing_is_claimed_without_its_approvals(firm: Firm, lot: int, capsys: pytest.CaptureFixture[str]) -> None:
    runs, before = min(LOT, RUNS - lot), Interleavings.runs
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=runs,
            stateful_step_count=10,
            deadline=None,
            database=None,
            derandomize="INTERLEAVINGS" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        sys.stdout.write(f"\n{Interleavings.runs:,} interleavings, in which {Interleavings.claimed:,} items were claimed\n")
        sys.stdout.flush()
    assert Interleavings.runs >= before + runs
