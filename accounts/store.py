"""Writing what was read from Tradovate into the mirror. No HTTP happens here.

Every function may run at the same time as itself: rows go through `upsert`, where the newer read wins. Each returns how
many rows it wrote, which is fewer than were read where the mirror already knew something newer.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from accounts import models, rows
from accounts.mirror_moves import noting_records, write_noting_moves
from accounts.models import MoveSubject, Source
from accounts.rows import Reading
from accounts.upsert import upsert
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    LossLimits,
    Position,
    RiskCategory,
    TradingPermission,
    User,
)
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.vocabulary import Environment

IN_PLACE = ("environment", "tradovate_id")

# Positions are replaced account by account under row locks, so a transaction covers only so many accounts.
LOCKED_AT_ONCE = 1_000

Keys = Mapping[int, int]
"""Tradovate's ids to our primary keys, within one environment."""


def account_keys(environment: Environment, account_ids: Iterable[int] | None = None) -> Keys:
    """Our keys of the accounts that the mirror knows, of all of them or of those asked for."""
    known = models.Account.objects.filter(environment=environment)
    if account_ids is not None:
        known = known.filter(tradovate_id__in=set(account_ids))
    return dict(known.values_list("tradovate_id", "pk"))


def store_categories(categories: Sequence[RiskCategory], reading: Reading) -> int:
    """Write the risk categories. One that Tradovate no longer lists stays: accounts may still name it."""
    return upsert(models.RiskCategory, [rows.category_row(each, reading) for each in categories], key=IN_PLACE)


def store_traders(users: Sequence[User], reading: Reading) -> int:
    """Write the traders."""
    return upsert(models.Trader, [rows.trader_row(each, reading) for each in users], key=IN_PLACE)


def store_accounts(accounts: Sequence[Account], reading: Reading) -> int:
    """Write the accounts; one that was missing and is here again is no longer marked."""
    categories = _keys(models.RiskCategory, reading.environment)
    found = [rows.account_row(each, reading, category_id=categories.get(each.risk_category_id or 0)) for each in accounts]
    return write_noting_moves(models.Account, found)


def store_permissions(permissions: Sequence[TradingPermission], reading: Reading) -> int:
    """Write who may trade what, as far as the mirror knows both sides, and point each account to its trader."""
    accounts = account_keys(reading.environment)
    traders = _keys(models.Trader, reading.environment)
    found = [
        rows.permission_row(each, reading, account_id=accounts[each.account_id], trader_id=traders[each.user_id])
        for each in permissions
        if each.account_id in accounts and each.user_id in traders
    ]
    written = upsert(models.TradingPermission, found, key=IN_PLACE)
    _point_to_traders(reading.environment)
    return written


def mark_missing(
    model: type[models.Account] | type[models.Trader] | type[models.TradingPermission],
    missing_ids: Iterable[int],
    reading: Reading,
) -> int:
    """Mark rows that this read no longer found, unless something newer is known of them. Nothing is deleted."""
    marks: dict[str, object] = {"missing_since": reading.read_at}
    if model is models.Account:
        marks["archived"] = True
    return model.objects.filter(
        environment=reading.environment,
        tradovate_id__in=set(missing_ids),
        missing_since=None,
        fresh_at__lt=reading.read_at,
    ).update(**marks)


def store_risk_statuses(
    environment: Environment,
    statuses: Iterable[AccountRiskStatus],
    *,
    read_at: datetime,
    source: Source,
) -> int:
    """Write risk statuses, each of the account with the same id; `read_at` is when their read *began*.

    For a confirmation that is before its read-back was sent. May be called inside a transaction. Statuses of accounts
    that the mirror does not know are left out.
    """
    found = list(statuses)
    keys = account_keys(environment, (each.id for each in found))
    return store_statuses_of(keys, found, Reading(environment, read_at, source))


def store_statuses_of(keys: Keys, statuses: Iterable[AccountRiskStatus], reading: Reading) -> int:
    """Write risk statuses of the accounts in `keys`."""
    found = [rows.risk_status_row(each, reading, account_id=keys[each.id]) for each in statuses if each.id in keys]
    return write_noting_moves(models.RiskStatus, found)


def store_limits(keys: Keys, limits: Iterable[LossLimits], reading: Reading) -> int:
    """Write limits of either level, each of the account with the same id, and note what of them has moved."""
    found = [rows.limits_row(each, reading, account_id=keys[each.id]) for each in limits if each.id in keys]
    return write_noting_moves(models.AutoLiqLimits, found)


def store_cash(keys: Keys, balances: Iterable[CashBalance], reading: Reading) -> int:
    """Write the dollars of each account; balances in other currencies are left out. A balance without one is dollars."""
    found = [
        rows.cash_row(each, reading, account_id=keys[each.account_id])
        for each in balances
        if each.account_id in keys and each.currency_id in {rows.USD, None}
    ]
    return upsert(models.Cash, found, key=("account_id",))


