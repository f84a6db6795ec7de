"""Reading one level's limits of many accounts from the mirror, with the figures that they are compared with.

As tuples, not as models: for 10,000 accounts that is a third of the time, and a plan of them must be ready within a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, BooleanField, Case, Count, ExpressionWrapper, Func, Q, When
from django.db.models.functions import Least

from accounts.changes.kinds.limit_fields import in_json
from accounts.changes.kinds.units import found_by_ids
from accounts.models import Account, AutoLiqLimits, LimitLevel, Position
from accounts.models.auto_liq_fields import FIELDS_OF_LEVEL
from accounts.models.ids import with_ids
from accounts.models.limit_distances import Figures
from riskadmin.tradovate.reading import parse_json
from riskadmin.tradovate.vocabulary import Environment


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelLimits:
    """One level's limits of an account as the mirror has them, and the account's state."""

    record: dict[str, Any]
    limits_read_at: datetime | None  # None if their record is not stored as Tradovate sent it
    read_at: datetime | None  # the oldest of limits, positions, and figures if there are any; None: not all were ever read
    figures: Figures
    is_stopped: bool  # by a limit, so that its positions are closed already
    open_positions: int


_STATUS_COLUMNS = (
    "account__cash__realized_pnl_usd",
    "account__cash__week_realized_pnl_usd",
    "account__cash__amount_sod_usd",
    "account__cash__amount_usd",
    "account__risk_status__max_net_liq_usd",
)


class _Microseconds(Func):
    """A time as a number: converting what PostgreSQL sends to times took most of a plan of 10,000 accounts."""

    template = "(extract(epoch from %(expressions)s) * 1000000)::bigint"
    output_field = BigIntegerField()


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LIMITS_READ_AT = _Microseconds(Case(When(~Q(record=""), then="fresh_at")))
_READ_AT = _Microseconds(Least("fresh_at", "account__cash__fresh_at", "account__risk_status__fresh_at"))
_POSITIONS_READ_AT = _Microseconds("account__positions_read_at")
_STOPPED = ExpressionWrapper(Q(account__risk_status__liquidate_only_at__isnull=False), BooleanField())
_OF_ACCOUNTS = ("environment", "tradovate_id", "name", "missing_since", "closed", "archived", "evaluation_size_usd")


def accounts_with_limits(environment: Environment, ids: Sequence[int], level: LimitLevel) -> dict[int, Account]:
    """Return the accounts by Tradovate's ids, each with its `level_limits`: `LevelLimits`, or None if they were never read.

    Three queries, whatever their number.
    """
    accounts = found_by_ids(environment, ids).only(*_OF_ACCOUNTS)
    limits = _limits(environment, ids, level)
    found: dict[int, Account] = {}
    for account in accounts:
        account.level_limits = limits.get(account.pk)  # type: ignore[attr-defined]  # no field: for `level_limits`
        found[account.tradovate_id] = account
    return found


def level_limits(account: Account) -> LevelLimits | None:
    """Return what `accounts_with_limits` has set."""
    limits: LevelLimits | None = account.level_limits  # type: ignore[attr-defined]  # by `accounts_with_limits`
    return limits


def _limits(environment: Environment, ids: Sequence[int], level: LimitLevel) -> dict[int, LevelLimits]:
    of_these = with_ids(environment, ids, column="account__tradovate_id", owner="account")
    held = dict(Position.objects.filter(of_these).exclude(net_pos=0).values_list("account_id").annotate(Count("pk")).order_by())
    names = [field.name for field in FIELDS_OF_LEVEL[level]]
    rows = AutoLiqLimits.objects.filter(of_these, level=level).values_list(
        "account_id", _LIMITS_READ_AT, _READ_AT, _POSITIONS_READ_AT, _STOPPED, *_STATUS_COLUMNS, *names
    )
    found: dict[int, LevelLimits] = {}
    for key, limits_us, read_us, positions_us, is_stopped, today, week, start_of_day, cash, peak, *values in rows:
        figures = Figures(today_usd=today, week_usd=week, start_of_day_usd=start_of_day, cash_usd=cash, peak_usd=peak)
        found[key] = LevelLimits(
            record={
                name: in_json(value) for name, value in zip(names, values, strict=True) if value is not None and value != ""
            },
            limits_read_at=None if limits_us is None else _EPOCH + timedelta(microseconds=limits_us),
            read_at=None if positions_us is None else _EPOCH + timedelta(microseconds=min(read_us, positions_us)),
            figures=figures,
            is_stopped=is_stopped,
            open_positions=held.get(key, 0),
        )
    return found


def limit_records(environment: Environment, ids: Sequence[int], level: LimitLevel) -> dict[int, object]:
    """Return one level's records of accounts exactly as Tradovate last sent them, by Tradovate's ids."""
    of_these = with_ids(environment, ids, column="account__tradovate_id", owner="account")
    rows = AutoLiqLimits.objects.filter(of_these, level=level).exclude(record="")
    return {account_id: parse_json(text) for account_id, text in rows.values_list("account__tradovate_id", "record")}
