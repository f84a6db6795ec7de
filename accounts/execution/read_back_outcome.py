"""What a reading decides about items: an outcome, the next step, another read later, or that a person has to decide."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Max
from django.db.models.functions import Greatest
from django.utils import timezone

from accounts.changes.audit_events import item_event
from accounts.changes.ending import half_done
from accounts.changes.kinds.kind import Finding, Kind, Unread
from accounts.changes.kinds.stored import State
from accounts.changes.kinds.units import LEFT_OUT
from accounts.changes.models import Item
from accounts.changes.moving import move_items
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.basis import basis
from accounts.execution.models import Call, CallState, Purpose
from accounts.execution.settle import answer_detail, leave_unknown, record_item_events, settle
from accounts.execution.timing import (
    CONFIRM_AGAIN,
    EFFECT_WITHIN,
    UNKNOWN_ENDS_MAX,
    WATCHED_EVERY,
    WATCHED_FOR,
)
from riskadmin.audit.actions import record_all
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Lane

LEFT_WITHOUT_PROOF: Final = frozenset({CallState.UNKNOWN, CallState.ANSWERED})
"""Ends of calls that Tradovate may have carried out."""

COMPARISON_ERRORS: Final = (ArithmeticError, LookupError, TypeError, ValueError)
"""What comparing an item with a reading may raise, if one of them holds what no code expected."""

OUTCOMES: Final = {Finding.APPLIED: ItemState.APPLIED, Finding.UNCHANGED: ItemState.UNCHANGED}


@dataclass(frozen=True, kw_only=True)
class ReadEvidence:
    """What was read about some targets, when the reading began, and by which call, if a call was made for these items.

    `gone` are targets for which Tradovate returned 404. `source` says in words which reading it was, if it was made for another
    reason.
    """

    kind: Kind
    observed: Mapping[int, State]
    unread: Mapping[int, Unread]
    read_at: datetime
    origin: Origin
    calls: Mapping[int, tuple[Call, HttpRecord]] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    source: str = ""

    def call_of(self, item: Item) -> Call | None:
        """Return the call whose response included an item."""
        found = self.calls.get(item.target_id)
        return found[0] if found else None

    def detail_of(self, item: Item) -> dict[str, Any]:
        """Return what an audit event repeats of the response that included an item."""
        found = self.calls.get(item.target_id)
        return answer_detail(found[1] if found else None)


@dataclass(frozen=True)
class _Group:
    """Items for which a reading shows the same, and which are in the response of one call."""

    came_from: ItemState
    finding: Finding | None
    refusal: str
    words: str
    may_come: bool
    call_id: int | None


def apply_reading(items: Sequence[Item], evidence: ReadEvidence) -> None:
    """Settle the items of one change by what was read, or set when to read them again. Needs an open transaction."""
    groups: dict[_Group, list[Item]] = defaultdict(list)
    for item in items:
        groups[_group(item, evidence)].append(item)
    for group, alike in groups.items():
        _apply(group, alike, evidence)


def _group(item: Item, evidence: ReadEvidence) -> _Group:
    call = evidence.call_of(item)
    observed = evidence.observed.get(item.target_id)
    unread = evidence.unread.get(item.target_id, LEFT_OUT) if observed is None else None
    finding, words = None, unread.why if unread else ""
    if item.refusal and item.target_id in evidence.gone:
        finding, unread = Finding.NOT_APPLIED, None  # refused, and nothing exists that could have changed
    if observed is not None:
        before, after = basis(evidence.kind, item)
        finding = evidence.kind.interpret_read_back(before=before, after=after, observed=observed, step=item.step)
        if finding == Finding.ELSEWHERE:
            words = evidence.kind.doubt(before=before, after=after, observed=observed, step=item.step)
    return _Group(
        came_from=ItemState(item.state),
        finding=finding,
        refusal=item.refusal,
        words=words,
        may_come=unread.may_come if unread else False,
        call_id=call.pk if call else None,
    )


def _apply(group: _Group, items: Sequence[Item], evidence: ReadEvidence) -> None:
    match group.finding:
        case None if group.may_come:
            _look_again(items, group, evidence)
        case None | Finding.ELSEWHERE:
            _leave_to_people(items, group.came_from, group.words, evidence)
        case Finding.NOT_APPLIED if group.refusal:
            _refused(items, group, evidence)
        case Finding.NOT_APPLIED if group.came_from == ItemState.SENT:
            _not_yet(items, evidence)
        case Finding.NOT_APPLIED:
            _did_nothing(items, evidence)
        case finding:
            _reached(_proven(items, group, evidence), group, OUTCOMES[finding], evidence)


# --- The effect is there ------------------------------------------------------------------------------------------------


def _proven(items: Sequence[Item], group: _Group, evidence: ReadEvidence) -> list[Item]:
    """Return the items whose effect is proven. A row missing from one response may only have been left out of it."""
    if group.came_from == ItemState.SENT and not group.refusal:
        return list(items)  # Tradovate accepted the call, and the reading agrees
    proven, unproven = [], []
    for item in items:
        is_first = (
            item.seen_at is None or evidence.read_at < item.seen_at + WATCHED_EVERY or not _was_shown_before(item, evidence)
        )
        if evidence.kind.proven_by_absence(item.after or {}) and is_first:
            unproven.append(item)
        else:
            proven.append(item)
    if unproven:
        note = "It is gone from one answer; a second one has to show it before it counts as removed"
        keep_seen(unproven, evidence)
        again_at = timezone.now() + WATCHED_EVERY
        waiting = Item.objects.filter(pk__in=[item.pk for item in unproven], state=group.came_from)
        # An answered item keeps its lease until then; GREATEST ignores the NULL that an unknown item has.
        waiting.filter(lease_until=None).update(not_before=again_at, note=note)
        waiting.exclude(lease_until=None).update(
            not_before=again_at, note=note, lease_until=Greatest("lease_until", again_at + WATCHED_EVERY)
        )
    return proven


def _was_shown_before(item: Item, evidence: ReadEvidence) -> bool:
    if item.observed is None:
        return False
    before, after = basis(evidence.kind, item)
    return evidence.kind.interpret_read_back(before=before, after=after, observed=item.observed, step=item.step).is_as_intended


def _reached(items: Sequence[Item], group: _Group, outcome: ItemState, evidence: ReadEvidence) -> None:
    """The step is done: the next one is queued, or the item has its outcome."""
    if not items:
        return
    step, steps = items[0].step, evidence.kind.steps  # a batch is read at one step of its items
    call = evidence.call_of(items[0])
    if step + 1 == len(steps):
        for note, alike in _by_note(items, group, evidence).items():
            settle(
                alike,
                came_from=group.came_from,
                to=outcome,
                note=note,
                observed=evidence.observed,
                call=call,
                origin=evidence.origin,
                detail=evidence.detail_of(alike[0]),
                seen_at=evidence.read_at,
            )
        return
    moved = move_items(
        items,
        came_from=group.came_from,
        to=ItemState.QUEUED,
        step=step + 1,
        attempts=0,
        not_before=None,
        lease_until=None,
        ticket="",
        refusal="",
        note=f"Done: {steps[step]}",
    )
    keep_seen(moved, evidence)
    record_item_events(Tag.ITEM_STEP_DONE, moved, origin=evidence.origin, call=call, detail={"text": steps[step]})


def _by_note(items: Sequence[Item], group: _Group, evidence: ReadEvidence) -> dict[str, list[Item]]:
    """Return items by the note to write for an effect whose call was not simply accepted."""
    if group.refusal:
        return {f"{group.refusal}. It is as intended all the same: {_shown(evidence)}": list(items)}
    if group.came_from == ItemState.SENT and not evidence.source:
        return {"": list(items)}
    notes: dict[str, list[Item]] = defaultdict(list)
    answered = _last_answers(items)
    for item in items:
        status, note = answered.get(item.pk, (None, ""))
        summary = "No answer came" if status is None else note.rstrip(".") or "Tradovate answered"
        notes[f"{summary}, but {_shown(evidence)}"].append(item)
    return notes


def _shown(evidence: ReadEvidence) -> str:
    return f"{evidence.source or 'the read-back'} shows it"


def _last_answers(items: Sequence[Item]) -> dict[int, tuple[int | None, str]]:
    """Return the status and note of the last write call of each item, by the item's key."""
    calls = Call.objects.filter(items__in=items, purpose=Purpose.WRITE).order_by("pk")
    return {item: (status, note) for item, status, note in calls.values_list("items__pk", "status", "note")}


