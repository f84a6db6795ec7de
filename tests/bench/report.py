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

STOLEN_SHOWN = 0.05


@dataclass(frozen=True)
class Finding:
    """One measured value. `goal` is in the same unit; `compared_with` says what it is a ratio to, or what was measured beside it.

    `stolen` is the share of the machine's CPU time that its host gave to others meanwhile: what is measured while that is
    much says little of the software. None where the system does not tell.
    """

    name: str
    value: float
    unit: str
    goal: str
    met: bool
    compared_with: str
    stolen: float | None


class Host:
    """What the machine's host takes from it; Linux tells."""

    STAT = Path("/proc/stat")
    STEAL = 7  # of the numbers that follow "cpu": user nice system idle iowait irq softirq steal

    def __init__(self) -> None:
        self._before = self._times()

    def took(self) -> float | None:
        """Return the share of the CPU time since the last time this was asked; None where no one tells."""
        before, self._before = self._before, self._times()
        spent = [now - then for now, then in zip(self._before, before, strict=True)]
        return round(spent[self.STEAL] / sum(spent), 2) if sum(spent) else None

    def _times(self) -> list[int]:
        return [int(each) for each in self.STAT.read_text().split("\n", 1)[0].split()[1:9]] if self.STAT.exists() else []


@dataclass
class Report:
    """The findings of one run."""

    findings: list[Finding] = field(default_factory=list)
    host: Host = field(default_factory=Host)

    def at_most(self, name: str, value: float, unit: str, *, goal: float, compared_with: str) -> None:
        """Note a value that should not be above its goal."""
        self._note(Finding(name, round(value, 6), unit, f"<= {goal:g}", value <= goal, compared_with, self.host.took()))

    def at_least(self, name: str, value: float, unit: str, *, goal: float, compared_with: str) -> None:
        """Note a value that should not be below its goal."""
        self._note(Finding(name, round(value, 6), unit, f">= {goal:g}", value >= goal, compared_with, self.host.took()))

    def _note(self, finding: Finding) -> None:
        self.findings.append(finding)
        mark = "met" if finding.met else "MISSED"
        value = f"{finding.value:>10.4g} {finding.unit:<14} {finding.goal:<9}"
        host = f"; the host took {finding.stolen:.0%}" if finding.stolen and finding.stolen >= STOLEN_SHOWN else ""
        print(f"{finding.name:<62} {value} {mark:<7} {finding.compared_with}{host}")

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
