import sys
from typing import Any, Final

from celery import current_app
from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.apps import AppConfig

SWITCH_S: Final = 0.0005
"""How long a thread may keep the interpreter from one whose response has come; Python's own 5 ms are a twentieth of a call."""


class ExecutionConfig(AppConfig):
    """Changes carried out at Tradovate, verified and settled."""

    name = "accounts.execution"
    label = "execution"

    def ready(self) -> None:
        """Have each worker report as soon as it is at work, and finish its work in progress when it is told to stop.

        Calls, and what they carried, are under proof as the trail is.
        """
        # Models can't be imported before.
        from accounts.execution.models import Call, CallItem  # noqa: PLC0415
        from riskadmin.audit.proof.sources import Source, put_under_proof  # noqa: PLC0415

        of_events = "(SELECT call_id FROM audit_event JOIN exported USING (id))"
        put_under_proof(
            Source(
                Call,
                groups={"text": ("path", "request_text", "response_text", "note")},
                complete="row_.state <> 'open'",
                about=f"row_.id IN {of_events}",
            )
        )
        put_under_proof(Source(CallItem, about=f"row_.call_id IN {of_events}"))
        worker_init.connect(_switch_often)
        worker_ready.connect(_send_heartbeat)
        worker_shutting_down.connect(_stop_soon)


def _switch_often(**_: object) -> None:
    sys.setswitchinterval(SWITCH_S)


def _send_heartbeat(sender: Any, **_: object) -> None:
    for queue in sender.task_consumer.queues:
        current_app.send_task("execution.heartbeat", args=[queue.name], queue=queue.name)


def _stop_soon(**_: object) -> None:
    from accounts.execution.lane import stop_soon  # noqa: PLC0415  (its models are there only once all apps are ready)

    stop_soon()
