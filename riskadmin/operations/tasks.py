"""The task that beat starts in this package."""

import logging

from celery import shared_task

from riskadmin.operations.retention import clean_up

logger = logging.getLogger(__name__)


@shared_task(name="operations.clean_up")
def clean_up_task() -> None:
    """Delete what is older than it is kept."""
    logger.info("Deleted what is no longer kept: %s", clean_up())
