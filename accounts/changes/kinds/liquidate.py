"""Liquidate: every open position is closed, then the account is locked. Two calls, one after the other.

Source: seed "Set Admin Auto Liq Action", which says about `LiquidateImmediately` both that it locks and that the lock is to be
set after it. What a liquidation has closed stays closed, so only a person repeats the first call.
"""

from dataclasses import dataclass, replace
from typing import Final

from accounts.changes.kinds.admin_action import AdminActionAfter, AdminActionKind, RiskState, risk_difference, send_admin_action
from accounts.changes.kinds.effects import Liquidation, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Skip
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import StoredForm
from accounts.changes.kinds.units import held, open_positions
from accounts.changes.states import Direction
from accounts.models import Account
from accounts.sync.actions import Part
from riskadmin.staff.roles import Role
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import SET_ADMIN_AUTO_LIQ_ACTION
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import AdminAction, Environment

LIQUIDATE_STEP: Final = 0


@dataclass(frozen=True, kw_only=True)
class LiquidateAfter(StoredForm):
    """The admin actions that the steps set, in order."""

    admin_actions: tuple[str, ...]


class Liquidate(AdminActionKind):
    """`LiquidateImmediately`, then `LockTradingImmediately`, which lasts until someone unlocks the account."""

    spec = KindSpec(
        name="liquidate",
        verb="Liquidate",
        action_label="Liquidate",
        effect=(
            "Every open position is closed at the market, at once; then the account is locked until somebody unlocks it. Two "
            "calls for each account. What is closed stays closed."
        ),
        warning="The read-back proves that Tradovate took the order to liquidate, not at which price each position was closed.",
        direction=Direction.DESTRUCTIVE,
        environments=frozenset({Environment.DEMO}),
        icon="flame",
        permission="ask to liquidate accounts",
        requested_by=frozenset({Role.SUPERVISOR}),
    )
    after_type = LiquidateAfter
    parts = frozenset({Part.POSITIONS})
    steps = ("Liquidate", "Lock")
    endpoints = (SET_ADMIN_AUTO_LIQ_ACTION, SET_ADMIN_AUTO_LIQ_ACTION)
    action = AdminAction.LOCK

    def is_resend_safe(self, step: int) -> bool:
        return step != LIQUIDATE_STEP

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.mirrored_state(subject)
        after = LiquidateAfter(admin_actions=(AdminAction.LIQUIDATE, AdminAction.LOCK))
        return Planned(
            before=before.to_json(),
            after=after.to_json(),
            effects=self.effects(subject, before, AdminActionAfter(admin_action=self.action)),
            warnings=self.warnings(subject),
            weight=float(sum(position.size for position in held(subject))),
        )

    def effects(self, subject: Account, before: RiskState, after: AdminActionAfter) -> TargetEffects:
        positions = open_positions(subject)
        liquidation = Liquidation.POSSIBLE if positions is None else Liquidation.NOW if positions else Liquidation.NO
        return replace(super().effects(subject, before, after), liquidation=liquidation)

    def warnings(self, account: Account) -> tuple[str, ...]:
        positions = held(account)
        if positions:
            contracts = sum(position.size for position in positions)
            return (f"{_count(len(positions), 'open position')} would be closed ({_count(contracts, 'contract')})",)
        if account.positions_read_at is None:
            return ("Its positions were never read: whatever it holds would be closed",)
        return ("Flat: only locks",)

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        if not LiquidateAfter.fits(after):
            return super().differences(before, after)
        last = AdminActionAfter(admin_action=LiquidateAfter.from_json(after).admin_actions[-1])
        lock = risk_difference(RiskState.from_json(before), last)
        return (replace(lock, after=f"Liquidated, then {lock.after[:1].lower()}{lock.after[1:]}"),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        return send_admin_action(client, order, AdminAction(LiquidateAfter.from_json(target.after).admin_actions[order.step]))

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        intended = LiquidateAfter.from_json(after).admin_actions[step]
        now = RiskState.from_json(observed)
        acted = now.is_acted_on_since(RiskState.from_json(before))
        if acted and now.admin_action == intended:
            return Finding.APPLIED
        # The account's state if the step did nothing: as before it, which for the lock is as after the liquidation.
        is_as_before = not acted if step == LIQUIDATE_STEP else acted and now.admin_action == AdminAction.LIQUIDATE
        return Finding.NOT_APPLIED if is_as_before else Finding.ELSEWHERE

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(reason="What was closed stays closed; the lock that it left can be lifted by an unlock")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
