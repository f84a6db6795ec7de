"""docs/kinds.md lists the kinds of change as the registry has them, and CONTRIBUTING.md names files that exist."""

from __future__ import annotations

import re

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from riskadmin.local.places import PROJECT

CHECKLIST = "## A new kind of change"
PLACEHOLDER = re.compile(r"<[a-z]+>")


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
