"""Rewriting rows that PostgreSQL keeps as they are: only tests may, to let time pass for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, QuerySet

from accounts.execution.models import Call


@contextmanager
def unguarded(table: str) -> Iterator[None]:
    """Switch a table's guards off for a while, in a transaction of its own or within the one that is open."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come can't be altered
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgenabled = 'A'", [table])
        guards = [name for (name,) in cursor.fetchall()]
        for name in guards:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
        yield
        for name in guards:
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")  # as they are from the start


def let_calls_age(calls: QuerySet[Call], ago: timedelta) -> None:
    """Let calls have ended earlier by this much."""
    with unguarded("execution_call"):
        calls.filter(ended_at__isnull=False).update(ended_at=F("ended_at") - ago)
