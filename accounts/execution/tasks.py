"""The workers' tasks. Ids only, and each is safe to run twice: a claim row decides who works.

The workers run threads, which no time limit can end: the client's timeouts bound every call instead.
"""

from celery import shared_task

from accounts.execution.claim import this_worker
from accounts.execution.heartbeat import beat
from accounts.execution.lane import lane_of, work
from accounts.execution.recover import sweep
from riskadmin.audit.origin import Origin
from riskadmin.tradovate.vocabulary import Lane


@shared_task(name="execution.run_change")
def run_change_task(change_id: int) -> None:
    """Work off the lane that a change has entered."""
    work(lane_of(change_id), origin=Origin(job="worker"))


@shared_task(name="execution.work")
def work_task(lane: str) -> None:
    """Work a lane off."""
    work(Lane(lane), origin=Origin(job="worker"))


@shared_task(name="execution.sweep")
def sweep_task() -> None:
    """Find what was left behind."""
    sweep(origin=Origin(job="sweeper"))


@shared_task(name="execution.heartbeat")
def heartbeat_task(lane: str) -> None:
    """Note that a worker of this lane is at work."""
    beat(lane=lane, worker=this_worker())
