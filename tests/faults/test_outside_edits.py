"""What is read from the simulator's log of effects about values that somebody else had set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.evidence import TouchedField
from tests.faults.outside_edits import OutsideEdits

T0 = datetime(2026, 11, 29, 12, tzinfo=UTC)
LIMITS = "userAccountAutoLiq"


def effect(number: int, source: str, action: str, before: object, after: object, **fields: Any) -> dict[str, Any]:
    row = {"id": number, "at": (T0 + timedelta(seconds=number)).isoformat(), "source": source, "call_id": number}
    row |= {"action": action, "entity": LIMITS, "entity_id": 7, "account_id": 7, "before": before, "after": after}
    return row | fields


def touched_by(*effects: dict[str, Any]) -> list[TouchedField]:
    """Return what the last of the effects touched, after the others."""
    edits = OutsideEdits(lambda at: at)
    for each in effects:
        edits.learn(each)
    return sorted(edits.touched(effects[-1], item_id=1, arrived_at=T0), key=lambda field: field.field)


def reported(found: list[TouchedField]) -> list[tuple[str, bool, object, object, datetime | None]]:
    return [(each.field, each.is_named, each.before, each.after, each.moved_at) for each in found]


def test_each_field_that_a_call_changed_says_who_had_set_it() -> None:
    by_others = effect(
        1, "control", "set", {"id": 7, "dailyLossAutoLiq": 1.0}, {"id": 7, "dailyLossAutoLiq": 1.0, "novelty": 66.6}
    )
    ours = effect(2, "call", "limits_updated", by_others["after"], {"id": 7, "dailyLossAutoLiq": 2.0})
    assert reported(touched_by(by_others, ours)) == [
        ("dailyLossAutoLiq", True, 1.0, 2.0, None),
        ("novelty", False, 66.6, None, T0 + timedelta(seconds=1)),
    ]


def test_a_value_that_our_own_call_set_afterwards_is_ours_again() -> None:
    by_others = effect(1, "control", "set", {"id": 7}, {"id": 7, "dailyLossAutoLiq": 1.0})
    ours = effect(2, "call", "limits_updated", by_others["after"], {"id": 7, "dailyLossAutoLiq": 2.0})
    again = effect(3, "call", "limits_updated", ours["after"], {"id": 7, "dailyLossAutoLiq": 3.0})
    assert reported(touched_by(by_others, ours, again)) == [("dailyLossAutoLiq", True, 2.0, 3.0, None)]


def test_an_absent_boolean_is_false_and_an_absent_number_is_not_zero() -> None:
    record = {"id": 7, "doNotUnlock": False, "weeklyLossAutoLiq": 0.0}
    assert reported(touched_by(effect(1, "call", "limits_updated", record, {"id": 7}))) == [
        ("weeklyLossAutoLiq", False, 0.0, None, None)
    ]


def test_new_records_and_other_effects_overwrite_nothing() -> None:
    assert touched_by(effect(1, "call", "limits_updated", None, {"id": 7, "dailyLossAutoLiq": 2.0})) == []
    assert touched_by(effect(1, "call", "breached", {"id": 7}, {"id": 7, "liquidateOnly": "now"})) == []


def test_what_somebody_else_gave_an_account_is_known() -> None:
    edits = OutsideEdits(lambda at: at)
    edits.learn(effect(1, "control", "set", {"id": 7}, {"id": 7, "riskCategoryId": 4}))
    edits.learn(effect(2, "call", "category_switched", {"id": 7}, {"id": 7, "riskCategoryId": 5}))
    assert (7, "riskCategoryId", 4) in edits.reached
    assert (7, "riskCategoryId", 5) not in edits.reached
