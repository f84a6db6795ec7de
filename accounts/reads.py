"""Reading a whole environment from Tradovate in few calls. Only HTTP happens here, nothing is written.

Tradovate has no pages and caps the entities of one answer at an undisclosed number (FAQ), so a list is compared with the
ids it should hold. Where some are missing, a sample of them is asked for by id: if Tradovate knows none of the sample, the
list was whole and they don't exist; if it knows one, the list was cut and all the missing ones are asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from django.utils import timezone

from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import id_batches
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    PermissionedAccountAutoLiq,
    Position,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.exchange import Reply, UnreadableRow

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

SAMPLE = 200
"""How many of the missing ids are asked for before the list is believed."""


@dataclass(frozen=True, slots=True)
class Read(Generic[E_co]):
    """What one read found, and when it began: a newer row in the mirror must not be overwritten by it."""

    read_at: datetime
    found: Sequence[E_co]
    unreadable: Sequence[UnreadableRow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRead:
    """Everything the mirror keeps of one environment, except that archived accounts may be left out."""

    categories: Read[RiskCategory]
    users: Read[User]
    accounts: Read[Account]
    permissions: Read[TradingPermission]
    risk_statuses: Read[AccountRiskStatus]
    firm_limits: Read[UserAccountAutoLiq]
    trader_limits: Read[PermissionedAccountAutoLiq]
    positions: Read[Position]
    cash_balances: Read[CashBalance]


@dataclass(slots=True)
class Reader:
    """Reads through one client and counts the calls; `after_call` runs after each, and may raise to stop the reading."""

    client: Client
    after_call: Callable[[], None] = lambda: None
    calls: int = field(default=0, init=False)

    def listed(self, read: Callable[[], Reply[list[E]]]) -> Read[E]:
        """One list, as it came."""
        read_at = timezone.now()
        reply = self._one(read)
        return Read(read_at, reply.value, reply.unreadable)

    def by_ids(self, read: Callable[[Sequence[int]], Reply[list[E]]], ids: Iterable[int]) -> Read[E]:
        """What Tradovate knows under the ids, in as many calls as its caps need."""
        read_at = timezone.now()
        found, unreadable = self._batches(read, ids)
        return Read(read_at, found, unreadable)

    def completed(
        self,
        first: Read[E],
        read: Callable[[Sequence[int]], Reply[list[E]]],
        *,
        id_of: Callable[[E], int],
        expected: Iterable[int],
    ) -> Read[E]:
        """A list with what a cap may have cut off it: `expected` are the ids that it should hold, `read` asks by them."""
        # What can't be read is not missing: asked for again, it would be no better.
        there = {row.id for row in first.unreadable} | {row.account_id for row in first.unreadable}
        missing = sorted(set(expected) - {id_of(entity) for entity in first.found} - there)
        sample = set(missing[:: max(1, len(missing) // SAMPLE)])
        more, unreadable = self._batches(read, sorted(sample))
        if more:
            rest, odd = self._batches(read, (each for each in missing if each not in sample))
            more, unreadable = [*more, *rest], [*unreadable, *odd]
        return Read(first.read_at, [*first.found, *more], [*first.unreadable, *unreadable])

    def _batches(
        self, read: Callable[[Sequence[int]], Reply[list[E]]], ids: Iterable[int]
    ) -> tuple[list[E], list[UnreadableRow]]:
        replies = [self._one(partial(read, batch)) for batch in id_batches(ids)]
        return [each for reply in replies for each in reply.value], [each for reply in replies for each in reply.unreadable]

    def _one(self, read: Callable[[], Reply[list[E]]]) -> Reply[list[E]]:
        reply = read()
        self.calls += 1
        self.after_call()
        return reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Tradovate's ids of what the mirror holds and has not marked as missing."""

    open_accounts: frozenset[int]
    archived_accounts: frozenset[int]
    traders: frozenset[int]
    permissions: frozenset[int]


def read_environment(reader: Reader, known: Known) -> EnvironmentRead:
    """Read everything, about a dozen calls. Raises `TradovateError`; then nothing of it may be stored.

    An account counts as expected when the mirror has it open, or when another list names it and the mirror doesn't know
    it yet. Archived ones are not asked for again: whether Tradovate lists them is undocumented.
    """
    client = reader.client
    categories = reader.listed(client.risk_categories)
    permissions = reader.listed(client.trading_permissions)
    statuses = reader.listed(client.account_risk_statuses)
    accounts = reader.completed(
        reader.listed(client.accounts),
        client.accounts_by_id,
        id_of=lambda account: account.id,
        expected=known.open_accounts
        | ({each.account_id for each in permissions.found} | {each.id for each in statuses.found}) - known.archived_accounts,
    )
    permissions = reader.completed(
        permissions,
        client.trading_permissions_by_id,
        id_of=lambda permission: permission.id,
        expected=known.permissions,
    )
    open_accounts = {each.id for each in accounts.found if not (each.closed or each.archived or each.active is False)}
    return EnvironmentRead(
        categories=categories,
        users=reader.completed(
            reader.listed(client.users),
            client.users_by_id,
            id_of=lambda user: user.id,
            expected=known.traders | {each.user_id for each in permissions.found},
        ),
        accounts=accounts,
        permissions=permissions,
        risk_statuses=reader.completed(
            statuses,
            client.account_risk_statuses_by_id,
            id_of=lambda status: status.id,
            expected=open_accounts,
        ),
        firm_limits=reader.completed(
            reader.listed(client.user_account_auto_liqs),
            client.user_account_auto_liqs_by_account,
            id_of=lambda limits: limits.id,
            expected=open_accounts,
        ),
        trader_limits=reader.completed(
            reader.listed(client.permissioned_account_auto_liqs),
            client.permissioned_account_auto_liqs_by_account,
            id_of=lambda limits: limits.id,
            expected=open_accounts,
        ),
        positions=reader.completed(
            reader.listed(client.positions),
            client.positions_by_account,
            id_of=lambda position: position.account_id,
            expected=open_accounts,
        ),
        cash_balances=reader.completed(
            reader.listed(client.cash_balances),
            client.cash_balances_by_account,
            id_of=lambda balance: balance.account_id,
            expected=open_accounts,
        ),
    )
