"""What the clock starts in this room."""

from celery import shared_task

from accounts.changes.actions import expire_overdue
from riskadmin.audit.origin import Origin


@shared_task(name="changes.expire", soft_time_limit=60, time_limit=90)
def expire_task() -> None:
    """End pending changes whose time has run out."""
    expire_overdue(origin=Origin(job="expiry"))
