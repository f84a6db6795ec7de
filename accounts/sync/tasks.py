"""What beat starts here."""

from celery import shared_task

from accounts.gateway import connection
from accounts.sync.actions import is_due, sync


@shared_task(name="accounts.probe")
def probe_task() -> None:
    """Find out whether Tradovate is back, where it did not answer."""
    connection.probe_outages()


@shared_task(name="accounts.sync")
def sync_task() -> None:
    """Read every connected environment whose turn it is into the mirror; how that went is in the `SyncRun` rows."""
    for environment in connection.connected_environments():
        if is_due(environment):
            sync(environment)
