"""Lock: every order is refused from now on; open positions stay as they are."""

from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.states import Direction
from riskadmin.tradovate.vocabulary import AdminAction


class Lock(AdminActionKind):
    """`LockTradingImmediately`: it lasts until someone unlocks the account."""

    name = "lock"
    verb = "Lock"
    action_label = "Lock"
    effect = "Every new order is refused, at once and until somebody unlocks. Open positions are not liquidated."
    direction = Direction.PROTECTIVE
    ended_by = "unlock"
    icon = "lock"
    rests_on_before = False  # a requested lock is wanted, whatever happened meanwhile
    action = AdminAction.LOCK
    already = "Already locked"
    open_positions = "they stay open, and the trader can't close them."
