"""A few hours of the benchmark's virtual year: nothing draws a 429, hardly a call is left unused, and the model has teeth."""

from __future__ import annotations

from itertools import pairwise

import pytest

from riskadmin.tradovate.budget_rules import HOUR_S
from riskadmin.tradovate.vocabulary import Lane
from tests.bench.year import DAY, HOUR, Faults, Simulation, always, of_a_firm, saturated

pytestmark = pytest.mark.django_db(transaction=True)


def test_while_work_waits_the_budget_is_used() -> None:
    run = saturated((Lane.URGENT, Lane.BULK), 5, limit=400, margin=2)
    assert run.tradovate.refused == 0
    assert run.waited_s == pytest.approx(5 * HOUR, abs=60)
    assert 0.98 <= run.share_used < 0.99


def test_bulk_alone_uses_its_share() -> None:
    run = saturated((Lane.BULK,), 5, limit=400, margin=2)
    assert run.tradovate.refused == 0
    assert run.tradovate.most <= 358
    assert 0.98 <= run.share_used < 0.99


def test_a_firms_days_with_kills() -> None:
    seconds = 3 * DAY
    faults = Faults(kills=8)
    run = Simulation(of_a_firm(seconds, part=10), limit=500, margin=3, true_limit=500, faults=faults)
    run.run(seconds)
    asked = sum(calls for _, _, calls in of_a_firm(seconds, part=10))
    assert (run.tradovate.refused, run.tradovate.taken + run.lost) == (0, asked + run.lost)
    assert run.tradovate.most <= 497
    assert run.kills >= 10
    assert run.waited_s > HOUR
    assert 0.97 <= run.share_used < 1, "with eight kills a day"


def test_a_limit_that_tradovate_has_lowered_costs_one_silence_a_day_and_then_fewer() -> None:
    demands = always((Lane.BULK,), 80, usable=50)
    run = Simulation(demands, limit=100, margin=3, true_limit=60)
    run.run(80 * HOUR)
    days = [at / DAY for at in run.stopped_at]
    assert [round(later - earlier) for earlier, later in pairwise(days)] == [1, 2]


@pytest.mark.parametrize("window_s", [HOUR_S - 60, HOUR_S])
def test_a_window_that_forgets_too_early_is_found_out(window_s: float) -> None:
    demands = always((Lane.URGENT,), 4, usable=300)
    run = Simulation(demands, limit=300, margin=0, true_limit=300, window_s=window_s, wakes_within_s=0.0)
    run.run(4 * HOUR)
    assert run.tradovate.refused > 0