# --- The effect is not there --------------------------------------------------------------------------------------------


def _refused(items: Sequence[Item], group: _Group, evidence: ReadEvidence) -> None:
    """Tradovate refused the call and nothing happened: rejected, as soon as a late effect can be ruled out."""
    over: list[Item] = []
    early: dict[datetime, list[Item]] = defaultdict(list)
    ends = _ends_of_calls(items)
    for item in items:
        certain_at = ends.get(item.pk, item.claimed_at or evidence.read_at) + EFFECT_WITHIN
        if evidence.kind.refuted_by_absence(item.after or {}) and not _was_seen_since(item, certain_at):
            early[max(certain_at, evidence.read_at + WATCHED_EVERY)].append(item)
        elif evidence.read_at >= certain_at:
            over.append(item)
        else:
            early[certain_at].append(item)
    if over:
        settle(
            over,
            came_from=group.came_from,
            to=ItemState.REJECTED,
            note=half_done(evidence.kind.steps, over[0].step) + group.refusal,
            observed=evidence.observed,
            call=evidence.call_of(over[0]),
            origin=evidence.origin,
            detail=evidence.detail_of(over[0]),
            seen_at=evidence.read_at,
        )
    note = f"{group.refusal}. Nothing has happened so far; it is read back once more, as an effect may come late."
    waiting = [item for alike in early.values() for item in alike]
    if group.came_from == ItemState.SENT and waiting:
        # Unknown and not under way: another call for the target, such as a second lock, need not wait for it.
        moved = move_items(
            waiting, came_from=ItemState.SENT, to=ItemState.UNKNOWN, not_before=min(early), lease_until=None, note=note
        )
        call = evidence.call_of(waiting[0])
        record_item_events(Tag.ITEM_UNKNOWN, moved, origin=evidence.origin, call=call, detail={"text": note})
    _read_again_at(early)
    keep_seen(waiting, evidence)


