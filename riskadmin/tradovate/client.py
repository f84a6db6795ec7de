"""The client: Tradovate's endpoints as typed methods, one attempt each.

No retries inside, with one exception: a 401 was certainly not carried out, so the call is sent once more with a
renewed token. Both count in the budget. Sources: seeds 000 to 004; partner documentation for the reads.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from typing import TypeVar

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.calls import Caller
from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    Me,
    PermissionedAccountAutoLiq,
    Position,
    RiskCategory,
    TradingPermission,
    User,
    UserAccountAutoLiq,
)
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown
from riskadmin.tradovate.exchange import Exchange, Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.reading import Unreadable
from riskadmin.tradovate.tokens import TokenSource
from riskadmin.tradovate.vocabulary import (
    ASKABLE_ADMIN_ACTIONS,
    REASON_TEXT_MAX,
    AdminAction,
    Environment,
    Lane,
    ReasonCode,
)

__all__ = ["TIMEOUT", "Client", "Reply"]

logger = logging.getLogger(__name__)

TIMEOUT = (3.05, 15.0)
"""Seconds to connect, and to wait between two bytes."""

T = TypeVar("T")


class Client:
    """Calls Tradovate in one environment and lane. Safe for threads.

    Every method raises one of the tree in ``errors``. Reads answer a list in Tradovate's order.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        base_url: str,
        tokens: TokenSource,
        budget: Budget,
        lane: Lane,
        timeout: tuple[float, float] = TIMEOUT,
        extra_hosts: Collection[str] = (),
    ) -> None:
        """Raise ``addresses.AddressRefused``, or ``WrongEnvironment`` for the other environment's host."""
        self.environment = environment
        self.lane = lane
        self._tokens = tokens
        self._caller = Caller(
            environment=environment,
            base_url=base_url,
            budget=budget,
            timeout=timeout,
            extra_hosts=extra_hosts,
        )

    def accounts(self) -> Reply[list[Account]]:
        """Every account in the caller's scope. Whether archived ones are among them is not documented."""
        return self._list(endpoints.ACCOUNTS, Account.from_json)

    def accounts_by_id(self, ids: Iterable[int]) -> Reply[list[Account]]:
        """The accounts with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._list(endpoints.ACCOUNTS_BY_ID, Account.from_json, _ids("ids", ids))

    def users(self) -> Reply[list[User]]:
        """Every user in the caller's scope."""
        return self._list(endpoints.USERS, User.from_json)

    def users_by_id(self, ids: Iterable[int]) -> Reply[list[User]]:
        """The users with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._list(endpoints.USERS_BY_ID, User.from_json, _ids("ids", ids))

    def trading_permissions(self) -> Reply[list[TradingPermission]]:
        """Who may trade what: the link from account to trader."""
        return self._list(endpoints.TRADING_PERMISSIONS, TradingPermission.from_json)

    def trading_permissions_by_id(self, ids: Iterable[int]) -> Reply[list[TradingPermission]]:
        """The permissions with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._list(endpoints.TRADING_PERMISSIONS_BY_ID, TradingPermission.from_json, _ids("ids", ids))

    def account_risk_statuses(self) -> Reply[list[AccountRiskStatus]]:
        """Every account's risk status."""
        return self._list(endpoints.ACCOUNT_RISK_STATUSES, AccountRiskStatus.from_json)

    def account_risk_statuses_by_id(self, ids: Iterable[int]) -> Reply[list[AccountRiskStatus]]:
        """The risk statuses with these ids, in any order; unknown ids are simply missing from the answer."""
        return self._list(endpoints.ACCOUNT_RISK_STATUSES_BY_ID, AccountRiskStatus.from_json, _ids("ids", ids))

    def user_account_auto_liqs(self) -> Reply[list[UserAccountAutoLiq]]:
        """The firm's limits of every account."""
        return self._list(endpoints.USER_ACCOUNT_AUTO_LIQS, UserAccountAutoLiq.from_json)

    def user_account_auto_liqs_by_account(self, ids: Iterable[int]) -> Reply[list[UserAccountAutoLiq]]:
        """The firm's limits of these accounts."""
        return self._list(endpoints.USER_ACCOUNT_AUTO_LIQS_BY_ACCOUNT, UserAccountAutoLiq.from_json, _ids("masterids", ids))

    def permissioned_account_auto_liqs(self) -> Reply[list[PermissionedAccountAutoLiq]]:
        """The traders' own limits of every account."""
        return self._list(endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS, PermissionedAccountAutoLiq.from_json)

    def permissioned_account_auto_liqs_by_account(self, ids: Iterable[int]) -> Reply[list[PermissionedAccountAutoLiq]]:
        """The traders' own limits of these accounts."""
        return self._list(
            endpoints.PERMISSIONED_ACCOUNT_AUTO_LIQS_BY_ACCOUNT,
            PermissionedAccountAutoLiq.from_json,
            _ids("masterids", ids),
        )

    def positions(self) -> Reply[list[Position]]:
        """Every position, flat ones included."""
        return self._list(endpoints.POSITIONS, Position.from_json)

    def positions_by_account(self, ids: Iterable[int]) -> Reply[list[Position]]:
        """The positions of these accounts, flat ones included."""
        return self._list(endpoints.POSITIONS_BY_ACCOUNT, Position.from_json, _ids("masterids", ids))

    def cash_balances(self) -> Reply[list[CashBalance]]:
        """Every account's cash, one row per currency."""
        return self._list(endpoints.CASH_BALANCES, CashBalance.from_json)

    def cash_balances_by_account(self, ids: Iterable[int]) -> Reply[list[CashBalance]]:
        """The cash of these accounts, one row per currency."""
        return self._list(endpoints.CASH_BALANCES_BY_ACCOUNT, CashBalance.from_json, _ids("masterids", ids))

    def risk_categories(self) -> Reply[list[RiskCategory]]:
        """The organisation's risk categories."""
        return self._list(endpoints.RISK_CATEGORIES, RiskCategory.from_json)

    def me(self) -> Reply[Me]:
        """Who Tradovate takes us for. Ten failures an hour are allowed, so this is no heartbeat."""
        reply = self._call(endpoints.ME)
        return Reply(_read(Me.from_json, reply), reply.exchange)

    def set_admin_auto_liq_action(
        self,
        *,
        permit: WritePermit,
        account_id: int,
        action: AdminAction,
        reason_code: ReasonCode,
        reason: str = "",
        ticket: str | None = None,
    ) -> Reply[AccountRiskStatus | None]:
        """Lock, liquidate, restrict to closing orders, or set back to normal; lasts until set back (seed 001).

        Demo only. The value is the risk status as Tradovate says it now is, None where it says nothing; either way it
        has to be read back, since archived accounts are accepted without effect. ``ticket`` is of an earlier
        ``NotHandled`` of this very call. Raises ``ValueError`` for what Tradovate would refuse: nothing is sent.
        """
        _need_permit(permit)
        if account_id <= 0:
            raise ValueError("an account id is greater than 0")
        if action not in ASKABLE_ADMIN_ACTIONS:
            raise ValueError(f"{action} is Tradovate's own and never asked for")
        if len(reason) > REASON_TEXT_MAX:
            raise ValueError(f"a reason has at most {REASON_TEXT_MAX} characters")
        if reason_code is ReasonCode.OTHER and not reason.strip():
            raise ValueError("the reason code Other needs a text")
        body: dict[str, object] = {
            "accountId": account_id,
            "adminAction": action.value,
            "adminActionReasonCode": reason_code.value,
        }
        if reason:
            body["adminActionReason"] = reason
        if ticket is not None:
            body["p-ticket"] = ticket
        reply = self._call(endpoints.SET_ADMIN_AUTO_LIQ_ACTION, body=body, permit=permit)
        return Reply(_read(_risk_status, reply), reply.exchange)

    def _list(self, endpoint: Endpoint, read: Callable[[object], T], query: str = "") -> Reply[list[T]]:
        reply = self._call(endpoint, query=query)

        def read_all(data: object) -> list[T]:
            return [read(each) for each in data] if isinstance(data, list) else []

        return Reply(_read(read_all, reply), reply.exchange)

    def _call(
        self,
        endpoint: Endpoint,
        *,
        query: str = "",
        body: Mapping[str, object] | None = None,
        permit: WritePermit | None = None,
    ) -> Reply[object]:
        # Before a token is fetched, which would itself use budget and the network.
        self._caller.check(endpoint)
        token = self._tokens.get()
        try:
            return self._caller.attempt(endpoint, lane=self.lane, token=token, query=query, body=body, permit=permit)
        except NotHandled as error:
            if error.reason is not NotHandledReason.UNAUTHORISED:
                raise
            self._refuse(token, error.exchange)
        except OutcomeUnknown as error:
            if error.exchange and error.exchange.status == HTTPStatus.REQUEST_TIMEOUT:
                self._suspect(token)
            raise
        token = self._tokens.get()
        return self._caller.attempt(endpoint, lane=self.lane, token=token, query=query, body=body, permit=permit)

    def _refuse(self, token: str, exchange: Exchange | None) -> None:
        """Have the token replaced; if that fails, the exchange shown is still that of the caller's call."""
        try:
            self._tokens.refuse(token)
        except NotHandled as error:
            raise NotHandled(
                error.message,
                reason=error.reason,
                retry_after_s=error.retry_after_s,
                exchange=exchange,
            ) from error

    def _suspect(self, token: str) -> None:
        """A 408 is how a session that a third login has ended is said to answer: renew, and let the call fail."""
        try:
            self._tokens.refuse(token)
        except NotHandled as error:
            logger.warning("the token of a call that drew 408 could not be renewed: %s", error.message)


def _risk_status(data: object) -> AccountRiskStatus | None:
    status = data.get("accountRiskStatus") if isinstance(data, dict) else None
    return None if status is None else AccountRiskStatus.from_json(status)


def _read(read: Callable[[object], T], reply: Reply[object]) -> T:
    try:
        return read(reply.value)
    except Unreadable as error:
        raise OutcomeUnknown(f"Tradovate's answer can't be read: {error}", exchange=reply.exchange) from error


def _ids(name: str, ids: Iterable[int]) -> str:
    """The ids as one comma-separated parameter, as the documentation writes it; refused where one read can't hold them."""
    batches = list(endpoints.id_batches(ids))
    if len(batches) != 1:
        raise ValueError("a read takes one batch of ids: see endpoints.id_batches")
    return f"{name}={','.join(map(str, batches[0]))}"


def _need_permit(permit: WritePermit) -> None:
    if not isinstance(permit, WritePermit):
        raise TypeError("a write needs a WritePermit")
