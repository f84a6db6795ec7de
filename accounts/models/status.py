"""Where an account stands for the people who look at it: one word for what Tradovate spreads over several fields.

Each standing is said twice side by side, as a function of a row and as a condition for many; a property test holds them equal.
"""

from django.db import models
from django.db.models import Q

from riskadmin.tradovate.vocabulary import AdminAction


class Standing(models.TextChoices):
    """An account's standing, from most to least final."""

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
        """Whether a person brought it about."""
        return self in set(_BY_ACTION.values())

    @property
    def tone(self) -> str:
        """The tone of its badge."""
        return STANDING_LOOK[self][0]

    @property
    def icon(self) -> str:
        """The icon of its badge."""
        return STANDING_LOOK[self][1]


# Tone and icon of each standing, for the state badge (templates/inc).
STANDING_LOOK: dict[Standing, tuple[str, str]] = {
    Standing.CLOSED: ("neutral", "x"),
    Standing.ARCHIVED: ("neutral", "archive"),
    Standing.LIQUIDATED: ("danger", "lock"),
    Standing.LOCKED: ("danger", "lock"),
    Standing.LIQUIDATE_ONLY: ("warn", "arrow-down-circle"),
    Standing.BREACHED: ("warn", "alert-triangle"),
    Standing.UNUSUAL: ("warn", "alert-triangle"),
    Standing.UNKNOWN: ("warn", "help-circle"),
    Standing.ACTIVE: ("ok", "circle-check"),
    Standing.UNREAD: ("neutral", "circle-dashed"),
}

_BY_ACTION: dict[str, Standing] = {
    AdminAction.LIQUIDATE: Standing.LIQUIDATED,
    AdminAction.LOCK: Standing.LOCKED,
    AdminAction.LIQUIDATE_ONLY: Standing.LIQUIDATE_ONLY,
}
_PLAIN = ("", AdminAction.NORMAL.value)
_KNOWN = frozenset({*_PLAIN, *(action.value for action in AdminAction)})


def standing_of(*, archived: bool, closed: bool, admin_action: str | None, liquidate_only: bool, read: bool) -> Standing:
    """Return the standing of one account.

    `admin_action` is Tradovate's own word, `liquidate_only` whether its risk engine has stopped the account, `read` whether
    its risk status was ever read. An absent admin action means none was set. A closed account is archived too, and "closed"
    says more. What an admin action that is not documented allows nobody knows, also where a limit has stopped the account.
    """
    if closed:
        return Standing.CLOSED
    if archived:
        return Standing.ARCHIVED
    if not read:
        return Standing.UNREAD
    if admin_action in _BY_ACTION:
        return _BY_ACTION[admin_action]
    if not is_known(admin_action):
        return Standing.UNKNOWN
    if liquidate_only:
        return Standing.BREACHED
    return Standing.UNUSUAL if admin_action and admin_action not in _PLAIN else Standing.ACTIVE


def is_known(admin_action: str | None) -> bool:
    """Say whether Tradovate documents an admin action, or none was set: of any other nobody knows what it does."""
    return admin_action is None or admin_action in _KNOWN


def standing_q(standing: Standing) -> Q:
    """Return the condition on `accounts.Account` that `standing_of` is for one row."""
    open_ = Q(archived=False, closed=False)
    read = open_ & Q(risk_status__isnull=False)
    plain = Q(risk_status__admin_action__in=_PLAIN)
    known = Q(risk_status__admin_action__in=sorted(_KNOWN))
    acted = Q(risk_status__admin_action__in=list(_BY_ACTION))
    stopped = Q(risk_status__liquidate_only_at__isnull=False)
    conditions: dict[Standing, Q] = {
        Standing.CLOSED: Q(closed=True),
        Standing.ARCHIVED: Q(archived=True, closed=False),
        Standing.UNREAD: open_ & Q(risk_status__isnull=True),
        Standing.BREACHED: read & stopped & known & ~acted,
        Standing.ACTIVE: read & plain & ~stopped,
        Standing.UNUSUAL: read & known & ~plain & ~acted & ~stopped,
        Standing.UNKNOWN: read & ~plain & ~known,
    }
    for action, acted_standing in _BY_ACTION.items():
        conditions[acted_standing] = read & Q(risk_status__admin_action=action)
    return conditions[standing]
