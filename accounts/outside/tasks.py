"""What beat starts here."""

from celery import shared_task

from accounts.outside.judge import judge_moves
from riskadmin.audit.origin import Origin


@shared_task(name="outside.judge")
def judge_task() -> None:
    """Tell what others changed at Tradovate from what was done here."""
    judge_moves(origin=Origin(job="outside changes"))
