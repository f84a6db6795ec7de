"""Give somebody a code that stands in for their second factor, or for the identity provider."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.urls import reverse

from riskadmin.audit.commands import OperatorCommand
from riskadmin.staff.models import Staff, plain_username
from riskadmin.staff.sign_in import emergency
from riskadmin.staff.sign_in.emergency import Stead


class Command(OperatorCommand):
    """`manage.py emergency_access USERNAME --operator NAME --reason TEXT`."""

    help = "Print a code that works once within 15 minutes. It is in the trail, and all administrators are informed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whom it is for, who gives it, why, and what it stands in for."""
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="why, and how the person was identified")
        parser.add_argument(
            "--instead-of-sign-in",
            action="store_true",
            help="stands in for the identity provider, not for the second factor, which is still asked for",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Make the code and print how it is used."""
        person = Staff.objects.filter(username=plain_username(options["username"]), is_active=True).first()
        if person is None:
            raise CommandError("There is no person with this username who is switched on.")
        reason = options["reason"].strip()
        if not reason:
            raise CommandError("Say why: it is in the trail.")
        stead = Stead.SIGN_IN if options["instead_of_sign_in"] else Stead.SECOND_FACTOR
        code = emergency.give(self.operator, origin=self.origin, person=person, stead=stead, reason=reason)
        page = settings.PUBLIC_URL + reverse("sign_in:emergency" if stead == Stead.SIGN_IN else "staff:sign_in")
        where = f"at {page}" if stead == Stead.SIGN_IN else f"at {page}, after the password"
        self.stdout.write(f"{code}\n{person.username} types it {where}. It works once, within 15 minutes.")
