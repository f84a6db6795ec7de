"""Add a person from the command line: the first administrator. Everyone else is invited on the page People."""

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from riskadmin.audit.commands import OperatorCommand
from riskadmin.staff.actions import create_person
from riskadmin.staff.models import Staff, plain_username
from riskadmin.staff.roles import Role


class Command(OperatorCommand):
    """`manage.py create_person USERNAME --role ROLE --operator NAME`."""

    help = "Add a person who may sign in, with one role. Asks for the password, unless --password-stdin is given."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the username, the role, and names."""
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--first-name", default="")
        parser.add_argument("--last-name", default="")
        parser.add_argument("--email", default="", help="where notifications are sent")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from the first line of stdin")

    def handle(self, *_: Any, **options: Any) -> None:
        """Check all values, then add the person."""
        person = Staff(
            username=plain_username(options["username"]),
            first_name=options["first_name"],
            last_name=options["last_name"],
            email=options["email"],
        )
        try:
            person.full_clean(exclude=["password"])
            password = _password_from_stdin() if options["password_stdin"] else _password_typed_twice()
            validate_password(password, user=person)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        create_person(
            self.operator,
            origin=self.origin,
            username=person.username,
            password=password,
            role=Role(options["role"]),
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
        )
        self.stdout.write(f"Added {person.username} as {options['role']}.")


def _password_from_stdin() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _password_typed_twice() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Password again: ") != password:
        raise CommandError("The two passwords differ. No one was added.")
    return password
