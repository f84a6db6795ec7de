"""The tasks that beat starts in this package."""

from celery import shared_task

from accounts.gateway import connection
from accounts.sync.actions import is_due, sync


@shared_task(name="accounts.probe")
def probe_task() -> None:
    """Check whether Tradovate responds again, where it did not."""
    connection.probe_outages()


@shared_task(name="accounts.sync")
def sync_task() -> None:
    """Read every connected environment that is due into the mirror; the results are in the `SyncRun` rows."""
    for environment in connection.connected_environments():
        if is_due(environment):
            sync(environment)
