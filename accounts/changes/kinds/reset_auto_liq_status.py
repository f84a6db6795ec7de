"""Reset an account's auto-liq status: one account per call to resetautoliqstatus.

Tradovate documents the operation's name and its one field, and nothing about its effect. So nothing is expected of it: whatever
it changes is reported, an accepted call that changes nothing is `unchanged`, and no call is ever repeated automatically.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import read_risk_statuses
from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.peak import firm_limits_read, never_unlocks, with_firm_limits
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import StoredForm
from accounts.changes.kinds.units import AccountKind, open_positions, with_held
from accounts.changes.states import Direction
from accounts.models import Account, RiskStatus
from accounts.sync.actions import Part
from riskadmin.audit.wording import ADMIN_ACTION_WORDS
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNT_RISK_STATUSES_BY_ACCOUNT, RESET_AUTO_LIQ_STATUS
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import AdminAction, Environment
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment


@dataclass(frozen=True, kw_only=True)
class ResetState(StoredForm):
    """The risk status except for its two figures, which trading moves all the time."""

    admin_action: str
    admin_at: datetime | None
    stopped_at: datetime | None
    user_triggered: bool


@dataclass(frozen=True, kw_only=True)
class ResetAfter(StoredForm):
    """What is asked for: `auto_liq_status` is always "reset"."""

    auto_liq_status: str


LABELS: Final = {
    "admin_action": "Risk action",
    "admin_at": "Risk action set",
    "stopped_at": "Stopped by a limit",
    "user_triggered": "Closing orders only by the trader's own limit",
}


class ResetAutoLiqStatus(AccountKind):
    """Whatever a reset does, judged by the whole risk status."""

    spec = KindSpec(
        name="reset_auto_liq_status",
        verb="Reset the auto-liq status of",
        action_label="Reset auto-liq status",
        effect=(
            "Asks Tradovate to reset the auto-liq status. What that does is not documented: it may let a trader trade again "
            "whom a limit has stopped. Whatever it alters in the risk status is shown afterwards."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="rotate",
        permission="ask to reset the auto-liq status of accounts",
        recorded={
            "auto_liq_status": "Auto-liq status",
            "user_triggered": "Closing orders only by the trader's own limit",
            "stopped_at": "Stopped by a limit",
        },
    )
    endpoints = (RESET_AUTO_LIQ_STATUS,)
    reads = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT,)
    parts = frozenset({Part.LIMITS})
    answer_may_change_nothing = True
    state_type = ResetState
    after_type = ResetAfter

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(with_firm_limits(super().mirrored(accounts)))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *firm_limits_read(subject)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def mirrored_state(self, subject: Account) -> ResetState:
        return _state(subject.risk_status)

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before, after = self.mirrored_state(subject), ResetAfter(auto_liq_status="reset")
        warnings: tuple[str, ...] = ()
        if before.stopped_at is None:
            warnings += ("No limit has stopped it: there may be nothing to reset",)
        elif never_unlocks(subject):
            warnings += ("A limit stopped it and is set not to unlock by itself: the trader may trade again in this session",)
        if before.admin_action != AdminAction.NORMAL:
            words = ADMIN_ACTION_WORDS.get(before.admin_action, before.admin_action)
            warnings += (f"{words}: whether a reset touches that is not documented",)
        effects = TargetEffects(
            direction=EffectDirection.of((_reset_difference(before).direction,)), open_positions=open_positions(subject)
        )
        return Planned(before=before.to_json(), after=after.to_json(), effects=effects, warnings=warnings)

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        was = ResetState.from_json(before)
        if not ResetState.fits(after):
            return (_reset_difference(was),)
        now = ResetState.from_json(after)
        return tuple(
            Difference(label=label, before=_words(getattr(was, name)), after=_words(getattr(now, name)))
            for name, label in LABELS.items()
            if getattr(was, name) != getattr(now, name)
        )

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        return client.reset_auto_liq_status(permit=order.permit, account_id=target.id, ticket=order.ticket).http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, _state)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        was, now = ResetState.from_json(before), ResetState.from_json(observed)
        if self.is_same(before, observed):
            return Finding.NOT_APPLIED
        if now.admin_at != was.admin_at:
            return Finding.ELSEWHERE  # someone acted on it: what is looser now may be their work
        # A new restriction is the act of someone else or of a limit, and hides whether the reset did anything.
        is_restricted = (
            now.admin_action not in {was.admin_action, AdminAction.NORMAL}
            or now.stopped_at not in {was.stopped_at, None}
            or now.user_triggered not in {was.user_triggered, False}
        )
        return Finding.ELSEWHERE if is_restricted else Finding.APPLIED

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(reason="What a reset does is not documented, and no call puts a limit's stop back")


def _reset_difference(was: ResetState) -> Difference:
    stopped = "stopped by a limit" if was.stopped_at else "not stopped by a limit"
    return Difference(label="Auto-liq status", before=stopped, after="reset", direction="looser")


def _state(status: RiskStatus | AccountRiskStatus) -> ResetState:
    """Return a risk status, from the mirror or as read."""
    if isinstance(status, RiskStatus):
        admin_at, stopped_at = status.admin_at, status.liquidate_only_at
    else:
        admin_at, stopped_at = status.admin_timestamp, status.liquidate_only
    return ResetState(
        admin_action=status.admin_action or AdminAction.NORMAL,
        admin_at=admin_at,
        stopped_at=stopped_at,
        user_triggered=bool(status.user_triggered_liq_only),
    )


def _words(value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value, display_zone())
        case _:
            return ADMIN_ACTION_WORDS.get(str(value), str(value))
