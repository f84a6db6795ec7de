"""The settings of an account at a moment, as far as readings of Tradovate show them.

The mirror has what was read last, and a move for each difference that a reading found: going back from now through the later
moves gives the values of then. Nothing is known about the time before the first reading; and between two readings that differ,
only that the value changed at some moment, unless a change made here explains it: then not before its call.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Min, Q

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.admin_action import AdminActionKind
from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.models import Account, AutoLiqLimits, MirrorMove, MoveSubject, PositionLimit, RiskParameter
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from accounts.models.pre_trade import ID, position_limit_record, risk_parameter_record
from accounts.story.entries import in_words, label_of

_HAS_STATUS: Final = Q(before__has_key="admin_action")
STATUS: Final = ("admin_action", "admin_at", "liquidate_only_at", "user_triggered_liq_only")


@dataclass(frozen=True, kw_only=True)
class Now:
    """What the mirror has of one subject: the values by name, and when they were read last; None if they never were."""

    values: Mapping[str, Any]
    read_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting at the moment. `became` is set if it changed to that between two readings around the moment."""

    label: str
    value: str
    became: str = ""
    known_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one subject. `not_before` is set if the moment is before anything is known; then there are none.

    `last_read_at` is set if the moment is after the last reading.
    """

    title: str
    settings: Sequence[Setting]
    not_before: datetime | None = None
    last_read_at: datetime | None = None
    is_never_read: bool = False


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """An account at a moment: its settings, and the change made here that had last set its status."""

    at: datetime
    parts: Sequence[Settings]
    last_act: Item | None


def as_of(account: Account, at: datetime) -> AsOf:
    """Return an account's settings at a moment; at most nine queries. Reads what its page reads: select that with it."""
    moves = list(MirrorMove.objects.filter(account=account).order_by("-read_at", "-pk"))
    sent = list(
        Item.objects.filter(account=account, state__in=(ItemState.APPLIED, ItemState.UNCHANGED), claimed_at__isnull=False)
        .order_by("claimed_at")
        .values_list("claimed_at", flat=True)
    )
    first_items = Item.objects.filter(account=account).aggregate(
        any=Min("change__submitted_at"), status=Min("change__submitted_at", filter=_HAS_STATUS)
    )
    parts = []
    for subject, read in _SUBJECTS.items():
        of_subject = [move for move in moves if move.subject == subject]
        evidence = {MoveSubject.CATEGORY: first_items["any"], MoveSubject.STATUS: first_items["status"]}.get(subject)
        parts.append(
            _part(subject, read(account), of_subject, sent=[claimed for claimed in sent if claimed], at=at, evidence=evidence)
        )
    acts = [kind.name for kind in KINDS.values() if isinstance(kind, AdminActionKind)]
    applied = Item.objects.filter(account=account, state=ItemState.APPLIED, change__kind__in=acts, settled_at__lte=at)
    return AsOf(at=at, parts=parts, last_act=applied.select_related("change").order_by("-settled_at").first())


def _part(
    subject: MoveSubject,
    now: Now,
    moves: Sequence[MirrorMove],
    *,
    sent: Sequence[datetime],
    at: datetime,
    evidence: datetime | None,
) -> Settings:
    """Go back from now through the moves of a subject, newest first."""
    title = subject.label
    if now.read_at is None:
        return Settings(title=title, settings=(), is_never_read=True)
    first = min([now.read_at, *(move.known_at for move in moves), *([evidence] if evidence else [])])
    if at < first:
        return Settings(title=title, settings=(), not_before=first)
    values = dict(now.values)
    became: dict[str, tuple[Any, datetime, datetime]] = {}
    for move in moves:
        if move.read_at <= at:
            break
        known_at = _earliest(move, sent)
        for name, (before, after) in move.fields.items():
            if before != after or name not in values:
                values[name] = before
                became.pop(name, None)
                if known_at <= at and before != after:
                    became[name] = (after, known_at, move.read_at)
    return Settings(
        title=title,
        settings=[_setting(name, value, became.get(name)) for name, value in values.items() if name != "category_id"],
        last_read_at=now.read_at if at > now.read_at else None,
    )


def _earliest(move: MirrorMove, sent: Sequence[datetime]) -> datetime:
    """Return the earliest moment at which a move may have happened: if a call made here explains it, that of the call."""
    if move.outside_kind:
        return move.known_at
    return next((claimed for claimed in sent if move.known_at <= claimed <= move.read_at), move.known_at)


def _setting(name: str, value: Any, became: tuple[Any, datetime, datetime] | None) -> Setting:
    if became is None:
        return Setting(label=label_of(name), value=in_words(name, value))
    after, known_at, read_at = became
    return Setting(
        label=label_of(name), value=in_words(name, value), became=in_words(name, after), known_at=known_at, read_at=read_at
    )


# --- What the mirror has now, in the form that moves have ---------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value == "" else value


def _status(account: Account) -> Now:
    status = getattr(account, "risk_status", None)
    if status is None:
        return Now(values={}, read_at=None)
    return Now(values={name: _plain(getattr(status, name)) for name in STATUS}, read_at=status.fresh_at)


def _category(account: Account) -> Now:
    category = account.risk_category
    return Now(values={"category": category.name if category else None}, read_at=account.fresh_at)


def _limits(level: str) -> Callable[[Account], Now]:
    def read(account: Account) -> Now:
        limits = AutoLiqLimits.objects.filter(account=account, level=level).first()
        if limits is None:
            return Now(values={}, read_at=None)
        return Now(values={name: _plain(getattr(limits, name)) for name in AUTO_LIQ_FIELDS}, read_at=limits.fresh_at)

    return read


def _position_limits(account: Account) -> Now:
    records = map(position_limit_record, PositionLimit.objects.filter(account=account))
    return _records(records, account.position_limits_read_at)


def _risk_parameters(account: Account) -> Now:
    rows = RiskParameter.objects.filter(position_limit__account=account).select_related("position_limit")
    return _records(map(risk_parameter_record, rows), account.risk_parameters_read_at)


def _records(records: Iterable[Mapping[str, Any]], read_at: datetime | None) -> Now:
    return Now(values={str(record[ID]): record for record in records}, read_at=read_at)


_SUBJECTS: Final[dict[MoveSubject, Callable[[Account], Now]]] = {
    MoveSubject.STATUS: _status,
    MoveSubject.CATEGORY: _category,
    MoveSubject.FIRM: _limits("firm"),
    MoveSubject.TRADER: _limits("trader"),
    MoveSubject.POSITION_LIMITS: _position_limits,
    MoveSubject.RISK_PARAMETERS: _risk_parameters,
}
