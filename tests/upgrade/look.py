"""Upgrade the database of DATABASE_URL, which is empty, as an installation of 2026-11-29 would be, and print what is found as JSON.

A program of its own, because Django's connection of the tests leads to another database.
"""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import django
import time_machine

from riskadmin.local.postgres import SUPERUSER

ROWS: Final = Path(__file__).parent / "rows_2026_11_29.tsv.gz"
"""For each row: its table, a tab, and its columns as JSON. There are pending, running and scheduled changes of each kind."""

WRITTEN_AT: Final = datetime(2026, 11, 29, 22, 14, 50, tzinfo=UTC)
THEN: Final = {
    "auth": None,
    "contenttypes": None,
    "sessions": None,
    "staff": "0002_role_groups",
    "audit": "0002_append_only",
    "accounts": "0008_mirror_moves",
    "changes": "0015_ticket_of_any_length",
    "execution": "0003_calls_with_defaults",
    "limit_templates": "0003_governed",
}
"""The newest migration of each app when the rows were written."""

LOADED: Final = """
    INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, %s::jsonb)
"""
NEVER: Final = "2999-01-01T00:00:00+00:00"
READ_AT: Final = ("fresh_at", "positions_read_at", "position_limits_read_at")


def load() -> None:
    """Write the rows, as if the mirror had been read at WRITTEN_AT, in place of those that migrations wrote."""
    from django.db import connection, transaction

    with gzip.open(ROWS, "rt", encoding="utf-8") as lines, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # rows come in any order
        rows = [line.rstrip("\n").split("\t", 1) for line in lines if not line.startswith("--")]
        tables = {table for table, _ in rows}
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled = 'A'")
        guards = cursor.fetchall()
        for table, guard in guards:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {guard}")
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
        for table, text in rows:
            row: dict[str, Any] = json.loads(text)
            row |= {column: WRITTEN_AT.isoformat() for column in READ_AT if row.get(column)}
            if "expires_at" in row:
                row["expires_at"] = NEVER  # PostgreSQL's clock is the real one, on whatever day this runs
            cursor.execute(LOADED.format(table=table), [json.dumps(row)])
        for table in tables:
            cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
            (sequence,) = cursor.fetchone()
            if sequence:
                cursor.execute(f"SELECT setval(%s, (SELECT max(id) FROM {table}))", [sequence])
        for table, guard in guards:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {guard}")


STORED: Final = {
    "audit_event": "SELECT to_jsonb(audit_event) FROM audit_event ORDER BY id",
    "changes_change": (
        "SELECT jsonb_build_array(id, kind, parameters, digest, reason_code, reason_text, state) FROM changes_change ORDER BY id"
    ),
    "changes_item": "SELECT jsonb_build_array(id, target, before, after) FROM changes_item ORDER BY id",
}
"""What no migration may rewrite."""

NEED_BEFORE: Final = """
    SELECT jsonb_build_array(id, digest, decisions_needed, decider_role, expires_at, decided_at) FROM changes_change ORDER BY id
"""
NEED_AFTER: Final = """
    SELECT jsonb_build_array(change.id, asked.digest, asked.needed, coalesce(asked.stages->0->>'role', ''), asked.expires_at,
                             asked.decided_at)
    FROM changes_change AS change JOIN approvals_approvalrequest AS asked ON asked.id = change.approval_id ORDER BY change.id
"""
TEMPLATES_BEFORE: Final = """
    SELECT jsonb_build_array(version.id, version.decisions_needed, version.decider_role, given.staff_id, given.decided_at)
    FROM limit_templates_templateversion AS version
    LEFT JOIN limit_templates_templatedecision AS given ON given.version_id = version.id ORDER BY version.id
"""
TEMPLATES_AFTER: Final = """
    SELECT jsonb_build_array(version.id, asked.needed, coalesce(asked.stages->0->>'role', ''), given.staff_id, given.made_at)
    FROM limit_templates_templateversion AS version JOIN approvals_approvalrequest AS asked ON asked.id = version.approval_id
    LEFT JOIN approvals_approval AS given ON given.request_id = asked.id ORDER BY version.id
"""
COLUMNS: Final = "given.staff_id, given.staff_name, given.staff_role, given.verdict, given.digest, given.comment"
BEFORE: Final = {
    **STORED,
    "need": NEED_BEFORE,
    "templates": TEMPLATES_BEFORE,
    "approvals": (
        f"SELECT jsonb_build_array(given.change_id, {COLUMNS}, given.decided_at) FROM changes_decision AS given ORDER BY given.id"
    ),
    "policy": (
        "SELECT jsonb_build_array(kind, environment, at_least_items, decisions_needed, decider_role, expires_after_hours, note)"
        " FROM changes_policyrule ORDER BY kind, environment, at_least_items"
    ),
}
AFTER: Final = {
    **STORED,
    "need": NEED_AFTER,
    "templates": TEMPLATES_AFTER,
    "approvals": (
        f"SELECT jsonb_build_array(change.id, {COLUMNS}, given.made_at) FROM approvals_approval AS given"
        " JOIN changes_change AS change ON change.approval_id = given.request_id ORDER BY given.id"
    ),
    "policy": (
        "SELECT jsonb_build_array(kinds[1], environment, from_items, approvals_in_stages(stages),"
        " coalesce(stages->0->>'role', ''), valid_hours, note) FROM approvals_policyrule ORDER BY position"
    ),
}


