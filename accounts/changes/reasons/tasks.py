"""The task that beat starts in this package."""

from celery import shared_task

from accounts.changes.reasons.uploads import forget_uploads


@shared_task(name="reasons.forget_uploads")
def forget_uploads_task() -> None:
    """Delete uploads that no change was made with."""
    forget_uploads()
