"""How old the state is that a plan depends on, and reading it again if it is too old."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.plan import Plan
from accounts.gateway.connection import NotConnected
from accounts.models import Account, Trader
from accounts.sync.actions import refresh, refresh_traders
from riskadmin.tradovate.errors import StoreUnavailable, TradovateError
from riskadmin.tradovate.vocabulary import Environment, Lane


def good_since() -> datetime:
    """Return since when a reading counts: anything read before is outdated."""
    return timezone.now() - timedelta(seconds=settings.STALE_SECONDS)


def stale(kind: Kind, subjects: Mapping[int, Account | Trader], since: datetime) -> list[int]:
    """Return the targets with state that the kind's plan depends on and that was read before `since`, or never.

    Nothing depends on the state of a target with an obstacle.
    """
    return [
        target_id for target_id, subject in subjects.items() if not kind.obstacle(subject) and _is_old(kind, subject, since)
    ]


def _is_old(kind: Kind, subject: Account | Trader, since: datetime) -> bool:
    read_at = kind.read_at(subject)
    return read_at is None or read_at < since


def old_rows(planned: Plan, since: datetime) -> list[int]:
    """Return the targets of a plan whose state was read before `since`, or never."""
    return stale(planned.kind, {row.target_id: row.subject for row in planned.rows if row.subject}, since)


def outdated_since(planned: Plan) -> datetime | None:
    """Return when the oldest state that a plan depends on was read, if that is outdated."""
    oldest = planned.oldest_read_at
    return oldest if oldest and oldest < good_since() else None


def with_fresh_rows(planning: Callable[[], Plan]) -> tuple[Plan, str]:
    """Return the plan after reading outdated state that it depends on again, and why that can't be read, if so.

    A change that is right whatever the account's state waits for no reading: a lock is requested in a hurry.
    """
    planned = planning()
    old = old_rows(planned, good_since()) if planned.kind.rests_on_before else []
    if not old:
        return planned, ""
    unread = read_again(planned.kind, planned.environment, old, lane=planned.lane)
    return (planned, unread) if unread else (planning(), "")


def read_again(kind: Kind, environment: Environment, target_ids: Iterable[int], *, lane: Lane) -> str:
    """Read what the kind's plan of these targets depends on; return why that is not possible, or ""."""
    try:
        if kind.unit == Unit.TRADER:
            refresh_traders(environment, target_ids, lane=lane)
        else:
            refresh(environment, target_ids, lane=lane, parts=kind.parts)
    except (TradovateError, NotConnected, StoreUnavailable) as error:
        return str(error)
    return ""
