"""Bringing the mirror up to date: a full read of an environment, or a few accounts on demand.

HTTP and writing never mix: first everything is read, then it is stored, outside of any transaction that could stay open
during a call. A full read may be repeated, overtaken or killed at any point; the next one makes good what it left.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import connection, ledger, models
from accounts.models import LimitLevel, Source, SyncRun
from accounts.reads import EnvironmentRead, Known, Read, Reader, read_environment
from accounts.rows import Reading
from accounts.store import (
    Keys,
    account_keys,
    mark_missing,
    store_accounts,
    store_cash,
    store_categories,
    store_limits,
    store_permissions,
    store_position_limits,
    store_positions,
    store_risk_parameters,
    store_risk_statuses,
    store_statuses_of,
    store_traders,
)
from accounts.unreadable import since as unreadable_since
from riskadmin.tradovate.errors import StoreUnavailable, TradovateError
from riskadmin.tradovate.exchange import Reply
from riskadmin.tradovate.rows import Identified
from riskadmin.tradovate.vocabulary import Environment, Lane

__all__ = ["MirrorRefused", "Part", "refresh", "refresh_traders", "store_risk_statuses", "sync"]

logger = logging.getLogger(__name__)

E = TypeVar("E")

DEAD_AFTER = timedelta(seconds=120)
"""A run that showed no sign of life for so long was killed: no single call or write takes longer."""

RUNS_KEPT = timedelta(days=7)

LISTED_ABOVE = 1_000
"""Of so many accounts at most `refresh` asks by their ids; of more it reads whole lists, which is fewer calls."""


class MirrorRefused(Exception):
    """What was read is too unlike what is known to be believed; nothing of it was stored."""


class Overtaken(Exception):
    """This run was taken for dead and another one has begun."""


class Part(StrEnum):
    """What `refresh` reads beside the risk status."""

    ACCOUNT = "account"
    CASH = "cash"
    POSITIONS = "positions"
    LIMITS = "limits"
    PRE_TRADE = "pre_trade"


def sync(environment: Environment) -> SyncRun | None:
    """Read a whole environment into the mirror and return the run, or None when another process is at it.

    What Tradovate or the data refuse is told by the run's `failure`, and then what was known stays as it was. Costs about
    a dozen calls of the bulk lane. Raises `connection.NotConnected` when the environment has no address.
    """
    client = connection.client(environment, Lane.BULK)
    run = _begin(environment)
    if run is None:
        return None
    reader = Reader(client, after_call=lambda: _show_life(run))
    try:
        _run(run, reader)
    except (TradovateError, StoreUnavailable, MirrorRefused) as error:
        run.failure = str(error)
        logger.warning("The full read of %s failed: %s", environment, error)
    except Overtaken:
        logger.warning("The full read of %s was too slow and has been overtaken", environment)
        return None
    except Exception:
        run.failure = "It ended unexpectedly; the log has the details."
        raise
    finally:
        run.calls = reader.calls
        run.ended_at = timezone.now()
        SyncRun.objects.filter(pk=run.pk, ended_at=None).update(
            calls=run.calls,
            rows=run.rows,
            failure=run.failure,
            ended_at=run.ended_at,
            unreadable=run.unreadable,
            unreadable_examples=run.unreadable_examples,
        )
    _forget_old()
    return run


def refresh(
    environment: Environment,
    account_ids: Iterable[int],
    *,
    lane: Lane,
    parts: frozenset[Part] = frozenset(),
) -> int:
    """Read the risk status, and the parts asked for, of some accounts now; return how many calls it took.

    `account_ids` are Tradovate's. Costs a call for every 500 accounts and part (the account, limits and pre-trade are two);
    of more than `LISTED_ABOVE`, a call or two for each part, for then whole lists are read, except pre-trade, which has none.
    Raises `TradovateError`, and `connection.NotConnected` when the environment has no address; what was read before a
    failure is kept.
    """
    keys = account_keys(environment, account_ids)
    ids = sorted(keys)
    client = connection.client(environment, lane)
    reader = Reader(client)

    def reading(read: Read[object]) -> Reading:
        return Reading(environment, read.read_at, Source.REFRESH)

    def found(
        everything: Callable[[], Reply[list[E]]], some: Callable[[Sequence[int]], Reply[list[E]]], id_of: Callable[[E], int]
    ) -> Read[E]:
        if len(ids) <= LISTED_ABOVE:
            return reader.by_ids(some, ids)
        return reader.completed(reader.listed(everything), some, id_of=id_of, expected=ids)

    if Part.ACCOUNT in parts and ids:
        # An account names its category by number, and one that is new to the mirror would look like none.
        categories = reader.listed(client.risk_categories)
        store_categories(categories.found, reading(categories), unreadable=categories.unreadable)
        accounts = found(client.accounts, client.accounts_by_id, attrgetter("id"))
        asked = [each for each in accounts.found if each.id in keys]
        store_accounts(asked, reading(accounts), unreadable=accounts.unreadable)
    statuses = found(client.account_risk_statuses, client.account_risk_statuses_by_id, attrgetter("id"))
    store_statuses_of(keys, statuses.found, reading(statuses), unreadable=statuses.unreadable)
    if Part.POSITIONS in parts:
        positions = found(client.positions, client.positions_by_account, attrgetter("account_id"))
        store_positions(keys, positions.found, reading(positions), unreadable=positions.unreadable)
    if Part.CASH in parts:
        cash = found(client.cash_balances, client.cash_balances_by_account, attrgetter("account_id"))
        store_cash(keys, cash.found, reading(cash), unreadable=cash.unreadable)
    if Part.LIMITS in parts:
        firm = found(client.user_account_auto_liqs, client.user_account_auto_liqs_by_account, attrgetter("id"))
        store_limits(keys, firm.found, reading(firm), unreadable=firm.unreadable)
        trader = found(
            client.permissioned_account_auto_liqs, client.permissioned_account_auto_liqs_by_account, attrgetter("id")
        )
        store_limits(keys, trader.found, reading(trader), unreadable=trader.unreadable, level=LimitLevel.TRADER)
    if Part.PRE_TRADE in parts:
        limits = reader.by_ids(client.user_account_position_limits_by_account, ids)
        store_position_limits(keys, limits.found, reading(limits), unreadable=limits.unreadable)
        of_limits = {limit.id for limit in limits.found} | {row.id for row in limits.unreadable if row.id}
        parameters = reader.by_ids(client.user_account_risk_parameters_by_position_limit, of_limits)
        store_risk_parameters(keys, parameters.found, reading(parameters), unreadable=parameters.unreadable)
    return reader.calls


def refresh_traders(environment: Environment, trader_ids: Iterable[int], *, lane: Lane) -> int:
    """Read some traders now, by Tradovate's ids; return how many calls it took. Raises as `refresh` does."""
    client = connection.client(environment, lane)
    reader = Reader(client)
    users = reader.by_ids(client.users_by_id, trader_ids)
    store_traders(users.found, Reading(environment, users.read_at, Source.REFRESH), unreadable=users.unreadable)
    return reader.calls


