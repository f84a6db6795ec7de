"""Liquidate only: the trader may close positions but open none."""

from accounts.changes.kinds.admin_action import AdminActionKind, RiskState
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.states import Direction
from riskadmin.tradovate.vocabulary import AdminAction, Environment


class LiquidateOnly(AdminActionKind):
    """`LiquidateOnlyModeImmediately`: it lasts until someone unlocks the account."""

    spec = KindSpec(
        name="liquidate_only",
        verb="Allow closing only for",
        action_label="Closing only",
        effect=(
            "Orders that open or add to a position are refused, at once and until somebody unlocks. Positions can be closed."
        ),
        direction=Direction.PROTECTIVE,
        environments=frozenset({Environment.DEMO}),
        icon="arrow-down-circle",
        permission="allow accounts closing orders only",
        ended_by="unlock",
        alternative="risk_category",
        is_first_choice=True,
        in_lists="Closing orders only",
    )
    action = AdminAction.LIQUIDATE_ONLY
    already = "Already allows closing orders only"
    open_positions = "they stay open, and the trader can close them."

    def refusal(self, before: RiskState) -> str:
        if before.admin_action in {AdminAction.LOCK, AdminAction.LIQUIDATE}:
            # Under this name nothing may become looser: that needs the approvals that an unlock needs.
            return "Locked: closing orders would be allowed again. Ask to unlock it first"
        return ""
