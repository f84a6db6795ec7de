"""What lock, liquidate-only and unlock share: one account per call to setadminautoliqaction.

Source: seed "Set Admin Auto Liq Action". The state it sets is absolute and persistent, so a call may be sent again once a
read-back shows that the first one did nothing. It exists on demo only, and accepts archived accounts without an error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db.models import QuerySet

from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import AccountKind, held, open_positions, reading_of, with_held
from accounts.models import Account, RiskStatus, Source
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


@dataclass(frozen=True, kw_only=True)
class RiskState(StoredForm):
    """An account's risk status, without its figures. One that was never acted on has no admin action; it counts as Normal."""

    admin_action: str
    admin_at: datetime | None
    stopped_by_limit: bool

    def is_acted_on_since(self, before: "RiskState") -> bool:
        """Say whether someone has set an admin action since: a limit may stop an account at any moment without that."""
        return (self.admin_action, self.admin_at) != (before.admin_action, before.admin_at)


@dataclass(frozen=True, kw_only=True)
class AdminActionAfter(StoredForm):
    """The admin action that a call sets."""

    admin_action: str


@dataclass(frozen=True, kw_only=True)
class UnlockParameters(StoredForm):
    """Of an unlock; `leaves` is the admin action that it leaves, if it does not lift every restriction."""

    leaves: str | Unset = UNSET


