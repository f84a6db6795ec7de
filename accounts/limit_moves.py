"""What moves in limits from one reading to the next, noted as it is written: Tradovate itself keeps no history of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db import transaction

from accounts.models import AutoLiqLimits, LimitsMove
from accounts.upsert import BATCH, Row, locked_where_differing, upsert

_KEY: Final = ("account_id", "level")
_NO_LIMITS: Final = frozenset({"id", *_KEY, "fresh_at", "source", "record"})
_COLUMNS: Final = tuple(field.attname for field in AutoLiqLimits._meta.concrete_fields if field.attname not in _NO_LIMITS)


def write_noting_moves(rows: Iterable[Row]) -> int:
    """Write rows of limits where the newer reading wins, with a `LimitsMove` for each that moved; return how many were written.

    The rows of a batch are locked before they are compared, so that of two readings at once each sees what the other wrote.
    """
    unique = {tuple(row[column] for column in _KEY): row for row in rows}
    ordered = [unique[key] for key in sorted(unique)]
    return sum(_write(ordered[start : start + BATCH]) for start in range(0, len(ordered), BATCH))


@transaction.atomic
def _write(rows: Sequence[Row]) -> int:
    moving = locked_where_differing(AutoLiqLimits, rows, key=_KEY)
    before = AutoLiqLimits.objects.in_bulk(moving)
    written = upsert(AutoLiqLimits, rows, key=_KEY)
    if before:
        # Read again, not taken from the rows: both sides are then as PostgreSQL keeps them.
        after = AutoLiqLimits.objects.in_bulk(moving)
        LimitsMove.objects.bulk_create(_move(before[pk], after[pk]) for pk in moving)
    return written


def _move(was: AutoLiqLimits, becomes: AutoLiqLimits) -> LimitsMove:
    return LimitsMove(
        account_id=was.account_id,
        level=was.level,
        fields={
            column: [_set(getattr(was, column)), _set(getattr(becomes, column))]
            for column in _COLUMNS
            if getattr(was, column) != getattr(becomes, column)
        },
        known_at=was.fresh_at,
        read_at=becomes.fresh_at,
        source=becomes.source,
    )


def _set(value: Any) -> Any:
    """Return a column's value, None for a text that is empty: one way to say that nothing is set."""
    return None if value == "" else value
