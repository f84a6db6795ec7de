"""Unlock: the admin action goes back to normal, and the trader may trade again."""

from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import AdminActionKind, RiskState, UnlockParameters
from accounts.changes.kinds.kind import Done, Inverse, Irreversible
from accounts.changes.kinds.peak import firm_limits_read, never_unlocks, with_firm_limits
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import State
from accounts.changes.kinds.stored_form import StoredForm
from accounts.changes.states import Direction
from accounts.models import Account
from accounts.sync.actions import Part
from riskadmin.audit.wording import ADMIN_ACTION_WORDS
from riskadmin.tradovate.vocabulary import AdminAction, Environment


class Unlock(AdminActionKind):
    """`Normal`: clears a lock, liquidate-only mode, the lock after a liquidation, or a stop by a limit with doNotUnlock.

    `of` returns the variant that allows closing orders only, if a change's parameters say so.
    """

    spec = KindSpec(
        name="unlock",
        verb="Unlock",
        action_label="Unlock",
        effect="Clears every restriction that was set on the account, and trading resumes at once.",
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="lock-open",
        permission="ask to unlock accounts",
        is_first_choice=True,
        in_lists="Unlock",
    )
    parameters_type: ClassVar[type[StoredForm]] = UnlockParameters
    parts = frozenset({Part.POSITIONS, Part.LIMITS})
    shows_who_locked = True
    action = AdminAction.NORMAL
    already = "Not locked"
    open_positions = "the trader can add to them again."

    def of(self, parameters: State) -> "Unlock":
        leaves = UnlockParameters.from_json(parameters).leaves
        return self._to_closing if leaves == AdminAction.LIQUIDATE_ONLY else self

    @cached_property
    def _to_closing(self) -> "Unlock":
        return UnlockToClosing()

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        leaves = UnlockParameters.from_json(parameters).leaves
        return (("Leaves", ADMIN_ACTION_WORDS[leaves]),) if leaves else ()

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_firm_limits(super().mirrored(accounts))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *firm_limits_read(subject)

    def is_reached(self, state: RiskState) -> bool:
        # A limit with doNotUnlock stops an account while its admin action stays Normal; Normal sent again clears that.
        return super().is_reached(state) and not state.stopped_by_limit

    def warnings(self, account: Account) -> tuple[str, ...]:
        return super().warnings(account) + self.limit_warnings(account)

    def limit_warnings(self, account: Account) -> tuple[str, ...]:
        """Return the warning that a limit's stop ends before the session does."""
        if account.risk_status.liquidate_only_at and never_unlocks(account):
            return ("A limit stopped it and is set not to unlock by itself: the trader trades again in the same session.",)
        return ()

    def inverse(self, done: Done) -> Inverse | Irreversible:
        match RiskState.from_json(done.before).admin_action:
            case AdminAction.LOCK:
                return Inverse(kind_name="lock")
            case AdminAction.LIQUIDATE:
                return Inverse(kind_name="lock", remark="A liquidation had locked it: it is locked, and nothing is liquidated")
            case AdminAction.LIQUIDATE_ONLY:
                return Inverse(kind_name="liquidate_only")
            case AdminAction.NORMAL:
                return Irreversible(reason="Only a limit had stopped it, and that stop can't be put back: lock it instead")
            case other:
                words = ADMIN_ACTION_WORDS.get(other, other)
                return Irreversible(reason=f"It stood as “{words}” before, which can't be set from here: lock it instead")

    def unchanged_since(self, done: Done, now: State) -> bool:
        # A stop by a limit since then is no reason to leave it without the lock that it had.
        return self.is_still_set(done, now)


class UnlockToClosing(Unlock):
    """Back from a lock to `LiquidateOnlyModeImmediately`, its state before: looser, and approved like an unlock."""

    spec = replace(
        Unlock.spec,
        effect="Lifts the lock, but for closing orders only: orders that open or add to a position stay refused.",
    )
    action = AdminAction.LIQUIDATE_ONLY
    already = "Already allows closing orders only"
    open_positions = "the trader can close them again."

    def of(self, parameters: State) -> Unlock:
        return self

    def is_reached(self, state: RiskState) -> bool:
        # Tradovate records this mode in the same place as a limit's stop.
        return state.admin_action == self.action

    def refusal(self, before: RiskState) -> str:
        return "" if before.admin_action in {AdminAction.LOCK, AdminAction.LIQUIDATE} else "Not locked"

    def limit_warnings(self, account: Account) -> tuple[str, ...]:
        return ()
