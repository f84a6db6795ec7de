"""Making calls: read the targets first if their state matters, claim them, and call. `call_results` handles the results."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from accounts.changes.audit_events import item_event
from accounts.changes.kinds import sendable
from accounts.changes.kinds.kind import Kind, Lookup, Unread
from accounts.changes.models import Change, Item
from accounts.changes.scheduling.hours import HoursUnknown
from accounts.changes.scheduling.timing import closed_until
from accounts.changes.states import ItemState
from accounts.changes.tracking.control import close_window
from accounts.execution.claim import Claim, claim, extend_lease
from accounts.execution.queue import first_items
from accounts.execution.settle import hold
from accounts.execution.timing import JUST_READ, LONGEST_READING_LEASE, SAME_HOLD_WITHIN, UNREAD_AGAIN, waiting_s
from accounts.gateway.connection import NotConnected, client
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.logs.context import log_fields
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import Rejected, TradovateError
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.permit import Reservation
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

NOT_FOUND = 404

NOT_KEPT: Final = Unread(why="What Tradovate said of it can't be kept here", may_come=False)

BATCHES_READ_AHEAD: Final = 2
"""This many batches are read together: what was read just now is not read again for the next one."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A call that was made or tried, and how it ended: with an HTTP record, or with an error.

    `lookup` says, when Tradovate refused a batch because of an unknown id, which ids it has and which it does not have;
    `lookup_error` why that is not known.
    """

    claim: Claim
    http_record: HttpRecord | None = None
    error: TradovateError | None = None
    lookup: Lookup | None = None
    lookup_error: TradovateError | None = None


def targets_to_read(change: Change, *, calls: int) -> list[int]:
    """Return the targets that must be read before the next `calls` calls of a change are claimed; asks PostgreSQL only.

    A reading made just now is good enough, unless another call for the target had an unclear end: it may have changed the
    target since. One read also covers later calls, as far as it costs no more.
    """
    kind = sendable(change)
    now = timezone.now()
    if not kind.is_read_back or not any(map(kind.requires_unchanged_state, range(len(kind.steps)))) or _is_closed(change, now):
        return []
    needed = calls if kind.batch_size == 1 else kind.batch_size
    good_since = now - JUST_READ
    if not _to_read(kind, first_items(change, now, count=needed), good_since):
        return []
    ahead = max(needed, kind.read_at_once) if kind.batch_size == 1 else BATCHES_READ_AHEAD * kind.batch_size
    return _to_read(kind, first_items(change, now, count=ahead), good_since)


def read_targets(change: Change, ids: Sequence[int], *, origin: Origin) -> datetime | None:
    """Update the mirror for targets of a change; return since when its targets count as read, None if it failed.

    Targets that the response leaves out are not sent: they wait. If nothing can be read, the change is held for a while. Holds
    no connection of PostgreSQL while waiting for Tradovate.
    """
    read_since = timezone.now() - JUST_READ  # the others were read after that
    kind = sendable(change)
    try:
        tradovate = client(Environment(change.environment), Lane(change.lane))
        _read(change, kind, ids, tradovate)
    except (TradovateError, NotConnected) as error:
        _postpone(change, error, origin)
        return None
    return read_since


def next_claims(change: Change, *, calls: int, origin: Origin, read_since: datetime) -> list[Claim]:
    """Claim what may be sent now among the items of a change, for at most `calls` calls.

    If the target's state matters, only those read since `read_since` are claimed. The calls are reserved before they are
    claimed, if their endpoint is known beforehand. When nothing may be sent, the change is held for a while and nothing is
    claimed.
    """
    kind = sendable(change)
    try:
        closed = closed_until(change.window, timezone.now())
        if closed:
            close_window(change, closed, origin=origin)
            return []
        tradovate = client(Environment(change.environment), Lane(change.lane))
        step = _next_step(change, kind)
        if step is None:
            return []
        reservations = _reserved(kind, step, calls if kind.batch_size == 1 else 1, tradovate)
    except (TradovateError, NotConnected, HoursUnknown) as error:
        _postpone(change, error, origin)
        return []
    try:
        if kind.batch_size > 1 or not reservations:
            claims = claim(change, calls=1, origin=origin, read_since=read_since)
        else:
            claims = claim(change, calls=len(reservations), origin=origin, read_since=read_since, step=step)
        for claimed in claims if reservations else ():
            claimed.permit.reservations.append(reservations.pop())
    finally:
        tradovate.release(reservations)
    return claims


def _is_closed(change: Change, now: datetime) -> bool:
    """Say whether the hours forbid sending anything of a change now; if the hours are unknown, the claim reports it."""
    try:
        return bool(closed_until(change.window, now))
    except HoursUnknown:
        return True


def _next_step(change: Change, kind: Kind) -> int | None:
    """Return the step of the next item; None if none may be sent, which a kind with a single call leaves to the claim."""
    if len(kind.steps) == 1:
        return 0
    first = first_items(change, timezone.now(), count=1)
    return first[0].step if first else None


def _reserved(kind: Kind, step: int, calls: int, tradovate: Client) -> list[Reservation]:
    """Reserve the calls of a step; none if its endpoint depends on the target, or is refused anyway."""
    if not kind.endpoints or tradovate.environment not in kind.endpoints[step].environments:
        return []
    return tradovate.reserve(kind.endpoints[step], calls)


def make(claimed: Claim) -> Answered:
    """Make the one call that was claimed. Raises nothing that Tradovate, the network or the budget can cause.

    Holds no connection of PostgreSQL while waiting for Tradovate.
    """
    change = claimed.change
    with log_fields(change=change.pk, call=claimed.call.pk, environment=change.environment, lane=change.lane):
        answer = _make(claimed)
        record_of = answer.http_record or (answer.error.http_record if answer.error else None)
        ended = {"status": record_of.status, "ms": record_of.elapsed_ms} if record_of else {}
        logger.info("Call ended: %s", type(answer.error).__name__ if answer.error else "answered", extra=ended)
    return answer


def _make(claimed: Claim) -> Answered:
    change = claimed.change
    connection.close()
    try:
        tradovate = client(Environment(change.environment), Lane(change.lane))
        http_record = claimed.kind.send(tradovate, claimed.order)
    except Rejected as error:
        if error.status != NOT_FOUND or len(claimed.items) == 1:
            return Answered(claim=claimed, error=error)
        extend_lease(claimed, LONGEST_READING_LEASE)
        return _which_is_unknown(claimed, error, tradovate)
    except TradovateError as error:
        return Answered(claim=claimed, error=error)
    finally:
        connection.close()
        release(claimed)
    return Answered(claim=claimed, http_record=http_record)


def release(claimed: Claim) -> None:
    """Release the reservation of a call that was not made."""
    if claimed.permit.reservations:
        unused = list(claimed.permit.reservations)
        claimed.permit.reservations.clear()
        client(Environment(claimed.change.environment), Lane(claimed.change.lane)).release(unused)


def _which_is_unknown(claimed: Claim, error: Rejected, tradovate: Client) -> Answered:
    """One unknown id made Tradovate refuse a whole batch, and the refusal does not say which: ask."""
    try:
        lookup = claimed.kind.lookup(tradovate, [item.target_id for item in claimed.items])
    except TradovateError as failed:
        return Answered(claim=claimed, error=error, lookup_error=failed)
    return Answered(claim=claimed, error=error, lookup=lookup)


def _read(change: Change, kind: Kind, ids: Sequence[int], tradovate: Client) -> None:
    connection.close()
    began_at = timezone.now()
    unread: dict[int, Unread] = {}
    for reading in kind.read_all(tradovate, ids):
        with transaction.atomic():
            reading.keep()
        unread |= reading.unread
        connection.close()
    left_out = [target_id for target_id, why in unread.items() if why.may_come]
    lookup = kind.lookup(tradovate, left_out) if left_out else None
    if lookup and lookup.gone:
        kind.note_gone(tradovate.environment, lookup.gone)  # the claim settles them
        unread = {target_id: why for target_id, why in unread.items() if target_id not in lookup.gone}
    unread |= _still_old(kind, tradovate.environment, set(ids) - unread.keys(), began_at)
    _let_wait(change, kind, unread)


def _still_old(kind: Kind, environment: Environment, ids: Collection[int], began_at: datetime) -> dict[int, Unread]:
    """Return which targets in the mirror are older than a reading: what was read for them could not be stored."""
    subjects = kind.subjects(environment, sorted(ids))
    kept_at = {target_id: kind.compared_at(subject) for target_id, subject in subjects.items() if not kind.obstacle(subject)}
    return {target_id: NOT_KEPT for target_id, at in kept_at.items() if at is None or at < began_at}


def _let_wait(change: Change, kind: Kind, unread: Mapping[int, Unread]) -> None:
    """Postpone queued items whose targets could not be read: nothing is sent for a target whose state is not known."""
    again_at = timezone.now() + UNREAD_AGAIN
    queued = Item.objects.filter(change=change, state=ItemState.QUEUED)
    by_words: dict[str, list[str]] = defaultdict(list)
    for target_id, why in unread.items():
        by_words[why.why].append(f"{change.environment}:{kind.unit.value}:{target_id}")
    for words, targets in by_words.items():
        queued.filter(target__in=targets).update(not_before=again_at, note=f"Not sent: {words}")


def _to_read(kind: Kind, items: list[Item], good_since: datetime) -> list[int]:
    """Return the ids of the targets that must be read before they are called for."""
    resting = [item for item in items if kind.requires_unchanged_state(item.step)]
    if not resting:
        return []
    subjects = kind.subjects(Environment(resting[0].environment), [item.target_id for item in resting])
    unclear = set(
        Item.objects.filter(target__in=[item.target for item in resting], state=ItemState.UNKNOWN).values_list(
            "target", flat=True
        )
    )
    ids = []
    for item in resting:
        subject = subjects.get(item.target_id)
        if subject is None:
            continue  # the claim settles it
        read_at = kind.compared_at(subject)
        if item.target in unclear or read_at is None or read_at < good_since:
            ids.append(item.target_id)
    return ids


def _ended_long_ago(held_until: datetime | None) -> bool:
    """Say whether a change was held some time ago, so that holding it for the same reason again is news."""
    return held_until is None or held_until < timezone.now() - SAME_HOLD_WITHIN


def _postpone(change: Change, error: TradovateError | NotConnected | HoursUnknown, origin: Origin) -> None:
    """The target could not be read before the call, or no call may be sent, so nothing was sent; its change waits."""
    first = first_items(change, timezone.now(), count=1)
    if not first:
        return
    item, is_news = first[0], change.held_why != str(error) or _ended_long_ago(change.held_until)
    wait_s = waiting_s(error, item.attempts + 1)
    with transaction.atomic():
        waiting = Item.objects.filter(pk=item.pk, state=ItemState.QUEUED).update(note=str(error))
        if waiting and hold(change.pk, wait_s, str(error)) and is_news:
            detail = {"reason": "not_read", "text": str(error), "wait_s": wait_s}
            record(item_event(Tag.ITEM_DEFERRED, item, origin=origin, detail=detail))
