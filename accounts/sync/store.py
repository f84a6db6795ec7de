"""Writing what was read from Tradovate into the mirror. No HTTP happens here.

Every function may run concurrently with itself: rows go through `upsert`, where the newer read wins. Each returns how many rows
it wrote, which is fewer than were read if the mirror already had something newer. `unreadable` are the records of the same
response that can't be read: their rows stay as they are, and so do those of records that don't fit their columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from accounts import models
from accounts.models import LimitLevel, MirroredEntity, MoveSubject, Source
from accounts.models.ids import with_ids
from accounts.sync import mapping
from accounts.sync.history import noting_records, write_noting_moves
from accounts.sync.mapping import ReadStamp
from accounts.sync.unreadable import Sorted, note, sort
from accounts.sync.upsert import upsert
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    LossLimits,
    Position,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.http_record import UnreadableRow
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.rows import Identified
from riskadmin.tradovate.vocabulary import Environment

IN_PLACE = ("environment", "tradovate_id")

LEFT_OUT_FOR = timedelta(seconds=30)
"""Two full reads this far apart have to leave a row out before it is missing, unless its own id was asked for."""

NAME_NEVER_READ: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The age of a category of which only the number is known."""

# Positions are replaced account by account under row locks, so a transaction covers only this many accounts.
LOCKED_AT_ONCE = 1_000

_LIMITS: Final = {LimitLevel.FIRM: MirroredEntity.FIRM_LIMITS, LimitLevel.TRADER: MirroredEntity.TRADER_LIMITS}

Keys = Mapping[int, int]
"""Tradovate's ids to our primary keys, within one environment."""


def account_keys(environment: Environment, account_ids: Iterable[int] | None = None) -> Keys:
    """Our keys of the accounts that the mirror knows: all of them, or those asked for."""
    known = Q(environment=environment) if account_ids is None else with_ids(environment, set(account_ids))
    return dict(models.Account.objects.filter(known).values_list("tradovate_id", "pk"))


