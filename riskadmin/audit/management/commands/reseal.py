"""`manage.py reseal --operator NAME`: encrypt everything that is stored encrypted with the newest key."""

from typing import Any

from django.core.management.base import CommandError

from riskadmin.audit.commands import OperatorCommand
from riskadmin.sealing import CannotOpen, everything_stored


class Command(OperatorCommand):
    """Prints how much there was of each; exits with 1 if something can't be read, which then stays as it is."""

    help = "Encrypt everything that is stored encrypted with the newest of the keys, so that older ones are no longer needed."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Go through what is stored. Raises CommandError with what can't be read."""
        unreadable = []
        for what, reseal in everything_stored().items():
            try:
                self.stdout.write(f"{what}: {reseal()}")
            except CannotOpen:
                unreadable.append(what)
        if unreadable:
            raise CommandError(f"Can't be read with the keys in the settings, and stays as it is: {', '.join(unreadable)}.")
