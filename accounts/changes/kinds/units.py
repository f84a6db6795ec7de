"""The two things that changes are about: accounts and traders."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from django.db.models import Prefetch, QuerySet

from accounts.changes.kinds.kind import Kind, Unit
from accounts.models import Account, Position, Trader
from accounts.queries import AnyOf
from accounts.sync import Part
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.exchange import Reply
from riskadmin.tradovate.vocabulary import Environment

E = TypeVar("E")


class AccountKind(Kind[Account]):
    """A kind whose targets are accounts."""

    unit = Unit.ACCOUNT

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        """Return the accounts with everything that `plan` and `state` read selected."""
        return accounts.select_related("risk_status")

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Account]:
        return {account.tradovate_id: account for account in self.mirrored(found_by_ids(environment, ids))}

    def obstacle(self, subject: Account) -> str:
        why = gone(subject)
        if not why and not hasattr(subject, "risk_status"):
            return "Its risk status was never read; read the account first"
        return why

    def gone_among(self, environment: Environment, ids: Sequence[int]) -> set[int]:
        # Without all that a plan reads: ten thousand locks ask this in a hurry.
        open_ = Account.objects.filter(AnyOf("tradovate_id", ids), environment=environment.value, archived=False, closed=False)
        return set(ids) - set(open_.values_list("tradovate_id", flat=True))

    def read_at(self, subject: Account) -> datetime | None:
        return oldest(*self.readings(subject))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        """Return when each of the things was read that the plan rests on; None for what never was. Pure.

        What Tradovate may not have of an account (cash, limits) is left out while there is none.
        """
        status = subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None
        return (status, subject.positions_read_at) if Part.POSITIONS in self.parts else (status,)


def found_by_ids(environment: Environment, ids: Sequence[int]) -> QuerySet[Account]:
    """Return the accounts that a plan is made of, by Tradovate's ids, without the times that few plans read.

    Making a time of what PostgreSQL sends is a sixth of the plan of 10,000 accounts; whoever reads a deferred one pays for it.
    """
    accounts = Account.objects.filter(AnyOf("tradovate_id", ids), environment=environment.value)
    return accounts.defer("opened_at", "missing_since", "position_limits_read_at", "risk_parameters_read_at")


def oldest(*readings: datetime | None) -> datetime | None:
    """Return the oldest of several readings; None when one of them never was."""
    known = [at for at in readings if at is not None]
    return min(known) if known and len(known) == len(readings) else None


def with_held(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Prefetch the open positions that `held` returns; as lists, for a manager for each of 10,000 accounts costs a second."""
    return accounts.prefetch_related(Prefetch("positions", Position.objects.exclude(net_pos=0), to_attr="held"))


def held(account: Account) -> list[Position]:
    """Return an account's open positions, prefetched by `with_held`."""
    positions: list[Position] = account.held  # type: ignore[attr-defined]  # by `with_held`
    return positions


def open_positions(account: Account) -> int | None:
    """Return how many open positions an account holds, prefetched by `with_held`; None where they were never read."""
    return len(held(account)) or (0 if account.positions_read_at else None)


def gone(account: Account) -> str:
    """Return why nothing is sent for an account that no longer exists at Tradovate, or ""."""
    # A closed account is archived too (account_gone_is_archived), and "closed" says more.
    if account.closed:
        return "Closed: Tradovate would accept the call and do nothing"
    if account.archived:
        return "Archived: Tradovate would accept the call and do nothing"
    return ""


class TraderKind(Kind[Trader]):
    """A kind whose targets are traders."""

    unit = Unit.TRADER

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Trader]:
        found = Trader.objects.filter(environment=environment.value, tradovate_id__in=ids)
        return {trader.tradovate_id: trader for trader in found}

    def obstacle(self, subject: Trader) -> str:
        return "Gone: Tradovate no longer lists this trader" if subject.missing_since else ""

    def read_at(self, subject: Trader) -> datetime | None:
        return subject.fresh_at


# --- Reading back -------------------------------------------------------------------------------------------------------

BY_ID_MAX: Final = 300
"""So many of the longest ids fit one address (tradovate.endpoints); more are read with the one call that lists all."""


def by_id_or_all(
    ids: Sequence[int], some: Callable[[Sequence[int]], Reply[list[E]]], everything: Callable[[], Reply[list[E]]]
) -> Reply[list[E]]:
    """Read what is asked for in one call: by the ids where they fit into one, else with the list of all."""
    return some(ids) if len(ids) <= BY_ID_MAX else everything()


def known_accounts(client: Client, ids: Sequence[int]) -> set[int]:
    """Return which of the accounts Tradovate knows, in one read."""
    found = by_id_or_all(ids, client.accounts_by_id, client.accounts)
    return {account.id for account in found.value} & set(ids)
