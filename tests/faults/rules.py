"""The rules that a run must keep, each a function from the evidence to its violations. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from tests.faults.evidence import CallRecord, EventRecord, ItemRecord, Landing, RunEvidence, Violation

Rule = Callable[[RunEvidence], Iterator[str]]

FINAL: Final = frozenset({"applied", "unchanged", "rejected", "skipped", "cancelled"})
NOTHING_DONE: Final = frozenset({"rejected", "skipped", "cancelled"})
UNCLEAR_ENDS_MAX: Final = 3
"""So many calls without a clear end, and also a kind that may be sent again is left to people."""

RACE: Final = timedelta(seconds=6)
"""A call may follow the reading before it by so much: what somebody else sets in between is lost to any client."""

OUTCOME_RULES: Final = {
    "false applied": "false applied",
    "false rejected": "false rejected",
    "overwritten": "overwritten",
    "unsettled": "lost",
    "effect twice": "doubled",
}
"""The rules that outcomes are about, with the word that the sum of all runs has for each."""

TOLERANCE: Final = timedelta(milliseconds=10)
"""The simulator's times are whole milliseconds, and its clock is read when the call has arrived."""

SUBMITTED: Final = "change:request:submitted"
CLAIMED: Final = "item:call:claimed"
SETTLED: Final = "item:outcome:settled"
UNKNOWN: Final = "item:outcome:unknown"
FINISHED: Final = "change:run:finished"
ENDS_OF_CALLS: Final = frozenset({SETTLED, UNKNOWN, "item:call:answered", "item:call:deferred"})
ENDS_OF_WAITING: Final = frozenset({"change:decision:rejected", "change:request:cancelled", "change:request:expired"})


def violations_of(found: RunEvidence) -> list[Violation]:
    """Return every violation; an empty list is a run in which all was kept."""
    return [Violation(name, text) for name, rule in RULES.items() for text in rule(found)]


def _settled(found: RunEvidence) -> Iterator[str]:
    """Nothing is left under way, and nothing waits that no one will look at."""
    open_changes = {item.change_id for item in found.items if item.state not in FINAL}
    for item in found.items:
        if item.state not in FINAL | {"unknown"}:
            yield f"{_of(item)} is still {item.state}"
        elif item.state == "unknown" and item.is_due:
            yield f"{_of(item)} is unknown, and still to be read back"
    for call in found.calls:
        if call.state == "open" or call.ended_at is None:
            yield f"call {call.id} has no end"
    for change_id, state in found.change_states.items():
        if state in {"pending", "scheduled", "running"} and change_id not in open_changes:
            yield f"change {change_id} is {state}, though all its items have their outcome"


def _unknown_with_reason(found: RunEvidence) -> Iterator[str]:
    """Only what may not be sent again stays unknown, and a person is told."""
    targets = Counter(item.target for item in found.items)
    unclear = Counter(item_id for call in _writes(found) if call.state == "unknown" for item_id in call.items)
    landed = {(landing.item_id, landing.step) for landing in found.landings if landing.effect}
    last_reported = {item.id: _last_unknown(item, found) for item in found.items if item.state == "unknown"}
    for item in found.items:
        if item.state != "unknown":
            continue
        contested = targets[item.target] > 1
        if item.target in found.unreadable:
            contested = True
        again = item.is_read_back and item.resend_safe[item.step]
        if again and not contested and unclear[item.id] < UNCLEAR_ENDS_MAX:
            yield f"{_of(item)} is left unknown, though it could have been sent again: {item.note}"
        if item.is_read_back and not contested and (item.id, item.step) in landed and not item.may_change_nothing:
            yield f"{_of(item)} is left unknown, though the simulator shows its effect: {item.note}"
        reported = last_reported[item.id]
        if reported is None or not reported.detail.get("needs_person"):
            yield f"{_of(item)} is unknown, and no event says that it needs a person"


def _truly_applied(found: RunEvidence) -> Iterator[str]:
    """Applied is an effect in the simulator's log, unchanged is none that altered anything."""
    effects = {(landing.item_id, landing.step) for landing in found.landings if landing.effect}
    alterations = {(landing.item_id, landing.step) for landing in found.landings if landing.altered}
    for item in found.items:
        for step in range(item.steps):
            here = (item.id, step)
            if item.state == "applied" and here not in effects | found.reached:
                yield f"{_of(item)} is applied, and step {step} had no effect at the simulator"
            if item.state == "unchanged" and here in alterations:
                yield f"{_of(item)} is unchanged, and step {step} did alter its target"


