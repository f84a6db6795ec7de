"""How old what a plan rests on is, and reading it anew where that is too long ago to go by."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.changes.kinds.kind import Kind, Unit
from accounts.gateway.connection import NotConnected
from accounts.models import Account, Trader
from accounts.sync.actions import refresh, refresh_traders
from riskadmin.tradovate.errors import StoreUnavailable, TradovateError
from riskadmin.tradovate.vocabulary import Environment, Lane


def good_since() -> datetime:
    """Return since when a reading counts: what was read before is too old."""
    return timezone.now() - timedelta(seconds=settings.STALE_SECONDS)


def stale(kind: Kind[Any], subjects: Mapping[int, Account | Trader], since: datetime) -> list[int]:
    """Return which targets something was read of before `since`, or never, that the kind's plan of them rests on.

    Nothing rests on what a target has an obstacle for.
    """
    return [
        target_id for target_id, subject in subjects.items() if not kind.obstacle(subject) and _is_old(kind, subject, since)
    ]


def _is_old(kind: Kind[Any], subject: Account | Trader, since: datetime) -> bool:
    read_at = kind.read_at(subject)
    return read_at is None or read_at < since


def read_anew(kind: Kind[Any], environment: Environment, target_ids: Iterable[int], *, lane: Lane) -> str:
    """Read what the kind's plan of these targets rests on; return why that can't be done, or ""."""
    try:
        if kind.unit == Unit.TRADER:
            refresh_traders(environment, target_ids, lane=lane)
        else:
            refresh(environment, target_ids, lane=lane, parts=kind.parts)
    except (TradovateError, NotConnected, StoreUnavailable) as error:
        return str(error)
    return ""
