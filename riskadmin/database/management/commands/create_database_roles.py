"""`manage.py create_database_roles`: the roles of the three addresses, and their database, as a superuser."""

from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from riskadmin.database.addresses import address
from riskadmin.database.roles import CannotCreate, create


class Command(BaseCommand):
    """Does nothing that it has done before, so it may run at every start."""

    help = (
        "Create the roles that DATABASE_URL, DATABASE_OWNER_URL and DATABASE_AUDITOR_URL name, with their passwords, and the"
        " database, as the superuser of DATABASE_ADMIN_URL. What is there already is brought to what it should be."
    )
    requires_system_checks = ()  # they may need the database, which may not be there yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add whether the server is riskadmin's alone."""
        parser.add_argument(
            "--alone",
            action="store_true",
            help="The server has no other databases that matter: no one may connect to those it came with.",
        )

    def handle(self, *args: Any, alone: bool, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Create them. Raises CommandError with what is missing or wrong."""
        admin, owner, auditor = settings.DATABASE_ADMIN, settings.DATABASE_OWNER, settings.DATABASE_AUDITOR
        if admin is None or owner is None:
            raise CommandError(
                "Set DATABASE_ADMIN_URL to the address of a superuser, and DATABASE_OWNER_URL, for this command."
            )
        try:
            create(
                address(admin),
                owner=address(owner),
                application=address(settings.DATABASES["default"]),
                auditor=address(auditor) if auditor else None,
                alone=alone,
            )
        except (CannotCreate, psycopg.Error) as error:
            raise CommandError(str(error)) from error
        roles = [each["USER"] for each in (owner, settings.DATABASES["default"], auditor) if each]
        self.stdout.write(f"The roles are there: {', '.join(roles)}.")
