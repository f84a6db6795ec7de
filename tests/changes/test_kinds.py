"""What each kind makes of a read-back, and how it says what it alters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.kinds.kind import Finding
from accounts.changes.kinds.stored import Difference
from accounts.changes.states import Direction
from riskadmin.staff.roles import all_capabilities
from riskadmin.tradovate.vocabulary import ASKABLE_ADMIN_ACTIONS, AdminAction, Environment
from tests.changes.world import CLOSING_ONLY, LIQUIDATED, LOCKED, NORMAL

T0 = datetime(2026, 11, 20, 15, 0, 0, tzinfo=UTC).isoformat()
T1 = datetime(2026, 11, 20, 15, 0, 9, tzinfo=UTC).isoformat()

ADMIN_ACTIONS = ("lock", "liquidate_only", "unlock")


def state(admin_action: str, admin_at: str | None = T0, *, stopped: bool = False) -> dict[str, Any]:
    return {"admin_action": admin_action, "admin_at": admin_at, "stopped_by_limit": stopped}


FINDINGS = [
    # kind, before, observed, finding
    ("lock", state(NORMAL, None), state(LOCKED, T1), Finding.APPLIED),
    ("lock", state(NORMAL, None), state(NORMAL, None), Finding.NOT_APPLIED),
    ("lock", state(NORMAL), state(NORMAL), Finding.NOT_APPLIED),
    ("lock", state(CLOSING_ONLY), state(LOCKED, T1), Finding.APPLIED),
    ("lock", state(LIQUIDATED), state(LOCKED, T1), Finding.APPLIED),
    # Some answer without a new time: the word is what was meant.
    ("lock", state(NORMAL), state(LOCKED), Finding.APPLIED),
    # Locked before and again: only the time tells the two apart.
    ("lock", state(LOCKED), state(LOCKED), Finding.UNCHANGED),
    ("lock", state(LOCKED), state(LOCKED, T1), Finding.APPLIED),
    # A limit stopped the account meanwhile: no one's act, so it proves nothing about the call.
    ("lock", state(NORMAL), state(NORMAL, stopped=True), Finding.NOT_APPLIED),
    ("lock", state(LOCKED), state(LOCKED, stopped=True), Finding.UNCHANGED),
    ("lock", state(NORMAL, stopped=True), state(LOCKED, T1, stopped=True), Finding.APPLIED),
    # Somebody else acted.
    ("lock", state(NORMAL), state(CLOSING_ONLY, T1), Finding.ELSEWHERE),
    ("lock", state(NORMAL), state(LIQUIDATED, T1), Finding.ELSEWHERE),
    ("lock", state(NORMAL), state(NORMAL, T1), Finding.ELSEWHERE),
    ("lock", state(NORMAL), state("SomethingNew", T1), Finding.ELSEWHERE),
    ("liquidate_only", state(NORMAL, None), state(CLOSING_ONLY, T1), Finding.APPLIED),
    ("liquidate_only", state(NORMAL, None), state(NORMAL, None), Finding.NOT_APPLIED),
    ("liquidate_only", state(CLOSING_ONLY), state(CLOSING_ONLY), Finding.UNCHANGED),
    ("liquidate_only", state(NORMAL), state(LOCKED, T1), Finding.ELSEWHERE),
    ("unlock", state(LOCKED), state(NORMAL, T1), Finding.APPLIED),
    ("unlock", state(LOCKED), state(LOCKED), Finding.NOT_APPLIED),
    ("unlock", state(LOCKED), state(LOCKED, T1), Finding.ELSEWHERE),
    ("unlock", state(LOCKED), state(LOCKED, stopped=True), Finding.NOT_APPLIED),
    ("unlock", state(CLOSING_ONLY), state(NORMAL, T1), Finding.APPLIED),
    ("unlock", state(LIQUIDATED), state(NORMAL, T1), Finding.APPLIED),
    # An account that only a limit had stopped: its action was and stays Normal.
    ("unlock", state(NORMAL, None, stopped=True), state(NORMAL, None, stopped=True), Finding.NOT_APPLIED),
    ("unlock", state(NORMAL, None, stopped=True), state(NORMAL, T1, stopped=True), Finding.APPLIED),
    ("unlock", state(NORMAL, None, stopped=True), state(NORMAL, None), Finding.APPLIED),
    ("unlock", state(NORMAL, None, stopped=True), state(NORMAL, T1), Finding.APPLIED),
    ("unlock", state(NORMAL, None, stopped=True), state(LOCKED, T1, stopped=True), Finding.ELSEWHERE),
]


@pytest.mark.parametrize(("kind_name", "before", "observed", "finding"), FINDINGS)
def test_a_read_back_is_interpreted(kind_name: str, before: dict[str, Any], observed: dict[str, Any], finding: Finding) -> None:
    assert KINDS[kind_name].interpret_read_back(before=before, after={}, observed=observed, step=0) == finding


ALTERED = [
    # kind, before, after, what is said: before, after, direction
    ("lock", state(NORMAL), {"admin_action": LOCKED}, ("Normal", "Locked (no orders)", "tighter")),
    ("lock", state(CLOSING_ONLY), {"admin_action": LOCKED}, ("Closing orders only", "Locked (no orders)", "tighter")),
    ("lock", state(LIQUIDATED), {"admin_action": LOCKED}, ("Liquidated and locked", "Locked (no orders)", "")),
    ("lock", state(LOCKED), {"admin_action": LOCKED}, ("Locked (no orders)", "Locked (no orders)", "")),
    (
        "lock",
        state(LOCKED, stopped=True),
        {"admin_action": LOCKED},
        ("Locked (no orders), stopped by a limit", "Locked (no orders)", ""),
    ),
    (
        "liquidate_only",
        state(NORMAL, stopped=True),
        {"admin_action": CLOSING_ONLY},
        ("Normal, stopped by a limit", "Closing orders only", "tighter"),
    ),
    ("unlock", state(LOCKED), {"admin_action": NORMAL}, ("Locked (no orders)", "Normal", "looser")),
    ("unlock", state(NORMAL, stopped=True), {"admin_action": NORMAL}, ("Normal, stopped by a limit", "Normal", "looser")),
    # What moved since it was shown.
    ("unlock", state(LOCKED), state(NORMAL, T1), ("Locked (no orders)", "Normal", "looser")),
    (
        "unlock",
        state(LOCKED),
        state(LOCKED, T1),
        ("Locked (no orders), set 2026-11-20 09:00:00", "Locked (no orders), set 2026-11-20 09:00:09", ""),
    ),
    ("unlock", state(NORMAL, None), state(NORMAL, T1), ("Normal", "Normal, set 2026-11-20 09:00:09", "")),
    ("unlock", state(NORMAL), state(NORMAL, stopped=True), ("Normal", "Normal, stopped by a limit", "tighter")),
    ("unlock", state("SomethingNew"), {"admin_action": NORMAL}, ("SomethingNew", "Normal", "")),
]


@pytest.mark.parametrize(("kind_name", "before", "after", "said"), ALTERED)
def test_it_says_what_it_alters(
    kind_name: str, before: dict[str, Any], after: dict[str, Any], said: tuple[str, str, str]
) -> None:
    was, becomes, direction = said
    assert KINDS[kind_name].differences(before, after) == (
        Difference(label="Risk action", before=was, after=becomes, direction=direction),
    )


def test_each_kind_is_described() -> None:
    assert {
        name: (kind.direction, kind.environments, kind.rests_on_before, kind.is_resend_safe(0), kind.batch_size)
        for name, kind in KINDS.items()
        if name in ADMIN_ACTIONS
    } == {
        "lock": (Direction.PROTECTIVE, frozenset({Environment.DEMO}), False, True, 1),
        "liquidate_only": (Direction.PROTECTIVE, frozenset({Environment.DEMO}), True, True, 1),
        "unlock": (Direction.LOOSENING, frozenset({Environment.DEMO}), True, True, 1),
    }
    actions = {kind.action for kind in KINDS.values() if isinstance(kind, AdminActionKind) and kind.name in ADMIN_ACTIONS}
    assert actions <= ASKABLE_ADMIN_ACTIONS
    assert AdminAction.LIQUIDATE not in actions, "a liquidation has a kind of its own, in two steps"


def test_each_kind_is_known_by_its_name_and_requested_with_a_capability_that_exists() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert {kind.capability for kind in KINDS.values()} <= all_capabilities()


@pytest.mark.parametrize(
    ("kind_name", "one", "many"),
    [
        ("lock", "Lock 1 account", "Lock 1,200 accounts"),
        ("liquidate_only", "Allow closing only for 1 account", "Allow closing only for 1,200 accounts"),
        ("unlock", "Unlock 1 account", "Unlock 1,200 accounts"),
    ],
)
def test_what_the_button_says(kind_name: str, one: str, many: str) -> None:
    assert (KINDS[kind_name].words(1), KINDS[kind_name].words(1200)) == (one, many)