def store_categories(
    categories: Sequence[RiskCategory], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Write the risk categories. One that Tradovate no longer lists is kept: accounts may still name it."""
    found = ((each, mapping.category_row(each, reading)) for each in categories)
    return _store(MirroredEntity.RISK_CATEGORY, models.RiskCategory, found, unreadable, reading, key=IN_PLACE)


def store_traders(users: Sequence[User], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()) -> int:
    """Write the traders."""
    found = ((each, mapping.trader_row(each, reading)) for each in users)
    return _store(MirroredEntity.TRADER, models.Trader, found, unreadable, reading, key=IN_PLACE)


def store_accounts(accounts: Sequence[Account], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()) -> int:
    """Write the accounts; one that was missing and is back is no longer marked missing.

    A category that the mirror does not know is added by its number: without it the account would appear to have none.
    """
    _add_categories(unknown_categories(reading.environment, accounts), reading)
    categories = _keys(models.RiskCategory, reading.environment)
    found = (
        (each, mapping.account_row(each, reading, category_id=categories.get(each.risk_category_id or 0))) for each in accounts
    )
    return _store(MirroredEntity.ACCOUNT, models.Account, found, unreadable, reading)


def unknown_categories(environment: Environment, accounts: Iterable[Account]) -> set[int]:
    """Return the categories, by Tradovate's ids, that accounts are in and that the mirror does not know."""
    named = {each.risk_category_id for each in accounts if each.risk_category_id}
    return named - _keys(models.RiskCategory, environment).keys()


def _add_categories(category_ids: Iterable[int], reading: ReadStamp) -> None:
    """Write categories that are known by number only; any reading with their names wins, even one that began earlier."""
    unnamed = (mapping.category_row(RiskCategory.from_json({"id": each}), reading) for each in category_ids)
    upsert(models.RiskCategory, [{**row, "fresh_at": NAME_NEVER_READ} for row in unnamed], key=IN_PLACE)


def store_permissions(
    permissions: Sequence[TradingPermission], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Write who may trade which account, as far as the mirror knows both, and set each account's trader."""
    accounts = account_keys(reading.environment)
    traders = _keys(models.Trader, reading.environment)
    found = (
        (each, mapping.permission_row(each, reading, account_id=accounts[each.account_id], trader_id=traders[each.user_id]))
        for each in permissions
        if each.account_id in accounts and each.user_id in traders
    )
    written = _store(MirroredEntity.PERMISSION, models.TradingPermission, found, unreadable, reading, key=IN_PLACE)
    _point_to_traders(reading.environment)
    return written


Leaving = type[models.Account] | type[models.Trader] | type[models.TradingPermission]
"""What may be missing from Tradovate's lists. Its rows are never deleted."""


def mark_missing(model: Leaving, missing_ids: Iterable[int], reading: ReadStamp) -> int:
    """Mark rows that Tradovate no longer has, unless something newer is known about them."""
    marks: dict[str, object] = {"missing_since": reading.read_at}
    if model is models.Account:
        marks["archived"] = True
    return _left_out(model, missing_ids, reading).update(**marks)


def note_left_out(model: Leaving, ids: Iterable[int], reading: ReadStamp) -> None:
    """Note rows that a full read left out; those that an earlier full read, some time before, also left out are missing."""
    left_out = _left_out(model, ids, reading)
    earlier = reading.read_at - LEFT_OUT_FOR
    mark_missing(model, list(left_out.filter(left_out_at__lte=earlier).values_list("tradovate_id", flat=True)), reading)
    left_out.filter(left_out_at=None).update(left_out_at=reading.read_at)


def _left_out(model: Leaving, ids: Iterable[int], reading: ReadStamp) -> "QuerySet[Any]":
    rows: QuerySet[Any] = model.objects.all()
    return rows.filter(with_ids(reading.environment, ids), missing_since=None, fresh_at__lt=reading.read_at)


def return_to_mirror(environment: Environment, account_ids: Iterable[int], read_at: datetime) -> int:
    """Mark accounts as no longer missing: Tradovate has just returned them. Return how many were missing."""
    missing = models.Account.objects.filter(with_ids(environment, account_ids), missing_since__lt=read_at)
    return missing.update(missing_since=None, left_out_at=None, archived=F("closed"))


def store_risk_statuses(
    environment: Environment,
    statuses: Iterable[AccountRiskStatus],
    *,
    read_at: datetime,
    source: Source,
    unreadable: Iterable[UnreadableRow] = (),
) -> int:
    """Write risk statuses, each to the account with the same id; `read_at` is when their read *began*.

    For a confirmation that is before its read-back was sent. May be called inside a transaction. Statuses of accounts that the
    mirror does not know are left out.
    """
    found = list(statuses)
    keys = account_keys(environment, (each.id for each in found))
    return store_statuses_of(keys, found, ReadStamp(environment, read_at, source), unreadable=unreadable)


def store_statuses_of(
    keys: Keys, statuses: Iterable[AccountRiskStatus], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Write risk statuses of the accounts in `keys`."""
    found = ((each, mapping.risk_status_row(each, reading, account_id=keys[each.id])) for each in statuses if each.id in keys)
    return _store(MirroredEntity.RISK_STATUS, models.RiskStatus, found, unreadable, reading)


def store_limits(
    keys: Keys,
    limits: Iterable[LossLimits],
    reading: ReadStamp,
    *,
    unreadable: Iterable[UnreadableRow] = (),
    level: LimitLevel = LimitLevel.FIRM,
) -> int:
    """Write limits of either level, each to the account with the same id, and record what moved.

    `level` is that of the unreadable ones.
    """
    found = [each for each in limits if each.id in keys]
    written = 0
    for of_level, entity in _LIMITS.items():
        odd = unreadable if of_level == level else ()
        pairs = [
            (each, mapping.limits_row(each, reading, account_id=keys[each.id])) for each in found if _level(each) == of_level
        ]
        if not pairs and not odd:
            continue
        written += _store(entity, models.AutoLiqLimits, pairs, odd, reading)
    return written


def _level(limits: LossLimits) -> LimitLevel:
    return LimitLevel.FIRM if isinstance(limits, UserAccountAutoLiq) else LimitLevel.TRADER


def store_cash(
    keys: Keys, balances: Iterable[CashBalance], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Write the dollar balance of each account; balances in other currencies are left out. No currency means dollars."""
    found = (
        (each, mapping.cash_row(each, reading, account_id=keys[each.account_id]))
        for each in balances
        if each.account_id in keys and each.currency_id in {mapping.USD, None}
    )
    return _store(MirroredEntity.CASH, models.Cash, found, unreadable, reading, key=("account_id",))


def _store(
    entity: MirroredEntity,
    model: type[models.MirrorRow],
    found: Iterable[tuple[Identified, mapping.Row]],
    unreadable: Iterable[UnreadableRow],
    reading: ReadStamp,
    *,
    key: tuple[str, ...] = (),
) -> int:
    """Write the rows that can be stored, by `key` or, without one, noting what moved; and note those that can't."""
    sorting = sort(entity, model, found, unreadable, reading)
    written = upsert(model, sorting.rows, key=key) if key else write_noting_moves(model, sorting.rows)
    note(entity, sorting.odd, reading, good=sorting.good)
    return written


# --- Sets of rows per account, read together ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """A table of such rows: `read_at` is the account's column for the time, `owner` a row's column, `account` the path.

    `moves` is the subject under which its moves are recorded, if they are.
    """

    entity: MirroredEntity
    model: type[models.Position] | type[models.PositionLimit] | type[models.RiskParameter]
    read_at: str
    owner: str = "account_id"
    account: str = "account"
    moves: MoveSubject | None = None


_POSITIONS: Final = _Set(entity=MirroredEntity.POSITION, model=models.Position, read_at="positions_read_at")
_POSITION_LIMITS: Final = _Set(
    entity=MirroredEntity.POSITION_LIMIT,
    model=models.PositionLimit,
    read_at="position_limits_read_at",
    moves=MoveSubject.POSITION_LIMITS,
)
_RISK_PARAMETERS: Final = _Set(
    entity=MirroredEntity.RISK_PARAMETER,
    model=models.RiskParameter,
    read_at="risk_parameters_read_at",
    owner="position_limit_id",
    account="position_limit__account",
    moves=MoveSubject.RISK_PARAMETERS,
)


def store_positions(
    keys: Keys, positions: Iterable[Position], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow]
) -> int:
    """Replace the open positions of all accounts in `keys`, including those without any now; return how many are open.

    If one of an account's rows can't be read, none of the account's rows are removed, and they do not count as read.
    """
    found = (
        (each, mapping.position_row(each, reading, account_id=keys[each.account_id]))
        for each in positions
        if each.account_id in keys and each.net_pos
    )
    return _replace(_POSITIONS, keys, found, unreadable, reading)


def store_position_limits(
    keys: Keys, limits: Iterable[UserAccountPositionLimit], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Replace the position limits of all accounts in `keys`, including those without any now; return how many there are.

    The risk parameters of a deleted limit are deleted with it, the others stay. Unreadable ones as in `store_positions`.
    """
    found = (
        (each, mapping.position_limit_row(each, reading, account_id=keys[each.account_id]))
        for each in limits
        if each.account_id in keys
    )
    return _replace(_POSITION_LIMITS, keys, found, unreadable, reading)


def store_risk_parameters(
    keys: Keys, parameters: Iterable[UserAccountRiskParameter], reading: ReadStamp, *, unreadable: Iterable[UnreadableRow] = ()
) -> int:
    """Replace the risk parameters of all the accounts in `keys`; return how many there are.

    The position limits are stored first: a parameter whose limit the mirror does not know is left out. Unreadable ones as in
    `store_positions`.
    """
    found = (
        # Tradovate's id of the limit: ours is looked up when its account is locked.
        (each, mapping.risk_parameter_row(each, reading, position_limit_id=each.user_account_position_limit_id))
        for each in parameters
    )
    return _replace(_RISK_PARAMETERS, keys, found, unreadable, reading)


def _replace(
    of: _Set,
    keys: Keys,
    found: Iterable[tuple[Identified, mapping.Row]],
    unreadable: Iterable[UnreadableRow],
    reading: ReadStamp,
) -> int:
    sorting = sort(of.entity, of.model, found, unreadable, reading, asked=keys)
    by_owner: dict[int, list[mapping.Row]] = {}
    for row in sorting.rows:
        by_owner.setdefault(row[of.owner], []).append(row)
    written, replaced, ordered = 0, set[int](), sorted(keys.values())
    for start in range(0, len(ordered), LOCKED_AT_ONCE):
        more, whole = _replace_some(of, ordered[start : start + LOCKED_AT_ONCE], by_owner, sorting, reading)
        written, replaced = written + more, replaced | whole
    note(of.entity, sorting.odd, reading, good=sorting.good, replaced=replaced)
    return written


@transaction.atomic
def _replace_some(
    of: _Set, account_ids: Sequence[int], by_owner: Mapping[int, Sequence[mapping.Row]], sorting: Sorted, reading: ReadStamp
) -> tuple[int, set[int]]:
    """Write the rows of these accounts; return how many, and which accounts were replaced completely."""
    known = _locked(account_ids, of.read_at, reading)
    locked = list(known)
    with noting_records(of.moves, known, reading) if of.moves else nullcontext():
        written = upsert(of.model, _rows_of(of, locked, by_owner), key=(of.owner, "tradovate_id"))
        absent = of.model.objects.filter(**{f"{of.account}__in": locked}, fresh_at__lt=reading.read_at)
        partly = sorting.accounts
        if not sorting.is_fully_identified:
            # a row that names no account may belong to any of these
            partly = partly | set(absent.values_list(of.account, flat=True))
        whole = [account_id for account_id in locked if account_id not in partly]
        if partly:
            absent = absent.filter(**{f"{of.account}__in": whole})
        absent.delete()
    models.Account.objects.filter(pk__in=whole).update(**{of.read_at: reading.read_at})
    return written, set(whole)


def _rows_of(of: _Set, account_ids: Sequence[int], by_owner: Mapping[int, Sequence[mapping.Row]]) -> list[mapping.Row]:
    if of is not _RISK_PARAMETERS:
        return [row for account_id in account_ids for row in by_owner.get(account_id, ())]
    limits = models.PositionLimit.objects.filter(account__in=account_ids).values_list("tradovate_id", "pk")
    return [{**row, of.owner: pk} for tradovate_id, pk in limits for row in by_owner.get(tradovate_id, ())]


def _locked(account_ids: Sequence[int], column: str, reading: ReadStamp) -> dict[int, datetime | None]:
    """Lock those of the accounts whose `column` is not from a newer read; return its value by account."""
    older = Q(**{column: None}) | Q(**{f"{column}__lte": reading.read_at})
    accounts = models.Account.objects.filter(older, pk__in=account_ids).order_by("pk")
    return dict(accounts.select_for_update(of=("self",), no_key=True).values_list("pk", column))


# --- References ---------------------------------------------------------------------------------------------------------


def _point_to_traders(environment: Environment) -> None:
    """Set each account's trader to that of its newest accepted permission, or to none."""
    newest = (
        models.TradingPermission.objects.filter(account=OuterRef("pk"), status="Accepted", missing_since=None)
        .order_by("-tradovate_id")
        .values("trader")[:1]
    )
    accounts = models.Account.objects.filter(environment=environment).annotate(newest_trader=Subquery(newest))
    differs = (
        Q(trader=None, newest_trader__isnull=False)
        | Q(trader__isnull=False, newest_trader=None)
        | (Q(trader__isnull=False, newest_trader__isnull=False) & ~Q(trader=F("newest_trader")))
    )
    accounts.filter(differs).update(trader=F("newest_trader"))


def _keys(model: type[models.RiskCategory] | type[models.Trader], environment: Environment) -> Keys:
    return dict(model.objects.filter(environment=environment).values_list("tradovate_id", "pk"))
