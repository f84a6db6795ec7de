"""The people of the demo, all with one publicly known password. Never run it on a real installation."""

from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError

from riskadmin.audit.commands import OperatorCommand
from riskadmin.staff.actions import create_person, set_password
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role

# Username, first name, last name, role.
PEOPLE: Final = (
    ("support", "Sam", "Support", Role.SUPPORT),
    ("supervisor", "Sue", "Supervisor", Role.SUPERVISOR),
    ("supervisor2", "Stan", "Supervisor", Role.SUPERVISOR),
    ("compliance", "Cleo", "Compliance", Role.COMPLIANCE),
    ("administrator", "Ada", "Administrator", Role.ADMINISTRATOR),
)


class Command(OperatorCommand):
    """`manage.py create_demo_people --operator NAME`."""

    help = "Add the demo's people with the password DEMO_PASSWORD; those who exist get that password if theirs differs."

    def handle(self, *_: Any, **__: Any) -> None:
        """Refuse outside of a demo, else add the people who are missing."""
        if not (settings.DEBUG or settings.DEMO):
            raise CommandError(
                "Everybody knows the demo people's password, so they are added only where DEBUG or RISKADMIN_DEMO is on. "
                "Use create_person for real people."
            )
        existing = {person.username: person for person in Staff.objects.filter(username__in=[row[0] for row in PEOPLE])}
        for username, first_name, last_name, role in PEOPLE:
            person = existing.get(username)
            if person is None:
                create_person(
                    self.operator,
                    origin=self.origin,
                    username=username,
                    password=settings.DEMO_PASSWORD,
                    role=role,
                    first_name=first_name,
                    last_name=last_name,
                    email=f"{username}@demo.example",
                )
                self.stdout.write(f"Added {username}.")
            elif not person.check_password(settings.DEMO_PASSWORD):
                set_password(self.operator, origin=self.origin, person=person, password=settings.DEMO_PASSWORD)
                self.stdout.write(f"Set the password of {username}.")
