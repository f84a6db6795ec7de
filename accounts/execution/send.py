"""Sending the items of one call: read them first where that matters, claim, call, and write down what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.changes.ending import half_done
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.connection import NotConnected, client
from accounts.execution.claim import Claim, claim, sendable
from accounts.execution.models import CallState
from accounts.execution.settle import answer_detail, end_call, happening, move, settle, tell
from accounts.execution.timing import CONFIRM_WITHIN, JUST_READ, WAIT_FIRST_S, WAIT_LAST_S
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import NotHandled, OutcomeUnknown, Rejected, TradovateError, WrongEnvironment
from riskadmin.tradovate.exchange import Exchange
from riskadmin.tradovate.vocabulary import Environment, Lane

OK, NOT_FOUND = 200, 404


def send_item(item_id: int, *, origin: Origin) -> None:
    """Carry one queued item as far as Tradovate's answer. Safe to call at any time, any number of times.

    Afterwards the item is `sent` (to be confirmed by a read-back), `rejected`, `unknown`, skipped, or queued again with a time.
    """
    _send_next(Item.objects.filter(pk=item_id), origin)


def send_batch(change_id: int, *, origin: Origin) -> bool:
    """Make the next call of a change whose kind takes many items a call; return whether there was one to make."""
    return _send_next(Item.objects.filter(change_id=change_id), origin)


def _send_next(wanted: QuerySet[Item], origin: Origin) -> bool:
    first = wanted.filter(pk__in=sendable(timezone.now()).values("pk")).select_related("change").order_by("position").first()
    if first is None:
        return False
    change = first.change
    kind = KINDS[change.kind].of(change.parameters)
    try:
        tradovate = client(Environment(change.environment), Lane(change.lane))
        _read_first(kind, first, tradovate)
    except (TradovateError, NotConnected) as error:
        _postpone(first, error, origin)
        return False
    claimed = claim(wanted, origin=origin)
    if claimed is None:
        return False
    # The connection goes back to the pool: nothing of PostgreSQL's is held while Tradovate is waited for.
    connection.close()
    try:
        exchange = kind.send(tradovate, claimed.order)
    except Rejected as error:
        if error.status == NOT_FOUND and len(claimed.items) > 1:
            _isolate(claimed, error, tradovate, origin)
        else:
            _rejected(claimed, error, origin)
    except WrongEnvironment as error:
        _rejected(claimed, error, origin)
    except NotHandled as error:
        _not_handled(claimed, error, origin)
    except OutcomeUnknown as error:
        _unknown(claimed, error, origin)
    else:
        _answered(claimed, exchange, origin)
    return True


def _read_first(kind: Kind[Any], item: Item, tradovate: Client) -> None:
    """Bring the mirror up to now for a single target that is only right while it stands as it was shown.

    What was read just now is good enough, unless another call for the target ended unclear: it may have changed it since. A
    batch rests on the reading that its plan was made from, and on what every full read since has found.
    """
    if not kind.rests_on(item.step) or kind.batch_size > 1 or not kind.is_read_back:
        return
    subject = kind.subjects(Environment(item.environment), [item.target_id]).get(item.target_id)
    if subject is None:
        return
    read_at = kind.read_at(subject)
    unclear = Item.objects.filter(target=item.target, state=ItemState.UNKNOWN).exists()
    if not unclear and read_at and read_at > timezone.now() - JUST_READ:
        return
    connection.close()
    for reading in kind.read_all(tradovate, [item.target_id]):
        with transaction.atomic():
            reading.keep()
        connection.close()


def _answered(claimed: Claim, exchange: Exchange, origin: Origin) -> None:
    """Tradovate took the call. That is not an outcome yet: the read-back is due at once, where there is one."""
    now = timezone.now()
    with transaction.atomic():
        end_call(claimed.call, state=CallState.ANSWERED, exchange=exchange)
        tell(Tag.ITEM_SENT, claimed.items, origin=origin, call=claimed.call, detail=answer_detail(exchange))
        if claimed.kind.is_read_back:
            move(
                claimed.items,
                came_from=ItemState.SENDING,
                to=ItemState.SENT,
                not_before=now,
                lease_until=now + CONFIRM_WITHIN,
                ticket="",
            )
        else:
            settle(
                claimed.items,
                came_from=ItemState.SENDING,
                to=ItemState.APPLIED,
                note="Tradovate says so; it offers no way to read it back",
                origin=origin,
                call=claimed.call,
                detail=answer_detail(exchange),
            )


def _rejected(claimed: Claim, error: Rejected | WrongEnvironment, origin: Origin) -> None:
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, exchange=error.exchange, note=error.message)
        _settle_rejected(claimed, claimed.items, _refusal_words(error), error.exchange, origin)


def _isolate(claimed: Claim, error: Rejected, tradovate: Client, origin: Origin) -> None:
    """One unknown id has refused a whole batch: find it by a read, reject it alone, and queue the others again."""
    try:
        known = claimed.kind.lookup(tradovate, [item.target_id for item in claimed.items])
    except TradovateError as failed:
        note = f"One of the ids is unknown to Tradovate, and which one can't be read now: {failed.message}"
        wait_s = _wait_s(failed, claimed.items[0].attempts)
        _put_back(claimed, claimed.items, PutBack(note=note, wait_s=wait_s, exchange=error.exchange), origin)
        return
    unknown = [] if known is None else [item for item in claimed.items if item.target_id not in known]
    if not unknown:
        _rejected(claimed, error, origin)
        return
    rest = [item for item in claimed.items if item.target_id in (known or ())]
    with transaction.atomic():
        words = f"{_refusal_words(error)}: it does not know this id"
        _settle_rejected(claimed, unknown, words, error.exchange, origin)
    left_out = f"{len(unknown)} unknown id{'' if len(unknown) == 1 else 's'} left out, sent again without"
    _put_back(claimed, rest, PutBack(note=left_out, wait_s=0.0, exchange=error.exchange), origin)


def _not_handled(claimed: Claim, error: NotHandled, origin: Origin) -> None:
    """The call certainly had no effect: the items wait in their queue, with the ticket if Tradovate gave one."""
    first = claimed.items[0]
    why = PutBack(
        note=error.message,
        wait_s=_wait_s(error, first.attempts),
        exchange=error.exchange,
        ticket=error.ticket or first.ticket,
        reason=error.reason.value,
    )
    _put_back(claimed, claimed.items, why, origin)


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Why items go back into their queue after a call that certainly had no effect, and for how long they wait."""

    note: str
    wait_s: float
    exchange: Exchange | None
    ticket: str = ""
    reason: str = ""


