"""What happens to items when their call has ended: each ending is written in one transaction with its audit events."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts.changes.ending import half_done
from accounts.changes.models import Item
from accounts.changes.moving import move_items
from accounts.changes.states import ItemState
from accounts.execution.claim import Claim
from accounts.execution.models import CallState
from accounts.execution.send import Answered
from accounts.execution.settle import (
    answer_detail,
    end_call,
    end_calls,
    hold,
    item_events,
    record_item_events,
    settle,
    still_in,
)
from accounts.execution.timing import CONFIRM_WITHIN, waiting_s
from riskadmin.audit.actions import record_all
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.http_record import HttpRecord

logger = logging.getLogger(__name__)

OK = 200


def write_down(answers: Sequence[Answered], *, read_back_at: datetime, origin: Origin) -> None:
    """Write down how calls ended. Afterwards none of their items is `sending`, and every call row has its end.

    Calls that Tradovate accepted are `sent`, to be read back from `read_back_at` on, and so are calls it refused: an error does
    not prove that nothing happened. Each ending is its own transaction, except for those without an error, which share one for
    each change; an item that was moved by something else meanwhile stays as it is.
    """
    clean: dict[int, list[Answered]] = defaultdict(list)
    for answer in answers:
        if answer.error is None and answer.claim.kind.is_read_back:
            clean[answer.claim.change.pk].append(answer)
        else:
            _write_down(answer, read_back_at, origin)
    for of_one in clean.values():
        _taken(of_one, read_back_at, origin)


def _write_down(answer: Answered, read_back_at: datetime, origin: Origin) -> None:
    error = answer.error
    if error is None:
        _done(answer, origin)
    elif isinstance(error, NotHandled):
        _not_handled(answer.claim, error, origin)
    elif isinstance(error, OutcomeUnknown):
        _unknown(answer.claim, error, origin)
    elif not isinstance(error, Rejected):
        _refused_here(answer.claim, error, origin)
    elif not answer.claim.kind.is_read_back:
        _rejected(answer.claim, error, origin)
    elif answer.lookup_error or answer.lookup:
        _batch_refused(answer, error, read_back_at, origin)
    else:
        _refused(answer.claim, error, read_back_at, origin)


def _taken(answers: Sequence[Answered], read_back_at: datetime, origin: Origin) -> None:
    """Tradovate accepted the calls. That is not an outcome yet: the read-back decides."""
    with transaction.atomic():
        end_calls([(answer.claim.call, answer.http_record) for answer in answers if answer.http_record])
        there = {
            item.pk
            for item in move_items(
                [item for answer in answers for item in answer.claim.items],
                came_from=ItemState.SENDING,
                to=ItemState.SENT,
                not_before=read_back_at,
                lease_until=read_back_at + CONFIRM_WITHIN,
                ticket="",
            )
        }
        entries = []
        for answer in answers:
            items = [item for item in answer.claim.items if item.pk in there]
            detail = answer_detail(answer.http_record)
            entries += item_events(Tag.ITEM_SENT, items, origin=origin, call=answer.claim.call, detail=detail)
        record_all(entries)


def _done(answer: Answered, origin: Origin) -> None:
    """Tradovate accepted a call of a kind without a read endpoint: its response is the only evidence."""
    claimed = answer.claim
    with transaction.atomic():
        end_call(claimed.call, state=CallState.ANSWERED, http_record=answer.http_record)
        detail = answer_detail(answer.http_record)
        there = still_in(claimed.items, ItemState.SENDING)
        record_item_events(Tag.ITEM_SENT, there, origin=origin, call=claimed.call, detail=detail)
        settle(
            there,
            came_from=ItemState.SENDING,
            to=ItemState.APPLIED,
            note="Tradovate says so; it offers no way to read it back",
            origin=origin,
            call=claimed.call,
            detail=detail,
        )


def _refused_here(claimed: Claim, error: TradovateError, origin: Origin) -> None:
    """The call was refused by our own code: nothing was sent."""
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, http_record=error.http_record, note=error.message)
        _settle_rejected(claimed, error.message, error.http_record, origin)


def _rejected(claimed: Claim, error: Rejected, origin: Origin) -> None:
    """Tradovate refused a call of a kind without a read endpoint: its response is the only evidence."""
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, http_record=error.http_record, note=error.message)
        _settle_rejected(claimed, refusal_words(error), error.http_record, origin)


def _refused(claimed: Claim, error: Rejected, read_back_at: datetime, origin: Origin) -> None:
    """Tradovate refused the call. It is read back like an accepted one: it may have had its effect all the same."""
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, http_record=error.http_record, note=error.message)
        words = refusal_words(error)
        _read_back_refusal(
            claimed, claimed.items, words, http_record=error.http_record, read_back_at=read_back_at, origin=origin
        )


def _batch_refused(answer: Answered, error: Rejected, read_back_at: datetime, origin: Origin) -> None:
    """One unknown id made Tradovate refuse a whole batch. It is rejected alone; the others are read back, then sent again."""
    claimed, lookup = answer.claim, answer.lookup
    items = claimed.items
    gone = [item for item in items if lookup and item.target_id in lookup.gone]
    if lookup and not gone and all(item.target_id in lookup.known for item in items):
        _refused(claimed, error, read_back_at, origin)  # none is unknown: the reason was something else
        return
    words = refusal_words(error)
    rest = [item for item in items if item not in gone]
    if answer.lookup_error:
        why = f"{words}: one of the ids is unknown, and which one can't be read now ({answer.lookup_error.message})"
    elif gone:
        why = f"{words}: {len(gone)} unknown id{'' if len(gone) == 1 else 's'} left out, read back before it is sent without"
    else:
        why = f"{words}: one of the ids is unknown, and Tradovate does not say which one"
    # If it is not known which id it was, another call would end the same way: it counts as one with an unclear end.
    state = CallState.REJECTED if gone else CallState.UNKNOWN
    with transaction.atomic():
        end_call(claimed.call, state=state, http_record=error.http_record, note=error.message)
        unknown = f"{words}: it does not know this id"
        _read_back_refusal(claimed, gone, unknown, http_record=error.http_record, read_back_at=read_back_at, origin=origin)
        moved = move_items(
            rest, came_from=ItemState.SENDING, to=ItemState.UNKNOWN, not_before=timezone.now(), lease_until=None, note=why
        )
        record_item_events(
            Tag.ITEM_UNKNOWN, moved, origin=origin, call=claimed.call, detail={"text": why, **answer_detail(error.http_record)}
        )


def _read_back_refusal(
    claimed: Claim,
    items: Sequence[Item],
    words: str,
    *,
    http_record: HttpRecord | None,
    read_back_at: datetime,
    origin: Origin,
) -> None:
    moved = move_items(
        items,
        came_from=ItemState.SENDING,
        to=ItemState.SENT,
        not_before=read_back_at,
        lease_until=read_back_at + CONFIRM_WITHIN,
        ticket="",
        refusal=words,
        note=f"{words}. It is read back to see that nothing happened.",
    )
    record_item_events(
        Tag.ITEM_SENT, moved, origin=origin, call=claimed.call, detail={"text": words, **answer_detail(http_record)}
    )


def _not_handled(claimed: Claim, error: NotHandled, origin: Origin) -> None:
    """The call certainly had no effect: the items wait in their queue, with the ticket if Tradovate gave one."""
    first = claimed.items[0]
    why = PutBack(
        note=error.message,
        wait_s=waiting_s(error, first.attempts),
        http_record=error.http_record,
        # A ticket is valid for one call: once that was sent, it is used.
        ticket=error.ticket or ("" if was_sent(error) else first.ticket),
        reason=error.reason.value,
        # What stops one call also stops the next one, except when the process was suspended.
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
    http_record: HttpRecord | None = None
    ticket: str = ""
    reason: str = ""
    holds_change: bool = False


def put_back_unsent(claimed: Claim, *, origin: Origin) -> None:
    """Return the items of a call that was claimed and never started to their queue: its worker is about to stop."""
    _put_back(claimed, claimed.items, PutBack(note="Not sent: the worker was stopping", wait_s=0.0, reason="stopping"), origin)


def _put_back(claimed: Claim, items: Sequence[Item], why: PutBack, origin: Origin) -> None:
    with transaction.atomic():
        end_call(claimed.call, state=CallState.NOT_HANDLED, http_record=why.http_record, note=why.note)
        moved = move_items(
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
        detail = {"reason": why.reason, "text": why.note, "wait_s": why.wait_s, **answer_detail(why.http_record)}
        record_item_events(Tag.ITEM_DEFERRED, moved, origin=origin, call=claimed.call, detail=detail)


def _unknown(claimed: Claim, error: OutcomeUnknown, origin: Origin) -> None:
    """It is not known whether the call had its effect: it is read back, at once and for a while, if that is possible."""
    readable = claimed.kind.is_read_back
    with transaction.atomic():
        end_call(claimed.call, state=CallState.UNKNOWN, http_record=error.http_record, note=error.message)
        moved = move_items(
            claimed.items,
            came_from=ItemState.SENDING,
            to=ItemState.UNKNOWN,
            not_before=timezone.now() if readable else None,
            lease_until=None,
            note=error.message,
        )
        detail = {"text": error.message, "needs_person": not readable, **answer_detail(error.http_record)}
        record_item_events(Tag.ITEM_UNKNOWN, moved, origin=origin, call=claimed.call, detail=detail)


def _settle_rejected(claimed: Claim, words: str, http_record: HttpRecord | None, origin: Origin) -> None:
    settle(
        claimed.items,
        came_from=ItemState.SENDING,
        to=ItemState.REJECTED,
        note=half_done(claimed.kind.steps, claimed.items[0].step) + words,
        origin=origin,
        call=claimed.call,
        detail=answer_detail(http_record),
    )


def refusal_words(error: Rejected) -> str:
    """Return in words how Tradovate responded to a call that it refused."""
    status = f"HTTP {error.status}"
    status_words = "" if error.status == OK or error.message == status else f" ({status})"
    return f"Tradovate answered: {error.message}{status_words}"


def was_sent(error: NotHandled) -> bool:
    """Say whether a call that was not handled was sent all the same: a response came."""
    return error.http_record is not None and error.http_record.status is not None
