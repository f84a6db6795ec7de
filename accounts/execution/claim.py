"""Claiming an item: the one door to a writing endpoint, committed before the call leaves."""

import os
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind, Target
from accounts.changes.models import Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallItem, CallState, Purpose
from accounts.execution.settle import settle
from accounts.execution.timing import LEASE, PERMIT_GOOD_FOR_S
from accounts.models import Account
from riskadmin.audit.actions import Happening, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.permit import WritePermit


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An item that this worker, and no other, may send now."""

    item: Item
    kind: Kind
    call: Call
    permit: WritePermit

    @property
    def target(self) -> Target:
        """The target as the kind sends it."""
        return Target(account_id=self.item.account_id_at_tradovate, before=self.item.before or {}, after=self.item.after or {})


def this_worker() -> str:
    """Return the name of this worker: host, process, thread."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:128]


def due(at: datetime) -> Q:
    """Return the condition for items whose time to be sent or read has come."""
    return Q(not_before__isnull=True) | Q(not_before__lte=at)


def claim(item_id: int, *, origin: Origin) -> Claim | None:
    """Claim a queued item that is due, or return None when it is another's, not due, or no longer right.

    Commits the item as `sending` with its call row and event. An item whose account has moved since it was shown is settled as
    skipped instead. PostgreSQL refuses the step for a change that lacks its decisions, and a second item of the same target.
    """
    at, made_at = timezone.now(), time.monotonic()
    try:
        with transaction.atomic():
            item = (
                Item.objects.select_for_update(of=("self",), skip_locked=True)
                .select_related("change", "account")
                .filter(due(at), pk=item_id, state=ItemState.QUEUED, change__state=ChangeState.RUNNING)
                .first()
            )
            if item is None:
                return None
            kind = KINDS[item.change.kind]
            reason = _no_longer_right(kind, item)
            if reason:
                settle(item, came_from=ItemState.QUEUED, to=ItemState.SKIPPED, note=reason, origin=origin)
                return None
            item.state, item.claimed_at, item.lease_until = ItemState.SENDING, at, at + LEASE
            item.worker, item.attempts, item.not_before = this_worker(), item.attempts + 1, None
            item.save(update_fields=["state", "claimed_at", "lease_until", "worker", "attempts", "not_before"])
            call = Call.objects.create(
                purpose=Purpose.WRITE,
                environment=item.environment,
                lane=item.change.lane,
                worker=item.worker,
                state=CallState.OPEN,
                started_at=at,
            )
            CallItem.objects.create(call=call, item=item)
            record(
                Happening(
                    tag=Tag.ITEM_CLAIMED,
                    actor=SYSTEM,
                    origin=origin,
                    subject=item.subject,
                    change_id=item.change_id,
                    item_id=item.pk,
                    call_id=call.pk,
                    reason_code=item.change.reason_code,
                    reason_text=item.change.reason_text,
                    before=item.before,
                    after=item.after,
                    detail={"attempt": item.attempts},
                ),
            )
    except IntegrityError as error:
        if "item_target_under_way" in str(error):
            return None  # another change's call for this account is under way; this one is announced again when it ends
        raise
    permit = WritePermit(call_id=call.pk, good_for_s=PERMIT_GOOD_FOR_S, made_at=made_at)
    return Claim(item=item, kind=kind, call=call, permit=permit)


def _no_longer_right(kind: Kind, item: Item) -> str:
    """Return why the item must not be sent any more, or "" when it may."""
    account = kind.mirrored(Account.objects.filter(items=item)).first()
    if account is None or account.archived or account.closed:
        return "The account was archived or closed meanwhile"
    if not kind.rests_on_before:
        return ""
    now: dict[str, Any] = dict(kind.state(account))
    return "" if now == item.before else "The account has changed since this was decided; ask again if it is still wanted"
