"""Whose act a move is, by example: the window of a call, what was meant, and what Tradovate does by itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import MoveSubject
from accounts.outside import rule
from accounts.outside.rule import OwnCall
from accounts.sync.history import Pairs
from riskadmin.audit.outside import OutsideKind
from riskadmin.tradovate.vocabulary import AdminAction

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NORMAL, LOCK, CLOSING = AdminAction.NORMAL.value, AdminAction.LOCK.value, AdminAction.LIQUIDATE_ONLY.value
HOLD = AdminAction.PLACE_AUTO_LIQ_ON_HOLD.value


def outside_part(subject: MoveSubject, fields: Pairs, calls: list[OwnCall]) -> tuple[OutsideKind, Pairs] | None:
    return rule.outside_part(subject, fields, calls, noted_at=NOON + timedelta(minutes=1))


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def call(kind: str, before: Mapping[str, Any], after: Mapping[str, Any], proven: dict[str, Any] | None = None) -> OwnCall:
    return OwnCall(kind=kind, before=before, after=after, proven=proven, began_at=NOON, over_at=None)


def status(
    action: tuple[str | None, str | None],
    acted_at: tuple[str | None, str | None] = (None, None),
    stopped_at: tuple[str | None, str | None] = (None, None),
) -> Pairs:
    return {
        "admin_action": list(action),
        "admin_at": list(acted_at),
        "liquidate_only_at": list(stopped_at),
        "user_triggered_liq_only": [None, None],
    }


@pytest.mark.parametrize(
    ("began", "over", "fits"),
    [
        (-10, -1, False),  # over before the old values were last read
        (-10, 0, True),
        (10, 20, True),
        (10, None, True),  # still open
        (185, 190, True),  # its effect came into the answer of a reading that began before it
        (191, 200, False),  # begun after the move was noted
    ],
)
def test_when_a_call_can_have_made_a_move(began: float, over: float | None, *, fits: bool) -> None:
    made = OwnCall(
        kind="lock",
        before={},
        after={},
        proven=None,
        began_at=NOON + timedelta(seconds=began),
        over_at=None if over is None else NOON + timedelta(seconds=over),
    )
    assert made.fits(known_at=NOON, noted_at=NOON + timedelta(seconds=190)) is fits


@pytest.mark.parametrize(
    ("moved", "kind"),
    [
        (status((NORMAL, LOCK), (None, at(5))), OutsideKind.LOCK),
        (status((None, LOCK), (None, at(5))), OutsideKind.LOCK),
        (status((LOCK, LOCK), (at(1), at(5))), OutsideKind.LOCK),
        (status((LOCK, NORMAL), (at(1), at(5))), OutsideKind.UNLOCK),
        (status((LOCK, HOLD), (at(1), at(5))), OutsideKind.ACTION),
        (status((NORMAL, "SomethingNew"), (None, at(5))), OutsideKind.ACTION),
        # It is not known what an unknown action restricts, nor what its end allows.
        (status(("SomethingNew", NORMAL), (at(1), at(5))), OutsideKind.ACTION),
        (status(("SomethingNew", NORMAL), (at(1), at(5)), (at(1), None)), OutsideKind.ACTION),
        (status(("DisableAutoLiq", NORMAL), (at(1), at(5))), OutsideKind.ACTION),
        (status(("DisableAutoLiq", NORMAL), (at(1), at(5)), (at(1), None)), OutsideKind.UNLOCK),
        # Closing only is noted where a limit's stop is, and is a person's act all the same.
        (status((NORMAL, CLOSING), (None, at(5)), (None, at(5))), OutsideKind.CLOSING_ONLY),
        # A lock of an account that a limit had stopped before.
        (status((NORMAL, LOCK), (None, at(5)), (at(4), at(4))), OutsideKind.LOCK),
        # A limit stopped it, and half an hour later somebody locked it.
        (status((NORMAL, LOCK), (None, at(1800)), (None, at(4))), OutsideKind.LOCK),
        (status((NORMAL, NORMAL), (None, at(5)), (at(4), None)), OutsideKind.UNLOCK),
    ],
)
def test_a_persons_act(moved: Pairs, kind: OutsideKind) -> None:
    found = outside_part(MoveSubject.STATUS, moved, [])
    assert found is not None
    assert found[0] == kind


@pytest.mark.parametrize(
    "moved",
    [
        status((NORMAL, NORMAL), stopped_at=(None, at(5))),  # a limit has stopped it
        status((NORMAL, NORMAL), stopped_at=(at(5), None)),  # its session has ended
        status((NORMAL, NORMAL), stopped_at=(at(5), at(9))),
        status((LOCK, LOCK), (at(1), at(1)), (None, at(5))),
        status((NORMAL, LOCK), (None, at(5)), (None, at(5.4))),  # a limit with "do not unlock"
        status((NORMAL, HOLD), (None, at(5))),
        status((HOLD, NORMAL), (at(5), at(65))),
        status((NORMAL, NORMAL), (None, at(65))),  # such a minute between two readings
        status((None, NORMAL)),
    ],
)
def test_what_tradovate_does_by_itself(moved: Pairs) -> None:
    assert outside_part(MoveSubject.STATUS, moved, []) is None


def test_a_lock_of_ours_is_ours_until_it_is_set_again_after_its_proof() -> None:
    unproven = call("lock", {"admin_action": NORMAL, "admin_at": None}, {"admin_action": LOCK})
    proven = call("lock", unproven.before, unproven.after, {"admin_action": LOCK, "admin_at": at(5)})
    for made in (unproven, proven):
        assert outside_part(MoveSubject.STATUS, status((NORMAL, LOCK), (None, at(5))), [made]) is None
    later = status((LOCK, LOCK), (at(5), at(6)))
    assert outside_part(MoveSubject.STATUS, later, [proven]) == (
        OutsideKind.LOCK,
        {"admin_action": [LOCK, LOCK], "admin_at": [at(5), at(6)]},
    )


def test_limits_are_attributed_by_field_and_level() -> None:
    ours = call(
        "auto_liq_limits",
        {"level": "firm", "daily_loss_alert_usd": "100", "daily_loss_auto_liq_usd": "500"},
        {"level": "firm", "daily_loss_alert_usd": "200", "daily_loss_auto_liq_usd": "500", "flatten_at": at(0)},
    )
    fields: Pairs = {
        "daily_loss_alert_usd": ["100.00", "200.00"],
        "daily_loss_auto_liq_usd": ["400.00", "500.00"],  # carried along as it was shown, not meant to alter
        "flatten_at": [None, "2026-11-20T12:00:00Z"],
    }
    theirs = {"daily_loss_auto_liq_usd": ["400.00", "500.00"]}
    assert outside_part(MoveSubject.FIRM, fields, [ours]) == (OutsideKind.FIRM_LIMITS, theirs)
    assert outside_part(MoveSubject.TRADER, fields, [ours]) == (OutsideKind.TRADER_LIMITS, fields)


@pytest.mark.parametrize(
    ("name", "pair", "is_outside"),
    [
        ("flatten_at", [at(30), None], False),
        ("flatten_at", [at(90), None], True),  # taken away before its time
        ("flatten_at", [None, at(90)], True),
        ("changes_locked", [True, False], False),
        ("changes_locked", [True, None], False),
        ("changes_locked", [None, True], True),
        ("changes_locked", [None, False], False),
        ("do_not_unlock", [True, None], True),
    ],
)
def test_limits_that_end_by_themselves(name: str, pair: list[Any], *, is_outside: bool) -> None:
    found = outside_part(MoveSubject.FIRM, {name: pair}, [])
    assert found == ((OutsideKind.FIRM_LIMITS, {name: pair}) if is_outside else None)


def test_a_category_is_ours_where_we_meant_it() -> None:
    ours = call("risk_category", {"category_id": 7}, {"category_id": 9, "category": "C9", "was": "C7"})
    fields: Pairs = {"category_id": [7, 9], "category": ["C7", "C9"]}
    other: Pairs = {"category_id": [7, 8], "category": ["C7", "C8"]}
    assert outside_part(MoveSubject.CATEGORY, fields, [ours]) is None
    assert outside_part(MoveSubject.CATEGORY, other, [ours]) == (OutsideKind.CATEGORY, other)


def test_one_call_makes_one_record() -> None:
    ours = call("position_limit", {"records": []}, {"action": "create", "record": {"active": True, "exposed_limit": 3}})
    made = {"active": True, "exposed_limit": 3}
    fields: Pairs = {"5": [None, {"id": 5, **made}], "6": [None, {"id": 6, **made}]}
    assert outside_part(MoveSubject.POSITION_LIMITS, fields, [ours]) == (
        OutsideKind.POSITION_LIMITS,
        {"6": [None, {"id": 6, **made}]},
    )


def test_parameters_that_go_with_a_position_limit_we_removed_are_ours() -> None:
    ours = call("position_limit", {"records": [{"id": 5}]}, {"action": "delete", "id": 5})
    fields: Pairs = {
        "11": [{"id": 11, "user_account_position_limit_id": 5}, None],
        "12": [{"id": 12, "user_account_position_limit_id": 6}, None],
    }
    assert outside_part(MoveSubject.RISK_PARAMETERS, fields, [ours]) == (
        OutsideKind.RISK_PARAMETERS,
        {"12": fields["12"]},
    )
