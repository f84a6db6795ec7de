"""Records that Tradovate sent and that can't be read: kept beside the mirror until the same record is read successfully.

A record that can't be read or stored leaves its mirror row unmodified, including its age. What was sent instead is evidence: it
is shown wherever the row is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import (
    Account,
    AutoLiqLimits,
    Cash,
    LimitLevel,
    MirroredEntity,
    MirrorRow,
    Position,
    PositionLimit,
    RiskCategory,
    RiskParameter,
    RiskStatus,
    Source,
    Trader,
    TradingPermission,
    UnreadableRecord,
)
from accounts.models.ids import AnyOf, with_ids
from accounts.sync.mapping import ReadStamp, Row, misfit
from riskadmin.tradovate.http_record import VALUE_MAX, UnreadableRow
from riskadmin.tradovate.reading import as_json
from riskadmin.tradovate.rows import Identified
from riskadmin.tradovate.vocabulary import Environment

NAMED_AT_MOST: Final = 20
"""This many records that can't be read are named by a full read; the others are counted."""

WITHOUT_ID_AT_MOST: Final = 100
"""This many records without an id are kept from one reading: nothing distinguishes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MirrorTable:
    """How an entity's mirror rows are found by Tradovate's ids (`with_ids`), and which account they belong to (empty: none)."""

    model: type[MirrorRow]
    id: str = "tradovate_id"
    owner: str = "account"
    account: str = "account_id"
    level: LimitLevel | None = None


_MIRROR_TABLES: Final[Mapping[MirroredEntity, _MirrorTable]] = {
    MirroredEntity.RISK_CATEGORY: _MirrorTable(model=RiskCategory, owner="", account=""),
    MirroredEntity.TRADER: _MirrorTable(model=Trader, owner="", account=""),
    MirroredEntity.ACCOUNT: _MirrorTable(model=Account, owner="", account="id"),
    MirroredEntity.PERMISSION: _MirrorTable(model=TradingPermission, owner=""),
    MirroredEntity.RISK_STATUS: _MirrorTable(model=RiskStatus, id="account__tradovate_id"),
    MirroredEntity.FIRM_LIMITS: _MirrorTable(model=AutoLiqLimits, id="account__tradovate_id", level=LimitLevel.FIRM),
    MirroredEntity.TRADER_LIMITS: _MirrorTable(model=AutoLiqLimits, id="account__tradovate_id", level=LimitLevel.TRADER),
    MirroredEntity.CASH: _MirrorTable(model=Cash, id="account__tradovate_id"),
    MirroredEntity.POSITION: _MirrorTable(model=Position),
    MirroredEntity.POSITION_LIMIT: _MirrorTable(model=PositionLimit),
    MirroredEntity.RISK_PARAMETER: _MirrorTable(
        model=RiskParameter,
        owner="position_limit__account",
        account="position_limit__account",
    ),
}


def _key(entity: MirroredEntity, row: UnreadableRow) -> int | None:
    """Return the key of an entity's mirror row: for cash balances the mirror keeps no id, but one row per account."""
    return row.account_id if entity == MirroredEntity.CASH else row.id


_OF_ITS_ACCOUNT: Final = frozenset(
    {MirroredEntity.ACCOUNT, MirroredEntity.RISK_STATUS, MirroredEntity.FIRM_LIMITS, MirroredEntity.TRADER_LIMITS}
)
"""For these entities the id is the account's own (inferred for all but the account)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A record that can't be read, with our keys of its account and trader, if anything identifies them."""

    row: UnreadableRow
    account_id: int | None
    trader_id: int | None
    is_outdated: bool
    """Whether the mirror has a newer reading of it."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """The rows of a response that can be stored with their Tradovate ids, and what is known about the records that can't."""

    rows: list[Row]
    good: set[int]
    odd: list[Owned]

    @property
    def accounts(self) -> set[int]:
        """Our keys of the accounts with a record that can't be stored."""
        return {each.account_id for each in self.odd if each.account_id is not None}

    @property
    def is_fully_identified(self) -> bool:
        """Whether each record that can't be stored names its id; else it may be any that is missing."""
        return all(each.row.id is not None or each.account_id is not None for each in self.odd)


def sort(
    entity: MirroredEntity,
    model: type[MirrorRow],
    found: Iterable[tuple[Identified, Row]],
    unreadable: Iterable[UnreadableRow],
    reading: ReadStamp,
    *,
    asked: Mapping[int, int] | None = None,
) -> Sorted:
    """Separate the rows that fit their columns from those that would make a statement of thousands fail.

    `asked` are the accounts that a reading on demand asked for: if it is only one, everything that comes belongs to it.
    """
    rows: list[Row] = []
    good: set[int] = set()
    odd = list(unreadable)
    for record, row in found:
        bad = misfit(model, row)
        if bad is None:
            rows.append(row)
            good.add(record.id)
        else:
            field, value = bad
            odd.append(
                UnreadableRow(
                    id=record.id,
                    account_id=getattr(record, "account_id", None),
                    position_limit_id=getattr(record, "user_account_position_limit_id", None),
                    field=field,
                    value=as_json(value, VALUE_MAX),
                )
            )
    is_of_one = asked is not None and len(asked) == 1 and reading.source != Source.SYNC
    only = next(iter(asked.values())) if asked and is_of_one else None
    return Sorted(rows, good, _owned(entity, odd, reading, only) if odd else [])


