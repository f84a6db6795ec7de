"""The task that delivers the outbox."""

from threading import Lock
from typing import Final

from celery import shared_task

from riskadmin.notifications.delivery import deliver_due

_running: Final = Lock()


@shared_task(name="notifications.deliver")
def deliver_task() -> None:
    """Deliver what is due, on one thread of a worker at a time: slow receivers must not take the threads of other tasks."""
    if not _running.acquire(blocking=False):
        return
    try:
        deliver_due()
    finally:
        _running.release()