class AdminActionKind(AccountKind):
    """A kind that sets one admin action on one account."""

    urgent_up_to = 50
    endpoints: ClassVar[tuple[Endpoint, ...]] = (SET_ADMIN_AUTO_LIQ_ACTION,)
    reads: ClassVar[tuple[Endpoint, ...]] = (ACCOUNT_RISK_STATUSES_BY_ACCOUNT,)
    read_at_once = READ_AT_ONCE
    state_type: ClassVar[type[RiskState]] = RiskState
    after_type: ClassVar[type[StoredForm]] = AdminActionAfter
    action: ClassVar[AdminAction]
    already: ClassVar[str]  # why an account that already has this action is skipped

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(super().mirrored(accounts))

    def is_resend_safe(self, step: int) -> bool:
        return True

    def mirrored_state(self, subject: Account) -> RiskState:
        return risk_state(subject.risk_status)

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.risk_status.fresh_at if hasattr(subject, "risk_status") else None

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before, after = self.mirrored_state(subject), AdminActionAfter(admin_action=self.action)
        # What contests its state may remove an action that is already set: a protective call is then made all the same.
        is_needless = self.is_reached(before) and not (contested and self.is_protective)
        reason = self.already if is_needless else self.refusal(before)
        if reason:
            return Skip(reason=reason, before=before.to_json())
        return Planned(
            before=before.to_json(),
            after=after.to_json(),
            effects=self.effects(subject, before, after),
            warnings=self.warnings(subject),
        )

    def refusal(self, before: RiskState) -> str:
        """Return why the action is not set on an account in this state, or "". Pure."""
        return ""

    def effects(self, subject: Account, before: RiskState, after: AdminActionAfter) -> TargetEffects:
        """Return the effects of the action on the account; by itself it closes no position. Pure."""
        return TargetEffects(direction=EffectDirection.of((_direction(before, after),)), open_positions=open_positions(subject))

    def is_reached(self, state: RiskState) -> bool:
        """Say whether the account is already in the state that this kind leads to."""
        return state.admin_action == self.action

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
        becomes = RiskState.from_json(after) if RiskState.fits(after) else AdminActionAfter.from_json(after)
        return (risk_difference(RiskState.from_json(before), becomes),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        (target,) = order.targets
        return send_admin_action(client, order, AdminAction(AdminActionAfter.from_json(target.after).admin_action))

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_risk_statuses(client, ids, risk_state)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        was, now = RiskState.from_json(before), RiskState.from_json(observed)
        acted = now.is_acted_on_since(was)
        if self.is_reached(was) and not acted:
            return Finding.UNCHANGED
        # Unlocking an account that only a limit had stopped leaves `Normal` as it was: its time, or the stop's end, shows it.
        if now.admin_action == self.action and not self.is_same(before, observed):
            return Finding.APPLIED
        return Finding.ELSEWHERE if acted else Finding.NOT_APPLIED

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = RiskState.from_json(done.before)
        if was.admin_action == AdminAction.NORMAL and was.stopped_by_limit:
            return Irreversible(reason="A limit had stopped it before, and an unlock would end that stop too")
        if was.admin_action == AdminAction.NORMAL:
            return Inverse(kind_name="unlock")
        if was.admin_action == AdminAction.LIQUIDATE_ONLY and self.action == AdminAction.LOCK:
            # Looser than the lock, so it needs the approvals that an unlock needs.
            leaves = UnlockParameters(leaves=AdminAction.LIQUIDATE_ONLY)
            return Inverse(kind_name="unlock", parameters=leaves.to_json())
        words = ADMIN_ACTION_WORDS.get(was.admin_action, was.admin_action)
        return Irreversible(reason=f"It stood as “{words}” before, which no undo brings back: unlock it if it is to trade")

    def unchanged_since(self, done: Done, now: State) -> bool:
        was_stopped = RiskState.from_json(done.before if done.observed is None else done.observed).stopped_by_limit
        is_stopped = RiskState.from_json(now).stopped_by_limit
        return self.is_still_set(done, now) and not (is_stopped and not was_stopped)

    def is_still_set(self, done: Done, now: State) -> bool:
        """Say whether an item's action is still the last one; without a read-back time, only the action is compared."""
        present = RiskState.from_json(now)
        if done.observed is None:
            return present.admin_action == AdminActionAfter.from_json(done.after).admin_action
        return not present.is_acted_on_since(RiskState.from_json(done.observed))


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


def read_risk_statuses(client: Client, ids: Sequence[int], state: Callable[[AccountRiskStatus], StoredForm]) -> Reading:
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


_TIGHTNESS: Final[Mapping[str, int]] = {
    AdminAction.NORMAL: 0,
    AdminAction.LIQUIDATE_ONLY: 2,
    AdminAction.LOCK: 3,
    AdminAction.LIQUIDATE: 3,
}
_STOPPED_BY_LIMIT: Final = 1  # tighter than nothing; an admin action is more specific and lasts longer


def risk_difference(was: RiskState, becomes: RiskState | AdminActionAfter) -> Difference:
    """Describe what an action alters, or how a risk status has moved."""
    words = _words(was), _words(becomes)
    if words[0] == words[1] and isinstance(becomes, RiskState) and becomes.admin_at != was.admin_at:
        # Set again since it was shown: the same action, but by another person.
        words = f"{words[0]}{_since(was.admin_at)}", f"{words[1]}{_since(becomes.admin_at)}"
    return Difference(label="Risk action", before=words[0], after=words[1], direction=_direction(was, becomes))


def _direction(was: RiskState, becomes: RiskState | AdminActionAfter) -> str:
    if not (is_known(was.admin_action) and is_known(becomes.admin_action)):
        return ""  # it is not known what such an action refuses
    before, after = _tightness(was), _tightness(becomes)
    return "looser" if after < before else "tighter" if after > before else ""


def _tightness(state: RiskState | AdminActionAfter) -> int:
    return max(_TIGHTNESS.get(state.admin_action, 0), _STOPPED_BY_LIMIT if _is_stopped(state) else 0)


def _is_stopped(state: RiskState | AdminActionAfter) -> bool:
    return isinstance(state, RiskState) and state.stopped_by_limit


def _since(admin_at: datetime | None) -> str:
    return f", set {moment(admin_at, display_zone())}" if admin_at else ""


def _words(state: RiskState | AdminActionAfter) -> str:
    words = ADMIN_ACTION_WORDS.get(state.admin_action, state.admin_action)
    return f"{words}, stopped by a limit" if _is_stopped(state) else words


def risk_state(status: RiskStatus | AccountRiskStatus) -> RiskState:
    """Return a risk status, from the mirror or as read, as the kinds that set an admin action compare it."""
    if isinstance(status, RiskStatus):
        admin_at, stopped_at = status.admin_at, status.liquidate_only_at
    else:
        admin_at, stopped_at = status.admin_timestamp, status.liquidate_only
    return RiskState(
        admin_action=status.admin_action or AdminAction.NORMAL, admin_at=admin_at, stopped_by_limit=stopped_at is not None
    )
