"""Bringing the mirror up to date: a full read of an environment, or a few accounts on demand.

HTTP and writing never mix: everything is read first and then stored, outside of any transaction that could stay open during a
call. A full read may be repeated, overtaken or killed at any point; the next one completes what it left.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import models
from accounts.gateway import connection, ledger
from accounts.models import LimitLevel, Source, SyncRun
from accounts.models.ids import with_ids
from accounts.sync.complete import Read
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import EnvironmentRead, Known, Reader
from accounts.sync.store import (
    Keys,
    Leaving,
    account_keys,
    mark_missing,
    note_left_out,
    return_to_mirror,
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
from accounts.sync.unreadable import since as unreadable_since
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.errors import StoreUnavailable, TradovateError
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.formats import listed

__all__ = ["Acceptance", "MirrorRefused", "Part", "refresh", "refresh_traders", "store_risk_statuses", "sync"]

logger = logging.getLogger(__name__)

E = TypeVar("E")

DEAD_AFTER = timedelta(seconds=120)
"""A run that showed no sign of life for this long was killed: no single call or write takes longer."""

RUNS_KEPT = timedelta(days=7)

SYNC_SHARE = 0.2
"""The part of the hour's calls that full reads of one environment may use, if completing cut lists takes many."""

SYNCS_LEFT_OUT_AT_MOST = 3
"""At most this many times the usual pause, however many calls the last full read took."""


FEW: Final = 5
"""This many rows may newly vanish from a list, whatever part of it they are: an environment may have only a few."""


class MirrorRefused(Exception):
    """What was read differs too much from what is known to be trusted; nothing of it was stored."""


class Overtaken(Exception):
    """This run was presumed dead and another one has begun."""


class Part(StrEnum):
    """What `refresh` reads in addition to the risk status."""

    ACCOUNT = "account"
    CASH = "cash"
    POSITIONS = "positions"
    LIMITS = "limits"
    PRE_TRADE = "pre_trade"

    @property
    def entities(self) -> tuple[models.MirroredEntity, ...]:
        """The entities that belong to it."""
        return _ENTITIES[self]


_ENTITIES: Final = {
    Part.ACCOUNT: (models.MirroredEntity.ACCOUNT,),
    Part.CASH: (models.MirroredEntity.CASH,),
    Part.POSITIONS: (models.MirroredEntity.POSITION,),
    Part.LIMITS: (models.MirroredEntity.FIRM_LIMITS, models.MirroredEntity.TRADER_LIMITS),
    Part.PRE_TRADE: (models.MirroredEntity.POSITION_LIMIT, models.MirroredEntity.RISK_PARAMETER),
}


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """Who found that rows which Tradovate's lists lack are really gone, and where they said so."""

    actor: Staff
    origin: Origin


def sync(environment: Environment, *, accept_missing: Acceptance | None = None) -> SyncRun | None:
    """Read a whole environment into the mirror and return the run, or None if another process is already doing so.

    If Tradovate or the data cause a failure, the run's `failure` describes it, and what was known stays unmodified. Lists that
    lack more than half of the known rows are such a failure, unless `accept_missing` says who vouches for it; that is an audit
    event. Costs about a dozen calls of the bulk lane. Raises `connection.NotConnected` if the environment has no address.
    """
    client = connection.client(environment, Lane.BULK)
    run = _begin(environment)
    if run is None:
        return None
    reader = Reader(client, lambda: _show_life(run))
    try:
        _run(run, reader, accept_missing)
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
            untold=run.untold,
            failure=run.failure,
            ended_at=run.ended_at,
            unreadable=run.unreadable,
            unreadable_examples=run.unreadable_examples,
        )
    _forget_old()
    return run


def is_due(environment: Environment) -> bool:
    """Say whether a full read is due; after one that took many calls, because lists are cut, the next waits longer."""
    last = SyncRun.objects.filter(environment=environment, ended_at__isnull=False).order_by("-started_at").first()
    if last is None or last.failure:
        return True
    share = settings.BUDGET_CALLS_PER_HOUR * SYNC_SHARE
    wait_s = min(3600 * last.calls / share, SYNCS_LEFT_OUT_AT_MOST * settings.SYNC_SECONDS)
    return bool(timezone.now() >= last.started_at + timedelta(seconds=wait_s))


