"""`manage.py restore`: restore a backup, verify it, and say how much is lost and how long it took."""

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from riskadmin.audit.commands import operator_called
from riskadmin.audit.origin import Origin
from riskadmin.operations.backup.actions import restore_backup
from riskadmin.operations.backup.content import PLURALS, TRAIL
from riskadmin.operations.backup.folder import newest_backup, read_backup
from riskadmin.operations.backup.programs import BackupFailed


class Command(BaseCommand):
    """Restores a backup into an empty database, and compares every table, guard and event with the manifest."""

    help = "Restore a backup into the database, which has to be empty, and verify it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which backup, and what may be deleted for it."""
        parser.add_argument("backup", nargs="?", help="the backup's folder; default: the newest in BACKUP_FOLDER")
        parser.add_argument(
            "--replace", default="", metavar="DATABASE", help="delete everything in the database of this name first"
        )
        parser.add_argument("--operator", required=True, metavar="NAME", help="who runs this, for the audit trail: your name")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  (Django passes it)
        """Restore, verify, and report."""
        # Not an OperatorCommand: the trail that would say who started it is not there yet.
        operator, began = operator_called(options["operator"]), time.monotonic()
        try:
            backup = read_backup(Path(options["backup"]) if options["backup"] else newest_backup(Path(settings.BACKUP_FOLDER)))
            found = restore_backup(operator, origin=Origin(job="restore"), backup=backup, replace=options["replace"])
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        took = time.monotonic() - began
        age = datetime.now(UTC) - backup.taken_at
        counted = Counter(name.partition(" ")[0] for name in found.guards)
        at = f"{backup.taken_at.isoformat(timespec='seconds')}, {age.total_seconds():.0f} s ago"
        for line in (
            f"restored         {backup.path.name}, taken by {backup.operator}",
            f"rows             {sum(found.rows.values()):,} in {len(found.rows)} tables, as in the manifest",
            f"migrations       {len(found.migrations)}, as in the manifest",
            *(f"{plural:<16} {counted[kind]}, as in the manifest" for kind, plural in PLURALS.items()),
            f"audit trail      {found.rows[TRAIL]:,} events, newest {found.newest_event}; SHA-256 {found.trail_sha256}",
            f"recovery point   {at}: what came later is lost",
            f"recovery time    {took:.1f} s",
        ):
            self.stdout.write(line)
