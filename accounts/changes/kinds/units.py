"""The two types of target: accounts and traders."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from accounts.changes.kinds.kind import Kind, Lookup, Reading, Unread
from accounts.changes.kinds.stored_form import StoredForm
from accounts.models import Account, Position, Source, Trader
from accounts.models.ids import with_ids
from accounts.sync.actions import Part
from accounts.sync.complete import Read
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import ASKED_ALONE, Reader
from accounts.sync.store import mark_missing, return_to_mirror
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.http_record import describe_unreadable
from riskadmin.tradovate.vocabulary import Environment


class AccountKind(Kind):
    """A kind whose targets are accounts."""

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        """Return the accounts with everything selected that `plan` and `state` read."""
        return accounts.select_related("risk_status")

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Account]:
        return {account.tradovate_id: account for account in self.mirrored(found_by_ids(environment, ids))}

    def obstacle(self, subject: Account) -> str:
        why = gone(subject)
        if not why and not hasattr(subject, "risk_status"):
            return "Its risk status was never read; read the account first"
        return why

    def gone_among(self, environment: Environment, ids: Sequence[int]) -> set[int]:
        # Without everything that a plan reads: ten thousand locks need this quickly.
        open_ = Account.objects.filter(with_ids(environment, ids), archived=False, closed=False)
        return set(ids) - set(open_.values_list("tradovate_id", flat=True))

    def lookup(self, client: Client, ids: Sequence[int]) -> Lookup:
        return accounts_known(client, ids)

    def note_gone(self, environment: Environment, ids: Collection[int]) -> None:
        mark_missing(Account, ids, ReadStamp(environment, timezone.now(), Source.CONFIRM))

    def read_at(self, subject: Account) -> datetime | None:
        return oldest(*self.readings(subject))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        """Return when each thing that the plan depends on was read; None for what never was. Pure.

        What Tradovate may not have for an account (cash, limits) is left out while there is none.
        """
        status = subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None
        return (status, subject.positions_read_at) if Part.POSITIONS in self.parts else (status,)


def found_by_ids(environment: Environment, ids: Sequence[int]) -> QuerySet[Account]:
    """Return the accounts of a plan, by Tradovate's ids, without the times that few plans read.

    Converting what PostgreSQL sends to times is a sixth of the plan of 10,000 accounts; reading a deferred one costs a query.
    """
    accounts = Account.objects.filter(with_ids(environment, ids))
    return accounts.defer("opened_at", "position_limits_read_at", "risk_parameters_read_at")


def oldest(*readings: datetime | None) -> datetime | None:
    """Return the oldest of several readings; None if one of them never happened."""
    known = [at for at in readings if at is not None]
    return min(known) if known and len(known) == len(readings) else None


def with_held(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Prefetch the open positions that `held` returns; as lists, since a manager for each of 10,000 accounts costs a second."""
    return accounts.prefetch_related(Prefetch("positions", Position.objects.exclude(net_pos=0), to_attr="held"))


def held(account: Account) -> list[Position]:
    """Return an account's open positions, prefetched by `with_held`."""
    positions: list[Position] = account.held  # type: ignore[attr-defined]  # by `with_held`
    return positions


def open_positions(account: Account) -> int | None:
    """Return how many open positions an account holds, prefetched by `with_held`; None if they were never read."""
    return len(held(account)) or (0 if account.positions_read_at else None)


GONE: Final = "Gone: Tradovate no longer lists it"


def gone(account: Account) -> str:
    """Return why nothing is sent for an account that no longer exists at Tradovate, or ""."""
    # A missing or closed account is also archived (account_gone_is_archived), which says the least.
    if account.missing_since:
        return GONE
    if account.closed:
        return "Closed: Tradovate would accept the call and do nothing"
    if account.archived:
        return "Archived: Tradovate would accept the call and do nothing"
    return ""


class TraderKind(Kind):
    """A kind whose targets are traders."""

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Trader]:
        found = Trader.objects.filter(with_ids(environment, ids))
        return {trader.tradovate_id: trader for trader in found}

    def obstacle(self, subject: Trader) -> str:
        return GONE if subject.missing_since else ""

    def read_at(self, subject: Trader) -> datetime | None:
        return subject.fresh_at


# --- Reading back -------------------------------------------------------------------------------------------------------


def reading_of(client: Client, read: Read[Any], *, observed: Mapping[int, StoredForm], keep: Callable[[], object]) -> Reading:
    """Return the result of a read of accounts; `observed` are their states, `keep` writes what was found into the mirror.

    An account that was missing in the mirror, and for which Tradovate returns something, is no longer missing.
    """

    def keep_all() -> None:
        keep()
        return_to_mirror(client.environment, observed.keys(), read.read_at)

    states = {target_id: state.to_json() for target_id, state in observed.items()}
    return Reading(observed=states, unread=unread(read), answers=read.answers, keep=keep_all)


def unread(read: Read[Any]) -> dict[int, Unread]:
    """Return why a read shows nothing about some targets, by their ids."""
    why = {
        key: Unread(why=f"Tradovate sent something unreadable: {describe_unreadable(row.field, row.value)}", may_come=False)
        for key, row in read.unreadable.items()
    }
    why |= dict.fromkeys(read.left_out, LEFT_OUT)
    if read.failure is not None:
        why |= dict.fromkeys(read.not_asked, Unread(why=f"It could not be read: {read.failure.message}"))
    return why


LEFT_OUT: Final = Unread(why="Tradovate left it out of its answers")


def accounts_known(client: Client, ids: Sequence[int]) -> Lookup:
    """Return which accounts Tradovate has, and which returned 404; an account in no response is neither.

    Raises `TradovateError`.
    """
    reader = Reader(client)
    read = reader.accounts(ids)
    asked = sorted(read.left_out)[:ASKED_ALONE]
    alone = reader.alone(asked)
    known = read.reported | read.unreadable.keys() | (set(asked) - alone.gone - alone.unanswered)
    return Lookup(known=frozenset(known), gone=frozenset(alone.gone))
