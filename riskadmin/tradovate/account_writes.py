"""The writes to an account, its money or its trader. Sources: seeds 001, 003 and 004, the partner documentation.

Every method takes the permit of its recorded call, and the ticket of an earlier ``NotHandled`` of the same call. Values
that Tradovate would refuse raise ``ValueError``, and nothing is sent. No answer is proof: what it changed is read back.
"""

from collections.abc import Sequence
from decimal import Decimal

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.calling import Calling
from riskadmin.tradovate.encoding import number, positive
from riskadmin.tradovate.entities import AccountRiskStatus, CashBalanceSnapshot
from riskadmin.tradovate.http_record import Reply
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.reading import Fields, Unreadable
from riskadmin.tradovate.vocabulary import ASKABLE_ADMIN_ACTIONS, REASON_TEXT_MAX, AdminAction, ReasonCode

MAX_SWITCHED_ACCOUNTS = 10_000
"""The most accounts of one switchriskcategory."""

NOTES_MAX = 8192
"""The most characters of the notes of expireuserlockout."""

CASH_CHANGE_BOUND_USD = Decimal(1_000_000)
"""A change of a demo balance is smaller than this, in both directions."""

COMMENT_MAX = 64
"""The most characters of the comment of changedemobalance."""


class AccountWrites(Calling):
    """Every method raises an error of the tree in ``errors``."""

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
        """Lock, liquidate, restrict to closing orders, or set back to normal. It lasts until set back (seed 001).

        Demo only. The value is the current risk status in Tradovate's answer, None where the answer has none. Either way it
        has to be read back, since calls for archived accounts are accepted without effect.
        """
        positive("an account id", account_id)
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
        return self._write(endpoints.SET_ADMIN_AUTO_LIQ_ACTION, body, _risk_status, permit=permit, ticket=ticket)

    def switch_risk_category(
        self,
        *,
        permit: WritePermit,
        account_ids: Sequence[int],
        risk_category_id: int,
        ticket: str | None = None,
    ) -> Reply[None]:
        """Put 1 to 10,000 different accounts into a risk category (seed 003).

        Accounts that are already in it are skipped silently. Open positions are checked again and may be liquidated.
        ``Rejected`` with status 404: the category, or one or more of the accounts, does not exist; it does not say which.
        """
        if not 1 <= len(account_ids) <= MAX_SWITCHED_ACCOUNTS:
            raise ValueError(f"1 to {MAX_SWITCHED_ACCOUNTS} accounts are switched at once")
        if len(set(account_ids)) != len(account_ids):
            raise ValueError("an account is named twice")
        positive("an account id", min(account_ids))
        positive("a risk category id", risk_category_id)
        body = {"accountIds": list(account_ids), "riskCategoryId": risk_category_id}
        return self._write(endpoints.SWITCH_RISK_CATEGORY, body, _done, permit=permit, ticket=ticket)

    def expire_user_lockout(
        self,
        *,
        permit: WritePermit,
        user_id: int,
        notes: str = "",
        ticket: str | None = None,
    ) -> Reply[None]:
        """End a trader's own lockout, on all their accounts at the same time; demo only (seed 004).

        ``Rejected`` where the user does not exist in the organisation, or has no active lockout. The notes go into
        Tradovate's own audit log.
        """
        positive("a user id", user_id)
        if len(notes) > NOTES_MAX:
            raise ValueError(f"notes have at most {NOTES_MAX} characters")
        body = {"userId": user_id, **({"notes": notes} if notes else {})}
        return self._write(endpoints.EXPIRE_USER_LOCKOUT, body, _done, permit=permit, ticket=ticket)

    def reset_auto_liq_status(
        self,
        *,
        permit: WritePermit,
        account_id: int,
        ticket: str | None = None,
    ) -> Reply[AccountRiskStatus | None]:
        """Reset an account's auto-liq status. Other effects are not documented [?]: read back."""
        positive("an account id", account_id)
        body = {"accountId": account_id}
        return self._write(endpoints.RESET_AUTO_LIQ_STATUS, body, _risk_status, permit=permit, ticket=ticket)

    def update_max_net_liq(
        self,
        *,
        permit: WritePermit,
        account_id: int,
        max_net_liq_usd: Decimal,
        ticket: str | None = None,
    ) -> Reply[AccountRiskStatus | None]:
        """Set the peak that an account's trailing drawdown follows. Absolute: sending it twice has the same effect as once."""
        positive("an account id", account_id)
        body = {"accountId": account_id, "maxNetLiq": number("max net liq", max_net_liq_usd)}
        return self._write(endpoints.UPDATE_MAX_NET_LIQ, body, _risk_status, permit=permit, ticket=ticket)

    def change_demo_balance(
        self,
        *,
        permit: WritePermit,
        account_id: int,
        cash_change_usd: Decimal,
        comment: str = "",
        ticket: str | None = None,
    ) -> Reply[CashBalanceSnapshot]:
        """Add to an account's cash, or take from it; demo only. Relative: sent twice, it counts twice.

        The change is more than -1,000,000 and less than 1,000,000. According to the documentation, the peak of a trailing
        drawdown moves with it.
        """
        positive("an account id", account_id)
        if abs(number("cash change", cash_change_usd)) >= CASH_CHANGE_BOUND_USD:
            raise ValueError(f"a cash change is smaller than {CASH_CHANGE_BOUND_USD:,} both ways")
        if len(comment) > COMMENT_MAX:
            raise ValueError(f"a comment has at most {COMMENT_MAX} characters")
        body: dict[str, object] = {"accountId": account_id, "cashChange": cash_change_usd}
        if comment:
            body["comment"] = comment
        return self._write(
            endpoints.CHANGE_DEMO_BALANCE,
            body,
            CashBalanceSnapshot.from_json,
            permit=permit,
            ticket=ticket,
        )


def _done(data: object) -> None:
    """Read a ``SimpleResponse``: only ``ok: true`` is a success (``interpret`` has handled false)."""
    if Fields(data).flag("ok") is not True:
        raise Unreadable("ok is missing")


def _risk_status(data: object) -> AccountRiskStatus | None:
    status = data.get("accountRiskStatus") if isinstance(data, dict) else None
    return None if status is None else AccountRiskStatus.from_json(status)
