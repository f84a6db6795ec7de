"""Unlock: the admin action goes back to normal, and the trader may trade again."""

from datetime import datetime

from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.kinds.kind import State
from accounts.changes.kinds.peak import firm_limits_read, never_unlocks, with_firm_limits
from accounts.changes.states import Direction
from accounts.models import Account
from accounts.sync import Part
from riskadmin.tradovate.vocabulary import AdminAction


class Unlock(AdminActionKind):
    """`Normal`: clears a lock, liquidate-only mode, the lock after a liquidation, or a stop by a limit with doNotUnlock."""

    name = "unlock"
    verb = "Unlock"
    action_label = "Unlock"
    effect = "Clears every restriction that was set on the account, and trading resumes at once."
    direction = Direction.LOOSENING
    icon = "lock-open"
    parts = frozenset({Part.POSITIONS, Part.LIMITS})
    action = AdminAction.NORMAL
    already = "Not locked"
    open_positions = "the trader can add to them again."

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_firm_limits(super().mirrored(accounts))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *firm_limits_read(subject)

    def is_reached(self, state: State) -> bool:
        # A limit with doNotUnlock stops an account while its admin action stays Normal; Normal sent again clears that.
        return super().is_reached(state) and not state["stopped_by_limit"]

    def warnings(self, account: Account) -> tuple[str, ...]:
        return super().warnings(account) + self.limit_warnings(account)

    def limit_warnings(self, account: Account) -> tuple[str, ...]:
        """Return the warning that a limit's stop ends before the session does."""
        if account.risk_status.liquidate_only_at and never_unlocks(account):
            return ("A limit stopped it and is set not to unlock by itself: the trader trades again in the same session.",)
        return ()
