"""What a benchmark found: a line each on the terminal, and `.run/bench.json` for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from riskadmin.local.places import PROJECT

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """One measured value. `goal` is in the same unit; `compared_with` says what it is a ratio to, or what was measured beside it."""

    name: str
    value: float
    unit: str
    goal: str
    met: bool
    compared_with: str


@dataclass
class Report:
    """The findings of one run."""

    findings: list[Finding] = field(default_factory=list)

    def at_most(self, name: str, value: float, unit: str, *, goal: float, compared_with: str) -> None:
        """Note a value that should not be above its goal."""
        self._note(Finding(name, round(value, 6), unit, f"<= {goal:g}", value <= goal, compared_with))

    def at_least(self, name: str, value: float, unit: str, *, goal: float, compared_with: str) -> None:
        """Note a value that should not be below its goal."""
        self._note(Finding(name, round(value, 6), unit, f">= {goal:g}", value >= goal, compared_with))

    def _note(self, finding: Finding) -> None:
        self.findings.append(finding)
        mark = "met" if finding.met else "MISSED"
        value = f"{finding.value:>10.4g} {finding.unit:<14} {finding.goal:<9}"
        print(f"{finding.name:<62} {value} {mark:<7} {finding.compared_with}")

    def write(self) -> Path:
        """Write the findings to `.run/bench.json`."""
        path = PROJECT / ".run" / "bench.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([asdict(finding) for finding in self.findings], indent=2) + "\n", encoding="utf-8")
        return path


def timed(work: Callable[[], T], *, times: int = 1) -> tuple[float, T]:
    """Return the best of so many runs in seconds, and what the last one returned."""
    best = float("inf")
    for _ in range(times):
        began = perf_counter()
        result = work()
        best = min(best, perf_counter() - began)
    return best, result
