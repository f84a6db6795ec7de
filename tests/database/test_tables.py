"""Every table: what is declared beside its model is what PostgreSQL allows, and what is kept or secret is declared."""

import re
from typing import Final

import psycopg
import pytest
from django.apps import apps

from riskadmin.database.excess import excess
from riskadmin.database.privileges import OF_OTHER_PACKAGES, ORDINARY, privileges_of
from riskadmin.local.postgres import APPLICATION, AUDITOR, OWNER

pytestmark = pytest.mark.django_db  # so that the test database is made

TABLES: Final = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')"
COLUMNS: Final = """
    SELECT a.attname::text, has_column_privilege(%(role)s, c.oid, a.attnum, 'SELECT'),
           has_column_privilege(%(role)s, c.oid, a.attnum, 'INSERT'), has_column_privilege(%(role)s, c.oid, a.attnum, 'UPDATE')
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname = %(table)s
"""
WHOLE: Final = """
    SELECT ARRAY(SELECT each FROM unnest(ARRAY['DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS each
                 WHERE has_table_privilege(%(role)s, format('public.%%I', %(table)s::text), each))
"""
GUARDED: Final = """
    SELECT c.relname, t.tgtype & 8 > 0 AS on_delete, t.tgtype & 16 > 0 AND t.tgqual IS NULL AND t.tgattr = '' AS on_update
    FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
    WHERE c.relnamespace = 'public'::regnamespace AND p.proname ~ '_refuse$' AND t.tgtype & 1 > 0
"""
"""The tables on which a trigger for each row refuses deleting or changing, whatever the row."""

SECRET: Final = re.compile(r"passw|secret|token|cipher|seal|seed|salt|private|recovery|otp|session_key|session_data|api_key")
HARMLESS: Final[frozenset[tuple[str, str]]] = frozenset()
"""Columns whose name sounds like a secret, and that auditors may read."""


def tables(connection: psycopg.Connection) -> list[str]:
    return sorted(name for (name,) in connection.execute(TABLES).fetchall())


def test_the_application_may_do_what_is_declared_and_nothing_else(
    superuser: psycopg.Connection, subtests: pytest.Subtests
) -> None:
    found = tables(superuser)
    assert {"audit_event", "changes_change", "django_session"} <= set(found)
    for table in found:
        with subtests.test(table):
            may = privileges_of(table)
            columns = superuser.execute(COLUMNS, {"role": APPLICATION, "table": table}).fetchall()
            assert all(reads for _, reads, _, _ in columns)
            inserted = {name for name, _, inserts, _ in columns if inserts}
            assert inserted == ({name for name, *_ in columns} - set(may.stamped) if may.insert else set())
            updated = {name for name, _, _, updates in columns if updates}
            assert updated == ({name for name, *_ in columns} if may.update is None else set(may.update))
            ((whole,),) = superuser.execute(WHOLE, {"role": APPLICATION, "table": table}).fetchall()
            assert whole == (["DELETE"] if may.delete else [])


def test_the_auditor_reads_what_is_not_secret_and_writes_nothing(
    superuser: psycopg.Connection, subtests: pytest.Subtests
) -> None:
    for table in tables(superuser):
        with subtests.test(table):
            hidden = privileges_of(table).hidden
            for name, reads, inserts, updates in superuser.execute(COLUMNS, {"role": AUDITOR, "table": table}).fetchall():
                assert (reads, inserts, updates) == (hidden is not None and name not in hidden, False, False), name
            assert superuser.execute(WHOLE, {"role": AUDITOR, "table": table}).fetchone() == ([],)


def test_nothing_that_sounds_like_a_secret_is_shown_to_auditors(superuser: psycopg.Connection) -> None:
    shown = {
        (table, name)
        for table in tables(superuser)
        for name, reads, *_ in superuser.execute(COLUMNS, {"role": AUDITOR, "table": table}).fetchall()
        if reads and SECRET.search(name)
    }
    assert shown == HARMLESS


def test_what_triggers_keep_is_declared_as_kept(superuser: psycopg.Connection) -> None:
    guarded = superuser.execute(GUARDED).fetchall()
    assert {"audit_event", "approvals_approval", "execution_call"} <= {table for table, *_ in guarded}
    for table, on_delete, on_update in guarded:
        assert not (on_delete and privileges_of(table).delete), f"{table} keeps its rows: declare it as kept or append-only"
        assert not (on_update and privileges_of(table).update is None), f"{table} is never changed: declare it so"


def test_every_declared_column_exists() -> None:
    for model in apps.get_models(include_auto_created=True):
        may = privileges_of(model._meta.db_table)
        columns = {field.column for field in model._meta.concrete_fields}
        assert {*may.stamped, *(may.update or ()), *(may.hidden or ())} <= columns, model


def test_tables_of_other_packages_hide_what_they_hold_unless_listed() -> None:
    for model in apps.get_models(include_auto_created=True):
        ours = model._meta.app_config.name.startswith(("accounts", "riskadmin"))
        if not ours and model._meta.db_table not in OF_OTHER_PACKAGES:
            assert privileges_of(model._meta.db_table).hidden is None
    assert privileges_of("no_model_s_table").insert is False
    assert privileges_of("staff_staff_groups") == ORDINARY


def test_everything_belongs_to_the_owner_who_is_no_superuser(superuser: psycopg.Connection) -> None:
    others = superuser.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> %(owner)s"
        " UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) <> %(owner)s"
        " AND oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e')"  # extensions
        " UNION SELECT datname FROM pg_database WHERE datname = current_database() AND pg_get_userbyid(datdba) <> %(owner)s",
        {"owner": OWNER},
    ).fetchall()
    assert others == []
    flags = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = %s"
    assert superuser.execute(flags, [OWNER]).fetchone() == (False,)


def test_no_function_runs_with_the_rights_of_its_owner(superuser: psycopg.Connection) -> None:
    definers = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    assert superuser.execute(definers).fetchall() == []


def test_the_application_has_nothing_too_much(application: psycopg.Connection) -> None:
    assert excess(application) == []
