"""`manage.py audit_verify`: verify the trail against its proof."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.proof.verifying import verify_trail


class Command(OperatorCommand):
    """Verifies rows, leaves, tree, checkpoints and anchors, and writes an event with what it found."""

    help = "Verify the audit trail, approvals and calls against what was sealed, signed and handed outside."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add how much is verified."""
        parser.add_argument("--full", action="store_true", help="verify every row again, on all processors")

    def handle(self, *_: Any, full: bool, **__: Any) -> None:
        """Verify. Raises CommandError with what is wrong."""
        processes = os.cpu_count() or 1
        found = verify_trail(actor=self.operator, origin=self.origin, full=full, processes=processes if full else 1)
        for wrong in found.wrong:
            self.stderr.write(wrong)
        if found.wrong:
            raise CommandError(f"The trail was altered: {len(found.wrong)} findings.")
        self.stdout.write(f"Leaves {found.begin} to {found.end} are as sealed, and the tree is as signed.")
