"""One run, drawn from its seed: what is asked for, and what goes wrong meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from tests.faults.fault import Fault, FaultContext, Scale
from tests.faults.faults import FAULTS
from tests.faults.kinds import Pools
from tests.faults.requests import Drawer, Wanted

ITEMS_MAX: Final = 60
ASKED_WITHIN_S: Final = 5.0
FOR_EACH_FAULT_S: Final = 1.2
# Of one of these a run has one: the second would only undo the first.
ALIKE: Final = (
    frozenset({"postgres_restart", "postgres_gone"}),
    frozenset({"worker_term", "worker_freeze", "deploy", "duplicate_delivery"}),
    frozenset({"few_calls", "429", "423", "captcha", "clock_jump"}),
    frozenset({"few_calls", "cap"}),  # completing cut answers costs more calls than there are
)


@dataclass(frozen=True)
class Scenario:
    """What happens in a run. `struck_at_s` are the faults with the second at which each begins."""

    seed: int
    changes: tuple[Wanted, ...]
    struck_at_s: tuple[tuple[float, Fault], ...]
    latency_ms: int
    sync_seconds: int

    @property
    def env(self) -> dict[str, str]:
        """The settings of the run's processes."""
        given = {"SYNC_SECONDS": str(self.sync_seconds)}
        for _, fault in self.struck_at_s:
            given |= fault.env
        return given

    @property
    def settings(self) -> dict[str, object]:
        """The settings of the run's simulator."""
        return {name: value for _, fault in self.struck_at_s for name, value in fault.settings.items()}

    @property
    def words(self) -> str:
        """The faults, for people."""
        return "; ".join(f"{fault.name} at {at_s:.1f} s ({fault.words})" for at_s, fault in self.struck_at_s)


def draw(seed: int, pools: Pools, scale: Scale, *, faults: Sequence[str] = ()) -> Scenario:
    """Draw the run of a seed; `faults` names those that strike, instead of one to four drawn ones."""
    rng = Random(seed)
    names = list(faults) or _names(rng)
    within_s = max(ASKED_WITHIN_S, FOR_EACH_FAULT_S * len(names))
    changes = list(Drawer(rng, pools, seed).changes(most_items=ITEMS_MAX, within_s=within_s))
    struck = []
    for name in names:
        met = rng.choice(changes)
        fault = replace(FAULTS[name](FaultContext(rng, scale, met.kind, met.targets)), name=name)
        if fault.decided_after_s:
            place = changes.index(met)
            changes[place] = replace(met, decided_after_s=fault.decided_after_s, verdict="approve")
        at_s = max(met.at_s - rng.uniform(0, 0.5), 0.0) if fault.lies_in_wait else met.at_s + rng.uniform(0.1, 1.5)
        struck.append((round(at_s, 2), fault))
    return Scenario(
        seed=seed,
        changes=tuple(changes),
        struck_at_s=tuple(sorted(struck, key=_at)),
        latency_ms=rng.choice((20, 100, 300, 800)),
        sync_seconds=rng.choice((10, 180, 180)),
    )


def _at(struck: tuple[float, Fault]) -> float:
    return struck[0]


def _names(rng: Random) -> list[str]:
    names: list[str] = []
    for name in rng.sample(sorted(FAULTS), len(FAULTS)):
        if not any(name in alike and alike & set(names) for alike in ALIKE):
            names.append(name)
    return names[: rng.randint(1, 4)]
