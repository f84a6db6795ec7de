"""Carries a scenario out: people ask, faults strike, and when all is quiet the evidence is checked."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import requests
from redis.exceptions import RedisError

from tests.checker import KEEP_ANSWERS
from tests.faults.collect_evidence import gather
from tests.faults.evidence import Violation
from tests.faults.fault import Scale, Step
from tests.faults.kinds import Pools, is_of_traders
from tests.faults.requests import Later, Requester, let_go
from tests.faults.rules import violations_of
from tests.faults.scenario import Scenario, draw
from tests.faults.world import World

QUIET_WITHIN_S: Final = 240.0
"""After the last fault, in real time: twice the promise of 60 seconds for each of two things that go wrong one after the other."""

HOURS_MORE: Final = 2
"""How often an hour passes again after the last fault, at most. A worker that can't write down at once that calls are stopped does so
when the trail or PostgreSQL is back, and counts the hour from then: the one that the fault has let pass was too early."""

AGAIN_S: Final = 0.5
Action = Callable[[World], bool | None]


@dataclass(frozen=True)
class Result:
    """How one run ended. `recovery_s` is from the end of the last fault until nothing was open any more."""

    scenario: Scenario
    items: int
    states: dict[str, int]
    kills: int
    hits: int
    deaths: Sequence[str]
    recovery_s: float
    violations: Sequence[Violation]
    kept: Path | None = None

    @property
    def line(self) -> str:
        """The run in one line."""
        reported = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        reported += f", ended by itself: {', '.join(self.deaths)}" if self.deaths else ""
        return (
            f"seed={self.scenario.seed} kills={self.kills} hits={self.hits} items={self.items} violations={len(self.violations)}"
            f" recovery={self.recovery_s:.1f}s | {reported} | {self.scenario.words}"
        )


class Runner:
    """Runs scenarios one after the other in one world."""

    def __init__(self, world: World, pools: Pools, scale: Scale) -> None:
        self._world = world
        self._pools = pools
        self._scale = scale

    def run(self, seed: int, *, faults: Sequence[str] = (), keep: Path | None = None) -> Result:
        """Draw and carry out the run of a seed, and check it. `keep` is where the logs of a run go that broke a promise."""
        scenario = draw(seed, self._pools, self._scale, faults=faults)
        world = self._world
        let_go()
        settings = {"latency_ms": scenario.latency_ms, "kept_answer_bytes": KEEP_ANSWERS, **scenario.settings}
        world.begin(scenario.env, settings)
        world.keep_offset()
        try:
            for change in scenario.changes:
                if is_of_traders(change.kind):
                    for trader in change.targets:
                        world.simulator.start_lockout(trader, minutes=24 * 60)  # longer than any jump
            _Timeline(world, scenario).play()
            recovery_s = until_quiet(world, stops_calls=any(fault.stops_calls for _, fault in scenario.struck_at_s))
            found = gather(world)
            violations = violations_of(found)
            kept = _keep_logs(world, keep / f"seed-{seed}") if keep and violations else None
        finally:
            let_go()
            world.stop_processes()
        states: dict[str, int] = {}
        for item in found.items:
            states[item.state] = states.get(item.state, 0) + 1
        return Result(
            scenario=scenario,
            items=len(found.items),
            states=states,
            kills=world.kills,
            hits=found.hits,
            deaths=tuple(world.deaths),
            recovery_s=recovery_s,
            violations=violations,
            kept=kept,
        )


@dataclass(frozen=True)
class _Todo:
    """Something to do, again and again until it is done."""

    what: str
    act: Action
    again_s: float = AGAIN_S
    give_up_at_s: float = 0.0


class _Timeline:
    """What is done when. Whatever can't be done yet is tried again half a second later."""

    def __init__(self, world: World, scenario: Scenario) -> None:
        self._world = world
        self._began = 0.0
        self._due: list[tuple[float, int, _Todo]] = []
        self._number = itertools.count()
        for change in scenario.changes:
            requester = Requester(change)
            self._add(change.at_s, _Todo(f"asking for change {change.number}", self._asking(requester)))
        for at_s, fault in scenario.struck_at_s:
            self._add_step(at_s, fault.name, fault.steps)

    def play(self) -> None:
        """Return when all of it is done."""
        self._began = time.monotonic()
        while self._due:
            at_s, _, todo = heapq.heappop(self._due)
            self._wait(at_s)
            try:
                done = todo.act(self._world) is not False
            except (Later, psycopg.Error, RedisError, requests.RequestException):
                done = False
            if not done:
                now_s = self._now_s()
                if todo.give_up_at_s and now_s > todo.give_up_at_s:
                    self._world.complaints.append(f"{todo.what} is not done after {now_s:.0f} s")
                else:
                    self._add(now_s + todo.again_s, todo)

    def _wait(self, until_s: float) -> None:
        self._world.supervise()
        while (left_s := until_s - self._now_s()) > 0:
            time.sleep(min(left_s, AGAIN_S))
            self._world.supervise()

    def _now_s(self) -> float:
        return time.monotonic() - self._began

    def _add(self, at_s: float, todo: _Todo) -> None:
        heapq.heappush(self._due, (at_s, next(self._number), todo))

    def _asking(self, requester: Requester) -> Action:
        def ask(_: World) -> bool:
            if not requester.change_id and not requester.is_decided:
                requester.submit()
            if not requester.is_decided:
                requester.decide()
            return True

        return ask

    def _add_step(self, at_s: float, name: str, steps: Sequence[Step]) -> None:
        """Plan the first step; each plans the next one, so that a late one is not overtaken."""
        first, rest = steps[0], steps[1:]

        def act(world: World) -> bool:
            if first.act(world) is False:
                return False
            if rest:
                # Late or not, the next one keeps its distance.
                self._add_step(self._now_s() - first.after_s, name, rest)
            return True

        moment = at_s + first.after_s
        give_up_at_s = moment + first.give_up_s if first.give_up_s else 0.0
        self._add(moment, _Todo(name, act, again_s=first.again_s, give_up_at_s=give_up_at_s))


def until_quiet(world: World, *, stops_calls: bool) -> float:
    """Wait until nothing is open any more, and return the seconds. What still is, the rules report.

    `stops_calls`: a fault of the run made Tradovate stop all calls for an hour. While such a stop is in force, the hour passes again;
    nothing else gets more time.
    """
    began = hour_passed_at = time.monotonic()
    hours = 0
    while time.monotonic() - hour_passed_at < QUIET_WITHIN_S:
        try:
            if world.is_quiet():
                break
            if stops_calls and hours < HOURS_MORE and world.is_stopped(QUIET_WITHIN_S):
                world.jump()
                hours += 1
                hour_passed_at = time.monotonic()
        except (psycopg.OperationalError, RedisError):
            pass  # for a fault that is just being made good
        time.sleep(AGAIN_S)
        world.supervise()
    return time.monotonic() - began


def _keep_logs(world: World, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, log in world.logs().items():
        (directory / f"{name}.log").write_text(log)
    for table in ("changes_change", "changes_item", "execution_call", "execution_callitem", "audit_event"):
        rows = world.rows(f"SELECT row_to_json(row)::text FROM {table} row ORDER BY id")
        (directory / f"{table}.jsonl").write_text("".join(f"{row}\n" for (row,) in rows))
    import json

    for what, found in (("calls", world.simulator.calls), ("effects", world.simulator.effects)):
        (directory / f"simulator-{what}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in found(limit=10_000)))
    return directory