def refresh(
    environment: Environment,
    account_ids: Iterable[int],
    *,
    lane: Lane,
    parts: frozenset[Part] = frozenset(),
) -> int:
    """Read the risk status, and the requested parts, of some accounts now; return how many calls it took.

    `account_ids` are Tradovate's. Costs one call for every 500 accounts and part (the account, limits and pre-trade cost two
    each). For more than 1,000 accounts it costs a call or two for each part, because whole lists are read, except for
    pre-trade, which has no list. What Tradovate leaves out keeps its previous age. An account that was missing and for which
    Tradovate returns something is no longer missing. Raises `TradovateError`, and `connection.NotConnected` if the environment
    has no address; what was read before a failure is kept.
    """
    keys = account_keys(environment, account_ids)
    if not keys:
        return 0
    ids = sorted(keys)
    reader = Reader(connection.client(environment, lane))
    heard = _store_asked(environment, reader, keys, parts)
    return_to_mirror(environment, heard & set(ids), timezone.now())
    return reader.calls


def _store_asked(environment: Environment, reader: Reader, keys: Keys, parts: frozenset[Part]) -> set[int]:
    """Read what `refresh` was asked for and store it; return the accounts for which Tradovate had something."""
    ids = sorted(keys)
    heard: set[int] = set()

    def reading(read: Read[E]) -> ReadStamp:
        return ReadStamp(environment, read.read_at, Source.REFRESH)

    if Part.ACCOUNT in parts:
        # An account names its category by number; without this, a category new to the mirror would look like none.
        categories = reader.categories()
        store_categories(categories.found, reading(categories), unreadable=categories.odd)
        accounts = _whole(reader.accounts(ids))
        store_accounts(accounts.found, reading(accounts), unreadable=accounts.odd)
        heard |= accounts.reported
    statuses = _whole(reader.risk_statuses(ids))
    store_statuses_of(keys, statuses.found, reading(statuses), unreadable=statuses.odd)
    heard |= statuses.reported
    if Part.POSITIONS in parts:
        positions = _whole(reader.positions(ids))
        store_positions(_reported(keys, positions), positions.found, reading(positions), unreadable=positions.odd)
        heard |= {each.account_id for each in positions.found}
    if Part.CASH in parts:
        cash = _whole(reader.cash(ids))
        store_cash(keys, cash.found, reading(cash), unreadable=cash.odd)
        heard |= {each.account_id for each in cash.found}
    if Part.LIMITS in parts:
        for level in LimitLevel:
            limits = _whole(reader.limits(level, ids))
            store_limits(keys, limits.found, reading(limits), unreadable=limits.odd, level=level)
            heard |= limits.reported
    if Part.PRE_TRADE in parts:
        position_limits = _whole(reader.position_limits(ids))
        limits_reported, at = _reported(keys, position_limits), reading(position_limits)
        store_position_limits(limits_reported, position_limits.found, at, unreadable=position_limits.odd)
        parameters = _whole(reader.risk_parameters(limit.id for limit in position_limits.found))
        incomplete = {limit.account_id for limit in position_limits.found if limit.id not in parameters.reported}
        whole = {each: pk for each, pk in limits_reported.items() if each not in incomplete}
        store_risk_parameters(whole, parameters.found, reading(parameters), unreadable=parameters.odd)
        heard |= {limit.account_id for limit in position_limits.found}
    return heard


def _reported(keys: Keys, read: Read[E]) -> Keys:
    """Return the keys of the accounts for which everything was read."""
    return {account_id: pk for account_id, pk in keys.items() if account_id in read.reported}


def _whole(read: Read[E]) -> Read[E]:
    """Return a read on demand; raise the error that ended it early, since a person waits for all of it."""
    if read.failure is not None:
        raise read.failure
    return read


def refresh_traders(environment: Environment, trader_ids: Iterable[int], *, lane: Lane) -> int:
    """Read some traders now, by Tradovate's ids; return how many calls it took. Raises as `refresh` does."""
    reader = Reader(connection.client(environment, lane))
    users = _whole(reader.traders(trader_ids))
    store_traders(users.found, ReadStamp(environment, users.read_at, Source.REFRESH), unreadable=users.odd)
    return reader.calls


def _begin(environment: Environment) -> SyncRun | None:
    """Take the lease, also from a dead run; None if a living run holds it."""
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


