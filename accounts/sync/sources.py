"""What can be read of an environment, and by which calls. Each function returns the source of one type of rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final, TypeVar

from accounts.models import LimitLevel
from accounts.sync.complete import EntitySource
from accounts.sync.id_proof import Comparison
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    LossLimits,
    Position,
    TradingPermission,
    User,
)
from riskadmin.tradovate.http_record import Reply, UnreadableRow
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.reads import endpoint_of

E = TypeVar("E")

PRE_TRADE_IDS: Final = 50
"""Accounts or position limits in one call: each may have many records, and all of them have to fit into the response."""

_OWN_ID: Final = attrgetter("id")
_ACCOUNT: Final = attrgetter("account_id")


def accounts(client: Client) -> EntitySource[Account]:
    """Accounts by their ids."""
    return _source(client.accounts_by_id, client.accounts, key=_OWN_ID)


def traders(client: Client) -> EntitySource[User]:
    """Traders by their ids."""
    return _source(client.users_by_id, client.users, key=_OWN_ID)


def permissions(client: Client) -> EntitySource[TradingPermission]:
    """Trading permissions by their ids."""
    return _source(client.trading_permissions_by_id, client.trading_permissions, key=_OWN_ID)


def risk_statuses(client: Client) -> EntitySource[AccountRiskStatus]:
    """Risk statuses by their accounts, which have the same ids (`accounts.sync.id_proof`)."""
    return _source(client.account_risk_statuses_by_id, client.account_risk_statuses, key=_OWN_ID)


def limits(client: Client, level: LimitLevel) -> EntitySource[LossLimits]:
    """One level's auto-liquidation limits by their accounts, which have the same ids (`accounts.sync.id_proof`)."""
    some: Any  # a list of one level's records, used as one of what both share: lists are invariant in their type
    whole: Any
    if level == LimitLevel.FIRM:
        some, whole = client.user_account_auto_liqs_by_account, client.user_account_auto_liqs
    else:
        some, whole = client.permissioned_account_auto_liqs_by_account, client.permissioned_account_auto_liqs
    return _source(some, whole, key=_OWN_ID)


def positions(client: Client) -> EntitySource[Position]:
    """All positions of accounts, flat ones included."""
    return _source(client.positions_by_account, client.positions, key=_ACCOUNT, many=True, one=client.position)


def cash_balances(client: Client) -> EntitySource[CashBalance]:
    """The cash of accounts, one row for each currency."""
    return _source(client.cash_balances_by_account, client.cash_balances, key=_ACCOUNT, many=True)


def position_limits(client: Client) -> EntitySource[UserAccountPositionLimit]:
    """All position limits of accounts; there is no list of all accounts' limits."""
    return _source(
        client.user_account_position_limits_by_account,
        key=_ACCOUNT,
        many=True,
        one=client.user_account_position_limit,
        ids_per_call=PRE_TRADE_IDS,
    )


def risk_parameters(client: Client) -> EntitySource[UserAccountRiskParameter]:
    """All risk parameters of position limits, by the limits' ids."""
    return _source(
        client.user_account_risk_parameters_by_position_limit,
        key=attrgetter("user_account_position_limit_id"),
        owner=attrgetter("position_limit_id"),
        owned=lambda row, limit_id: replace(row, position_limit_id=limit_id),
        many=True,
        one=client.user_account_risk_parameter,
        ids_per_call=PRE_TRADE_IDS,
    )


def _source(
    some: Callable[[Sequence[int]], Reply[list[E]]],
    whole: Callable[[], Reply[list[E]]] | None = None,
    *,
    key: Callable[[Any], int],
    owner: Callable[[UnreadableRow], int | None] | None = None,
    **more: Any,
) -> EntitySource[E]:
    """Return a source of two methods of the client, or one; a row that can't be read names its owner as others do."""
    whole_name = endpoint_of(whole).name if whole else ""
    return EntitySource(
        some=some, some_name=endpoint_of(some).name, whole=whole, whole_name=whole_name, key=key, owner=owner or key, **more
    )


def compared(
    source: EntitySource[Any],
    by_account: Callable[[Sequence[int]], Reply[list[Any]]],
    comparison: Comparison,
) -> EntitySource[Any]:
    """Return a source of records not yet known to carry their account's id or not: the first are compared."""

    def some(ids: Sequence[int]) -> Reply[list[Any]]:
        reply = by_account(ids)
        comparison.of_some(ids, [row.id for row in reply.value])
        return reply

    def whole() -> Reply[list[Any]]:
        if source.whole is None:
            raise ValueError(f"{source.some_name} has no list")
        reply = source.whole()
        comparison.of_list([row.id for row in reply.value])
        return reply

    return replace(source, some=some, some_name=endpoint_of(by_account).name, whole=whole)


def one_by_one(source: EntitySource[Any], by_account: Callable[[Sequence[int]], Reply[list[Any]]]) -> EntitySource[Any]:
    """Return a source of records that don't carry their account's id: each account is asked for separately."""

    def some(ids: Sequence[int]) -> Reply[list[Any]]:
        (account_id,) = ids
        reply = by_account(ids)
        rows = [replace(row, id=account_id) for row in reply.value[:1]]
        return Reply(rows, reply.http_record, tuple(replace(row, id=account_id) for row in reply.unreadable))

    return replace(source, some=some, some_name=endpoint_of(by_account).name, whole=None, whole_name="", ids_per_call=1)
