"""What the clock starts in this room."""

from celery import shared_task

from accounts.changes.actions import expire_overdue
from riskadmin.audit.origin import Origin


@shared_task(name="changes.expire")
def expire_task() -> None:
    """End pending changes whose time has run out."""
    expire_overdue(origin=Origin(job="expiry"))