def _truly_rejected(found: RunEvidence) -> Iterator[str]:
    """Rejected, skipped and cancelled is no effect in the simulator's log."""
    effects = {(landing.item_id, landing.step) for landing in found.landings if landing.effect}
    for item in found.items:
        for step in range(item.steps):
            here = (item.id, step)
            if item.state in NOTHING_DONE and step >= item.step and here in effects:
                yield f"{_of(item)} is {item.state}, and step {step} had an effect at the simulator"


def _nothing_overwritten(found: RunEvidence) -> Iterator[str]:
    """A call changes the fields that its item is about and no others, and none that somebody else moved since it was asked for.

    What somebody else sets in the last seconds before the call is lost to any client. A lock may follow whatever others did.
    """
    items = {item.id: item for item in found.items}
    for touched in found.touched:
        item = items[touched.item_id]
        if touched.moved_at is not None and touched.arrived_at - touched.moved_at < RACE:
            continue
        was = f"{touched.field} from {touched.before!r} to {touched.after!r} by the simulator's call {touched.call_id}"
        if not touched.is_named:
            yield f"{_of(item)}: no one asked to change {was}"
        elif touched.moved_at is None or item.submitted_at is None or touched.action not in {"", "Normal"}:
            continue
        elif touched.moved_at > item.submitted_at:
            yield f"{_of(item)}: somebody else had moved what it changed, {was}"


def _once(found: RunEvidence) -> Iterator[str]:
    """No step of an item takes effect twice, and none is sent again after it did."""
    by_step: dict[tuple[int, int], list[int]] = defaultdict(list)
    for landing in sorted(found.landings, key=lambda landing: landing.id):
        by_step[landing.item_id, landing.step].append(landing.id if landing.effect else -landing.id)
    items = {item.id: item for item in found.items}
    for (item_id, step), landings in by_step.items():
        effects = [landing for landing in landings if landing > 0]
        item = items[item_id]
        if len(effects) > 1:
            yield f"{_of(item)}: step {step} took effect {len(effects)} times, by the simulator's calls {effects}"
        elif effects and landings[-1] < 0:
            yield f"{_of(item)}: step {step} was sent again (call {-landings[-1]}) after it took effect (call {effects[0]})"


def _events(found: RunEvidence) -> Iterator[str]:
    """Each thing that happened has its event, once."""
    settled: dict[int, list[EventRecord]] = defaultdict(list)
    submitted = {event.item_id for event in found.events if event.tag == SUBMITTED}
    skipped_at_once = {event.item_id for event in found.events if event.tag == SUBMITTED and event.detail.get("skipped")}
    of_change: dict[int | None, set[str]] = defaultdict(set)
    for event in found.events:
        of_change[event.change_id].add(event.tag)
        if event.tag == SETTLED and event.item_id is not None:
            settled[event.item_id].append(event)
    for item in found.items:
        if item.id not in submitted:
            yield f"{_of(item)} has no event of its submit"
        outcomes = [event.detail.get("outcome") for event in settled[item.id]]
        ended_waiting = item.state == "cancelled" and of_change[item.change_id] & ENDS_OF_WAITING
        without = item.state not in FINAL or item.id in skipped_at_once or (ended_waiting and not outcomes)
        if outcomes != ([] if without else [item.state]):
            yield f"{_of(item)} is {item.state}, and its events of an outcome say {outcomes}"
    for change_id, state in found.change_states.items():
        ends = sum(event.tag == FINISHED and event.change_id == change_id for event in found.events)
        if ends != (state == "finished"):
            yield f"change {change_id} is {state}, with {ends} events of its finish"


def _calls_reported(found: RunEvidence) -> Iterator[str]:
    """Each call to Tradovate was announced in the trail before it was made, and its end was told."""
    of_call: dict[int, list[EventRecord]] = defaultdict(list)
    for event in found.events:
        if event.call_id is not None:
            of_call[event.call_id].append(event)
    for call in _writes(found):
        tags = [event.tag for event in sorted(of_call[call.id], key=lambda event: event.id)]
        if tags[:1] != [CLAIMED]:
            yield f"call {call.id} of items {call.items} was made without an event of its claim"
        if call.state != "open" and not ENDS_OF_CALLS & set(tags):
            yield f"call {call.id} of items {call.items} ended {call.state} without an event"


