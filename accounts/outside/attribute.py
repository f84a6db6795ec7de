"""Finds the causes of moves of the mirror: what was done neither here nor by Tradovate itself becomes an audit event.

May run concurrently with itself: the process that has locked a move's row attributes it, in one transaction with its event.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.changes.models import Item
from accounts.changes.states import ITEM_AS_INTENDED, ITEM_UNDER_WAY, ItemState
from accounts.execution.models import CallItem, CallState, Purpose
from accounts.execution.timing import WATCHED_FOR
from accounts.models import MirrorMove, MoveSubject
from accounts.outside.rule import OwnCall, outside_part
from accounts.sync.history import Pairs
from riskadmin.audit.actions import AuditEntry, record_all
from riskadmin.audit.origin import SYSTEM, Origin, Subject
from riskadmin.audit.outside import OutsideKind
from riskadmin.audit.tags import Tag

MOVES_PER_TRANSACTION: Final = 2_000
"""Moves in one transaction; Tradovate may move every account there is."""

LATE: Final[timedelta] = WATCHED_FOR
"""For this long after its end a call may still show an effect, if no read-back has shown it."""

_ATTRIBUTE: Final = """
    UPDATE accounts_mirrormove SET judged_at = %s, outside_kind = given.kind, outside = given.part::jsonb
    FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS given (id, kind, part) WHERE accounts_mirrormove.id = given.id
"""

_TAGS: Final[dict[str, Tag]] = {
    MoveSubject.STATUS: Tag.OUTSIDE_STATUS,
    MoveSubject.CATEGORY: Tag.OUTSIDE_CATEGORY,
    MoveSubject.FIRM: Tag.OUTSIDE_LIMITS,
    MoveSubject.TRADER: Tag.OUTSIDE_LIMITS,
    MoveSubject.POSITION_LIMITS: Tag.OUTSIDE_POSITION_LIMITS,
    MoveSubject.RISK_PARAMETERS: Tag.OUTSIDE_RISK_PARAMETERS,
}
NOT_SHOWN: Final = frozenset({"category_id"})
"""Left out when a move is reported: the name next to it says it. It stays in the move."""


def attribute_moves(*, origin: Origin) -> int:
    """Attribute every move whose account has no call in flight or not yet read back; return how many were attributed."""
    attributed = 0
    while some := _attribute_some(origin):
        attributed += some
    return attributed


@transaction.atomic
def _attribute_some(origin: Origin) -> int:
    moves = list(
        _ready()
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("account")
        .order_by("pk")[:MOVES_PER_TRANSACTION]
    )
    if not moves:
        return 0
    calls = _calls(moves)
    attributed: list[tuple[MirrorMove, tuple[OutsideKind, Pairs] | None]] = []
    for move in moves:
        fitting = [call for call in calls[move.account_id] if call.fits(known_at=move.known_at, noted_at=move.noted_at)]
        attributed.append((move, outside_part(move.subject, move.fields, fitting, noted_at=move.noted_at)))
    with connection.cursor() as cursor:
        cursor.execute(
            _ATTRIBUTE,
            [
                timezone.now(),
                [move.pk for move, _ in attributed],
                [found[0].value if found else "" for _, found in attributed],
                [json.dumps(found[1]) if found else None for _, found in attributed],
            ],
        )
    record_all(_event(move, *found, origin) for move, found in attributed if found)
    return len(attributed)


def _ready() -> QuerySet[MirrorMove]:
    """Return the moves to attribute, except those of accounts with a call in flight or not yet read back."""
    unread = Q(state__in=ITEM_UNDER_WAY) | Q(state=ItemState.UNKNOWN, not_before__isnull=False)
    return MirrorMove.objects.filter(judged_at=None).exclude(Exists(Item.objects.filter(unread, account=OuterRef("account"))))


def _calls(moves: Sequence[MirrorMove]) -> dict[int, list[OwnCall]]:
    """Return the calls that may have moved these accounts, by account, whatever their result; one query.

    A call is written down before it is sent, so every call whose effect a reading can show is found here.
    """
    found: dict[int, list[OwnCall]] = defaultdict(list)
    earliest, latest = min(move.known_at for move in moves), max(move.noted_at for move in moves)
    carried = (
        CallItem.objects.filter(
            Q(call__ended_at=None) | Q(call__ended_at__gte=earliest - LATE),
            call__purpose=Purpose.WRITE,
            call__started_at__lte=latest,
            item__account__in={move.account_id for move in moves},
        )
        .exclude(call__state=CallState.NOT_HANDLED)  # which certainly had no effect
        # its outcome says that it had none: an effect that came later is to be reported
        .exclude(item__state=ItemState.REJECTED)
        .select_related("call", "item__change")
        .only(
            "call__started_at",
            "call__ended_at",
            "item__account_id",
            "item__before",
            "item__after",
            "item__observed",
            "item__state",
            "item__settled_at",
            "item__change__kind",
        )
    )
    for each in carried:
        item = each.item
        is_proven = item.state in ITEM_AS_INTENDED and item.observed is not None
        over_at = each.call.ended_at and each.call.ended_at + LATE
        if is_proven and item.settled_at:
            over_at = min(item.settled_at, over_at or item.settled_at)
        found[item.account_id or 0].append(
            OwnCall(
                kind=item.change.kind,
                before=item.before or {},
                after=item.after or {},
                began_at=each.call.started_at,
                over_at=over_at,
                proven=item.observed if is_proven else None,
            )
        )
    return found


def _event(move: MirrorMove, kind: OutsideKind, part: Pairs, origin: Origin) -> AuditEntry:
    account = move.account
    before, after = (
        {_called(move, name): pair[side] for name, pair in part.items() if name not in NOT_SHOWN} for side in (0, 1)
    )
    detail: dict[str, Any] = {
        "kind": kind.value,
        "known_at": move.known_at.isoformat(),
        "read_at": move.read_at.isoformat(),
        "source": move.source,
        "move": move.pk,
    }
    return AuditEntry(
        tag=_TAGS[move.subject],
        actor=SYSTEM,
        origin=origin,
        subject=Subject(environment=account.environment, account_id=account.tradovate_id, account_name=account.name),
        before=before,
        after=after,
        detail=detail,
    )


def _called(move: MirrorMove, name: str) -> str:
    """Return what an audit event calls a thing that moved: a record by its type and number, a limit's stop as items call it."""
    if move.subject == MoveSubject.POSITION_LIMITS:
        return f"position_limit_{name}"
    if move.subject == MoveSubject.RISK_PARAMETERS:
        return f"risk_parameter_{name}"
    return "stopped_at" if name == "liquidate_only_at" else name
