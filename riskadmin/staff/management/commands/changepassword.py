"""In place of Django's command of this name, which leaves no event."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from riskadmin.audit.commands import OperatorCommand
from riskadmin.staff.models import Staff, plain_username
from riskadmin.staff.people.links import link_url
from riskadmin.staff.people.rights import as_now, reset_sign_in, take_turn


class Command(OperatorCommand):
    """`manage.py changepassword USERNAME --operator NAME`."""

    help = "End a person's password and sessions, and make a one-time link with which they set another one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the username."""
        parser.add_argument("username")

    def handle(self, *_: Any, **options: Any) -> None:
        """Reset the sign-in of an active person."""
        person = Staff.objects.filter(username=plain_username(options["username"]), is_active=True).first()
        if person is None:
            raise CommandError("There is no active person with this username.")
        with transaction.atomic():
            take_turn()
            made = reset_sign_in(as_now(person), actor=self.operator, origin=self.origin)
        self.stdout.write(link_url(made.code) if made.code else f"The link is sent to {person.email}.")