def _calls_claimed(found: RunEvidence) -> Iterator[str]:
    """Whatever arrives at Tradovate was asked for, and is covered by a claim in force: one claim, one call."""
    allowed = Counter(item_id for call in _writes(found) for item_id in call.items)
    arrived = Counter(landing.item_id for landing in found.landings)
    items = {item.id: item for item in found.items}
    for item_id, count in arrived.items():
        if count > allowed[item_id]:
            yield f"{_of(items[item_id])} arrived {count} times at the simulator, on {allowed[item_id]} claims"
    for landing in found.landings:
        if not any(_in_force(call, landing) for call in _writes(found)):
            yield f"{_of(items[landing.item_id])} arrived at {landing.at:%H:%M:%S.%f} (call {landing.id}), when no claim of it was in force"
    for stray in found.strays:
        yield f"no one asked for {stray}"


def _one_at_a_time(found: RunEvidence) -> Iterator[str]:
    """Of one target, one call at a time.

    By the order of their events, which PostgreSQL numbers inside the transactions: a worker's clock is read before its claim.
    """
    items = {item.id: item for item in found.items}
    spans: dict[int, tuple[int, float]] = {}
    for event in sorted(found.events, key=lambda event: event.id):
        if event.call_id is not None and event.tag == CLAIMED:
            spans.setdefault(event.call_id, (event.id, math.inf))
        elif event.call_id in spans and event.tag in ENDS_OF_CALLS and spans[event.call_id][1] == math.inf:
            spans[event.call_id] = (spans[event.call_id][0], event.id)
    by_target: dict[str, list[tuple[int, float, CallRecord, ItemRecord]]] = defaultdict(list)
    for call in _writes(found):
        for item_id in call.items if call.id in spans else ():
            by_target[items[item_id].target].append((*spans[call.id], call, items[item_id]))
    for target, calls in by_target.items():
        calls.sort(key=lambda each: each[0])
        last_end, last = -math.inf, calls[0]
        for span in calls:
            began, ended, call, item = span
            if began < last_end:
                yield f"{target}: call {call.id} of item {item.id} began while call {last[2].id} of item {last[3].id} was under way"
            if ended > last_end:
                last_end, last = ended, span


def _no_429(found: RunEvidence) -> Iterator[str]:
    """We never draw a 429 ourselves."""
    yield from found.silenced


def _no_event_no_call(found: RunEvidence) -> Iterator[str]:
    """While the trail takes no event, nothing leaves but what was claimed before."""
    for began, ended in found.trail_full:
        for landing in found.landings:
            before = [call for call in _writes(found) if call.started_at <= began and _in_force(call, landing)]
            if began < landing.at < ended and not before:
                yield f"the simulator's call {landing.id} came at {landing.at:%H:%M:%S.%f}, while no event could be written"


def _requests_allowed(found: RunEvidence) -> Iterator[str]:
    """Each request is one that the pages of its operation allow."""
    yield from found.requests


def _faults_worked(found: RunEvidence) -> Iterator[str]:
    """What the faults themselves had to complain of."""
    yield from found.complaints


RULES: Final[dict[str, Rule]] = {
    "unsettled": _settled,
    "unknown without need": _unknown_with_reason,
    "false applied": _truly_applied,
    "false rejected": _truly_rejected,
    "overwritten": _nothing_overwritten,
    "effect twice": _once,
    "event missing": _events,
    "call without event": _calls_reported,
    "call without claim": _calls_claimed,
    "two at once": _one_at_a_time,
    "429 caused": _no_429,
    "call without trail": _no_event_no_call,
    "request": _requests_allowed,
    "fault": _faults_worked,
}


def _writes(found: RunEvidence) -> Sequence[CallRecord]:
    return [call for call in found.calls if call.purpose == "write"]


def _in_force(call: CallRecord, landing: Landing) -> bool:
    """Say whether a landing falls into the time between a call's claim and its end."""
    began, ended = call.started_at - TOLERANCE, (call.ended_at or landing.at) + TOLERANCE
    return landing.item_id in call.items and began <= landing.at <= ended


def _last_unknown(item: ItemRecord, found: RunEvidence) -> EventRecord | None:
    """Return the last event that says of an item that its outcome is unknown, alone or with others of its call."""
    calls = {call.id for call in found.calls if item.id in call.items}
    reported = [
        event
        for event in found.events
        if event.tag == UNKNOWN and (event.item_id == item.id or (event.item_id is None and event.call_id in calls))
    ]
    return max(reported, key=lambda event: event.id, default=None)


def _of(item: ItemRecord) -> str:
    return f"item {item.id} ({item.kind}, {item.target}, change {item.change_id})"