def store_positions(keys: Keys, positions: Iterable[Position], reading: Reading) -> int:
    """Replace the open positions of all the accounts in `keys`, also of those that have none now; return how many are open."""
    open_: dict[int, list[rows.Row]] = {}
    for position in positions:
        account_id = keys.get(position.account_id)
        if account_id is not None and position.net_pos:
            open_.setdefault(account_id, []).append(rows.position_row(position, reading, account_id=account_id))
    ordered = sorted(keys.values())
    return sum(
        _replace_positions(ordered[start : start + LOCKED_AT_ONCE], open_, reading)
        for start in range(0, len(ordered), LOCKED_AT_ONCE)
    )


@transaction.atomic
def _replace_positions(account_ids: Sequence[int], open_: Mapping[int, Sequence[rows.Row]], reading: Reading) -> int:
    locked = list(_locked(account_ids, "positions_read_at", reading))
    kept = [row for account_id in locked for row in open_.get(account_id, ())]
    written = upsert(models.Position, kept, key=("account_id", "tradovate_id"))
    models.Position.objects.filter(account__in=locked, fresh_at__lt=reading.read_at).delete()
    return written


def store_position_limits(keys: Keys, limits: Iterable[UserAccountPositionLimit], reading: Reading) -> int:
    """Replace the position limits of all the accounts in `keys`, also of those that have none now; return how many there are.

    The risk parameters of a limit that is gone go with it, those of the others stay.
    """
    found: dict[int, list[rows.Row]] = {}
    for limit in limits:
        account_id = keys.get(limit.account_id)
        if account_id is not None:
            found.setdefault(account_id, []).append(rows.position_limit_row(limit, reading, account_id=account_id))
    ordered = sorted(keys.values())
    return sum(
        _replace_position_limits(ordered[start : start + LOCKED_AT_ONCE], found, reading)
        for start in range(0, len(ordered), LOCKED_AT_ONCE)
    )


@transaction.atomic
def _replace_position_limits(account_ids: Sequence[int], found: Mapping[int, Sequence[rows.Row]], reading: Reading) -> int:
    known = _locked(account_ids, "position_limits_read_at", reading)
    locked = list(known)
    kept = [row for account_id in locked for row in found.get(account_id, ())]
    with noting_records(MoveSubject.POSITION_LIMITS, known, reading):
        written = upsert(models.PositionLimit, kept, key=("account_id", "tradovate_id"))
        models.PositionLimit.objects.filter(account__in=locked, fresh_at__lt=reading.read_at).delete()
    return written


def store_risk_parameters(keys: Keys, parameters: Iterable[UserAccountRiskParameter], reading: Reading) -> int:
    """Replace the risk parameters of all the accounts in `keys`; return how many there are.

    The position limits are stored first: a parameter of a limit that the mirror does not know is left out.
    """
    found = list(parameters)
    ordered = sorted(keys.values())
    return sum(
        _replace_risk_parameters(ordered[start : start + LOCKED_AT_ONCE], found, reading)
        for start in range(0, len(ordered), LOCKED_AT_ONCE)
    )


@transaction.atomic
def _replace_risk_parameters(account_ids: Sequence[int], found: Iterable[UserAccountRiskParameter], reading: Reading) -> int:
    known = _locked(account_ids, "risk_parameters_read_at", reading)
    locked = list(known)
    limits = dict(models.PositionLimit.objects.filter(account__in=locked).values_list("tradovate_id", "pk"))
    kept = [
        rows.risk_parameter_row(each, reading, position_limit_id=limits[each.user_account_position_limit_id])
        for each in found
        if each.user_account_position_limit_id in limits
    ]
    with noting_records(MoveSubject.RISK_PARAMETERS, known, reading):
        written = upsert(models.RiskParameter, kept, key=("position_limit_id", "tradovate_id"))
        models.RiskParameter.objects.filter(position_limit__account__in=locked, fresh_at__lt=reading.read_at).delete()
    return written


def _locked(account_ids: Sequence[int], column: str, reading: Reading) -> dict[int, datetime | None]:
    """Lock those of the accounts whose `column` is not from a newer read, and have it say when this one was.

    Returns what it said before, by account.
    """
    older = Q(**{column: None}) | Q(**{f"{column}__lte": reading.read_at})
    accounts = models.Account.objects.filter(older, pk__in=account_ids).order_by("pk")
    locked = dict(accounts.select_for_update(of=("self",), no_key=True).values_list("pk", column))
    models.Account.objects.filter(pk__in=list(locked)).update(**{column: reading.read_at})
    return locked


def _point_to_traders(environment: Environment) -> None:
    """Give each account the trader of its newest accepted permission, or none."""
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
