"""What becomes of items when their call has ended: each ending is written down in one transaction with its events."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.changes.ending import half_done
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.execution.claim import Claim
from accounts.execution.models import CallState
from accounts.execution.send import Answered
from accounts.execution.settle import (
    about,
    answer_detail,
    end_call,
    end_calls,
    hold,
    move,
    settle,
    still_in,
    tell,
)
from accounts.execution.timing import CONFIRM_WITHIN, waiting_s
from riskadmin.audit.actions import record_all
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.exchange import Exchange

logger = logging.getLogger(__name__)

OK = 200


def write_down(answers: Sequence[Answered], *, read_back_at: datetime, origin: Origin) -> None:
    """Write down how calls ended. Afterwards no item of theirs is `sending`, and every call row has its end.

    What Tradovate took is `sent`, to be read back from `read_back_at` on. Each ending is a transaction of its own, but for
    those without an error, which are one for each change; an item that somebody else has moved meanwhile stays as it is.
    """
    clean: dict[int, list[Answered]] = defaultdict(list)
    for answer in answers:
        if answer.error is None and answer.claim.kind.is_read_back:
            clean[answer.claim.change.pk].append(answer)
        else:
            _write_down(answer, origin)
    for of_one in clean.values():
        _taken(of_one, read_back_at, origin)


def _write_down(answer: Answered, origin: Origin) -> None:
    error = answer.error
    if error is None:
        _done(answer, origin)
    elif isinstance(error, NotHandled):
        _not_handled(answer.claim, error, origin)
    elif isinstance(error, OutcomeUnknown):
        _unknown(answer.claim, error, origin)
    elif answer.lookup_error or answer.known is not None:
        _isolate(answer, error, origin)
    else:
        _rejected(answer.claim, error, origin)


def _taken(answers: Sequence[Answered], read_back_at: datetime, origin: Origin) -> None:
    """Tradovate took the calls. That is not an outcome yet: the read-back tells."""
    with transaction.atomic():
        end_calls([(answer.claim.call, answer.exchange) for answer in answers if answer.exchange])
        there = {
            item.pk
            for item in move(
                [item for answer in answers for item in answer.claim.items],
                came_from=ItemState.SENDING,
                to=ItemState.SENT,
                not_before=read_back_at,
                lease_until=read_back_at + CONFIRM_WITHIN,
                ticket="",
            )
        }
        happenings = []
        for answer in answers:
            items = [item for item in answer.claim.items if item.pk in there]
            detail = answer_detail(answer.exchange)
            happenings += about(Tag.ITEM_SENT, items, origin=origin, call=answer.claim.call, detail=detail)
        record_all(happenings)


def _done(answer: Answered, origin: Origin) -> None:
    """Tradovate took a call of a kind that it offers no read for: its answer is all there is."""
    claimed = answer.claim
    with transaction.atomic():
        end_call(claimed.call, state=CallState.ANSWERED, exchange=answer.exchange)
        detail = answer_detail(answer.exchange)
        there = still_in(claimed.items, ItemState.SENDING)
        tell(Tag.ITEM_SENT, there, origin=origin, call=claimed.call, detail=detail)
        settle(
            there,
            came_from=ItemState.SENDING,
            to=ItemState.APPLIED,
            note="Tradovate says so; it offers no way to read it back",
            origin=origin,
            call=claimed.call,
            detail=detail,
        )


def _rejected(claimed: Claim, error: TradovateError, origin: Origin) -> None:
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, exchange=error.exchange, note=error.message)
        _settle_rejected(claimed, claimed.items, _refusal_words(error), error.exchange, origin)


def _isolate(answer: Answered, error: TradovateError, origin: Origin) -> None:
    """One unknown id has refused a whole batch: reject it alone, and queue the others again."""
    claimed, failed = answer.claim, answer.lookup_error
    if failed:
        note = f"One of the ids is unknown to Tradovate, and which one can't be read now: {failed.message}"
        wait_s = waiting_s(failed, claimed.items[0].attempts)
        _put_back(claimed, claimed.items, PutBack(note=note, wait_s=wait_s, exchange=error.exchange), origin)
        return
    known = answer.known or set()
    unknown = [item for item in claimed.items if item.target_id not in known]
    if not unknown:
        _rejected(claimed, error, origin)
        return
    rest = [item for item in claimed.items if item.target_id in known]
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
        wait_s=waiting_s(error, first.attempts),
        exchange=error.exchange,
        ticket=error.ticket or first.ticket,
        reason=error.reason.value,
        # What stops one call stops the next one too, but for a process that slept.
        holds_change=error.reason != NotHandledReason.HELD_UP,
    )
    _put_back(claimed, claimed.items, why, origin)


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Why items go back into their queue after a call that certainly had no effect, and for how long they wait.

    `holds_change`: the whole change waits with them.
    """

    note: str
    wait_s: float
    exchange: Exchange | None = None
    ticket: str = ""
    reason: str = ""
    holds_change: bool = False


def put_back_unsent(claimed: Claim, *, origin: Origin) -> None:
    """Return to their queue the items of a call that was claimed and never begun: its worker is about to stop."""
    _put_back(claimed, claimed.items, PutBack(note="Not sent: the worker was stopping", wait_s=0.0, reason="stopping"), origin)


def _put_back(claimed: Claim, items: Sequence[Item], why: PutBack, origin: Origin) -> None:
    with transaction.atomic():
        end_call(claimed.call, state=CallState.NOT_HANDLED, exchange=why.exchange, note=why.note)
        moved = move(
            items,
            came_from=ItemState.SENDING,
            to=ItemState.QUEUED,
            not_before=timezone.now() + timedelta(seconds=why.wait_s),
            lease_until=None,
            ticket=why.ticket,
            note=why.note,
        )
        if why.holds_change:
            hold(claimed.change.pk, why.wait_s, why.note)
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


def _refusal_words(error: TradovateError) -> str:
    if not isinstance(error, Rejected):
        return error.message
    status = "" if error.status == OK else f" (HTTP {error.status})"
    return f"Tradovate answered: {error.message}{status}"
