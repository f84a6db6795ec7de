"""Taking a backup and restoring one. Both leave an event in the trail."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction
from psycopg import sql

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.database.addresses import address
from riskadmin.operations.backup.content import Content, differences, read_content
from riskadmin.operations.backup.folder import DUMP, NAME, Backup, delete_old, sha256_of
from riskadmin.operations.backup.programs import BackupFailed, run


def take_backup(actor: Who, *, origin: Origin) -> tuple[Backup, list[str]]:
    """Back the database up into BACKUP_FOLDER; return the backup, and the names of old ones that were deleted.

    Dump and manifest show the same moment: both read one snapshot. Raises BackupFailed, and leaves nothing half-written then.
    """
    folder, database = Path(settings.BACKUP_FOLDER), settings.BACKUP_DATABASE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _connected(database) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        taken_at, snapshot = _first(connection, "SELECT now(), pg_export_snapshot()")
        taken_at = taken_at.astimezone(UTC)
        version = connection.info.server_version // 10_000
        path = folder / taken_at.strftime(NAME)
        draft = folder / f".{path.name}"
        draft.mkdir(mode=0o700)
        try:
            arguments = ["--format=custom", "--file", str(draft / DUMP), "--snapshot", snapshot]
            run("pg_dump", arguments, database, server_version=version)
            backup = Backup(
                path=draft,
                taken_at=taken_at,
                operator=actor.name,
                postgresql=version,
                size=(draft / DUMP).stat().st_size,
                sha256=sha256_of(draft / DUMP),
                content=read_content(connection),
            )
            backup.write_manifest()
            for file in draft.iterdir():
                file.chmod(0o600)
            draft.rename(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    deleted = delete_old(folder, keep=timedelta(days=settings.BACKUP_KEEP_DAYS), now=datetime.now(UTC))
    detail = {
        "backup": path.name,
        "size": backup.size,
        "sha256": backup.sha256,
        "taken_at": taken_at,
        "deleted_backups": deleted,
    }
    with transaction.atomic():
        record(AuditEntry(tag=Tag.BACKUP_TAKEN, actor=actor, origin=origin, detail=detail))
    return backup, deleted


def restore_backup(actor: Who, *, origin: Origin, backup: Backup, replace: str = "") -> Content:
    """Restore a backup into the database, as its owner, and return what is in it then.

    Refuses a database that holds anything, unless `replace` is its name: all of it is deleted then. Roles that the server lacks
    are created; they can't sign in until an administrator of PostgreSQL lets them. Raises BackupFailed when what is there
    afterwards is not what was backed up. The event is written into the restored trail.
    """
    database = settings.BACKUP_DATABASE
    with _connected(database) as connection:
        connection.autocommit = True
        (tables,) = _first(connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        if tables and replace != database["NAME"]:
            raise BackupFailed(
                f"The database {database['NAME']} is not empty. To delete everything in it and restore, "
                f"add --replace {database['NAME']}"
            )
        version = connection.info.server_version // 10_000
        if tables:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        _create_roles(connection, backup.content.roles)
    run("pg_restore", ["--exit-on-error", "--single-transaction", str(backup.dump)], database, server_version=version)
    with _connected(database) as connection:
        found = read_content(connection)
    wrong = differences(backup.content, found)
    if wrong:
        raise BackupFailed("What was restored is not what was backed up:\n" + "\n".join(f"  {each}" for each in wrong))
    detail = {
        "backup": backup.taken_at.strftime(NAME),
        "sha256": backup.sha256,
        "taken_at": backup.taken_at,
    }
    with transaction.atomic():
        record(AuditEntry(tag=Tag.BACKUP_RESTORED, actor=actor, origin=origin, detail=detail))
    return found


def _create_roles(connection: psycopg.Connection[Any], roles: list[str]) -> None:
    """Create the roles that this server lacks; they can't sign in yet. Raises BackupFailed if ours may not do that."""
    for name in roles:
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
            continue
        try:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise BackupFailed(
                f"This server has no role {name}, which the backup needs. Run `manage.py create_database_roles` for those of "
                "riskadmin, and create others yourself."
            ) from error


@contextmanager
def _connected(database: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """Connect outside of Django's pool, whose connections the application shares."""
    try:
        with psycopg.connect(address(database)) as connection:
            yield connection
    except psycopg.Error as error:
        raise BackupFailed(f"PostgreSQL refused: {error}") from error


def _first(connection: psycopg.Connection[Any], query: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101  (an aggregate or function gives one row)
    return row
