"""The reads of accounts, traders, limits and money at Tradovate. Source: the partner OpenAPI document.

``deps`` have no methods: ``ldeps`` with one id returns the same. An ``item`` has a method only where its 404 is needed: a
row that is missing from a list proves nothing.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TypeVar

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.calling import Calling
from riskadmin.tradovate.encoding import positive
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    CashBalanceSnapshot,
    ContractMargin,
    PermissionedAccountAutoLiq,
    Position,
    ProductMargin,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.errors import Rejected
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.rows import Identified, read_rows

R = TypeVar("R", bound=Identified)


class Reads(Calling):
    """Every method raises an error of the tree in ``errors``. Lists are in Tradovate's order."""

    def accounts(self) -> Reply[list[Account]]:
        """Every account in the caller's scope. Whether archived ones are included is not documented."""
        return self._list(endpoints.ACCOUNTS, Account.from_json)

    def accounts_by_id(self, ids: Iterable[int]) -> Reply[list[Account]]:
        """The accounts with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._with_ids(endpoints.ACCOUNTS_BY_ID, Account.from_json, ids)

    def account(self, account_id: int) -> Reply[list[Account]]:
        """One account by its own id. No row only where Tradovate answers 404 to this id."""
        return self._item(endpoints.ACCOUNT, Account.from_json, positive("an account id", account_id))

    def users(self) -> Reply[list[User]]:
        """Every user in the caller's scope."""
        return self._list(endpoints.USERS, User.from_json)

    def users_by_id(self, ids: Iterable[int]) -> Reply[list[User]]:
        """The users with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._with_ids(endpoints.USERS_BY_ID, User.from_json, ids)

    def trading_permissions(self) -> Reply[list[TradingPermission]]:
        """Who may trade what: the link from account to trader."""
        return self._list(endpoints.TRADING_PERMISSIONS, TradingPermission.from_json)

    def trading_permissions_by_id(self, ids: Iterable[int]) -> Reply[list[TradingPermission]]:
        """The permissions with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._with_ids(endpoints.TRADING_PERMISSIONS_BY_ID, TradingPermission.from_json, ids)

    def account_risk_statuses(self) -> Reply[list[AccountRiskStatus]]:
        """Every account's risk status."""
        return self._list(endpoints.ACCOUNT_RISK_STATUSES, AccountRiskStatus.from_json)

    def account_risk_statuses_by_id(self, ids: Iterable[int]) -> Reply[list[AccountRiskStatus]]:
        """The risk statuses with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._with_ids(endpoints.ACCOUNT_RISK_STATUSES_BY_ID, AccountRiskStatus.from_json, ids)

    def account_risk_statuses_by_account(self, ids: Iterable[int]) -> Reply[list[AccountRiskStatus]]:
        """The risk statuses of these accounts. They name no account; the answer for one account is certainly its own."""
        return self._with_ids(endpoints.ACCOUNT_RISK_STATUSES_BY_ACCOUNT, AccountRiskStatus.from_json, ids)

    def user_account_auto_liqs(self) -> Reply[list[UserAccountAutoLiq]]:
        """The firm's limits of every account."""
        return self._list(endpoints.USER_ACCOUNT_AUTO_LIQS, UserAccountAutoLiq.from_json)

    def user_account_auto_liqs_by_account(self, ids: Iterable[int]) -> Reply[list[UserAccountAutoLiq]]:
        """The firm's limits of these accounts."""
        return self._with_ids(endpoints.USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT, UserAccountAutoLiq.from_json, ids)

    def permissioned_account_auto_liqs(self) -> Reply[list[PermissionedAccountAutoLiq]]:
        """The traders' own limits of every account."""
        return self._list(endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS, PermissionedAccountAutoLiq.from_json)

    def permissioned_account_auto_liqs_by_account(self, ids: Iterable[int]) -> Reply[list[PermissionedAccountAutoLiq]]:
        """The traders' own limits of these accounts."""
        return self._with_ids(endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT, PermissionedAccountAutoLiq.from_json, ids)

    def position(self, position_id: int) -> Reply[list[Position]]:
        """One position by its own id. No row only where Tradovate answers 404 to this id."""
        return self._item(endpoints.POSITION, Position.from_json, positive("a position's id", position_id))

    def positions(self) -> Reply[list[Position]]:
        """Every position, flat ones included."""
        return self._list(endpoints.POSITIONS, Position.from_json)

    def positions_by_account(self, ids: Iterable[int]) -> Reply[list[Position]]:
        """The positions of these accounts, flat ones included."""
        return self._with_ids(endpoints.POSITIONS_BY_ACCOUNT, Position.from_json, ids)

    def cash_balances(self) -> Reply[list[CashBalance]]:
        """Every account's cash, one row per currency."""
        return self._list(endpoints.CASH_BALANCES, CashBalance.from_json)

    def cash_balances_by_account(self, ids: Iterable[int]) -> Reply[list[CashBalance]]:
        """The cash of these accounts, one row per currency."""
        return self._with_ids(endpoints.CASH_BALANCES_BY_ACCOUNT, CashBalance.from_json, ids)

    def risk_categories(self) -> Reply[list[RiskCategory]]:
        """The organisation's risk categories."""
        return self._list(endpoints.RISK_CATEGORIES, RiskCategory.from_json)

    def user_account_position_limit(self, position_limit_id: int) -> Reply[list[UserAccountPositionLimit]]:
        """One position limit by its own id. No row only where Tradovate answers 404 to this id."""
        limit_id = positive("a position limit's id", position_limit_id)
        return self._item(endpoints.USER_ACCOUNT_POSITION_LIMIT, UserAccountPositionLimit.from_json, limit_id)

    def user_account_position_limits_by_account(self, ids: Iterable[int]) -> Reply[list[UserAccountPositionLimit]]:
        """The position limits of these accounts."""
        return self._with_ids(endpoints.USER_ACCOUNT_POSITION_LIMITS_BY_ACCOUNT, UserAccountPositionLimit.from_json, ids)

    def user_account_risk_parameter(self, risk_parameter_id: int) -> Reply[list[UserAccountRiskParameter]]:
        """One risk parameter by its own id. No row only where Tradovate answers 404 to this id."""
        parameter_id = positive("a risk parameter's id", risk_parameter_id)
        return self._item(endpoints.USER_ACCOUNT_RISK_PARAMETER, UserAccountRiskParameter.from_json, parameter_id)

    def user_account_risk_parameters_by_position_limit(self, ids: Iterable[int]) -> Reply[list[UserAccountRiskParameter]]:
        """The risk parameters that belong to these position limits."""
        return self._with_ids(endpoints.USER_ACCOUNT_RISK_PARAMETERS_BY_POSITION_LIMIT, UserAccountRiskParameter.from_json, ids)

    def contract_margins_by_contract(self, ids: Iterable[int]) -> Reply[list[ContractMargin]]:
        """The margins of these contracts."""
        return self._with_ids(endpoints.CONTRACT_MARGINS_BY_CONTRACT, ContractMargin.from_json, ids)

    def product_margins(self) -> Reply[list[ProductMargin]]:
        """Every product's margin."""
        return self._list(endpoints.PRODUCT_MARGINS, ProductMargin.from_json)

    def product_margins_by_product(self, ids: Iterable[int]) -> Reply[list[ProductMargin]]:
        """The margins of these products."""
        return self._with_ids(endpoints.PRODUCT_MARGINS_BY_PRODUCT, ProductMargin.from_json, ids)

    def cash_balance_snapshot(self, account_id: int) -> Reply[CashBalanceSnapshot]:
        """An account's money at this moment. One call per account: for a decision about one, not for updating a mirror."""
        body = {"accountId": positive("an account id", account_id)}
        return self._one(endpoints.CASH_BALANCE_SNAPSHOT, CashBalanceSnapshot.from_json, body=body)

    def _with_ids(self, endpoint: endpoints.Endpoint, read: Callable[[object], R], ids: Iterable[int]) -> Reply[list[R]]:
        """Read the rows with these ids of their own (``items``), or those that belong to rows with these ids (``ldeps``).

        Raise ``ValueError`` for more ids than fit into one read.
        """
        batches = list(endpoints.id_batches(ids))
        if len(batches) != 1:
            raise ValueError("a read takes one batch of ids: see endpoints.id_batches")
        parameter = "ids" if endpoint.name.endswith("/items") else "masterids"
        return self._list(endpoint, read, f"{parameter}={','.join(map(str, batches[0]))}")

    def _item(self, endpoint: endpoints.Endpoint, read: Callable[[object], R], number: int) -> Reply[list[R]]:
        """Read one row by its own id, as a list of one. Empty only where Tradovate answers 404: it has no such row.

        Any other answer shows that Tradovate has the row, even if it can't be read: then it is reported like a row of a
        list.
        """
        try:
            reply = self._call(endpoint, query=f"id={number}")
        except Rejected as error:
            if error.status == HTTPStatus.NOT_FOUND and error.http_record is not None:
                return Reply([], error.http_record)
            raise
        found, unreadable = read_rows([reply.value], read)
        return Reply(found, reply.http_record, unreadable)
