"""`manage.py backup`: back the database up."""

import time
from typing import Any

from django.core.management.base import CommandError

from riskadmin.audit.commands import OperatorCommand
from riskadmin.operations.backup.actions import take_backup
from riskadmin.operations.backup.content import TRAIL
from riskadmin.operations.backup.folder import NAME
from riskadmin.operations.backup.programs import BackupFailed


class Command(OperatorCommand):
    """Takes a backup into BACKUP_FOLDER, and deletes those that are older than BACKUP_KEEP_DAYS."""

    help = "Back the database up into BACKUP_FOLDER, with a manifest, and delete old backups."

    def handle(self, *_: Any, **__: Any) -> None:
        """Take the backup, and say what is in it."""
        began = time.monotonic()
        try:
            backup, deleted = take_backup(self.operator, origin=self.origin)
        except BackupFailed as error:
            raise CommandError(str(error)) from error
        rows, took = backup.content.rows, time.monotonic() - began
        self.stdout.write(
            f"{backup.taken_at.strftime(NAME)}: {backup.size:,} bytes, {sum(rows.values()):,} rows in {len(rows)} tables, "
            f"{rows[TRAIL]:,} events, in {took:.1f} s"
        )
        for name in deleted:
            self.stdout.write(f"deleted {name}")
