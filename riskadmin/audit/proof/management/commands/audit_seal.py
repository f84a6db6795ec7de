"""`manage.py audit_seal`: what beat has done every few seconds, by hand."""

from typing import Any

from django.core.management.base import CommandError

from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.proof.actions import seal_everything
from riskadmin.audit.proof.keys import NoKey, public_key


class Command(OperatorCommand):
    """Seals what can be sealed now."""

    help = "Seal the audit trail, approvals and calls: grow the tree by the new rows, and sign a checkpoint."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Seal. Raises CommandError without a key."""
        try:
            sealed = seal_everything()
        except NoKey as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{sealed} rows sealed. Public key: {public_key()}")