def _was_seen_since(item: Item, at: datetime) -> bool:
    """Say whether an earlier reading, begun after that time, has already included an item."""
    return item.seen_at is not None and item.seen_at >= at


def _read_again_at(times: Mapping[datetime, Sequence[Item]]) -> None:
    """Set when each of the unknown items is read again; those of one call have the same time, however many they are."""
    for at, items in times.items():
        Item.objects.filter(pk__in=[item.pk for item in items], state=ItemState.UNKNOWN).update(not_before=at)


def _ends_of_calls(items: Sequence[Item]) -> dict[int, datetime]:
    """Return when the last call of each item that was refused or had an unclear end ended, by the item's key."""
    unclear = (CallState.REJECTED, CallState.UNKNOWN)
    calls = Call.objects.filter(items__in=items, purpose=Purpose.WRITE, state__in=unclear)
    return dict(calls.values_list("items__pk").annotate(Max("ended_at")).order_by())


def _not_yet(items: Sequence[Item], evidence: ReadEvidence) -> None:
    """Tradovate accepted the call but still shows the old state: read again for a while, then it is unknown.

    For a call that may change nothing this is the outcome, as soon as a late effect can be ruled out.
    """
    if evidence.kind.answer_may_change_nothing:
        over = [item for item in items if item.claimed_at and evidence.read_at >= item.claimed_at + EFFECT_WITHIN]
        if over:
            settle(
                over,
                came_from=ItemState.SENT,
                to=ItemState.UNCHANGED,
                note="",
                observed=evidence.observed,
                call=evidence.call_of(over[0]),
                origin=evidence.origin,
                detail=evidence.detail_of(over[0]),
                seen_at=evidence.read_at,
            )
        done = {item.pk for item in over}
        items = [item for item in items if item.pk not in done]
    patient = _patient(items, evidence)
    Item.objects.filter(pk__in=patient, state=ItemState.SENT).update(not_before=timezone.now() + CONFIRM_AGAIN)
    note = "Tradovate took the call, but still shows the target as it was"
    late = move_items(
        [item for item in items if item.pk not in patient],
        came_from=ItemState.SENT,
        to=ItemState.UNKNOWN,
        not_before=timezone.now(),
        lease_until=None,
        note=note,
    )
    keep_seen(late, evidence)
    if late:
        record_item_events(
            Tag.ITEM_UNKNOWN, late, origin=evidence.origin, call=evidence.call_of(late[0]), detail={"text": note}
        )


def _patient(items: Sequence[Item], evidence: ReadEvidence) -> set[int]:
    """Return the keys of answered items that may wait longer for their effect: nothing urgent waits for them.

    The others become unknown, and then they block nothing.
    """
    early = [item for item in items if item.lease_until is None or evidence.read_at < item.lease_until]
    if not early or early[0].change.lane == Lane.URGENT:
        return {item.pk for item in early}
    urgent = Item.objects.filter(
        target__in=[item.target for item in early],
        state=ItemState.QUEUED,
        change__state=ChangeState.RUNNING,
        change__lane=Lane.URGENT.value,
    )
    waited_for = set(urgent.values_list("target", flat=True))
    return {item.pk for item in early if item.target not in waited_for}


