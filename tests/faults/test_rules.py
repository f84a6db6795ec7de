"""The rules against doctored evidence: one that keeps every promise, and for each promise worlds that break it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.faults.__main__ import p95
from tests.faults.evidence import CallRecord, EventRecord, ItemRecord, Landing, RunEvidence, TouchedField
from tests.faults.rules import RULES, violations_of

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOCKED, LIQUIDATED, SKIPPED, WITHDRAWN, ENDED = range(1, 6)
"""Items: a lock applied after its first call was cut, a liquidation left unknown, one skipped at its plan, one withdrawn, and
the end of a lockout that Tradovate rejected."""


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def call(number: int, item: int, state: str, began: float, ended: float | None = None) -> CallRecord:
    ends = None if state == "open" else at(began + 1 if ended is None else ended)
    return CallRecord(id=number, purpose="write", state=state, started_at=at(began), ended_at=ends, items=(item,))


def event(number: int, tag: str, item: int, call_id: int | None = None, **detail: Any) -> EventRecord:
    return EventRecord(id=number, tag=tag, change_id=10 * item, item_id=item, call_id=call_id, detail=detail)


GOOD = RunEvidence(
    items=(
        ItemRecord(id=LOCKED, change_id=10, kind="lock", target="demo:account:1", state="applied"),
        ItemRecord(
            id=LIQUIDATED, change_id=20, kind="liquidate", target="demo:account:2", state="unknown", resend_safe=(False, True)
        ),
        ItemRecord(id=SKIPPED, change_id=30, kind="unlock", target="demo:account:3", state="skipped"),
        ItemRecord(id=WITHDRAWN, change_id=40, kind="unlock", target="demo:account:4", state="cancelled"),
        ItemRecord(
            id=ENDED,
            change_id=50,
            kind="user_lockout",
            target="demo:trader:5",
            state="rejected",
            resend_safe=(False,),
            is_read_back=False,
        ),
    ),
    calls=(
        call(1, LOCKED, "unknown", 0),
        call(2, LOCKED, "answered", 20),
        call(3, LIQUIDATED, "unknown", 2),
        call(4, ENDED, "rejected", 3),
        CallRecord(id=5, purpose="read_back", state="answered", started_at=at(21), ended_at=at(22), items=(LOCKED,)),
    ),
    events=(
        *(event(number, "change:request:submitted", number) for number in (LOCKED, LIQUIDATED, WITHDRAWN, ENDED)),
        event(6, "change:request:submitted", SKIPPED, skipped="Not locked"),
        event(11, "item:call:claimed", LOCKED, 1),
        event(12, "item:outcome:unknown", LOCKED, 1, needs_person=False),
        event(13, "item:call:resent", LOCKED, 5),
        event(14, "item:call:claimed", LOCKED, 2),
        event(16, "item:call:answered", LOCKED, 2),
        event(17, "item:outcome:settled", LOCKED, 5, outcome="applied"),
        EventRecord(id=18, tag="change:run:finished", change_id=10),
        event(21, "item:call:claimed", LIQUIDATED, 3),
        event(22, "item:outcome:unknown", LIQUIDATED, 3, needs_person=False),
        event(23, "item:outcome:unknown", LIQUIDATED, 5, needs_person=True),
        EventRecord(id=31, tag="change:run:finished", change_id=30),
        EventRecord(id=41, tag="change:request:cancelled", change_id=40),
        event(51, "item:call:claimed", ENDED, 4),
        event(52, "item:outcome:settled", ENDED, 4, outcome="rejected"),
        EventRecord(id=53, tag="change:run:finished", change_id=50),
    ),
    landings=(
        Landing(id=101, at=at(0.5), item_id=LOCKED, step=0),
        Landing(id=102, at=at(20.5), item_id=LOCKED, step=0, effect=True, altered=True),
        Landing(id=103, at=at(2.5), item_id=LIQUIDATED, step=0),
        Landing(id=104, at=at(3.5), item_id=ENDED, step=0),
    ),
    change_states={10: "finished", 20: "running", 30: "finished", 40: "cancelled", 50: "finished"},
    trail_full=((at(30), at(40)),),
)


def with_item(number: int, **fields: Any) -> RunEvidence:
    return replace(GOOD, items=[replace(item, **fields) if item.id == number else item for item in GOOD.items])


def with_call(number: int, **fields: Any) -> RunEvidence:
    return replace(GOOD, calls=[replace(each, **fields) if each.id == number else each for each in GOOD.calls])


def without_event(number: int) -> RunEvidence:
    return replace(GOOD, events=[each for each in GOOD.events if each.id != number])


def with_event(number: int, **fields: Any) -> RunEvidence:
    return replace(GOOD, events=[replace(each, **fields) if each.id == number else each for each in GOOD.events])


def with_landing(number: int, **fields: Any) -> RunEvidence:
    return replace(GOOD, landings=[replace(each, **fields) if each.id == number else each for each in GOOD.landings])


def more(found: RunEvidence, **rows: Sequence[Any]) -> RunEvidence:
    return replace(found, **{name: (*getattr(found, name), *added) for name, added in rows.items()})  # type: ignore[arg-type]


SECOND_LOCK = more(
    GOOD,
    calls=[call(6, LOCKED, "answered", 50)],
    events=[event(61, "item:call:claimed", LOCKED, 6), event(62, "item:call:answered", LOCKED, 6)],
)
"""The lock that is applied already is claimed and answered once more; whether it arrived is for each test to say."""

RIVAL = more(
    GOOD,
    items=[ItemRecord(id=6, change_id=10, kind="unlock", target="demo:account:1", state="applied")],
    calls=[call(6, 6, "answered", 30)],
    events=[
        event(7, "change:request:submitted", 6),
        event(63, "item:call:answered", 6, 6),
        event(64, "item:outcome:settled", 6, 6, outcome="applied"),
    ],
    landings=[Landing(id=106, at=at(30.5), item_id=6, step=0, effect=True, altered=True)],
)
"""Another change has the same account; when its call was claimed is for each test to say."""


def touching(field: str, *, named: bool, moved_s: float | None = None, item: int = LOCKED, action: str = "") -> RunEvidence:
    """The world with a field that the lock's call at second 20.5 changed, which somebody else had set at `moved_s`."""
    touched = TouchedField(
        item_id=item,
        call_id=102,
        field=field,
        is_named=named,
        arrived_at=at(20.5),
        action=action,
        before=500,
        after=2000,
        moved_at=None if moved_s is None else at(moved_s),
    )
    asked = [replace(each, submitted_at=at(1)) for each in GOOD.items]
    return replace(GOOD, items=asked, touched=[touched])


