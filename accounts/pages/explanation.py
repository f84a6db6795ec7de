"""Why an account may or may not trade, in words that can be read to a trader on the phone. Pure.

Sources: "Set Admin Auto Liq Action" (seed 001) for admin actions, which last until Normal is sent; the post-trade risk page for
limits, which end with their session unless the firm's limits say that they must not.
"""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import Account, AutoLiqLimits, MirrorMove, RiskStatus
from accounts.models.status import AccountStatus
from riskadmin.audit.outside import OutsideKind
from riskadmin.audit.wording import value_words
from riskadmin.tradovate.vocabulary import AdminAction

_BY_AN_ADMIN = {
    AccountStatus.LOCKED: "An admin action rejects every order. Open positions are kept.",
    AccountStatus.LIQUIDATED: "An admin action has closed every position and locked the account.",
    AccountStatus.LIQUIDATE_ONLY: "An admin action lets it close positions, but not open any.",
}
_UNUSUAL = {
    AdminAction.PLACE_AUTO_LIQ_ON_HOLD: "Tradovate has paused its auto-liquidation, usually for a minute.",
    AdminAction.DISABLE_AUTO_LIQ: "Its auto-liquidation is switched off for good: no limit stops it.",
    AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ: "Tradovate has put off stopping it at a limit, usually for a minute.",
    AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ: "Tradovate's auto-liquidation has been agreed to.",
}
_UNTIL_NORMAL = "It stays so until somebody unlocks it: Tradovate never lifts an admin action by itself."
_UNTIL_UNLOCKED = (
    "The firm's limits say “do not unlock”, so it stays stopped until somebody unlocks it, before the next session if the"
    " trader is to trade then. The setting itself remains."
)
_UNTIL_SESSION = (
    "It is lifted when the limit's session ends: a daily limit at the next open (17:00 Chicago), a weekly one on Sunday at"
    " 17:00."
)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The account's state, since when, and what would change it. `since` is empty if it has no beginning."""

    what: tuple[str, ...]
    since: datetime | None
    until: str
    raw_action: str


def explain(account: Account, firm: AutoLiqLimits | None) -> Explanation:
    """Explain the account's status. Reads `risk_status` and `risk_category`: select them with the account."""
    status: RiskStatus | None = getattr(account, "risk_status", None)
    account_status = account.status
    if account_status in {AccountStatus.CLOSED, AccountStatus.ARCHIVED}:
        return _explain_closed(account, account_status)
    if status is None:
        return Explanation(what=("Its risk status was never read.",), since=None, until="Read it now.", raw_action="")
    stopped = status.liquidate_only_at is not None
    stays = stopped and bool(firm and firm.do_not_unlock)
    if account_status in _BY_AN_ADMIN:
        what = [_BY_AN_ADMIN[account_status]]
        if stopped:
            what.append("One of its limits had stopped it as well.")
        until = _UNTIL_UNLOCKED if stays else _UNTIL_NORMAL
        return Explanation(what=tuple(what), since=status.admin_at, until=until, raw_action=status.admin_action)
    if account_status == AccountStatus.BREACHED:
        by_trader = status.user_triggered_liq_only
        what = ["The trader asked for it: only closing orders." if by_trader else "A limit stopped it: only closing orders."]
        until = _UNTIL_UNLOCKED if stays else _UNTIL_SESSION
        return Explanation(what=tuple(what), since=status.liquidate_only_at, until=until, raw_action=status.admin_action)
    if account_status == AccountStatus.UNKNOWN:
        what = [f"Unknown admin action: {status.admin_action}. Whether orders may be placed is not known."]
        what.append("Tradovate's documentation does not name it; ask Tradovate what it does.")
        if stopped:
            what.append("One of its limits had stopped it as well.")
        return Explanation(what=tuple(what), since=status.admin_at, until="", raw_action=status.admin_action)
    if account_status == AccountStatus.UNUSUAL:
        return Explanation(
            what=(_UNUSUAL[AdminAction(status.admin_action)],),
            since=status.admin_at,
            until=f"That is no lock. {_by_category(account)}",
            raw_action=status.admin_action,
        )
    lock = "It had no lock then." if account.not_reported_since else "No lock."
    return Explanation(what=(f"{lock} {_by_category(account)}",), since=None, until="", raw_action=status.admin_action)


def _by_category(account: Account) -> str:
    """Say that a risk category may also stop an account; which categories do is not known here. Reads `risk_category`."""
    if account.risk_category is None:
        return "Which risk category it is in, and what that allows, is not known here."
    return f"What its risk category ({account.risk_category.name}) allows is not known here."


def outside_words(move: MirrorMove) -> str:
    """Describe what someone did outside riskadmin: for an admin action that its kind does not name, from what to what."""
    label = OutsideKind(move.outside_kind).label
    if move.outside_kind != OutsideKind.ACTION:
        return label
    was, becomes = (value_words("admin_action", value) or "not set" for value in move.fields["admin_action"])
    return f"{label} ({was} → {becomes})"


def _explain_closed(account: Account, account_status: AccountStatus) -> Explanation:
    if account.missing_since:
        what = "Tradovate no longer lists it."
    elif account_status == AccountStatus.CLOSED:
        what = "It is closed at Tradovate."
    else:
        what = "It is archived at Tradovate."
    return Explanation(
        what=(what,),
        since=account.missing_since,
        until="Nothing can be asked for it: Tradovate accepts such calls without doing anything.",
        raw_action="",
    )
