"""The workers' heartbeat: it goes through the queue, so that a worker that is alive but takes no work is noticed too."""

from datetime import timedelta
from typing import Final

from django.utils import timezone

from accounts.execution.models import WorkerBeat
from riskadmin.tradovate.vocabulary import Lane

SEEN_WITHIN: Final = timedelta(seconds=45)


def beat(*, lane: str, worker: str) -> None:
    """Record that a worker of the lane is at work now."""
    WorkerBeat.objects.update_or_create(lane=lane, defaults={"worker": worker[:128], "seen_at": timezone.now()})


def lanes_at_work() -> dict[str, bool]:
    """Return for each lane whether a worker was seen at work recently."""
    seen = set(
        WorkerBeat.objects.filter(seen_at__gte=timezone.now() - SEEN_WITHIN).values_list("lane", flat=True),
    )
    return {lane.value: lane.value in seen for lane in Lane}