BROKEN: tuple[tuple[str, str, RunEvidence], ...] = (
    ("unsettled", "an item under way", with_item(LOCKED, state="sent")),
    ("unsettled", "an item in its queue", with_item(LOCKED, state="queued")),
    ("unsettled", "unknown, and to be read again", with_item(LIQUIDATED, is_due=True)),
    ("unsettled", "a call without an end", with_call(2, state="open", ended_at=None)),
    ("unsettled", "a finished change that still runs", replace(GOOD, change_states={**GOOD.change_states, 10: "running"})),
    ("unknown without need", "a lock left unknown", with_item(LOCKED, state="unknown")),
    ("unknown without need", "without an event", without_event(23)),
    ("unknown without need", "reported, but not that a person is needed", with_event(23, detail={"needs_person": False})),
    ("unknown without need", "the effect was there to be read", with_landing(103, effect=True, altered=True)),
    ("false applied", "applied without any effect", with_landing(102, effect=False, altered=False)),
    ("false applied", "applied without any call", replace(GOOD, landings=GOOD.landings[2:])),
    ("false applied", "half done, called applied", with_item(LIQUIDATED, state="applied")),
    ("false applied", "unchanged, and altered", with_item(LOCKED, state="unchanged")),
    ("false rejected", "rejected, and done", with_landing(104, effect=True)),
    (
        "false rejected",
        "skipped, and done",
        more(GOOD, landings=[Landing(id=105, at=at(9), item_id=SKIPPED, step=0, effect=True)]),
    ),
    (
        "false rejected",
        "cancelled, and done",
        more(GOOD, landings=[Landing(id=105, at=at(9), item_id=WITHDRAWN, step=0, effect=True)]),
    ),
    (
        "effect twice",
        "the same step twice",
        more(SECOND_LOCK, landings=[Landing(id=105, at=at(50.5), item_id=LOCKED, step=0, effect=True)]),
    ),
    (
        "effect twice",
        "sent again after its effect, in vain",
        more(SECOND_LOCK, landings=[Landing(id=105, at=at(50.5), item_id=LOCKED, step=0)]),
    ),
    ("event missing", "no submit", without_event(LOCKED)),
    ("event missing", "no outcome", without_event(17)),
    ("event missing", "another outcome", with_event(17, detail={"outcome": "unchanged"})),
    (
        "event missing",
        "the outcome twice",
        more(GOOD, events=[event(71, "item:outcome:settled", LOCKED, 5, outcome="applied")]),
    ),
    (
        "event missing",
        "an outcome of what is unknown",
        more(GOOD, events=[event(71, "item:outcome:settled", LIQUIDATED, outcome="applied")]),
    ),
    ("event missing", "no word of a withdrawal", without_event(41)),
    ("event missing", "no word of the finish", without_event(18)),
    ("call without event", "no claim", without_event(14)),
    ("call without event", "the claim told after the answer", with_event(14, id=16_000)),
    ("call without event", "no end", without_event(16)),
    (
        "call without claim",
        "arrived more often than claimed",
        more(GOOD, landings=[Landing(id=105, at=at(20.6), item_id=LOCKED, step=0)]),
    ),
    ("call without claim", "arrived when its claim was over", with_landing(104, at=at(5))),
    ("call without claim", "no one asked for it", replace(GOOD, strays=["a lock of 7"])),
    ("two at once", "a rival's call begins in the midst", more(RIVAL, events=[event(15, "item:call:claimed", 6, 6)])),
    ("429 caused", "silenced", replace(GOOD, silenced=["429 for call 9"])),
    ("call without trail", "a call while nothing could be written", with_landing(104, at=at(35))),
    ("overwritten", "a field that was not named", touching("weeklyLossAutoLiq", named=False)),
    ("overwritten", "a field that somebody else had set", touching("weeklyLossAutoLiq", named=False, moved_s=3)),
    ("overwritten", "a field set before it was asked", touching("weeklyLossAutoLiq", named=False, moved_s=0)),
    ("overwritten", "what is to change, moved since it was asked", touching("dailyLossAutoLiq", named=True, moved_s=3)),
    ("overwritten", "somebody else's lock, undone", touching("adminAction", named=True, moved_s=3, action="Normal")),
    ("request", "a request that no page allows", replace(GOOD, requests=["call 1: unknown key colour"])),
    ("fault", "a worker that does not leave", replace(GOOD, complaints=["a worker does not leave"])),
)


