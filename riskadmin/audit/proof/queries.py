"""How the proof of the trail stands, for pages and metrics."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.proof.anchors.lateness import Outside, outside
from riskadmin.audit.proof.anchors.places import places
from riskadmin.audit.proof.models import Anchor, Checkpoint
from riskadmin.audit.tags import Tag
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import listed, moment

UNSEALED = """
    SELECT extract(epoch FROM statement_timestamp() - min(occurred_at)) FROM audit_event
    WHERE id > coalesce((SELECT reached FROM proof_horizon WHERE "table" = 'audit_event'), 0)
"""


@dataclass(frozen=True)
class ProofState:
    """What the System page shows. `handed` has each configured place with the time of its last checkpoint, if there is one."""

    is_on: bool
    rows: int
    sealed_at: datetime | None
    handed: tuple[tuple[str, datetime | None], ...]
    outside: Outside
    verified: Event | None

    @property
    def is_altered(self) -> bool:
        """Whether the last verification found that something does not match."""
        return self.verified is not None and self.verified.tag == Tag.TRAIL_ALTERED


def proof_state() -> ProofState:
    """Return how things are now."""
    last = Checkpoint.objects.order_by("-size").only("size", "made_at").first()
    newest = {place.name: Anchor.objects.filter(place=place.name).order_by("-size").first() for place in places()}
    return ProofState(
        is_on=bool(settings.AUDIT_SIGNING_KEY),
        rows=last.size if last else 0,
        sealed_at=last.made_at if last else None,
        handed=tuple((place.label, given.made_at if (given := newest[place.name]) else None) for place in places()),
        outside=outside(),
        verified=last_verification(),
    )


def last_verification() -> Event | None:
    """Return the event of the last verification."""
    return Event.objects.filter(tag__in=[Tag.TRAIL_VERIFIED, Tag.TRAIL_ALTERED]).order_by("-occurred_at", "-id").first()


def warnings() -> list[str]:
    """Return what everyone has to know, in sentences."""
    found = []
    late = outside()
    if late.since is not None:
        since = moment(late.since, display_zone())
        found.append(f"The audit trail has not been handed to {listed(late.late)} since {since}: no new bulk change begins.")
    verified = last_verification()
    if verified is not None and verified.tag == Tag.TRAIL_ALTERED:
        found.append("The audit trail does not match its proof. Compliance has to look at it now.")
    return found


def unsealed_s() -> float:
    """Return for how many seconds the oldest event waits that is not sealed yet; 0 if none does."""
    with connection.cursor() as cursor:
        cursor.execute(UNSEALED)
        return max(0.0, float(cursor.fetchone()[0] or 0))


def unanchored_s() -> float:
    """Return for how many seconds the oldest checkpoint waits that some place has not had yet; 0 if none does."""
    oldest = outside().oldest
    return max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0
