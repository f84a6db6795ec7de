"""docs/simulator.md documents exactly what exists."""

from __future__ import annotations

import re
from dataclasses import fields

from riskadmin.simulator.faults import KINDS
from riskadmin.simulator.inspection import CALL_FILTERS, EFFECT_FILTERS
from riskadmin.simulator.settings import Settings
from tests.simulator.driver import PROJECT, Simulator

MANUAL = (PROJECT / "docs" / "simulator.md").read_text()


def section(title: str) -> str:
    return MANUAL.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(title: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", section(title), flags=re.MULTILINE)


def test_the_control_routes_are_those_of_the_manual(simulator: Simulator) -> None:
    served = {re.sub(r"{(\w+)(:int)?}", r"{\1}", route) for route in simulator.control("GET", "/")["control"]}
    assert set(first_cells("The control port")) == served


def test_the_endpoints_are_those_of_the_manual(simulator: Simulator) -> None:
    served = set(simulator.control("GET", "/")["endpoints"])
    writes = {path for path in re.findall(r"`(/[A-Za-z]+/[a-z]+)`", section("What it answers")) if "/{" not in path}
    reads = {
        f"/{kind}/{operation}"
        for kinds, operations in re.findall(
            r"^\| ((?:`\w+`(?:, )?)+) \| ([a-z, ]+) \|", section("What it answers"), re.MULTILINE
        )
        for kind in re.findall(r"\w+", kinds)
        for operation in operations.split(", ")
    }
    assert writes | reads == served


def test_the_settings_with_their_defaults_are_those_of_the_manual() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section("Settings"), flags=re.MULTILINE))
    assert documented == {field.name: str(getattr(Settings(), field.name)) for field in fields(Settings)}


def test_the_fault_kinds_and_filters_are_those_of_the_manual() -> None:
    assert set(first_cells("Faults")) == KINDS
    assert set(re.findall(r"`(\w+)`", section("Filters of /calls and /counters"))) == {*CALL_FILTERS, "since_id", "limit"}
    assert set(re.findall(r"`(\w+)`", section("Filters of /effects"))) == {*EFFECT_FILTERS, "since_id", "limit"}
