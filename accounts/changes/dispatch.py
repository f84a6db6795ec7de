"""Notifying the workers that a change may run. Only ids are sent, and nothing depends on the message arriving."""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def dispatch_on_commit(*, change_id: int, lane: str) -> None:
    """Send the change to its lane once the transaction is committed.

    A broker that can't be reached is only logged: the items are queued in PostgreSQL, where the sweeper finds them.
    """
    transaction.on_commit(lambda: _send(change_id, lane))


def _send(change_id: int, lane: str) -> None:
    try:
        current_app.send_task("execution.run_change", args=[change_id], queue=lane)
    except (OperationalError, RedisError, OSError):
        logger.warning("Change %s was not announced to the %s lane; the sweeper will find it", change_id, lane, exc_info=True)
