"""What can be read of an environment, and by which calls. Each function returns the source of one type of rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from accounts.models import LimitLevel
from accounts.sync.complete import Source
from accounts.sync.id_proof import Comparison
from riskadmin.tradovate import endpoints
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
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter

PRE_TRADE_IDS: Final = 50
"""Accounts or position limits in one call: each may have many records, and all of them have to fit into the response."""

_OWN_ID: Final = attrgetter("id")
_ACCOUNT: Final = attrgetter("account_id")


def accounts(client: Client) -> Source[Account]:
    """Accounts by their ids."""
    return Source(
        some=client.accounts_by_id,
        some_name=endpoints.ACCOUNTS_BY_ID.name,
        whole=client.accounts,
        whole_name=endpoints.ACCOUNTS.name,
        key=_OWN_ID,
        owner=_OWN_ID,
    )


def traders(client: Client) -> Source[User]:
    """Traders by their ids."""
    return Source(
        some=client.users_by_id,
        some_name=endpoints.USERS_BY_ID.name,
        whole=client.users,
        whole_name=endpoints.USERS.name,
        key=_OWN_ID,
        owner=_OWN_ID,
    )


def permissions(client: Client) -> Source[TradingPermission]:
    """Trading permissions by their ids."""
    return Source(
        some=client.trading_permissions_by_id,
        some_name=endpoints.TRADING_PERMISSIONS_BY_ID.name,
        whole=client.trading_permissions,
        whole_name=endpoints.TRADING_PERMISSIONS.name,
        key=_OWN_ID,
        owner=_OWN_ID,
    )


def risk_statuses(client: Client) -> Source[AccountRiskStatus]:
    """Risk statuses by their accounts, which have the same ids (`accounts.sync.id_proof`)."""
    return Source(
        some=client.account_risk_statuses_by_id,
        some_name=endpoints.ACCOUNT_RISK_STATUSES_BY_ID.name,
        whole=client.account_risk_statuses,
        whole_name=endpoints.ACCOUNT_RISK_STATUSES.name,
        key=_OWN_ID,
        owner=_OWN_ID,
    )


def limits(client: Client, level: LimitLevel) -> Source[LossLimits]:
    """One level's auto-liquidation limits by their accounts, which have the same ids (`accounts.sync.id_proof`)."""
    if level == LimitLevel.FIRM:
        return Source(
            some=_as_limits(client.user_account_auto_liqs_by_account),
            some_name=endpoints.USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT.name,
            whole=_as_limits(client.user_account_auto_liqs),
            whole_name=endpoints.USER_ACCOUNT_AUTO_LIQS.name,
            key=_OWN_ID,
            owner=_OWN_ID,
        )
    return Source(
        some=_as_limits(client.permissioned_account_auto_liqs_by_account),
        some_name=endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT.name,
        whole=_as_limits(client.permissioned_account_auto_liqs),
        whole_name=endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS.name,
        key=_OWN_ID,
        owner=_OWN_ID,
    )


def _as_limits(call: Any) -> Any:
    """A list of one level's records, typed as a list of what both levels share: lists are invariant in their type."""
    return call


def positions(client: Client) -> Source[Position]:
    """All positions of accounts, flat ones included."""
    return Source(
        some=client.positions_by_account,
        some_name=endpoints.POSITIONS_BY_ACCOUNT.name,
        whole=client.positions,
        whole_name=endpoints.POSITIONS.name,
        key=_ACCOUNT,
        owner=_ACCOUNT,
        many=True,
        one=client.position,
    )


def cash_balances(client: Client) -> Source[CashBalance]:
    """The cash of accounts, one row for each currency."""
    return Source(
        some=client.cash_balances_by_account,
        some_name=endpoints.CASH_BALANCES_BY_ACCOUNT.name,
        whole=client.cash_balances,
        whole_name=endpoints.CASH_BALANCES.name,
        key=_ACCOUNT,
        owner=_ACCOUNT,
        many=True,
    )


def position_limits(client: Client) -> Source[UserAccountPositionLimit]:
    """All position limits of accounts; there is no list of all accounts' limits."""
    return Source(
        some=client.user_account_position_limits_by_account,
        some_name=endpoints.USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT.name,
        key=_ACCOUNT,
        owner=_ACCOUNT,
        many=True,
        one=client.user_account_position_limit,
        ids_per_call=PRE_TRADE_IDS,
    )


def risk_parameters(client: Client) -> Source[UserAccountRiskParameter]:
    """All risk parameters of position limits, by the limits' ids."""
    return Source(
        some=client.user_account_risk_parameters_by_position_limit,
        some_name=endpoints.USER_ACCOUNT_RISK_PARAMETERS_BY_POSITION_LIMIT.name,
        key=attrgetter("user_account_position_limit_id"),
        owner=attrgetter("position_limit_id"),
        owned=lambda row, limit_id: replace(row, position_limit_id=limit_id),
        many=True,
        one=client.user_account_risk_parameter,
        ids_per_call=PRE_TRADE_IDS,
    )


def compared(
    source: Source[Any],
    by_account: Callable[[Sequence[int]], Reply[list[Any]]],
    name: str,
    comparison: Comparison,
) -> Source[Any]:
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

    return replace(source, some=some, some_name=name, whole=whole)


def one_by_one(source: Source[Any], by_account: Callable[[Sequence[int]], Reply[list[Any]]], name: str) -> Source[Any]:
    """Return a source of records that don't carry their account's id: each account is asked for separately."""

    def some(ids: Sequence[int]) -> Reply[list[Any]]:
        (account_id,) = ids
        reply = by_account(ids)
        rows = [replace(row, id=account_id) for row in reply.value[:1]]
        return Reply(rows, reply.http_record, tuple(replace(row, id=account_id) for row in reply.unreadable))

    return replace(source, some=some, some_name=name, whole=None, whole_name="", ids_per_call=1)
