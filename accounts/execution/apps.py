from typing import Any

from celery import current_app
from celery.signals import worker_ready
from django.apps import AppConfig


class ExecutionConfig(AppConfig):
    """Changes carried out at Tradovate, verified and settled."""

    name = "accounts.execution"
    label = "execution"

    def ready(self) -> None:
        """Have each worker say that it is at work as soon as it is, not only when the clock next asks."""
        worker_ready.connect(_send_heartbeat)


def _send_heartbeat(sender: Any, **_: object) -> None:
    for queue in sender.task_consumer.queues:
        current_app.send_task("execution.heartbeat", args=[queue.name], queue=queue.name)
