"""`manage.py sync_mirror`: read Tradovate into the mirror now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.gateway import connection
from accounts.sync.actions import Acceptance, sync
from riskadmin.audit.commands import OperatorCommand
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff, plain_username
from riskadmin.tradovate.vocabulary import Environment


class Command(OperatorCommand):
    """Prints calls, rows and seconds of each environment; exits with 1 and the reason if one could not be read."""

    help = "Read Tradovate's accounts into the mirror."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments for the environments, and for who accepts that rows are missing."""
        parser.add_argument("environment", nargs="*", type=Environment, help="demo, live; all that are connected by default")
        parser.add_argument(
            "--accept-missing",
            metavar="USERNAME",
            help="Accept that more than half of the accounts, traders or trading permissions are missing from Tradovate's "
            "lists, in the name of this person, who has checked it at Tradovate. Written to the audit trail.",
        )

    def handle(self, *args: Any, environment: list[Environment], accept_missing: str | None, **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Read one environment after the other."""
        acceptance = None if accept_missing is None else _acceptance(accept_missing, self.origin)
        chosen = environment or connection.connected_environments()
        if not chosen:
            message = "No environment is connected: set TRADOVATE_DEMO_URL or TRADOVATE_LIVE_URL."
            raise CommandError(message)
        failures = [failure for each in chosen if (failure := self._sync(each, acceptance))]
        if failures:
            raise CommandError(" ".join(failures))

    def _sync(self, environment: Environment, acceptance: Acceptance | None) -> str:
        """Read one; return why it failed, or ""."""
        try:
            run = sync(environment, accept_missing=acceptance)
        except connection.NotConnected as error:
            return str(error)
        if run is None or run.ended_at is None:
            return f"{environment}: another process is reading it just now."
        if run.failure:
            return f"{environment}: {run.failure}"
        seconds = (run.ended_at - run.started_at).total_seconds()
        self.stdout.write(f"{environment}: {run.rows:,} rows from {run.calls} calls in {seconds:.1f} s")
        return ""


def _acceptance(username: str, origin: Origin) -> Acceptance:
    person = Staff.objects.filter(username=plain_username(username)).first()
    if person is None or not person.may("system:view"):
        raise CommandError(f"{username} is not an active supervisor or administrator, so nothing can be accepted in that name.")
    return Acceptance(actor=person, origin=origin)
