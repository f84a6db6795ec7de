"""What a fault of a run is made of, and the simulator's own faults among them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.faults.kinds import writes
from tests.faults.world import World
from tests.simulator.driver import SimulatorError

Act = Callable[[World], bool | None]
"""What a step does; False says that it is not done yet and is to be asked again in a moment."""

MEETS_WITHIN_S: Final = 25.0
"""So long a fault of the simulator's waits for a first call to meet."""


@dataclass(frozen=True)
class Step:
    """Something done so many seconds after the fault began."""

    after_s: float
    act: Act
    give_up_s: float = 0.0  # from when on a step that is never done is complained of
    again_s: float = 0.5  # after how long it is tried again


@dataclass(frozen=True)
class Fault:
    """One fault of one run. `env` is of the run's processes from their start, `settings` are the simulator's from then on.

    One that lies in wait is there when the calls come that it meets; any other strikes in their midst.
    """

    name: str
    words: str
    steps: tuple[Step, ...]
    lies_in_wait: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    decided_after_s: float = 0.0  # so long the change that it meets waits for its decision
    stops_calls: bool = False  # Tradovate takes no calls for an hour


@dataclass(frozen=True)
class Scale:
    """How long what is away stays away, and how long a worker sleeps, in seconds from and to."""

    away_s: tuple[float, float]
    frozen_s: tuple[float, float]
    held_s: tuple[float, float]


SHORT: Final = Scale(away_s=(2.0, 5.0), frozen_s=(6.0, 8.0), held_s=(2.0, 6.0))
LONG: Final = Scale(away_s=(2.0, 65.0), frozen_s=(6.0, 45.0), held_s=(2.0, 24.0))


@dataclass(frozen=True)
class FaultContext:
    """What a fault is drawn with: the seed's dice, how long things take, and the change that it is to meet."""

    rng: Random
    scale: Scale
    kind: str
    targets: tuple[int, ...] = ()

    def away_s(self) -> float:
        """How long something stays away, mostly not long."""
        low, high = self.scale.away_s
        return low + (high - low) * self.rng.random() ** 2


def answers(
    context: FaultContext,
    kind: str,
    when: str,
    *,
    for_s: float = 4.0,
    everywhere: bool = False,
    count: int = 0,
    **fields: object,
) -> Fault:
    """A fault of the simulator's, dropped after a while: at one writing endpoint, at all calls, or at some of all calls."""
    rng = context.rng
    endpoint = None if everywhere and rng.random() < 0.3 else rng.choice(writes(context.kind))
    rule: dict[str, Any] = {**fields, **({"endpoint": endpoint} if endpoint else {}), "count": count or rng.randint(1, 6)}
    rule |= {"probability": rng.choice((1.0, 1.0, 0.5)), "seed": rng.randint(1, 1_000_000)}
    rule |= {"when": when} if kind not in {"p-ticket", "cut-body"} else {}
    strike, lift = injected(kind, rule)
    words = f"{kind} {when} the effect, {rule['count']} x, at {endpoint or 'any call'}, for {for_s:.0f} s"
    return Fault(kind, words, (Step(0, strike), Step(for_s, lift)), lies_in_wait=True)


def injected(kind: str, rule: Mapping[str, Any]) -> tuple[Act, Act]:
    """Return how a fault of the simulator's is put in, and how it is dropped again once it has met a call."""
    given: list[int] = []
    struck_at: list[float] = []

    def strike(world: World) -> None:
        given.append(world.simulator.fault(kind, **rule))
        struck_at.append(time.monotonic())

    def lift(world: World) -> bool:
        try:
            met = world.simulator.control("GET", f"/faults/{given[0]}")["hits"]
            if not met and not world.is_quiet() and time.monotonic() < struck_at[0] + MEETS_WITHIN_S:
                return False
            world.simulator.control("DELETE", f"/faults/{given[0]}")
        except SimulatorError as error:
            if "404" not in str(error):  # a simulator that was started again meanwhile has forgotten it
                raise
        return True

    return strike, lift
