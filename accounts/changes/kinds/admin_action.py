"""What lock, liquidate-only and unlock share: one account per call to setadminautoliqaction.

Source: seed "Set Admin Auto Liq Action". The state it sets is absolute and persistent, so a call may be sent again once a
read-back shows that the first one did nothing. It exists on demo only, and accepts archived accounts without an error.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from django.db.models import QuerySet

from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import AccountKind, held, open_positions, reading_of, with_held
from accounts.models import Account, Source
from accounts.models.status import is_known
from accounts.sync.actions import store_risk_statuses
from accounts.sync.reads import Reader
from riskadmin.audit.wording import ADMIN_ACTION_WORDS
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNT_RISK_STATUSES_BY_ACCOUNT, SET_ADMIN_AUTO_LIQ_ACTION, Endpoint
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import AdminAction
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment

READ_AT_ONCE: Final = 300
"""Accounts in one read-back: this many of the longest ids fit into one URL (tradovate.endpoints)."""

LEAVES: Final = "leaves"
"""The parameter of an unlock that does not lift every restriction: the admin action that it leaves."""


class AdminActionKind(AccountKind):
    """A kind that sets one admin action on one account."""

    urgent_up_to = 50
    endpoints: ClassVar[tuple[Endpoint, ...]] = (SET_ADMIN_AUTO_LIQ_ACTION,)
    reads: ClassVar[tuple[Endpoint, ...]] = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT,)
    read_at_once = READ_AT_ONCE
    action: ClassVar[AdminAction]
    already: ClassVar[str]  # why an account that already has this action is skipped

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(super().mirrored(accounts))

    def is_resend_safe(self, step: int) -> bool:
        return True

    def state(self, subject: Account) -> State:
        status = subject.risk_status
        return risk_state(status.admin_action, status.admin_at, status.liquidate_only_at)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        # The other change under way may remove an action that is already set: a protective call is then made all the same.
        if self.is_reached(before) and not (contested and self.is_protective):
            return Skip(reason=self.already, before=before)
        after = {"admin_action": self.action.value}
        return Planned(
            before=before, after=after, effects=self.effects(subject, before, after), warnings=self.warnings(subject)
        )

    def effects(self, subject: Account, before: State, after: State) -> TargetEffects:
        """Return the effects of the action on the account; by itself it closes no position. Pure."""
        return TargetEffects(
            direction=EffectDirection.of(each.direction for each in self.differences(before, after)),
            open_positions=open_positions(subject),
        )

    def is_reached(self, state: State) -> bool:
        """Say whether the account is already in the state that this kind leads to."""
        return bool(state["admin_action"] == self.action)

    def warnings(self, account: Account) -> tuple[str, ...]:
        """Return what a person should know before applying this to the account."""
        return self._action_warnings(account) + self._position_warnings(account)

    def _action_warnings(self, account: Account) -> tuple[str, ...]:
        action = account.risk_status.admin_action
        if is_known(action):
            return ()
        return (f"Unknown admin action: {action}. Whether orders may be placed now is not known",)

    def _position_warnings(self, account: Account) -> tuple[str, ...]:
        positions = held(account)
        if not positions:
            return ()
        return (f"{len(positions)} open position{'' if len(positions) == 1 else 's'}: {self.open_positions}",)

    open_positions: ClassVar[str]  # what happens to open positions

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        words = _words(before), _words(after)
        if words[0] == words[1] and "admin_at" in after and after["admin_at"] != before.get("admin_at"):
            # Set again since it was shown: the same action, but by another person.
            words = f"{words[0]}{_since(before.get('admin_at'))}", f"{words[1]}{_since(after['admin_at'])}"
        return (
            Difference(
                label="Risk action",
                before=words[0],
                after=words[1],
                direction=_direction(before, after),
            ),
        )

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        return send_admin_action(client, order, AdminAction(target.after["admin_action"]))

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, risk_state_read)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        # A limit may stop an account at any moment without a person's action: only action and time show the effect of a call.
        acted = (observed["admin_action"], observed["admin_at"]) != (before["admin_action"], before["admin_at"])
        if self.is_reached(before) and not acted:
            return Finding.UNCHANGED
        # Unlocking an account that only a limit had stopped leaves `Normal` as it was: its time, or the stop's end, shows it.
        if observed["admin_action"] == self.action and not self.is_same(before, observed):
            return Finding.APPLIED
        return Finding.ELSEWHERE if acted else Finding.NOT_APPLIED

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = done.before["admin_action"]
        if was == AdminAction.NORMAL and done.before["stopped_by_limit"]:
            return Irreversible(reason="A limit had stopped it before, and an unlock would end that stop too")
        if was == AdminAction.NORMAL:
            return Inverse(kind_name="unlock")
        if was == AdminAction.LIQUIDATE_ONLY and self.action == AdminAction.LOCK:
            # Looser than the lock, so it needs the approvals that an unlock needs.
            return Inverse(kind_name="unlock", parameters={LEAVES: AdminAction.LIQUIDATE_ONLY.value})
        words = ADMIN_ACTION_WORDS.get(was, was)
        return Irreversible(reason=f"It stood as “{words}” before, which no undo brings back: unlock it if it is to trade")

    def unchanged_since(self, done: Done, now: State) -> bool:
        return self.is_still_set(done, now) and not (now["stopped_by_limit"] and not _was_stopped(done))

    def is_still_set(self, done: Done, now: State) -> bool:
        """Say whether an item's action is still the last one; without a read-back time, only the action is compared."""
        if done.observed is None:
            return bool(now["admin_action"] == done.after["admin_action"])
        return (now["admin_action"], now["admin_at"]) == (done.observed["admin_action"], done.observed["admin_at"])


