"""Reset an account's auto-liq status: one account per call to resetautoliqstatus.

Tradovate documents the operation's name and its one field, and nothing about its effect. So nothing is expected of it: whatever
it changes is reported, an accepted call that changes nothing is `unchanged`, and no call is ever repeated automatically.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import QuerySet

from accounts.changes.kinds.admin_action import read_risk_statuses
from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.peak import firm_limits_read, never_unlocks, with_firm_limits
from accounts.changes.kinds.spec import KindSpec, supervised
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import AccountKind, open_positions, with_held
from accounts.changes.states import Direction
from accounts.models import Account
from accounts.sync.actions import Part
from riskadmin.audit.wording import ADMIN_ACTION_WORDS
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNT_RISK_STATUSES_BY_ACCOUNT, RESET_AUTO_LIQ_STATUS
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import AdminAction, Environment
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment

LABELS = {
    "admin_action": "Risk action",
    "admin_at": "Risk action set",
    "stopped_at": "Stopped by a limit",
    "user_triggered": "Closing orders only by the trader's own limit",
}


class ResetAutoLiqStatus(AccountKind):
    """The risk status except for its two figures, which trading moves all the time."""

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
        policy=(supervised("Not documented: may let the trader trade again."),),
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

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(with_firm_limits(super().mirrored(accounts)))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *firm_limits_read(subject)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def state(self, subject: Account) -> State:
        status = subject.risk_status
        return _state(
            status.admin_action,
            status.admin_at,
            status.liquidate_only_at,
            user_triggered=status.user_triggered_liq_only,
        )

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        warnings: tuple[str, ...] = ()
        if before["stopped_at"] is None:
            warnings += ("No limit has stopped it: there may be nothing to reset",)
        elif never_unlocks(subject):
            warnings += ("A limit stopped it and is set not to unlock by itself: the trader may trade again in this session",)
        if before["admin_action"] != AdminAction.NORMAL:
            words = ADMIN_ACTION_WORDS.get(before["admin_action"], before["admin_action"])
            warnings += (f"{words}: whether a reset touches that is not documented",)
        after = {"auto_liq_status": "reset"}
        effects = TargetEffects(
            direction=EffectDirection.of(each.direction for each in self.differences(before, after)),
            open_positions=open_positions(subject),
        )
        return Planned(before=before, after=after, effects=effects, warnings=warnings)

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        if "auto_liq_status" in after:
            was = "stopped by a limit" if before.get("stopped_at") else "not stopped by a limit"
            return (Difference(label="Auto-liq status", before=was, after="reset", direction="looser"),)
        return tuple(
            Difference(label=label, before=_words(name, before.get(name)), after=_words(name, after.get(name)))
            for name, label in LABELS.items()
            if before.get(name) != after.get(name)
        )

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        return client.reset_auto_liq_status(permit=order.permit, account_id=target.id, ticket=order.ticket).http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, _read)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        observed = self.as_stored(before, observed)
        if self.is_same(before, observed):
            return Finding.NOT_APPLIED
        moved = {name for name, value in observed.items() if value != before[name]}
        if "admin_at" in moved:
            return Finding.ELSEWHERE  # someone acted on it: what is looser now may be their work
        # A new restriction is the act of someone else or of a limit, and hides whether the reset did anything.
        restricted = (
            bool("admin_action" in moved and observed["admin_action"] != AdminAction.NORMAL)
            or bool("stopped_at" in moved and observed["stopped_at"])
            or bool("user_triggered" in moved and observed["user_triggered"])
        )
        return Finding.ELSEWHERE if restricted else Finding.APPLIED

    def inverse(self, done: Done) -> Irreversible:
        return Irreversible(reason="What a reset does is not documented, and no call puts a limit's stop back")


def _read(status: AccountRiskStatus) -> State:
    return _state(
        status.admin_action or "", status.admin_timestamp, status.liquidate_only, user_triggered=status.user_triggered_liq_only
    )


def _state(admin_action: str, admin_at: datetime | None, stopped_at: datetime | None, *, user_triggered: bool | None) -> State:
    return {
        "admin_action": admin_action or AdminAction.NORMAL.value,
        "admin_at": _utc(admin_at),
        "stopped_at": _utc(stopped_at),
        "user_triggered": bool(user_triggered),
    }


def _utc(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _words(name: str, value: object) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case str() if name in {"admin_at", "stopped_at"}:
            return moment(datetime.fromisoformat(value), display_zone())
        case str():
            return ADMIN_ACTION_WORDS.get(value, value)
        case _:
            return str(value)
