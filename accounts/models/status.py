"""An account's status: one word for what Tradovate spreads over several fields.

Each status is defined twice side by side, as a function of one row and as a condition for many; a property test checks that
they agree.
"""

from django.db import models
from django.db.models import Q

from riskadmin.tradovate.vocabulary import AdminAction


class AccountStatus(models.TextChoices):
    """An account's status, from most to least final."""

    CLOSED = "closed", "Closed"
    ARCHIVED = "archived", "Archived"
    LIQUIDATED = "liquidated", "Liquidated and locked"
    LOCKED = "locked", "Locked (no orders)"
    LIQUIDATE_ONLY = "liquidate_only", "Closing orders only"
    BREACHED = "breached", "Stopped by a limit"
    UNUSUAL = "unusual", "Auto-liquidation altered by Tradovate"
    UNKNOWN = "unknown", "Unknown admin action"
    ACTIVE = "active", "Active"
    UNREAD = "unread", "Not read yet"

    @property
    def is_asked_for(self) -> bool:
        """Whether a person caused it."""
        return self in set(_BY_ACTION.values())

    @property
    def tone(self) -> str:
        """The tone of its badge."""
        return STATUS_LOOK[self][0]

    @property
    def icon(self) -> str:
        """The icon of its badge."""
        return STATUS_LOOK[self][1]


# Tone and icon of each status, for the status badge (templates/inc).
STATUS_LOOK: dict[AccountStatus, tuple[str, str]] = {
    AccountStatus.CLOSED: ("neutral", "x"),
    AccountStatus.ARCHIVED: ("neutral", "archive"),
    AccountStatus.LIQUIDATED: ("danger", "lock"),
    AccountStatus.LOCKED: ("danger", "lock"),
    AccountStatus.LIQUIDATE_ONLY: ("warn", "arrow-down-circle"),
    AccountStatus.BREACHED: ("warn", "alert-triangle"),
    AccountStatus.UNUSUAL: ("warn", "alert-triangle"),
    AccountStatus.UNKNOWN: ("warn", "help-circle"),
    AccountStatus.ACTIVE: ("ok", "circle-check"),
    AccountStatus.UNREAD: ("neutral", "circle-dashed"),
}

_BY_ACTION: dict[str, AccountStatus] = {
    AdminAction.LIQUIDATE: AccountStatus.LIQUIDATED,
    AdminAction.LOCK: AccountStatus.LOCKED,
    AdminAction.LIQUIDATE_ONLY: AccountStatus.LIQUIDATE_ONLY,
}
_PLAIN = ("", AdminAction.NORMAL.value)
_KNOWN = frozenset({*_PLAIN, *(action.value for action in AdminAction)})


def account_status(
    *, archived: bool, closed: bool, admin_action: str | None, liquidate_only: bool, read: bool
) -> AccountStatus:
    """Return the status of one account.

    `admin_action` is Tradovate's own word, `liquidate_only` whether its risk engine has stopped the account, `read` whether its
    risk status was ever read. An absent admin action means none was set. A closed account is also archived; "closed" is more
    specific. The effect of an undocumented admin action is not known, even when a limit has also stopped the account.
    """
    if closed:
        return AccountStatus.CLOSED
    if archived:
        return AccountStatus.ARCHIVED
    if not read:
        return AccountStatus.UNREAD
    if admin_action in _BY_ACTION:
        return _BY_ACTION[admin_action]
    if not is_known(admin_action):
        return AccountStatus.UNKNOWN
    if liquidate_only:
        return AccountStatus.BREACHED
    return AccountStatus.UNUSUAL if admin_action and admin_action not in _PLAIN else AccountStatus.ACTIVE


def is_known(admin_action: str | None) -> bool:
    """Say whether Tradovate documents an admin action, or none was set: the effect of any other is not known."""
    return admin_action is None or admin_action in _KNOWN


def account_status_q(status: AccountStatus) -> Q:
    """Return the condition on `accounts.Account` that matches what `account_status` returns for one row."""
    open_ = Q(archived=False, closed=False)
    read = open_ & Q(risk_status__isnull=False)
    plain = Q(risk_status__admin_action__in=_PLAIN)
    known = Q(risk_status__admin_action__in=sorted(_KNOWN))
    acted = Q(risk_status__admin_action__in=list(_BY_ACTION))
    stopped = Q(risk_status__liquidate_only_at__isnull=False)
    conditions: dict[AccountStatus, Q] = {
        AccountStatus.CLOSED: Q(closed=True),
        AccountStatus.ARCHIVED: Q(archived=True, closed=False),
        AccountStatus.UNREAD: open_ & Q(risk_status__isnull=True),
        AccountStatus.BREACHED: read & stopped & known & ~acted,
        AccountStatus.ACTIVE: read & plain & ~stopped,
        AccountStatus.UNUSUAL: read & known & ~plain & ~acted & ~stopped,
        AccountStatus.UNKNOWN: read & ~plain & ~known,
    }
    for action, action_status in _BY_ACTION.items():
        conditions[action_status] = read & Q(risk_status__admin_action=action)
    return conditions[status]
