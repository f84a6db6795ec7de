"""The Celery application: two lanes, each with its own queue. The settings say what beat starts and when."""

import os
from datetime import timedelta
from socket import gethostname
from typing import Any

from celery import Celery
from celery.signals import after_task_publish, beat_init, task_postrun, worker_init, worker_ready
from kombu import Queue

from riskadmin.liveness import note_work

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")

app = Celery("riskadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue("urgent"), Queue("bulk")]
app.autodiscover_tasks()
app.autodiscover_tasks(["accounts.sync"])  # it has no Django app of its own
task_postrun.connect(note_work)


@worker_init.connect
@beat_init.connect
def refuse_to_start(**_: object) -> None:
    """Don't start in production with a role that may do too much in the database, or without a key to seal the trail with."""
    from riskadmin.audit.proof.start import refuse_missing_key  # noqa: PLC0415  (needs the settings)
    from riskadmin.database.start import refuse_excess  # noqa: PLC0415  (needs the settings)

    refuse_excess()
    refuse_missing_key()


@worker_ready.connect
def record_worker(sender: Any, **_: object) -> None:
    """Record that a worker started."""
    from riskadmin.audit.starting import record_start  # noqa: PLC0415  (needs the settings)

    record_start("worker", str(sender.hostname))


@beat_init.connect
def record_beat(**_: object) -> None:
    """Record that beat started."""
    from riskadmin.audit.starting import record_start  # noqa: PLC0415  (needs the settings)

    record_start("beat", gethostname())


@beat_init.connect
def begin(sender: Any, **_: object) -> None:
    """Let beat start the first read of the mirror at once, instead of after one interval, and note what it sends."""
    after_task_publish.connect(note_work)
    first = sender.scheduler.schedule["sync"]
    first.last_run_at -= timedelta(seconds=first.schedule.seconds)