def _was_stopped(done: Done) -> bool:
    return bool((done.before if done.observed is None else done.observed)["stopped_by_limit"])


def send_admin_action(client: Client, order: CallSpec, action: AdminAction) -> HttpRecord:
    """Set an admin action on the one account in the order."""
    (target,) = order.targets
    reply = client.set_admin_auto_liq_action(
        permit=order.permit,
        account_id=target.id,
        action=action,
        reason_code=order.reason_code,
        reason=order.reason_text,
        ticket=order.ticket,
    )
    return reply.http_record


def read_risk_statuses(client: Client, ids: Sequence[int], state: Callable[[AccountRiskStatus], State]) -> Reading:
    """Read the risk status of accounts; `state` converts one to a kind's terms."""
    read = Reader(client).risk_statuses(ids)
    return reading_of(
        client,
        read,
        observed={status.id: state(status) for status in read.found},
        keep=lambda: store_risk_statuses(
            client.environment, read.found, read_at=read.read_at, source=Source.CONFIRM, unreadable=read.odd
        ),
    )


_TIGHTNESS: Final = {
    AdminAction.NORMAL: 0,
    AdminAction.LIQUIDATE_ONLY: 2,
    AdminAction.LOCK: 3,
    AdminAction.LIQUIDATE: 3,
}
_STOPPED_BY_LIMIT: Final = 1  # tighter than nothing; an admin action is more specific and lasts longer


def _direction(before: State, after: State) -> str:
    if not (is_known(before["admin_action"]) and is_known(after["admin_action"])):
        return ""  # it is not known what such an action refuses
    was, becomes = _tightness(before), _tightness(after)
    return "looser" if becomes < was else "tighter" if becomes > was else ""


def _tightness(state: State) -> int:
    return max(_TIGHTNESS.get(state["admin_action"], 0), _STOPPED_BY_LIMIT if state.get("stopped_by_limit") else 0)


def _since(admin_at: str | None) -> str:
    return f", set {moment(datetime.fromisoformat(admin_at), display_zone())}" if admin_at else ""


def _words(state: State) -> str:
    words = ADMIN_ACTION_WORDS.get(state["admin_action"], str(state["admin_action"]))
    return f"{words}, stopped by a limit" if state.get("stopped_by_limit") else words


def risk_state(admin_action: str, admin_at: datetime | None, liquidate_only_at: datetime | None) -> State:
    """Return an account's risk status in the form that the kinds that set an admin action compare."""
    # An account that was never acted on has no admin action; it counts as Normal.
    return {
        "admin_action": admin_action or AdminAction.NORMAL.value,
        "admin_at": admin_at.astimezone(UTC).isoformat() if admin_at else None,
        "stopped_by_limit": liquidate_only_at is not None,
    }


def risk_state_read(status: AccountRiskStatus) -> State:
    """Return a risk status as it was read, in the same form."""
    return risk_state(status.admin_action or "", status.admin_timestamp, status.liquidate_only)
