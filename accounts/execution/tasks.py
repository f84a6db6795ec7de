"""What the workers run. Ids only, and each is safe to run twice: a claim row decides who works.

The workers run threads, which no time limit can end: the client's timeouts bound every call instead.
"""

from celery import shared_task

from accounts.execution.beat import beat
from accounts.execution.claim import this_worker
from accounts.execution.confirm import read_back_due
from accounts.execution.send import send_batch, send_item
from accounts.execution.sweep import announce, announce_rest, sweep
from riskadmin.audit.origin import Origin


@shared_task(name="execution.run_change")
def run_change_task(change_id: int) -> None:
    """Announce the items of a change."""
    announce(change_id)


@shared_task(name="execution.run_item")
def run_item_task(item_id: int) -> None:
    """Send one item and read back what is due, this one with it."""
    origin = Origin(job="worker")
    send_item(item_id, origin=origin)
    read_back_due(origin=origin)


@shared_task(name="execution.run_batch")
def run_batch_task(change_id: int) -> None:
    """Make the next call of a change that takes many items a call; the following ones are announced anew, to give way."""
    origin = Origin(job="worker")
    if send_batch(change_id, origin=origin):
        announce_rest(change_id)
    read_back_due(origin=origin)


@shared_task(name="execution.sweep")
def sweep_task() -> None:
    """Find what was left behind."""
    sweep(origin=Origin(job="sweeper"))


@shared_task(name="execution.heartbeat")
def heartbeat_task(lane: str) -> None:
    """Note that a worker of this lane is at work."""
    beat(lane=lane, worker=this_worker())