def found(queries: dict[str, str]) -> dict[str, list[str]]:
    """Return what each query finds."""
    from django.db import connection

    stored = {}
    with connection.cursor() as cursor:
        for name, query in queries.items():
            cursor.execute(f"SELECT row::text FROM ({query}) AS stored (row)")
            stored[name] = [text for (text,) in cursor.fetchall()]
    return stored


def pages(username: str, *paths: str) -> dict[str, int]:
    """Return how each page is answered to a person."""
    from django.test import Client

    from riskadmin.staff.models import Staff

    client = Client()
    client.force_login(Staff.objects.get(username=username))
    return {path: client.get(path).status_code for path in paths}


def outcomes() -> dict[str, Any]:
    """Open each page about the stored changes, approve those that wait, and claim the items of those that run."""
    from django.urls import reverse

    from accounts.approvals.actions import decide
    from accounts.approvals.states import Verdict
    from accounts.changes.models import Change
    from accounts.changes.states import ChangeState
    from accounts.execution.claim import claim
    from riskadmin.audit.origin import Origin
    from riskadmin.staff.models import Staff

    origin = Origin(job="upgrade test")
    changes = list(Change.objects.order_by("pk"))
    of_each = ("changes:detail", "changes:progress", "changes:results", "execution:calls", "audit:change_history")
    lists = ("home", "accounts:list", "changes:list", "approvals:inbox", "changes:calendar", "limit_templates:list")
    each = [reverse(name, args=[change.pk]) for change in changes for name in of_each]
    opened = pages("supervisor2", *map(reverse, lists), *each)
    opened |= pages("compliance", reverse("audit:list"))
    running = [change for change in changes if change.state == ChangeState.RUNNING]
    pending = [change for change in changes if change.state == ChangeState.PENDING]
    claimed = {
        change.kind: sum(
            len(each.items) for each in claim(change, calls=2, origin=origin, read_since=WRITTEN_AT - timedelta(minutes=1))
        )
        for change in running
    }
    decided: dict[str, str] = {}
    for change in pending:
        requester = change.requested_by.username
        decider = Staff.objects.get(username="supervisor" if requester == "supervisor2" else "supervisor2")
        given = decide(
            actor=decider,
            origin=origin,
            request_id=change.approval_id,
            verdict=Verdict.APPROVE,
            digest=change.digest,
            comment="",
        )
        decided[change.kind] = given.change.state
    return {
        "pages": opened,
        "claimed": claimed,
        "decided": decided,
        "scheduled": sorted(change.kind for change in changes if change.state == ChangeState.SCHEDULED),
    }


def sign_in_as(role: str) -> None:
    """Let Django connect as another role from now on."""
    from django.db import connection

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's
    connection.settings_dict["USER"] = role


def main() -> None:
    """Migrate to what was then the newest version, load its rows, make the roles, migrate to the present version, and look.

    From there on everything is done as the application's role.
    """
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.test import override_settings

    application = dict(settings.DATABASES["default"])
    with override_settings(DATABASE_OWNER=None):  # then, a superuser did everything
        sign_in_as(SUPERUSER)
        for app, newest in THEN.items():
            call_command("migrate", app, *([newest] if newest else []), verbosity=0)
        load()
        before = found(BEFORE)
    with override_settings(DATABASE_ADMIN={**application, "USER": SUPERUSER}):
        sign_in_as(application["USER"])
        call_command("create_database_roles", stdout=sys.stderr)
    call_command("migrate", verbosity=0)

    plain_files = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with time_machine.travel(WRITTEN_AT, tick=False), override_settings(STORAGES=settings.STORAGES | plain_files):
        json.dump({"before": before, "after": found(AFTER), **outcomes()}, sys.stdout)


if __name__ == "__main__":
    main()
