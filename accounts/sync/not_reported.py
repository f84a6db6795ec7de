"""What Tradovate's last responses did not include of an account, so that what is shown is older than the last full read.

A record without an id, or one that is left out, names no account: the age of the account's own row is the only sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import Account, Cash, LimitLevel, RiskStatus, SyncRun


@dataclass(frozen=True, kw_only=True)
class NotReported:
    """A part of an account that full reads no longer include, and when it was last read."""

    what: str
    since: datetime


def attach(accounts: Iterable[Account]) -> None:
    """Set `not_reported_since` on each open account to when its risk status was last read, if full reads no longer include it.

    At most a query for each environment, and none if all were read lately. Accounts whose `risk_status` was not selected with
    them are left out: what is done with those does not depend on it.
    """
    expected_since: dict[str, datetime | None] = {}
    for account in accounts:
        status: RiskStatus | None = account._state.fields_cache.get("risk_status")  # noqa: SLF001  (to ask for nothing)
        if account.archived or status is None or status.fresh_at >= timezone.now() - _one_sync():
            continue
        if account.environment not in expected_since:
            expected_since[account.environment] = _expected_since(account.environment)
        until = expected_since[account.environment]
        if until is not None and status.fresh_at < until:
            account.not_reported_since = status.fresh_at


def parts(account: Account) -> list[NotReported]:
    """Return what full reads no longer include of an account that was read before. Reads what its page has selected."""
    until = None if account.archived else _expected_since(account.environment)
    if until is None:
        return []
    status: RiskStatus | None = getattr(account, "risk_status", None)
    cash: Cash | None = getattr(account, "cash", None)
    limits = {row.level: row.fresh_at for row in account.limits.all()}
    read: tuple[tuple[str, datetime | None], ...] = (
        ("risk status", status.fresh_at if status else None),
        ("firm's limits", limits.get(LimitLevel.FIRM.value)),
        ("trader's own limits", limits.get(LimitLevel.TRADER.value)),
        ("cash", cash.fresh_at if cash else None),
        ("open positions", account.positions_read_at),
    )
    return [NotReported(what=what, since=at) for what, at in read if at is not None and at < until]


def _one_sync() -> timedelta:
    return timedelta(seconds=settings.SYNC_SECONDS)


def _expected_since(environment: str) -> datetime | None:
    """Return the time before which nothing should have been last read; None before the first successful full read.

    That is one sync before the newest: the next sync compensates for a single short response.
    """
    good = SyncRun.objects.filter(environment=environment, ended_at__isnull=False, failure="")
    newest = good.order_by("-started_at").values_list("started_at", flat=True).first()
    return newest - _one_sync() if newest else None
