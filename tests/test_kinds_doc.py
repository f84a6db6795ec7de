"""docs/kinds.md lists the kinds of change as the registry has them, and CONTRIBUTING.md names files that exist."""

from __future__ import annotations

import re

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import PolicyDefault
from riskadmin.local.places import PROJECT

CHECKLIST = "## A new kind of change"
PLACEHOLDER = re.compile(r"<[a-z]+>")


def rule(default: PolicyDefault) -> str:
    """Return a rule as the table writes it: "1 supervisor", "2 supervisors from 301 on"."""
    if not default.decisions_needed:
        return "none"
    role = default.decider_role.value if default.decider_role else "approver"
    plural = "" if default.decisions_needed == 1 else "s"
    return f"{default.decisions_needed} {role}{plural}" + (
        f" from {default.at_least_items} on" if default.at_least_items > 1 else ""
    )


def row(kind: Kind) -> str:
    """Return a kind's row of the table."""
    spec = kind.spec
    module = type(kind).__module__.rpartition(".")[2]
    cells = (
        f"`{spec.name}`",
        spec.action_label,
        f"{spec.unit}s",
        ", ".join(sorted(spec.environments)),
        str(spec.direction.value),
        ", ".join(sorted(role.value for role in spec.requested_by)),
        "; ".join(rule(each) for each in spec.policy),
        f"`{module}.py`",
    )
    return f"| {' | '.join(cells)} |"


def test_every_kind_is_listed_as_it_is() -> None:
    lines = (PROJECT / "docs" / "kinds.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == [row(kind) for kind in KINDS.values()]


def checklist() -> list[str]:
    """Return the files that the checklist names."""
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text[text.index(CHECKLIST) :].split("\n## ")[0]
    return re.findall(r"`([\w<>/]+(?:/[\w<>.]*)+)`", section)


def test_the_checklist_names_places_that_exist() -> None:
    named = checklist()
    assert len(named) >= 10
    for path in named:
        whole = PLACEHOLDER.split(path)[0].rpartition("/")[0] if PLACEHOLDER.search(path) else path
        assert (PROJECT / whole).exists(), path


def test_every_kind_has_the_file_and_the_tests_that_the_checklist_asks_for() -> None:
    tested = [path.read_text(encoding="utf-8") for path in (PROJECT / "tests" / "execution").glob("test_*.py")]
    for name, kind in KINDS.items():
        assert type(kind).__module__.startswith("accounts.changes.kinds."), name
        assert any(f'"{name}"' in text for text in tested), name
