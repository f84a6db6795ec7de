"""`manage.py grant_database_privileges`: what every migration ends with, by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from riskadmin.database.grants import grant_roles
from riskadmin.database.owner import connected_as_owner, why_tables_cant_be_changed


class Command(BaseCommand):
    """Grants the application's and the auditor's role what the models declare, and takes away all else."""

    help = "Grant the application's and the auditor's role what they may do with each table, as the role of DATABASE_OWNER_URL."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Grant. Raises CommandError if there is no owner, or it may not."""
        if settings.DATABASE_OWNER is None:
            raise CommandError("Set DATABASE_OWNER_URL to the address of the tables' owner for this command.")
        with connected_as_owner():
            if why := why_tables_cant_be_changed():
                raise CommandError(why)
            grant_roles()
        self.stdout.write("Granted.")
