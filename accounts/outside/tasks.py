"""The tasks that beat starts in this package."""

from celery import shared_task

from accounts.outside.attribute import attribute_moves
from riskadmin.audit.origin import Origin


@shared_task(name="outside.attribute")
def attribute_task() -> None:
    """Separate what others changed at Tradovate from what was done here."""
    attribute_moves(origin=Origin(job="outside changes"))
