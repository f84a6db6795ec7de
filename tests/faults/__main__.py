"""Run the fault suite: SEED (the first one), RUNS or MINUTES, FAULTS (to choose them), LENGTH=short or long.

FAULTS=worker_kill,redis_wipe strikes with these in every run, instead of one to four that are drawn.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from riskadmin.local.places import PROJECT
from tests.faults.world import World, new_world

if TYPE_CHECKING:
    from tests.faults.runner import Result, Runner

RUNS: Final = 20
KEPT: Final = PROJECT / ".run" / "faults"


@dataclass(frozen=True)
class CallSpec:
    """What was asked for on the command line's environment."""

    seed: int
    runs: int
    minutes: float
    faults: tuple[str, ...]
    is_short: bool

    @classmethod
    def read(cls) -> CallSpec:
        """Raises ValueError for what is no number."""
        env = os.environ
        minutes = float(env.get("MINUTES") or 0)
        return cls(
            seed=int(env.get("SEED") or 1),
            runs=int(env.get("RUNS") or (0 if minutes else RUNS)),
            minutes=minutes,
            faults=tuple(filter(None, env.get("FAULTS", "").split(","))),
            is_short=env.get("LENGTH") == "short",
        )

    def seeds(self) -> Iterator[int]:
        """One seed after the other, until the runs or the minutes are over."""
        ends_at = time.monotonic() + 60 * self.minutes
        number = 0
        while (not self.runs or number < self.runs) and (not self.minutes or time.monotonic() < ends_at):
            yield self.seed + number
            number += 1

    def repeat(self, seed: int) -> str:
        """The command that runs one seed again."""
        faults = f" FAULTS={','.join(self.faults)}" if self.faults else ""
        return f"make faults SEED={seed} RUNS=1{faults}{' LENGTH=short' if self.is_short else ''}"


@dataclass
class Tally:
    """What all runs together came to."""

    results: list[Result] = field(default_factory=list)
    broken: int = 0

    @property
    def line(self) -> str:
        """The last line."""
        recoveries = [result.recovery_s for result in self.results]
        return (
            f"runs={len(self.results) + self.broken} items={sum(result.items for result in self.results)}"
            f" kills={sum(result.kills for result in self.results)} violations={self.violations}"
            f" recovery_p95={p95(recoveries):.1f}s"
        )

    @property
    def drawn(self) -> str:
        """How many runs drew each fault."""
        runs = Counter(name for result in self.results for name in {fault.name for _, fault in result.scenario.struck_at_s})
        return "drawn: " + " ".join(f"{name}={runs[name]}" for name in sorted(runs))

    @property
    def promises(self) -> str:
        """How often each promise about outcomes was broken, and any other one."""
        from tests.faults.rules import OUTCOME_RULES

        broken = Counter(violation.rule for result in self.results for violation in result.violations)
        others = sum(count for rule, count in broken.items() if rule not in OUTCOME_RULES)
        return "broken: " + ", ".join(f"{broken[rule]} {word}" for rule, word in OUTCOME_RULES.items()) + f", {others} other"

    @property
    def violations(self) -> int:
        """A run that could not be checked counts as one."""
        return self.broken + sum(len(result.violations) for result in self.results)


def p95(seconds: Sequence[float]) -> float:
    """The time that 95 in 100 runs keep, by the nearest rank; 0 for none."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] if seconds else 0.0


def main() -> int:
    """Run, print a line for each run, and the sum of all as the last one; 1 when any promise was broken.

    Asked to end, it stops where it is, and sums up what it has.
    """
    order = CallSpec.read()
    tally = Tally()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the simulator has to be ended, no matter who asks
    directory = Path(tempfile.mkdtemp(prefix="riskadmin-faults-"))
    with contextlib.suppress(KeyboardInterrupt), new_world(directory) as world:
        _run_all(world, order, tally)
    for line in (tally.drawn, tally.promises, tally.line):
        say(line)
    return 0 if tally.results and not tally.violations else 1


def _run_all(world: World, order: CallSpec, tally: Tally) -> None:
    runner = _runner(world, order)
    for seed in order.seeds():
        try:
            result = runner.run(seed, faults=order.faults, keep=KEPT)
        except Exception:  # noqa: BLE001  (a run that breaks down is reported like one that fails, and the others go on)
            tally.broken += 1
            say(f"seed={seed} could not be checked:\n{traceback.format_exc()}  repeat it: {order.repeat(seed)}")
            continue
        tally.results.append(result)
        say(result.line)
        for violation in result.violations:
            say(f"  VIOLATION {violation}")
        if result.violations:
            say(f"  repeat it: {order.repeat(seed)}   (logs and rows: {result.kept})")


def _runner(world: World, order: CallSpec) -> Runner:
    os.environ.update(world.env)
    logging.disable()  # what this process would log of its own trouble with the servers is part of the plan
    import django

    django.setup()
    from django.core.management import call_command

    import riskadmin.celery  # noqa: F401  (tasks sent by name go to this world's broker)
    from tests.faults.fault import LONG, SHORT
    from tests.faults.requests import let_go, set_up
    from tests.faults.runner import Runner

    call_command("migrate", verbosity=0)
    pools = set_up(world)
    let_go()
    world.freeze()
    return Runner(world, pools, SHORT if order.is_short else LONG)


def say(line: str) -> None:
    """Print at once, also into a file."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
