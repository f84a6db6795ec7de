"""Sending one item: read it first where that matters, claim it, make the call, and write down what became of it."""

from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Item
from accounts.changes.states import ChangeState, ItemState
from accounts.connection import NotConnected, client
from accounts.execution.claim import Claim, claim, due
from accounts.execution.models import CallState
from accounts.execution.settle import answer_detail, end_call, happening, move, settle
from accounts.execution.timing import CONFIRM_WITHIN, JUST_READ, WAIT_FIRST_S, WAIT_LAST_S
from riskadmin.audit.actions import record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import NotHandled, OutcomeUnknown, Rejected, TradovateError, WrongEnvironment
from riskadmin.tradovate.exchange import Exchange
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode


def send_item(item_id: int, *, origin: Origin) -> None:
    """Carry one queued item as far as Tradovate's answer. Safe to call at any time, any number of times.

    Afterwards the item is `sent` (to be confirmed by a read-back), `rejected`, `unknown`, skipped, or queued again with a time.
    """
    item = (
        Item.objects.select_related("change", "account__risk_status")
        .filter(due(timezone.now()), pk=item_id, state=ItemState.QUEUED, change__state=ChangeState.RUNNING)
        .first()
    )
    if item is None:
        return
    kind = KINDS[item.change.kind]
    try:
        tradovate = client(Environment(item.environment), Lane(item.change.lane))
        _read_first(kind, item, tradovate)
    except (TradovateError, NotConnected) as error:
        _postpone(item, error, origin)
        return
    claimed = claim(item_id, origin=origin)
    if claimed is None:
        return
    # The connection goes back to the pool: nothing of PostgreSQL's is held while Tradovate is waited for.
    connection.close()
    try:
        exchange = _call(claimed, tradovate)
    except (Rejected, WrongEnvironment) as error:
        _rejected(claimed, error, origin)
    except NotHandled as error:
        _not_handled(claimed, error, origin)
    except OutcomeUnknown as error:
        _unknown(claimed, error, origin)
    else:
        _answered(claimed, exchange, origin)


def _call(claimed: Claim, tradovate: Client) -> Exchange:
    """Make the one call that the claim is for; raises TradovateError."""
    change = claimed.item.change
    return claimed.kind.send(
        tradovate,
        permit=claimed.permit,
        targets=[claimed.target],
        reason_code=ReasonCode(change.reason_code),
        reason_text=change.reason_text,
        ticket=claimed.item.ticket,
    )


def _read_first(kind: Kind, item: Item, tradovate: Client) -> None:
    """Bring the mirror up to now for a kind that is only right while the account stands as it was shown.

    What was read just now is good enough, unless another call for the account ended unclear: it may have changed it since.
    """
    account = item.account
    if not kind.rests_on_before or account is None:
        return
    unclear = Item.objects.filter(target=item.target, state=ItemState.UNKNOWN).exists()
    if not unclear and account.risk_status.fresh_at > timezone.now() - JUST_READ:
        return
    connection.close()
    reading = kind.read(tradovate, [item.account_id_at_tradovate])
    with transaction.atomic():
        reading.keep()


def _answered(claimed: Claim, exchange: Exchange, origin: Origin) -> None:
    """Tradovate took the call. That is not an outcome yet: the read-back is due at once."""
    now = timezone.now()
    with transaction.atomic():
        end_call(claimed.call, state=CallState.ANSWERED, exchange=exchange)
        moved = move(
            claimed.item,
            came_from=ItemState.SENDING,
            to=ItemState.SENT,
            not_before=now,
            lease_until=now + CONFIRM_WITHIN,
            ticket="",
        )
        record(
            happening(
                Tag.ITEM_SENT,
                claimed.item,
                origin=origin,
                call=claimed.call,
                detail=answer_detail(exchange) | ({} if moved else {"late": True}),
            ),
        )


def _rejected(claimed: Claim, error: Rejected | WrongEnvironment, origin: Origin) -> None:
    status = f" (HTTP {error.status})" if isinstance(error, Rejected) and error.status != 200 else ""  # noqa: PLR2004
    text = f"Tradovate answered: {error.message}{status}" if isinstance(error, Rejected) else error.message
    with transaction.atomic():
        end_call(claimed.call, state=CallState.REJECTED, exchange=error.exchange, note=error.message)
        settle(
            claimed.item,
            came_from=ItemState.SENDING,
            to=ItemState.REJECTED,
            note=text,
            origin=origin,
            call=claimed.call,
            detail=answer_detail(error.exchange),
        )


def _not_handled(claimed: Claim, error: NotHandled, origin: Origin) -> None:
    """The call certainly had no effect: the item waits in its queue, with the ticket if Tradovate gave one."""
    wait_s = _wait_s(error, claimed.item.attempts)
    with transaction.atomic():
        end_call(claimed.call, state=CallState.NOT_HANDLED, exchange=error.exchange, note=error.message)
        moved = move(
            claimed.item,
            came_from=ItemState.SENDING,
            to=ItemState.QUEUED,
            not_before=timezone.now() + timedelta(seconds=wait_s),
            dispatched_at=None,
            lease_until=None,
            ticket=error.ticket or claimed.item.ticket,
            note=error.message,
        )
        if moved:
            detail = {"reason": error.reason.value, "text": error.message, "wait_s": wait_s, **answer_detail(error.exchange)}
            record(happening(Tag.ITEM_DEFERRED, claimed.item, origin=origin, call=claimed.call, detail=detail))


def _unknown(claimed: Claim, error: OutcomeUnknown, origin: Origin) -> None:
    """Nobody knows whether the call had its effect: it is read back, at once and for a while."""
    with transaction.atomic():
        end_call(claimed.call, state=CallState.UNKNOWN, exchange=error.exchange, note=error.message)
        moved = move(
            claimed.item,
            came_from=ItemState.SENDING,
            to=ItemState.UNKNOWN,
            not_before=timezone.now(),
            lease_until=None,
            note=error.message,
        )
        if moved:
            detail = {"text": error.message, **answer_detail(error.exchange)}
            record(happening(Tag.ITEM_UNKNOWN, claimed.item, origin=origin, call=claimed.call, detail=detail))


def _postpone(item: Item, error: TradovateError | NotConnected, origin: Origin) -> None:
    """The account could not be read before the call, so nothing was sent; the item waits its time in the queue."""
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


def _wait_s(error: TradovateError | NotConnected, attempts: int) -> float:
    """Return how many seconds to wait: what Tradovate or the budget says, else doubling with each attempt."""
    if isinstance(error, NotHandled) and error.retry_after_s is not None:
        return max(error.retry_after_s, 0.1)
    return min(WAIT_FIRST_S * 2.0 ** (max(attempts, 1) - 1), WAIT_LAST_S)