def _begin(environment: Environment) -> SyncRun | None:
    """Take the lease, from a dead run too; None when a living one holds it."""
    now = timezone.now()
    SyncRun.objects.filter(environment=environment, ended_at=None, seen_at__lt=now - DEAD_AFTER).update(
        ended_at=now, failure="The process that ran it died."
    )
    try:
        with transaction.atomic():
            return SyncRun.objects.create(environment=environment, started_at=now, seen_at=now)
    except IntegrityError:
        return None


def _show_life(run: SyncRun) -> None:
    if not SyncRun.objects.filter(pk=run.pk, ended_at=None).update(seen_at=timezone.now()):
        raise Overtaken


def _run(run: SyncRun, reader: Reader) -> None:
    environment = Environment(run.environment)
    known = _known(environment)
    read = read_environment(reader, known)
    missing_accounts = _missing("accounts", known.open_accounts, read.accounts)
    missing_traders = _missing("traders", known.traders, read.users)
    missing_permissions = _missing("trading permissions", known.permissions, read.permissions)

    def reading(part: Read[object]) -> Reading:
        return Reading(environment, part.read_at, Source.SYNC)

    mark_missing(models.Account, missing_accounts, reading(read.accounts))
    mark_missing(models.Trader, missing_traders, reading(read.users))
    mark_missing(models.TradingPermission, missing_permissions, reading(read.permissions))
    for store in _stores(environment, read, reading):
        run.rows += store()
        _show_life(run)
    run.unreadable, run.unreadable_examples = unreadable_since(environment, run.started_at)
    if run.unreadable:
        logger.warning("%d records of %s can't be read: %s", run.unreadable, environment, "; ".join(run.unreadable_examples))


def _stores(
    environment: Environment, read: EnvironmentRead, reading: Callable[[Read[object]], Reading]
) -> Iterable[Callable[[], int]]:
    """The writes in the order of their references; each is a transaction of its own."""

    def stored(store: Callable[..., int], part: Read[Any], *keys: Keys, **options: Any) -> Callable[[], int]:
        return lambda: store(*keys, part.found, reading(part), unreadable=part.unreadable, **options)

    yield stored(store_categories, read.categories)
    yield stored(store_traders, read.users)
    yield stored(store_accounts, read.accounts)
    yield stored(store_permissions, read.permissions)
    keys = account_keys(environment)
    yield stored(store_statuses_of, read.risk_statuses, keys)
    yield stored(store_limits, read.firm_limits, keys)
    yield stored(store_limits, read.trader_limits, keys, level=LimitLevel.TRADER)
    yield stored(store_cash, read.cash_balances, keys)
    yield stored(store_positions, read.positions, keys)


def _known(environment: Environment) -> Known:
    def ids(rows: QuerySet[Any]) -> frozenset[int]:
        return frozenset(rows.values_list("tradovate_id", flat=True))

    accounts = models.Account.objects.filter(environment=environment)
    return Known(
        open_accounts=ids(accounts.filter(archived=False)),
        archived_accounts=ids(accounts.filter(archived=True)),
        traders=ids(models.Trader.objects.filter(environment=environment, missing_since=None)),
        permissions=ids(models.TradingPermission.objects.filter(environment=environment, missing_since=None)),
    )


def _missing(what: str, known: frozenset[int], read: Read[Identified]) -> frozenset[int]:
    """What is known and was not found; refuse to believe it of more than half.

    What can't be read is there. While something can't be told by its id, it may be any that seems to be missing.
    """
    if any(row.id is None for row in read.unreadable):
        return frozenset()
    missing = known - {each.id for each in read.found} - {row.id for row in read.unreadable}
    if 2 * len(missing) > len(known):
        message = f"{len(missing):,} of {len(known):,} {what} are missing from what Tradovate answered. Nothing was stored."
        raise MirrorRefused(message)
    return missing


def _forget_old() -> None:
    SyncRun.objects.filter(ended_at__lt=timezone.now() - RUNS_KEPT).delete()
    ledger.forget_old()
