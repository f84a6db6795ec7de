"""PostgreSQL refuses to alter or delete call evidence and notes: each column is tried, also in a session that replays a replica."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, models, transaction

from accounts.execution.models import Call, CallItem, CallState
from accounts.models import AccountNote
from accounts.models.guards import broken_rule
from riskadmin.staff.roles import Role
from tests.changes.world import make_account
from tests.execution.unknown_items import make_call, unknown
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

OTHERWISE: Final[dict[str, str]] = {
    "DateTimeField": "coalesce({0}, now()) - interval '1 hour'",
    "CharField": "'another'",
    "TextField": "'another'",
    "UUIDField": "gen_random_uuid()",
}
"""Another value of a column; any other type is a number."""


def another(column: models.Field[Any, Any]) -> str:
    words = OTHERWISE.get(column.get_internal_type(), "coalesce({0}, 0) + 1")
    return f"{column.column} = {words.format(column.column)}"


def columns(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    return list(model._meta.concrete_fields)


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def refused(model: type[models.Model], statement: str, rule: str) -> None:
    """Check that a statement is refused by this rule and has changed nothing, for a replica's session too."""
    run("SET CONSTRAINTS ALL IMMEDIATE")
    before = list(model._default_manager.order_by("pk").values())
    for role in ("replica", "origin"):
        run(f"SET LOCAL session_replication_role = {role}")
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            run(statement)
        assert broken_rule(caught.value) == rule, statement
    assert list(model._default_manager.order_by("pk").values()) == before


def stays(model: type[models.Model], rule: str) -> None:
    """Check that no column of a table can be altered, and no row be deleted."""
    table = model._meta.db_table
    for column in columns(model):
        refused(model, f"UPDATE {table} SET {another(column)}", rule)
    for removal in (f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE", f"UPDATE {table} SET id = id"):
        refused(model, removal, rule)


def test_a_call_that_has_ended_and_what_it_carried() -> None:
    unknown()
    stays(Call, "calls_stay")
    stays(CallItem, "calls_stay")


def test_an_open_call_is_completed_once_and_keeps_what_it_was_claimed_with() -> None:
    call = make_call(unknown(), state=CallState.OPEN, ended_at=None, method="", path="")
    ends = "UPDATE execution_call SET state = 'answered', ended_at = now(), status = 200"
    there = f"WHERE id = {call.pk}"
    for name in ("id", "purpose", "environment", "lane", "worker", "started_at"):
        column = Call._meta.get_field(name)
        refused(Call, f"{ends}, {another(column)} {there}", "calls_stay")  # type: ignore[arg-type]
    refused(Call, f"UPDATE execution_call SET response_text = 'forged' {there}", "calls_stay")
    refused(Call, f"DELETE FROM execution_call {there}", "calls_stay")
    run(f"{ends} {there}")
    refused(Call, f"{ends} {there}", "calls_stay")
    refused(Call, f"UPDATE execution_call SET state = 'open', ended_at = NULL {there}", "calls_stay")


def test_a_note_stays_as_it_was_written() -> None:
    account, author = make_account(101), make_person(Role.SUPPORT)
    AccountNote.objects.create(account=account, author=author, author_name="Sam", text="Called", form_key=uuid4())
    stays(AccountNote, "notes_stay")
