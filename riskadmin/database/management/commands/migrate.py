"""`manage.py migrate`, as the owner of the tables; afterwards the other roles may do what they should with each table."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from riskadmin.database.grants import grant_roles
from riskadmin.database.owner import connected_as_owner, why_tables_cant_be_changed


class Command(migrate.Command):
    """Django's own command, over the connection of DATABASE_OWNER_URL."""

    help = "Update the tables, as the role of DATABASE_OWNER_URL, and grant the other roles what they may do with them."

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then grant. Raises CommandError before anything is done if the role may not."""
        only_looks = options["check_unapplied"] or options["plan"]
        with connected_as_owner():
            if not only_looks and (why := why_tables_cant_be_changed()):
                raise CommandError(why)
            super().handle(*args, **options)
            if not only_looks:
                grant_roles()
