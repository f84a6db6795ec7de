"""What moves in the mirror from one reading to the next, recorded in the transaction that writes it.

Tradovate keeps no history of who changed what. They are attributed later (`accounts.outside`), when the riskadmin calls that
may explain them are known.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import (
    Account,
    AutoLiqLimits,
    MirrorMove,
    MirrorRow,
    MoveSubject,
    PositionLimit,
    RiskParameter,
    RiskStatus,
)
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from accounts.models.pre_trade import ID, Record, position_limit_record, risk_parameter_record
from accounts.sync.mapping import ReadStamp
from accounts.sync.upsert import BATCH, Row, locked_where_differing, upsert

Pairs = dict[str, list[Any]]
"""The value before and after, by the name of what moved; None where it was not set."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A mirror table whose moves are recorded: which columns, and how a move of one row is described."""

    rows: Callable[[], QuerySet[Any]]
    key: tuple[str, ...]
    columns: tuple[str, ...]
    account_id: Callable[[Any], int]
    subject: Callable[[Any], str]
    pairs: Callable[[Any, Any], Pairs]


def write_noting_moves(model: type[MirrorRow], rows: Iterable[Row]) -> int:
    """Write rows, the newer reading winning, with a `MirrorMove` for each that moved; return how many were written.

    `model` is one of the watched tables; a new row is not a move. The rows of a batch are locked before they are compared, so
    that of two concurrent readings each sees what the other wrote.
    """
    watched = _WATCHED[model]
    unique = {tuple(row[column] for column in watched.key): row for row in rows}
    ordered = [unique[key] for key in sorted(unique)]
    return sum(_write(model, watched, ordered[start : start + BATCH]) for start in range(0, len(ordered), BATCH))


@transaction.atomic
def _write(model: type[MirrorRow], watched: Watched, rows: Sequence[Row]) -> int:
    compared = [{name: row[name] for name in (*watched.key, *watched.columns, "fresh_at")} for row in rows]
    moving = locked_where_differing(model, compared, key=watched.key)
    before = watched.rows().in_bulk(moving)
    written = upsert(model, rows, key=watched.key)
    if before:
        # Read again, not taken from the rows: both sides are then as PostgreSQL stores them.
        after = watched.rows().in_bulk(moving)
        MirrorMove.objects.bulk_create(_move(watched, before[pk], after[pk]) for pk in moving)
    return written


def _move(watched: Watched, was: Any, becomes: Any) -> MirrorMove:
    return MirrorMove(
        account_id=watched.account_id(was),
        subject=watched.subject(was),
        fields=watched.pairs(was, becomes),
        known_at=was.fresh_at,
        read_at=becomes.fresh_at,
        source=becomes.source,
    )


@contextmanager
def noting_records(subject: MoveSubject, known: Mapping[int, datetime | None], reading: ReadStamp) -> Iterator[None]:
    """Record what the code inside modifies in accounts' position limits or risk parameters: one move for each account.

    `known` holds when the records of each account (our key) were last read; if they never were, nothing counts as moved. Needs
    an open transaction in which the accounts are locked.
    """
    read_before = {pk: at for pk, at in known.items() if at is not None}
    before = _records(subject, read_before)
    yield
    after = _records(subject, read_before)
    moved = ((pk, _record_pairs(before.get(pk, {}), after.get(pk, {}))) for pk in read_before)
    MirrorMove.objects.bulk_create(
        MirrorMove(
            account_id=pk,
            subject=subject,
            fields=pairs,
            known_at=read_before[pk],
            read_at=reading.read_at,
            source=reading.source,
        )
        for pk, pairs in moved
        if pairs
    )


def _records(subject: MoveSubject, accounts: Iterable[int]) -> dict[int, dict[str, Record]]:
    """Return the records of accounts as the mirror has them, by account and number."""
    found: dict[int, dict[str, Record]] = {}
    if subject == MoveSubject.POSITION_LIMITS:
        for limit in PositionLimit.objects.filter(account__in=list(accounts)):
            record = position_limit_record(limit)
            found.setdefault(limit.account_id, {})[str(record[ID])] = record
    else:
        of_accounts = RiskParameter.objects.filter(position_limit__account__in=list(accounts))
        for parameter in of_accounts.select_related("position_limit"):
            record = risk_parameter_record(parameter)
            found.setdefault(parameter.position_limit.account_id, {})[str(record[ID])] = record
    return found


def _record_pairs(was: Mapping[str, Record], becomes: Mapping[str, Record]) -> Pairs:
    numbers = sorted({*was, *becomes}, key=int)
    return {number: [was.get(number), becomes.get(number)] for number in numbers if was.get(number) != becomes.get(number)}


# --- Watched tables -----------------------------------------------------------------------------------------------------

_LIMITS: Final = tuple(AUTO_LIQ_FIELDS)
_STATUS: Final = ("admin_action", "admin_at", "liquidate_only_at", "user_triggered_liq_only")


def _limit_pairs(was: AutoLiqLimits, becomes: AutoLiqLimits) -> Pairs:
    return {
        column: [_set(getattr(was, column)), _set(getattr(becomes, column))]
        for column in _LIMITS
        if getattr(was, column) != getattr(becomes, column)
    }


def _status_pairs(was: RiskStatus, becomes: RiskStatus) -> Pairs:
    """All of them, moved or not: only together they show who did it."""
    return {column: [_set(getattr(was, column)), _set(getattr(becomes, column))] for column in _STATUS}


def _category_pairs(was: Account, becomes: Account) -> Pairs:
    old, new = was.risk_category, becomes.risk_category
    return {
        "category_id": [old and old.tradovate_id, new and new.tradovate_id],
        "category": [old and old.name, new and new.name],
    }


def _set(value: Any) -> Any:
    """Return a column's value, None for an empty text: one way to say that nothing is set."""
    return None if value == "" else value


_WATCHED: Final[dict[type[MirrorRow], Watched]] = {
    AutoLiqLimits: Watched(
        rows=AutoLiqLimits.objects.all,
        key=("account_id", "level"),
        columns=_LIMITS,
        account_id=lambda row: int(row.account_id),
        subject=lambda row: str(row.level),
        pairs=_limit_pairs,
    ),
    RiskStatus: Watched(
        rows=RiskStatus.objects.all,
        key=("account_id",),
        columns=_STATUS,
        account_id=lambda row: int(row.account_id),
        subject=lambda _: MoveSubject.STATUS,
        pairs=_status_pairs,
    ),
    Account: Watched(
        rows=lambda: Account.objects.select_related("risk_category"),
        key=("environment", "tradovate_id"),
        columns=("risk_category_id",),
        account_id=lambda row: int(row.pk),
        subject=lambda _: MoveSubject.CATEGORY,
        pairs=_category_pairs,
    ),
}
