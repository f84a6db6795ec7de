"""What is deleted after how long. Never the audit trail, changes, approvals, calls or notes: PostgreSQL refuses that."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils import timezone

from accounts.changes.reasons.uploads import forget_uploads
from accounts.changes.targeting.targets import forget_target_lists
from accounts.models import SyncRun
from riskadmin.audit.proof.exporting import forget_exports
from riskadmin.notifications.models import Message, MessageState

DELETED_AT_ONCE: Final = 10_000
"""Rows in one transaction, so that others wait for none of them for long."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is deleted, after how long, and the function that does so and returns how many there were."""

    name: str
    what: str
    kept: str
    delete: Callable[[], int]


def _sessions() -> int:
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
    return 0  # Django does not say how many


def _messages() -> int:
    before = timezone.now() - timedelta(days=settings.KEEP_MESSAGES_DAYS)
    ended = (MessageState.SENT, MessageState.GIVEN_UP)
    return _in_lots(Message.objects.filter(state__in=ended, created_at__lt=before))


def _sync_runs() -> int:
    before = timezone.now() - timedelta(days=settings.KEEP_SYNC_RUNS_DAYS)
    return _in_lots(SyncRun.objects.filter(ended_at__lt=before))


def _caught_mail() -> int:
    if not settings.EMAIL_FILE_PATH:
        return 0
    before = timezone.now().timestamp() - timedelta(days=settings.KEEP_CAUGHT_MAIL_DAYS).total_seconds()
    old = [file for file in Path(settings.EMAIL_FILE_PATH).glob("*.log") if file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


RULES: Final = (
    Rule(
        name="sessions",
        what="ended sessions",
        kept="until they end",
        delete=_sessions,
    ),
    Rule(
        name="messages",
        what="messages to people and webhooks",
        kept="`KEEP_MESSAGES_DAYS` (90), once sent or given up",
        delete=_messages,
    ),
    Rule(
        name="sync_runs",
        what="records of full reads of Tradovate",
        kept="`KEEP_SYNC_RUNS_DAYS` (90)",
        delete=_sync_runs,
    ),
    Rule(
        name="caught_mail",
        what="e-mail in `EMAIL_FOLDER`",
        kept="`KEEP_CAUGHT_MAIL_DAYS` (30)",
        delete=_caught_mail,
    ),
    Rule(
        name="target_lists",
        what="lists of chosen targets",
        kept="two days; those of a change are in its items",
        delete=forget_target_lists,
    ),
    Rule(
        name="exports",
        what="files of exports of the audit trail",
        kept="7 days; that they were made stays in the trail",
        delete=forget_exports,
    ),
    Rule(
        name="uploads",
        what="uploaded files",
        kept="two days; those of a request stay with it",
        delete=forget_uploads,
    ),
)


def clean_up() -> dict[str, int]:
    """Apply every rule; return how much each deleted. May run concurrently with itself."""
    return {rule.name: rule.delete() for rule in RULES}


def _in_lots(rows: QuerySet[Model]) -> int:
    deleted = 0
    while True:
        lot = list(rows.order_by("pk").values_list("pk", flat=True)[:DELETED_AT_ONCE])
        if not lot:
            return deleted
        deleted += rows.filter(pk__in=lot).delete()[0]
