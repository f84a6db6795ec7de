"""The tasks that beat starts in this package."""

from celery import shared_task

from accounts.outside.judge import judge_moves
from riskadmin.audit.origin import Origin


@shared_task(name="outside.judge")
def judge_task() -> None:
    """Separate what others changed at Tradovate from what was done here."""
    judge_moves(origin=Origin(job="outside changes"))