def _did_nothing(items: Sequence[Item], evidence: ReadEvidence) -> None:
    """An unknown call shows no effect: send again what may be sent again, once a late effect can be ruled out.

    That is counted from the call's end, not its beginning: Tradovate may carry out a call that we no longer wait for.
    """
    resendable = may_be_sent_again(evidence.kind, items)
    ends = _ends_of_calls(items)
    again, to_people = [], []
    later: dict[datetime, list[Item]] = defaultdict(list)
    for item in items:
        may_go_again = item.pk in resendable
        over_at = ends.get(item.pk) or item.claimed_at or evidence.read_at
        certain_at = over_at + (EFFECT_WITHIN if may_go_again else WATCHED_FOR)
        if evidence.read_at < certain_at:
            later[min(certain_at, max(over_at + EFFECT_WITHIN, evidence.read_at + WATCHED_EVERY))].append(item)
        elif may_go_again:
            again.append(item)
        else:
            to_people.append(item)
    _read_again_at(later)
    note = "The read-back shows no effect; sent again"
    moved = move_items(again, came_from=ItemState.UNKNOWN, to=ItemState.QUEUED, not_before=None, note=note)
    if moved:
        record_item_events(
            Tag.ITEM_RESENT, moved, origin=evidence.origin, call=evidence.call_of(moved[0]), detail={"text": note}
        )
    reason = "The read-back shows no effect, and it is not sent again by itself"
    _leave_to_people(to_people, ItemState.UNKNOWN, reason, evidence)


def may_be_sent_again(kind: Kind, items: Sequence[Item]) -> set[int]:
    """Return the keys of the items whose call, which had no effect, may be made again automatically."""
    safe = [item for item in items if kind.is_resend_safe(item.step)]
    fruitless = _fruitless_calls(safe)
    return {item.pk for item in safe if fruitless[item.pk] < UNKNOWN_ENDS_MAX}


def _fruitless_calls(items: Sequence[Item]) -> Counter[int]:
    """Return how many calls of the current step were sent for each item and had no effect; by the item's key."""
    calls = Call.objects.filter(items__in=items, purpose=Purpose.WRITE).order_by("-pk")
    attempts = {item.pk: item.attempts for item in items}
    newest: Counter[int] = Counter()
    fruitless: Counter[int] = Counter()
    for item_id, state in calls.values_list("items__pk", "state"):
        newest[item_id] += 1
        # `attempts` counts the claims of a step from its beginning: older calls belong to earlier steps.
        if newest[item_id] <= attempts.get(item_id, 0) and state in LEFT_WITHOUT_PROOF:
            fruitless[item_id] += 1
    return fruitless


# --- The reading is not conclusive --------------------------------------------------------------------------------------


def _look_again(items: Sequence[Item], group: _Group, evidence: ReadEvidence) -> None:
    """A target was left out of the responses: read again for a while, since missing rows prove nothing; then people decide."""
    at = timezone.now()
    if group.came_from == ItemState.SENT:
        patient = _patient(items, evidence)
        Item.objects.filter(pk__in=patient, state=ItemState.SENT).update(not_before=at + CONFIRM_AGAIN, note=group.words)
        late = [item for item in items if item.pk not in patient]
        moved = move_items(
            late,
            came_from=ItemState.SENT,
            to=ItemState.UNKNOWN,
            not_before=at + WATCHED_EVERY,
            lease_until=None,
            note=group.words,
        )
        if moved:
            call = evidence.call_of(moved[0])
            record_item_events(Tag.ITEM_UNKNOWN, moved, origin=evidence.origin, call=call, detail={"text": group.words})
        return
    ends = _ends_of_calls(items)
    watched: timedelta = WATCHED_FOR + EFFECT_WITHIN
    over = [item for item in items if evidence.read_at >= (ends.get(item.pk) or item.claimed_at or at) + watched]
    keys = {item.pk for item in over}
    again = [item.pk for item in items if item.pk not in keys]
    Item.objects.filter(pk__in=again, state=ItemState.UNKNOWN).update(not_before=at + WATCHED_EVERY, note=group.words)
    _leave_to_people(over, ItemState.UNKNOWN, group.words, evidence)


def _leave_to_people(items: Sequence[Item], came_from: ItemState, note: str, evidence: ReadEvidence) -> None:
    """Keep items unknown, without a time to read them again: a person has to decide, unless a later reading proves them."""
    if not items:
        return
    is_refused = bool(items[0].refusal)
    summary = f"{items[0].refusal}. {note}" if is_refused else note
    left = leave_unknown(items, came_from, summary)
    keep_seen(left, evidence)
    record_all(
        item_event(
            Tag.ITEM_UNKNOWN,
            item,
            origin=evidence.origin,
            call_id=call.pk if (call := evidence.call_of(item)) else None,
            detail={"text": summary, "needs_person": True, "observed": item.observed},
        )
        for item in left
    )


def keep_seen(items: Sequence[Item], evidence: ReadEvidence) -> None:
    """Record what a reading showed about items, and when it began; what earlier steps' readings showed is kept as well."""
    seen = [item for item in items if item.target_id in evidence.observed]
    for item in seen:
        item.observed = {**(item.observed or {}), **evidence.observed[item.target_id]}
        item.seen_at = evidence.read_at
    Item.objects.bulk_update(seen, ["observed", "seen_at"], batch_size=1000)