def test_a_world_in_which_all_was_kept_has_no_violation() -> None:
    assert violations_of(GOOD) == []


@pytest.mark.parametrize(
    ("rule", "evidence"), [pytest.param(rule, found, id=f"{rule}: {what}") for rule, what, found in BROKEN]
)
def test_a_broken_promise_is_found(rule: str, evidence: RunEvidence) -> None:
    assert rule in {violation.rule for violation in violations_of(evidence)}


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize("number", [each.id for each in GOOD.events if each.tag != "item:call:resent"])
def test_no_event_may_be_missing(number: int) -> None:
    assert violations_of(without_event(number))


NOT_OVERWRITTEN = (
    ("what is to change, moved by no one", touching("dailyLossAutoLiq", named=True)),
    ("what is to change, moved before it was asked", touching("dailyLossAutoLiq", named=True, moved_s=0.5)),
    ("moved in the last seconds before the call", touching("weeklyLossAutoLiq", named=False, moved_s=15)),
    ("moved while the call was held", touching("weeklyLossAutoLiq", named=False, moved_s=21)),
    ("a lock after somebody else's", touching("adminAction", named=True, moved_s=3, action="LockTradingImmediately")),
)


@pytest.mark.parametrize("found", [pytest.param(found, id=what) for what, found in NOT_OVERWRITTEN])
def test_what_any_client_may_change_is_not_overwritten(found: RunEvidence) -> None:
    assert violations_of(found) == []


def test_what_could_not_be_read_may_be_left_to_people() -> None:
    left = with_landing(103, effect=True, altered=True)
    assert {violation.rule for violation in violations_of(left)} == {"unknown without need"}
    assert violations_of(replace(left, unreadable=frozenset({"demo:account:2"}))) == []
    assert violations_of(replace(left, unreadable=frozenset({"demo:account:3"})))


def test_an_effect_that_came_late_is_a_false_rejection() -> None:
    refused = with_item(LOCKED, state="rejected")
    assert "false rejected" in {violation.rule for violation in violations_of(refused)}


def test_a_rival_after_the_end_is_none() -> None:
    reported = more(RIVAL, events=[event(62, "item:call:claimed", 6, 6)])
    assert violations_of(reported) == []


def test_an_intended_state_that_somebody_else_reached_is_applied_too() -> None:
    found = with_landing(102, effect=False, altered=False)
    assert violations_of(replace(found, reached=frozenset({(LOCKED, 0)}))) == []


def test_what_ended_unclear_three_times_may_be_left_to_people() -> None:
    unclear = more(
        with_item(LOCKED, state="unknown"),
        calls=[call(6, LOCKED, "unknown", 30), call(7, LOCKED, "unknown", 50)],
        events=[
            event(61, "item:call:claimed", LOCKED, 6),
            event(62, "item:outcome:unknown", LOCKED, 6),
            event(63, "item:call:claimed", LOCKED, 7),
            event(64, "item:outcome:unknown", LOCKED, 7, needs_person=True),
        ],
    )
    kept = [each for each in unclear.events if each.id not in {17, 18}]
    nothing_landed = [each for each in unclear.landings if each.item_id != LOCKED]
    found = replace(unclear, events=kept, landings=nothing_landed, change_states={**GOOD.change_states, 10: "running"})
    assert violations_of(found) == []


def test_a_call_claimed_just_before_the_trail_was_full_may_still_arrive() -> None:
    found = with_landing(104, at=at(35))
    calls = [replace(each, started_at=at(29.9), ended_at=at(35.5)) if each.id == 4 else each for each in found.calls]
    assert "call without trail" not in {violation.rule for violation in violations_of(replace(found, calls=calls))}


def test_p95_is_the_nearest_rank() -> None:
    assert p95([]) == 0
    assert p95([3.0]) == 3.0
    assert p95([float(second) for second in range(1, 101)]) == 95.0
