"""Attempts to get round approvals, each with a name: by pages, by actions and tasks, and by plain SQL as the application's role.

An attempt is a function of the `World` that checks how it is refused. What has to hold after each is checked for all
(`tests/approvals/test_bypass.py`), and docs/security/bypass.md lists them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from riskadmin.local.places import PROJECT
from tests.approvals.bypass.world import World

LIST: Final[Path] = PROJECT / "docs" / "security" / "bypass.md"
HEAD: Final = """# Attempts to get round approvals

Each is a test (`tests/approvals/test_bypass.py`): it is refused, nothing is sent or claimed, and no change, request or item
that waits has moved. Where a signed-in person tried it, an audit event says so. The tests compare this list with
themselves.

Not closed here: the owner of the database can switch the guards off and write approvals in the name of others. What they
alter of a request that is already there is found before it is approved and before it is sent
([ADR 23](../adr/0023-stored-content.md)).
"""
GROUPS: Final = {
    "page": "By pages",
    "action": "By actions, tasks and the clock",
    "sql": "By SQL as the application's role",
}

Attack = Callable[[World], None]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt. `leaves_event`: a known person tried it in the application."""

    group: str
    name: str
    run: Attack
    leaves_event: bool = True

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"


ATTEMPTS: Final[list[Attempt]] = []


def attempt(group: str, *, leaves_event: bool = True) -> Callable[[Attack], Attack]:
    """Register a function as an attempt, under its name."""

    def register(run: Attack) -> Attack:
        name = run.__name__.replace("_", " ")
        ATTEMPTS.append(Attempt(group=group, name=name, run=run, leaves_event=leaves_event))
        return run

    return register


def lines() -> Iterator[str]:
    """The lines of the list."""
    yield HEAD
    for group, title in GROUPS.items():
        of_group = [each for each in ATTEMPTS if each.group == group]
        yield f"## {title} ({len(of_group)})\n"
        for number, each in enumerate(of_group, start=1):
            yield f"{number}. {each.name}"
        yield ""
