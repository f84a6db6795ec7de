"""What a seed draws: the same each time, every kind and every fault among it."""

from __future__ import annotations

import re
from random import Random

import pytest

from accounts.changes.kinds import KINDS
from riskadmin.local.places import PROJECT
from tests.faults.fault import LONG, SHORT, FaultContext
from tests.faults.faults import FAULTS
from tests.faults.kinds import DRAWN, EVERY_WRITE, NOT_DRAWN, Pools, is_of_traders, writes
from tests.faults.rules import RULES
from tests.faults.scenario import ALIKE, Scenario, draw

POOLS = Pools(
    open=tuple(range(1000, 1300)),
    locked=tuple(range(2000, 2040)),
    stopped=tuple(range(3000, 3010)),
    holding=tuple(range(4000, 4040)),
    limited=tuple(range(5000, 5040)),
    traders=tuple(range(6000, 6100)),
    categories=(3, 4, 5),
)


def reported(scenario: Scenario) -> object:
    """Everything that was drawn, but for what the faults do, of which the words tell."""
    return scenario.changes, scenario.words, scenario.env, scenario.latency_ms


def test_every_kind_is_drawn_and_known_in_the_simulators_log() -> None:
    assert set(DRAWN) | NOT_DRAWN == set(KINDS)
    assert not set(DRAWN) & NOT_DRAWN
    assert {endpoint.lower() for kind in DRAWN for endpoint in writes(kind)} <= EVERY_WRITE


def test_a_seed_draws_the_same_again() -> None:
    assert [reported(draw(seed, POOLS, LONG)) for seed in range(20)] == [
        reported(draw(seed, POOLS, LONG)) for seed in range(20)
    ]
    assert reported(draw(1, POOLS, LONG)) != reported(draw(2, POOLS, LONG))


def test_every_fault_is_drawn_by_some_seed() -> None:
    runs = [[fault.name for _, fault in draw(seed, POOLS, SHORT).struck_at_s] for seed in range(200)]
    assert {name for names in runs for name in names} == set(FAULTS)
    assert {len(names) for names in runs} == {1, 2, 3, 4}
    assert not [names for names in runs for alike in ALIKE if len(alike & set(names)) > 1]


def test_chosen_faults_strike_instead() -> None:
    scenario = draw(5, POOLS, SHORT, faults=("worker_kill", "redis_wipe"))
    assert sorted(fault.name for _, fault in scenario.struck_at_s) == ["redis_wipe", "worker_kill"]


def test_some_locks_begin_later() -> None:
    starts = [(change.kind, change.starts_in_s) for seed in range(50) for change in draw(seed, POOLS, SHORT).changes]
    assert {kind for kind, starts_in_s in starts if starts_in_s} == {"lock"}
    assert ("lock", 0.0) in starts


def test_an_account_can_be_requested_once_except_for_an_urgent_lock() -> None:
    for seed in range(50):
        taken: set[tuple[str, int]] = set()
        for change in draw(seed, POOLS, SHORT).changes:
            targets = {("trader" if is_of_traders(change.kind) else "account", target) for target in change.targets}
            assert change.kind == "lock" or not targets & taken
            taken |= targets


def test_a_variant_is_there_from_the_start_of_the_run() -> None:
    scenario = draw(5, POOLS, SHORT, faults=("cap", "reorder", "omitted_falses", "other_ids", "partial_updates"))
    settings = scenario.settings
    assert settings.pop("variant_seed")
    assert 6 <= settings.pop("entity_cap") <= 30  # type: ignore[operator]
    assert {"entity_cap_min", "entity_cap_drops"} <= set(settings)
    assert settings["entity_cap_varies"] == "call"
    assert settings["answer_order"] == "shuffled"
    assert settings["omit_false"] is True
    assert settings["extension_id_offset"] == 7_000_000
    assert settings["omitted_limits"] == "keep"
    assert draw(5, POOLS, SHORT, faults=("worker_kill",)).settings == {}


def test_somebody_else_acts_while_the_change_waits_for_its_decision() -> None:
    for seed in range(20):
        scenario = draw(seed, POOLS, SHORT, faults=("outside_change",))
        [(struck_at_s, _)] = scenario.struck_at_s
        [waiting] = [change for change in scenario.changes if change.decided_after_s]
        assert waiting.verdict == "approve"
        assert waiting.at_s < struck_at_s < waiting.at_s + waiting.decided_after_s - 6


@pytest.mark.parametrize("kind", list(DRAWN))
def test_faults_of_rows_meet_targets_of_the_change(kind: str) -> None:
    for seed in range(20):
        context = FaultContext(Random(seed), SHORT, kind, (1000, 1001, 1002, 1003))
        for name in ("odd_rows", "missing_rows", "outside_change"):
            assert re.search(r"\b100[0-3]\b", FAULTS[name](context).words)


def test_the_manual_lists_every_fault_and_rule() -> None:
    manual = (PROJECT / "docs" / "faults.md").read_text()
    section = manual.partition("## The faults\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, flags=re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(FAULTS)
    rules = re.findall(r"^\| ([a-z0-9 ]+) \|", manual.partition("## What is checked\n")[2], flags=re.MULTILINE)
    assert set(rules) - {"rule"} == set(RULES)
