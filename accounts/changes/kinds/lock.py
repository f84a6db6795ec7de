"""Lock: every order is refused from now on; open positions stay as they are."""

from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.states import Direction
from riskadmin.tradovate.vocabulary import AdminAction, Environment


class Lock(AdminActionKind):
    """`LockTradingImmediately`: it lasts until someone unlocks the account."""

    spec = KindSpec(
        name="lock",
        verb="Lock",
        action_label="Lock",
        effect="Every new order is refused, at once and until somebody unlocks. Open positions are not liquidated.",
        direction=Direction.PROTECTIVE,
        environments=frozenset({Environment.DEMO}),
        icon="lock",
        permission="lock accounts",
        ended_by="unlock",
        alternative="risk_category",
        cheaper="risk_category",
        is_first_choice=True,
        in_lists="Lock",
    )
    rests_on_before = False  # a requested lock is wanted, whatever happened meanwhile
    action = AdminAction.LOCK
    already = "Already locked"
    open_positions = "they stay open, and the trader can't close them."