def _run(run: SyncRun, reader: Reader, accept_missing: Acceptance | None) -> None:
    environment = Environment(run.environment)
    known = _known(environment)
    read = reader.environment(known)
    parts: tuple[tuple[Leaving, frozenset[int], Read[Any]], ...] = (
        (models.Account, known.open_accounts, read.accounts),
        (models.Trader, known.traders, read.users),
        (models.TradingPermission, known.permissions, read.permissions),
    )
    accounts, traders, permissions = (part.left_out & ids for _, ids, part in parts)
    doubtful = {words: count for each in parts for words, count in _doubtful(environment, *each).items()}
    if doubtful:
        _accept(doubtful, environment, accept_missing)

    def reading(part: Read[Any]) -> ReadStamp:
        return ReadStamp(environment, part.read_at, Source.SYNC)

    mark_missing(models.Account, read.gone, reading(read.accounts))
    note_left_out(models.Account, accounts - read.gone - read.existing, reading(read.accounts))
    note_left_out(models.Trader, traders, reading(read.users))
    note_left_out(models.TradingPermission, permissions, reading(read.permissions))
    for store in _stores(environment, read, reading):
        run.rows += store()
        _show_life(run)
    run.unreadable, run.unreadable_examples = unreadable_since(environment, run.started_at)
    if run.unreadable:
        logger.warning("%d records of %s can't be read: %s", run.unreadable, environment, "; ".join(run.unreadable_examples))
    run.untold = (
        len(read.accounts.reported - read.risk_statuses.reported) if read.risk_statuses else len(read.accounts.reported)
    )
    for part in read.parts:
        if part.failure is not None:
            raise part.failure


def _stores(
    environment: Environment, read: EnvironmentRead, reading: Callable[[Read[Any]], ReadStamp]
) -> Iterable[Callable[[], int]]:
    """The writes in the order of their references; each is its own transaction."""
    yield lambda: store_categories(read.categories.found, reading(read.categories), unreadable=read.categories.odd)
    yield lambda: store_traders(read.users.found, reading(read.users), unreadable=read.users.odd)
    yield lambda: store_accounts(read.accounts.found, reading(read.accounts), unreadable=read.accounts.odd)
    yield lambda: store_permissions(read.permissions.found, reading(read.permissions), unreadable=read.permissions.odd)
    keys = account_keys(environment)
    statuses = read.risk_statuses
    if statuses is not None:
        yield lambda: store_statuses_of(keys, statuses.found, reading(statuses), unreadable=statuses.odd)
    for level, limits in ((LimitLevel.FIRM, read.firm_limits), (LimitLevel.TRADER, read.trader_limits)):
        if limits is not None:
            yield partial(store_limits, keys, limits.found, reading(limits), unreadable=limits.odd, level=level)
    cash, positions = read.cash_balances, read.positions
    yield lambda: store_cash(keys, cash.found, reading(cash), unreadable=cash.odd)
    reported = _reported(keys, positions)
    yield lambda: store_positions(reported, positions.found, reading(positions), unreadable=positions.odd)


def _known(environment: Environment) -> Known:
    def ids(rows: QuerySet[Any]) -> frozenset[int]:
        return frozenset(rows.values_list("tradovate_id", flat=True))

    accounts = models.Account.objects.filter(environment=environment)
    positions = models.Position.objects.filter(account__environment=environment, account__archived=False)
    return Known(
        open_accounts=ids(accounts.filter(archived=False)),
        archived_accounts=ids(accounts.filter(archived=True)),
        missing_accounts=ids(accounts.filter(missing_since__isnull=False, closed=False)),
        traders=ids(models.Trader.objects.filter(environment=environment, missing_since=None)),
        permissions=ids(models.TradingPermission.objects.filter(environment=environment, missing_since=None)),
        position_owners=dict(positions.values_list("tradovate_id", "account__tradovate_id")),
    )


def _doubtful(environment: Environment, model: Leaving, known: frozenset[int], read: Read[Any]) -> dict[str, str]:
    """Return by the rows' name how many are missing, if they are too many to be believed; else nothing.

    That is more than half of those known, unless only a few of them vanished now: the others were believed to be missing in an
    earlier read. An answer without a single row is no evidence about even a few.
    """
    left_out = read.left_out & known
    if 2 * len(left_out) <= len(known):
        return {}
    rows: QuerySet[Any] = model.objects.all()
    vanished = rows.filter(with_ids(environment, left_out), left_out_at=None).count()
    if vanished <= (FEW if read.reported else 0):
        return {}
    return {str(model._meta.verbose_name_plural): f"{len(left_out):,} of {len(known):,}"}


def _accept(doubtful: Mapping[str, str], environment: Environment, acceptance: Acceptance | None) -> None:
    """Record who accepts that so many rows are missing. Raises MirrorRefused if there is no acceptance."""
    if acceptance is None:
        missing = listed([f"{count} {words}" for words, count in doubtful.items()])
        raise MirrorRefused(f"{missing} are missing from what Tradovate answered. Nothing was stored.")
    detail = {"environment": environment.value, "missing": dict(doubtful)}
    with transaction.atomic():
        record(
            AuditEntry(tag=Tag.MIRROR_MISSING_ACCEPTED, actor=acceptance.actor.who(), origin=acceptance.origin, detail=detail)
        )


def _forget_old() -> None:
    SyncRun.objects.filter(ended_at__lt=timezone.now() - RUNS_KEPT).delete()
    ledger.forget_old()
