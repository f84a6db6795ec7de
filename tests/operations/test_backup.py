"""Backups: what one holds, that a restored copy is proven to be the same, and what is refused."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.operations.backup import actions, programs
from riskadmin.operations.backup.actions import restore_backup, take_backup
from riskadmin.operations.backup.content import Content, differences, read_content
from riskadmin.operations.backup.folder import DUMP, MANIFEST, Backup, delete_old, newest_backup, read_backup
from riskadmin.operations.backup.programs import BackupFailed
from riskadmin.staff.roles import Role
from tests.operations.test_metrics import values
from tests.servers import Servers, new_database, with_database
from tests.staff.people import make_person

OLGA = Who(id=None, name="olga", role="command line as tests")
ORIGIN = Origin(job="tests")
READER = "reader_of_the_backup_tests"


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """Back up the test database, into a folder of this test."""
    settings.BACKUP_FOLDER = str(tmp_path / "backups")
    settings.BACKUP_KEEP_DAYS = 14
    settings.BACKUP_DATABASE = plain(connection.settings_dict)
    return tmp_path / "backups"


@pytest.fixture
def taken(transactional_db: None, folder: Path) -> Iterator[Backup]:
    """A backup of a database with people, their events, and a role of which the server of the copy knows nothing."""
    make_person(Role.SUPPORT)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {READER} NOLOGIN; GRANT SELECT ON audit_event TO {READER}")
    try:
        take_backup(OLGA, origin=ORIGIN)
    finally:
        forget_reader()
    yield read_backup(newest_backup(folder))
    forget_reader()


@pytest.fixture
def copy(servers: Servers, settings: Settings) -> Iterator[str]:
    """The address of an empty database, which is restored into."""
    address = with_database(servers.database_url, "restored_copy")
    new_database(address)
    settings.BACKUP_DATABASE = {**plain(connection.settings_dict), "NAME": "restored_copy"}
    yield address
    with psycopg.connect(with_database(servers.database_url, "postgres"), autocommit=True) as server:
        server.execute("DROP DATABASE restored_copy WITH (FORCE)")


def plain(database: dict[str, Any]) -> dict[str, Any]:
    return {**database, "OPTIONS": {name: value for name, value in database["OPTIONS"].items() if isinstance(value, str)}}


def forget_reader() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [READER])
        if cursor.fetchone():
            cursor.execute(f"DROP OWNED BY {READER}")
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'restored_copy'")
            if not cursor.fetchone():
                cursor.execute(f"DROP ROLE {READER}")


def content_of(address: str) -> Content:
    with psycopg.connect(address) as there:
        return read_content(there)


def test_a_restored_copy_is_the_same(taken: Backup, copy: str) -> None:
    found = restore_backup(OLGA, origin=ORIGIN, backup=taken)
    assert found == taken.content
    assert found.rows["staff_staff"] == 1
    assert (READER in found.roles, f"grant audit_event to {READER}: SELECT" in found.guards) == (True, True)
    with psycopg.connect(copy) as there:
        events = there.execute("SELECT tag, detail ->> 'username' FROM audit_event ORDER BY id").fetchall()
        assert (Tag.STAFF_CREATED.value in {tag for tag, _ in events}, len(events)) == (True, taken.content.rows["audit_event"])
        with pytest.raises(psycopg.Error, match="audit_event"):
            there.execute("DELETE FROM audit_event")


def test_both_leave_an_event(taken: Backup, copy: str) -> None:
    event = Event.objects.get(tag=Tag.BACKUP_TAKEN)
    assert (event.staff_name, event.staff_role) == ("olga", "command line as tests")
    assert (event.detail["backup"], event.detail["sha256"]) == (taken.path.name, taken.sha256)
    restore_backup(OLGA, origin=ORIGIN, backup=taken)
    assert Event.objects.get(tag=Tag.BACKUP_RESTORED).staff_name == "olga"


HURT = {
    "ALTER TABLE audit_event DISABLE TRIGGER ALL; DELETE FROM audit_event WHERE id = (SELECT min(id) FROM audit_event); "
    "ALTER TABLE audit_event ENABLE TRIGGER ALL": "audit_event has",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL; UPDATE audit_event SET staff_name = 'x'": "the audit trail is not the one",
    "ALTER TABLE changes_change DISABLE TRIGGER ALL": "the trigger changes_change.",
    "DROP FUNCTION budget_stops CASCADE": "the function budget_stops(text,text,timestamp with time zone) is missing",
    f"REVOKE SELECT ON audit_event FROM {READER}": f"the grant audit_event to {READER}: SELECT is missing",
    "GRANT DELETE ON audit_event TO PUBLIC": "the grant audit_event to everyone: DELETE is new",
    "ALTER TABLE changes_item DROP CONSTRAINT item_state_known": "the constraint changes_item.item_state_known is missing",
    "DROP INDEX event_newest": "the index event_newest is missing",
    "DELETE FROM django_migrations WHERE app = 'audit' AND name = '0002_append_only'": "the migration audit.0002_append_only is missing",
    "CREATE TABLE another (id int)": "the table another was not backed up",
}


def test_whatever_differs_is_found(taken: Backup, copy: str, subtests: pytest.Subtests) -> None:
    restore_backup(OLGA, origin=ORIGIN, backup=taken)
    for statement, said in HURT.items():
        with subtests.test(statement), psycopg.connect(copy) as there:
            there.execute(statement)
            assert [each for each in differences(taken.content, read_content(there)) if each.startswith(said)]
            there.rollback()
    assert differences(taken.content, content_of(copy)) == []


def test_a_copy_that_differs_fails_the_restore(taken: Backup, copy: str) -> None:
    other = replace(taken, content=replace(taken.content, trail_sha256="0" * 64))
    with pytest.raises(BackupFailed, match="the audit trail is not the one that was backed up"):
        restore_backup(OLGA, origin=ORIGIN, backup=other)
    assert not Event.objects.filter(tag=Tag.BACKUP_RESTORED).exists()


def test_a_database_that_holds_something_is_left_alone(taken: Backup, copy: str) -> None:
    with psycopg.connect(copy) as there:
        there.execute("CREATE TABLE precious AS SELECT 7 AS number")
    for name in ("", "riskadmin", "RESTORED_COPY"):
        with pytest.raises(BackupFailed, match="--replace restored_copy"):
            restore_backup(OLGA, origin=ORIGIN, backup=taken, replace=name)
    with psycopg.connect(copy) as there:
        assert there.execute("SELECT number FROM precious").fetchall() == [(7,)]
    assert restore_backup(OLGA, origin=ORIGIN, backup=taken, replace="restored_copy") == taken.content


def test_a_damaged_backup_is_refused(taken: Backup, copy: str) -> None:
    with taken.dump.open("r+b") as dump:
        dump.seek(1000)
        dump.write(b"damaged")
    with pytest.raises(BackupFailed, match="not the file that its manifest is about"):
        read_backup(taken.path)
    (taken.path / MANIFEST).write_text("{}")
    with pytest.raises(CommandError, match="no backup that can be read"):
        call_command("restore", str(taken.path), "--operator", "olga")
    with psycopg.connect(copy) as there:
        assert there.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchone() == (0,)


def test_nothing_is_left_of_a_backup_that_failed(transactional_db: None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise BackupFailed("the disk is full")

    monkeypatch.setattr(actions, "run", fails)
    with pytest.raises(CommandError, match="the disk is full"):
        call_command("backup", "--operator", "olga")
    assert list(folder.iterdir()) == []
    assert not Event.objects.filter(tag=Tag.BACKUP_TAKEN).exists()


def test_the_commands_say_what_they_did(taken: Backup, copy: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("restore", str(taken.path), "--operator", "olga")
    said = capsys.readouterr().out
    assert f"{taken.content.rows['audit_event']} events" in said
    assert taken.content.trail_sha256 in said
    assert f"recovery point   {taken.taken_at.isoformat(timespec='seconds')}" in said
    assert "recovery time " in said


def test_only_its_owner_may_read_a_backup(taken: Backup) -> None:
    assert [path.stat().st_mode & 0o777 for path in (taken.path, taken.dump, taken.path / MANIFEST)] == [0o700, 0o600, 0o600]


def test_the_password_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []
    real = subprocess.run

    def watched(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
        if "--dbname" in command:
            seen.append((command, options["env"]))
            return subprocess.CompletedProcess(command, 0, "", "")
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    monkeypatch.setenv("PGOPTIONS", "-c search_path=elsewhere")
    database = {
        "HOST": "db",
        "PORT": "5433",
        "USER": "owner",
        "PASSWORD": "hunter2",
        "NAME": "risk",
        "OPTIONS": {"sslmode": "require"},
    }
    programs.run("pg_dump", ["--file", "x"], database, server_version=14)
    ((command, env),) = seen
    assert command[2] == "dbname=risk user=owner host=db port=5433 sslmode=require"
    assert "hunter2" not in " ".join(command)
    assert (env["PGPASSWORD"], "PGOPTIONS" in env) == ("hunter2", False)


def test_a_program_that_is_too_old_is_not_used() -> None:
    with pytest.raises(BackupFailed, match="postgresql-client-99"):
        programs.run("pg_dump", [], {}, server_version=99)


def test_old_backups_are_deleted_and_the_newest_stay(tmp_path: Path) -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)

    def make(*days_ago: int) -> list[str]:
        names = [(now - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ") for days in days_ago]
        for name in names:
            (tmp_path / name).mkdir()
            (tmp_path / name / DUMP).touch()
            (tmp_path / name / MANIFEST).touch()
        return names

    old = make(40, 30, 20, 16)
    assert delete_old(tmp_path, keep=timedelta(days=14), now=now) == old[:1]
    young = make(2, 1, 0)
    assert delete_old(tmp_path, keep=timedelta(days=14), now=now) == old[1:]
    assert sorted(path.name for path in tmp_path.iterdir()) == young


def test_the_metric_is_the_age_of_the_moment_that_it_holds(
    taken: Backup, client: Any, settings: Settings, redis_client: Any
) -> None:
    settings.METRICS_ADDRESSES = ["127.0.0.1"]
    found = values(client.get("/metrics").content.decode())
    assert 0 <= found["backup_age_seconds",] <= (datetime.now(UTC) - taken.taken_at).total_seconds()