def _owned(entity: MirroredEntity, found: Collection[UnreadableRow], reading: ReadStamp, only: int | None) -> list[Owned]:
    """Find the owners of records that can't be read: from the record itself, its id, or the mirror's row with the same id."""
    held = _mirrored(entity, {key for row in found if (key := _key(entity, row)) is not None}, reading.environment)
    named = {row.account_id for row in found} | ({row.id for row in found} if entity in _OF_ITS_ACCOUNT else set())
    accounts = _keys(Account, named, reading.environment)
    limits = _accounts_of_limits({row.position_limit_id for row in found}, reading.environment)
    traders = _keys(Trader, {row.id for row in found}, reading.environment) if entity == MirroredEntity.TRADER else {}

    def account_of(row: UnreadableRow) -> int | None:
        own = accounts.get(row.id or 0) if entity in _OF_ITS_ACCOUNT else None
        mirrored = held[key].account_id if (key := _key(entity, row)) in held else None
        return own or accounts.get(row.account_id or 0) or mirrored or limits.get(row.position_limit_id or 0) or only

    return [
        Owned(
            row=row,
            account_id=account_of(row),
            trader_id=traders.get(row.id or 0),
            is_outdated=(key := _key(entity, row)) in held and held[key].fresh_at > reading.read_at,
        )
        for row in found
    ]


def note(
    entity: MirroredEntity,
    found: Iterable[Owned],
    reading: ReadStamp,
    *,
    good: Collection[int],
    replaced: Collection[int] = (),
) -> None:
    """Keep what could not be read, and delete what has been read since: `good` are Tradovate's ids of the readable records.

    `replaced` are our keys of the accounts whose records were all read. Records without an owner are deleted with the next full
    read.
    """
    current = [each for each in found if not each.is_outdated]
    of_entity = UnreadableRecord.objects.filter(environment=reading.environment.value, entity=entity.value)
    known = {record.pk: record for record in of_entity.filter(read_at__lte=reading.read_at)}
    if not known and not current:
        return
    again = {each.row.id for each in current} - {None}
    accounts = {each.account_id for each in current}
    over = [
        pk
        for pk, record in known.items()
        if record.tradovate_id not in again
        and (
            record.tradovate_id in good
            or (record.account_id in replaced and record.account_id not in accounts)
            or (record.account_id is None and record.trader_id is None and reading.source == Source.SYNC)
            or (record.tradovate_id is None and record.account_id in accounts)
        )
    ]
    with transaction.atomic():
        UnreadableRecord.objects.filter(pk__in=over).delete()
        with_id = {each.row.id: each for each in current if each.row.id is not None}
        _write(entity, [with_id[key] for key in sorted(with_id)], reading)
        _write(entity, [each for each in current if each.row.id is None][:WITHOUT_ID_AT_MOST], reading)


def attach(accounts: Iterable[Account]) -> None:
    """Set `unreadable` on each of the accounts to the parts of it that can't be read; one query."""
    by_key = {account.pk: account for account in accounts}
    if not by_key:
        return
    found: dict[int, list[UnreadableRecord]] = {}
    for record in of_accounts(list(by_key)):
        found.setdefault(record.account_id or 0, []).append(record)
    for key, records in found.items():
        by_key[key].unreadable = records


def of_accounts(keys: Collection[int]) -> "QuerySet[UnreadableRecord]":
    """Return the unreadable records of the accounts with these keys of ours."""
    return UnreadableRecord.objects.filter(AnyOf("account_id", list(keys))).order_by("entity", "tradovate_id", "pk")


def of_account(account: Account) -> list[UnreadableRecord]:
    """Return the unreadable records of an account and of its trader."""
    mine = Q(account=account) | (Q(trader=account.trader_id) if account.trader_id else Q(pk__in=[]))
    return list(UnreadableRecord.objects.filter(mine).order_by("entity", "tradovate_id", "pk"))


def since(environment: Environment, at: datetime) -> tuple[int, list[str]]:
    """Return how many records could not be read since then, and a description of the first few."""
    records = UnreadableRecord.objects.filter(environment=environment.value, read_at__gte=at)
    return records.count(), [record.words for record in records.order_by("entity", "tradovate_id", "pk")[:NAMED_AT_MOST]]


def _write(entity: MirroredEntity, found: Collection[Owned], reading: ReadStamp) -> None:
    UnreadableRecord.objects.bulk_create(
        (
            UnreadableRecord(
                environment=reading.environment.value,
                entity=entity.value,
                tradovate_id=each.row.id,
                account_id=each.account_id,
                trader_id=each.trader_id,
                field=each.row.field,
                value=each.row.value,
                since=reading.read_at,
                read_at=reading.read_at,
            )
            for each in found
        ),
        update_conflicts=True,
        unique_fields=["environment", "entity", "tradovate_id"],
        update_fields=["account_id", "trader_id", "field", "value", "read_at"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    fresh_at: datetime
    account_id: int | None


def _mirrored(entity: MirroredEntity, ids: Collection[int], environment: Environment) -> Mapping[int | None, _Row]:
    held = _MIRROR_TABLES[entity]
    rows = held.model._default_manager.filter(with_ids(environment, ids, column=held.id, owner=held.owner))  # noqa: SLF001  (any model's)
    if held.level:
        rows = rows.filter(Q(("level", held.level.value)))
    columns = (held.id, "fresh_at", *((held.account,) if held.account else ()))
    return {row[0]: _Row(fresh_at=row[1], account_id=row[2] if held.account else None) for row in rows.values_list(*columns)}


def _keys(model: type[Account] | type[Trader], ids: Iterable[int | None], environment: Environment) -> Mapping[int, int]:
    found = model.objects.filter(with_ids(environment, {each for each in ids if each is not None}))
    return dict(found.values_list("tradovate_id", "pk"))


def _accounts_of_limits(ids: Iterable[int | None], environment: Environment) -> Mapping[int, int]:
    wanted = {each for each in ids if each is not None}
    found = PositionLimit.objects.filter(with_ids(environment, wanted, owner="account"))
    return dict(found.values_list("tradovate_id", "account_id"))
