"""The tasks that beat starts in this package."""

from celery import shared_task

from accounts.approvals.actions import expire_overdue
from accounts.changes.notices import remind_expiring, remind_reviews
from accounts.changes.numbers import record_unused_numbers
from accounts.changes.scheduling.start import start_due
from riskadmin.audit.origin import Origin


@shared_task(name="changes.expire")
def expire_task() -> None:
    """Expire requests for approval that are past their time."""
    expire_overdue(origin=Origin(job="expiry"))


@shared_task(name="changes.remind_expiring")
def remind_expiring_task() -> None:
    """Tell people about pending changes whose time for a decision is nearly over."""
    remind_expiring()


@shared_task(name="changes.remind_reviews")
def remind_reviews_task() -> None:
    """Tell people about reviews that are overdue."""
    remind_reviews()


@shared_task(name="changes.record_unused_numbers")
def record_unused_numbers_task() -> None:
    """Record the numbers that no change has."""
    record_unused_numbers(origin=Origin(job="numbers"))


@shared_task(name="changes.start")
def start_task() -> None:
    """Begin scheduled changes whose time has come."""
    start_due(origin=Origin(job="schedule"))
