"""Whether what is sealed has been handed outside in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from riskadmin.audit.proof.anchors.places import places
from riskadmin.audit.proof.models import Anchor, Checkpoint


@dataclass(frozen=True)
class Outside:
    """How far the trail has been handed outside. `late` names the places that are late, and since when the first of them is."""

    configured: tuple[str, ...]
    late: tuple[str, ...] = ()
    since: datetime | None = None
    oldest: datetime | None = None

    @property
    def is_late(self) -> bool:
        """Whether bulk changes have to wait."""
        return bool(self.late)


def outside() -> Outside:
    """Return how things are. A place is late if the oldest checkpoint that it has not had yet waits for longer than it may.

    One query, and one more for each place; none if nothing is handed outside.
    """
    configured = places()
    if not configured:
        return Outside(configured=())
    had = dict(Anchor.objects.values_list("place").annotate(Max("size")))
    waiting = {}
    for place in configured:
        oldest = Checkpoint.objects.filter(size__gt=had.get(place.name, 0)).order_by("size").values_list("made_at", flat=True)
        if first := oldest.first():
            waiting[place.label] = first
    allowed = timedelta(seconds=settings.AUDIT_ANCHOR_LATE_SECONDS)
    late = {label: since for label, since in waiting.items() if timezone.now() - since > allowed}
    return Outside(
        configured=tuple(place.label for place in configured),
        late=tuple(late),
        since=min(late.values(), default=None),
        oldest=min(waiting.values(), default=None),
    )
