"""The Celery application: two lanes, each with its own queue. The settings say what beat starts and when."""

import os

from celery import Celery
from celery.signals import beat_init, worker_init
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskadmin.settings")

app = Celery("riskadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [Queue("urgent"), Queue("bulk")]
app.autodiscover_tasks()
app.autodiscover_tasks(["accounts.sync"])  # it has no Django app of its own


@worker_init.connect
@beat_init.connect
def refuse_excessive_role(**_: object) -> None:
    """Don't start in production with a role that may do too much in the database."""
    from riskadmin.database.start import refuse_excess  # noqa: PLC0415  (needs the settings)

    refuse_excess()
