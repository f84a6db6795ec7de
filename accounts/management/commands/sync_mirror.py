"""`manage.py sync_mirror`: read Tradovate into the mirror now."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.gateway import connection
from accounts.sync.actions import sync
from riskadmin.tradovate.vocabulary import Environment


class Command(BaseCommand):
    """Prints calls, rows and seconds of each environment; exits with 1 and the reason if one could not be read."""

    help = "Read Tradovate's accounts into the mirror."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the argument for the environments."""
        parser.add_argument("environment", nargs="*", type=Environment, help="demo, live; all that are connected by default")

    def handle(self, *args: Any, environment: list[Environment], **options: Any) -> None:  # noqa: ARG002  (Django's signature)
        """Read one environment after the other."""
        chosen = environment or connection.connected_environments()
        if not chosen:
            message = "No environment is connected: set TRADOVATE_DEMO_URL or TRADOVATE_LIVE_URL."
            raise CommandError(message)
        failures = [failure for each in chosen if (failure := self._sync(each))]
        if failures:
            raise CommandError(" ".join(failures))

    def _sync(self, environment: Environment) -> str:
        """Read one; return why it failed, or ""."""
        try:
            run = sync(environment)
        except connection.NotConnected as error:
            return str(error)
        if run is None or run.ended_at is None:
            return f"{environment}: another process is reading it just now."
        if run.failure:
            return f"{environment}: {run.failure}"
        seconds = (run.ended_at - run.started_at).total_seconds()
        self.stdout.write(f"{environment}: {run.rows:,} rows from {run.calls} calls in {seconds:.1f} s")
        return ""