def _put_back(claimed: Claim, items: Sequence[Item], why: PutBack, origin: Origin) -> None:
    with transaction.atomic():
        end_call(claimed.call, state=CallState.NOT_HANDLED, exchange=why.exchange, note=why.note)
        moved = move(
            items,
            came_from=ItemState.SENDING,
            to=ItemState.QUEUED,
            not_before=timezone.now() + timedelta(seconds=why.wait_s),
            dispatched_at=None,
            lease_until=None,
            ticket=why.ticket,
            note=why.note,
        )
        detail = {"reason": why.reason, "text": why.note, "wait_s": why.wait_s, **answer_detail(why.exchange)}
        tell(Tag.ITEM_DEFERRED, moved, origin=origin, call=claimed.call, detail=detail)


def _unknown(claimed: Claim, error: OutcomeUnknown, origin: Origin) -> None:
    """Nobody knows whether the call had its effect: it is read back, at once and for a while, where that can be done."""
    readable = claimed.kind.is_read_back
    with transaction.atomic():
        end_call(claimed.call, state=CallState.UNKNOWN, exchange=error.exchange, note=error.message)
        moved = move(
            claimed.items,
            came_from=ItemState.SENDING,
            to=ItemState.UNKNOWN,
            not_before=timezone.now() if readable else None,
            lease_until=None,
            note=error.message,
        )
        detail = {"text": error.message, "needs_person": not readable, **answer_detail(error.exchange)}
        tell(Tag.ITEM_UNKNOWN, moved, origin=origin, call=claimed.call, detail=detail)


def _postpone(item: Item, error: TradovateError | NotConnected, origin: Origin) -> None:
    """The target could not be read before the call, so nothing was sent; the item waits its time in the queue."""
    wait_s = _wait_s(error, item.attempts + 1)
    with transaction.atomic():
        waiting = Item.objects.filter(pk=item.pk, state=ItemState.QUEUED).update(
            not_before=timezone.now() + timedelta(seconds=wait_s),
            dispatched_at=None,
            note=str(error),
        )
        if waiting:
            detail = {"reason": "not_read", "text": str(error), "wait_s": wait_s}
            record(happening(Tag.ITEM_DEFERRED, item, origin=origin, detail=detail))


def _settle_rejected(claimed: Claim, items: Sequence[Item], words: str, exchange: Exchange | None, origin: Origin) -> None:
    settle(
        items,
        came_from=ItemState.SENDING,
        to=ItemState.REJECTED,
        note=half_done(claimed.kind.steps, items[0].step) + words,
        origin=origin,
        call=claimed.call,
        detail=answer_detail(exchange),
    )


def _refusal_words(error: Rejected | WrongEnvironment) -> str:
    if not isinstance(error, Rejected):
        return error.message
    status = "" if error.status == OK else f" (HTTP {error.status})"
    return f"Tradovate answered: {error.message}{status}"


def _wait_s(error: TradovateError | NotConnected, attempts: int) -> float:
    """Return how many seconds to wait: what Tradovate or the budget says, else doubling with each attempt."""
    if isinstance(error, NotHandled) and error.retry_after_s is not None:
        return max(error.retry_after_s, 0.1)
    return min(WAIT_FIRST_S * 2.0 ** (max(attempts, 1) - 1), WAIT_LAST_S)
