"""Which part of a move in the mirror was made by someone outside riskadmin. Pure.

Three causes can move an account: a call made here, Tradovate itself (a limit that acts, a session that starts, an action that
lasts a minute), and someone else. What the first two explain is not attributed to the third.

A stop by a limit, or its end, without a new admin action is never attributed to a person: Tradovate ends such stops with the
session, and does not say whether someone has reset one before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from accounts.changes.authorship import Act, as_recorded
from accounts.changes.kinds.auto_liq_limits import AutoLiqLimitsKind, LimitsState
from accounts.changes.kinds.position_limit import PositionLimitKind
from accounts.changes.kinds.pre_trade_records import Action, RecordAfter
from accounts.changes.kinds.risk_category import SwitchRiskCategory
from accounts.changes.kinds.risk_parameter import RiskParameterKind
from accounts.models import LimitLevel, MoveSubject
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, EndsBy
from accounts.models.pre_trade import OWNER, Record
from accounts.models.status import is_known
from accounts.sync.history import Pairs
from riskadmin.audit.outside import OutsideKind
from riskadmin.tradovate.vocabulary import AdminAction

OF_ONE_MOMENT: Final = timedelta(seconds=1)
"""A limit that locks an account sets both of its times at once."""

_QUIET: Final = frozenset(
    {
        AdminAction.NORMAL,
        AdminAction.PLACE_AUTO_LIQ_ON_HOLD,
        AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ,
        AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ,
    }
)
"""No admin action, and those that Tradovate sets and removes by itself."""

_KINDS: Final[dict[str, OutsideKind]] = {
    AdminAction.LOCK: OutsideKind.LOCK,
    AdminAction.LIQUIDATE: OutsideKind.LIQUIDATE,
    AdminAction.LIQUIDATE_ONLY: OutsideKind.CLOSING_ONLY,
    AdminAction.NORMAL: OutsideKind.UNLOCK,
}
_RECORD_KINDS: Final[dict[str, OutsideKind]] = {
    MoveSubject.FIRM: OutsideKind.FIRM_LIMITS,
    MoveSubject.TRADER: OutsideKind.TRADER_LIMITS,
    MoveSubject.CATEGORY: OutsideKind.CATEGORY,
    MoveSubject.POSITION_LIMITS: OutsideKind.POSITION_LIMITS,
    MoveSubject.RISK_PARAMETERS: OutsideKind.RISK_PARAMETERS,
}


@dataclass(frozen=True, kw_only=True)
class OwnCall(Act):
    """A call made here for an account; `proven` is what its read-back showed, if that was what was intended."""

    kind: str
    proven: dict[str, Any] | None


def outside_part(
    subject: str, fields: Pairs, calls: Sequence[OwnCall], *, noted_at: datetime
) -> tuple[OutsideKind, Pairs] | None:
    """Return what someone outside did in a move, and which fields they moved; None if they moved nothing.

    `calls` are those of the account that can have made the move (`Act.fits`); `noted_at` is when it was recorded.
    """
    if subject == MoveSubject.STATUS:
        return _status_part(fields, calls)
    if subject == MoveSubject.CATEGORY:
        part = _category_left(fields, calls)
    elif subject == MoveSubject.POSITION_LIMITS:
        part = _position_limits_left(fields, calls)
    elif subject == MoveSubject.RISK_PARAMETERS:
        part = _risk_parameters_left(fields, calls)
    else:
        part = _limits_left(LimitLevel(subject), fields, calls, noted_at)
    return (_RECORD_KINDS[subject], part) if part else None


# --- Limits, category, records ------------------------------------------------------------------------------------------


def _moves_by_itself(name: str, pair: Sequence[Any], noted_at: datetime) -> bool:
    """Say whether a limit moved by itself: a flatten time that has passed, or the lock against changes, with its session."""
    was, becomes = pair
    if was in (None, False) and becomes in (None, False):
        return True  # Tradovate may leave out what is false
    match AUTO_LIQ_FIELDS[name].ends_by:
        case EndsBy.SESSION:
            return bool(was) and not becomes
        case EndsBy.TIME:
            return bool(was) and becomes is None and datetime.fromisoformat(was) <= noted_at
        case None:
            return False


def _limits_left(level: LimitLevel, fields: Pairs, calls: Sequence[OwnCall], noted_at: datetime) -> Pairs:
    limits = [call for call in calls if call.kind == AutoLiqLimitsKind.spec.name]
    ours = [call for call in limits if LimitsState.fits(call.after) and LimitsState.from_json(call.after).level == level]
    return {
        name: pair
        for name, pair in fields.items()
        if not _moves_by_itself(name, pair, noted_at) and not any(call.meant(name, as_recorded(name, pair[1])) for call in ours)
    }


def _category_left(fields: Pairs, calls: Sequence[OwnCall]) -> Pairs:
    _, becomes = fields["category_id"]
    is_ours = any(call.kind == SwitchRiskCategory.spec.name and call.meant("category_id", becomes) for call in calls)
    return {} if is_ours else fields


def _position_limits_left(fields: Pairs, calls: Sequence[OwnCall]) -> Pairs:
    return _records_left(fields, [call for call in calls if call.kind == PositionLimitKind.spec.name])


def _risk_parameters_left(fields: Pairs, calls: Sequence[OwnCall]) -> Pairs:
    left = _records_left(fields, [call for call in calls if call.kind == RiskParameterKind.spec.name])
    position_limits = [call.after for call in calls if call.kind == PositionLimitKind.spec.name]
    sent = [RecordAfter.from_json(after) for after in position_limits if RecordAfter.fits(after)]
    removed = {each.id for each in sent if each.action == Action.DELETE}
    # Risk parameters of a position limit that was removed here may have been removed with it.
    return {name: pair for name, pair in left.items() if pair[1] is not None or pair[0][OWNER] not in removed}


def _records_left(fields: Pairs, calls: Iterable[OwnCall]) -> Pairs:
    unused = list(calls)
    left: Pairs = {}
    for number, pair in fields.items():
        by = next((call for call in unused if _made(call, int(number), *pair)), None)
        if by is None:
            left[number] = pair
        else:
            unused.remove(by)  # a call creates, updates or removes one record
    return left


def _made(call: OwnCall, number: int, was: Record | None, becomes: Record | None) -> bool:
    """Say whether a call was meant to do this to a record. Tradovate may have filled in what the call left out."""
    if not RecordAfter.fits(call.after):
        return False
    sent = RecordAfter.from_json(call.after)
    wanted = sent.record or None
    is_named = was is None if sent.action == Action.CREATE else sent.id == number
    if wanted is None or becomes is None:
        return is_named and wanted is becomes
    return is_named and wanted.items() <= becomes.items()


# --- The risk status ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Status:
    """One side of a move of the risk status."""

    action: str
    acted_at: datetime | None
    stopped_at: datetime | None


def _status_part(fields: Pairs, calls: Sequence[OwnCall]) -> tuple[OutsideKind, Pairs] | None:
    was, now = (_side(fields, index) for index in (0, 1))
    if (was.action, was.acted_at) == (now.action, now.acted_at):
        return None  # only a limit, its session or the trader has moved anything
    if any(_set_by(call, now) for call in calls) or _is_by_itself(was, now, calls):
        return None
    names = ["admin_action", "admin_at", *(["liquidate_only_at"] if was.stopped_at != now.stopped_at else [])]
    return _status_kind(was, now), {name: fields[name] for name in names}


def _status_kind(was: _Status, now: _Status) -> OutsideKind:
    """Return what was done: back to Normal is an unlock only if the previous state is known to have prevented trading."""
    kind = _KINDS.get(now.action, OutsideKind.ACTION)
    if kind == OutsideKind.UNLOCK and was.action not in _KINDS:
        ended_stop = was.stopped_at is not None and now.stopped_at is None
        return kind if ended_stop and is_known(was.action) else OutsideKind.ACTION
    return kind


def _side(fields: Pairs, index: int) -> _Status:
    def at(name: str) -> datetime | None:
        value = fields[name][index]
        return datetime.fromisoformat(value) if value else None

    # An account that was never acted on has no admin action.
    action = fields["admin_action"][index] or AdminAction.NORMAL
    return _Status(action=action, acted_at=at("admin_at"), stopped_at=at("liquidate_only_at"))


def _set_by(call: OwnCall, now: _Status) -> bool:
    if now.action not in _actions(call):
        return False
    proven = call.proven or {}
    if proven.get("admin_action") == now.action and proven.get("admin_at") and now.acted_at:
        # The same action, set again after the call's read-back, is another action.
        return now.acted_at <= datetime.fromisoformat(proven["admin_at"])
    return True


def _actions(call: OwnCall) -> set[str]:
    """Return the admin actions that a call was meant to set, or may set as a step."""
    after = call.after
    found = {*after.get("admin_actions", ()), *([after["admin_action"]] if "admin_action" in after else [])}
    # What a reset does besides ending a limit's stop is not documented.
    return found | ({AdminAction.NORMAL.value} if "auto_liq_status" in after else set())


def _is_by_itself(was: _Status, now: _Status, calls: Sequence[OwnCall]) -> bool:
    """Say whether Tradovate itself did it: a limit that locks, or an action that comes and goes automatically."""
    if now.action == AdminAction.LOCK and now.stopped_at and now.acted_at and now.stopped_at != was.stopped_at:
        return abs(now.stopped_at - now.acted_at) <= OF_ONE_MOMENT
    if was.action not in _QUIET or now.action not in _QUIET:
        return False
    if was.action == now.action == AdminAction.NORMAL:
        # Normal sent again ends a limit's stop. Otherwise it matters only if it removed what a call here had set.
        ended_stop = was.stopped_at is not None and now.stopped_at is None
        return not ended_stop and not any(_actions(call) - _QUIET for call in calls)
    return True
