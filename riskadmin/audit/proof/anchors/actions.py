"""Hand checkpoints outside, and keep what each place gave for them."""

import logging
from datetime import timedelta

import requests
from django.conf import settings
from django.utils import timezone

from riskadmin.audit.proof.anchors.bucket import NotStored
from riskadmin.audit.proof.anchors.places import Place, places
from riskadmin.audit.proof.anchors.time_stamp import NotStamped
from riskadmin.audit.proof.models import Anchor, Checkpoint

logger = logging.getLogger(__name__)


def hand_outside() -> list[Anchor]:
    """Hand the newest checkpoint to each place that has not had it, and whose turn it is. Return what they gave.

    A place that doesn't take it is logged, and asked again in the next round; it keeps none of the others from theirs.
    """
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        return []
    return [anchor for place in places() if _is_due(place, newest) and (anchor := _hand_to(place, newest))]


def _is_due(place: Place, newest: Checkpoint) -> bool:
    last = Anchor.objects.filter(place=place.name).order_by("-size").first()
    if last is None:
        return True
    waited = timezone.now() - last.made_at
    return last.size < newest.size and waited >= timedelta(seconds=settings.AUDIT_ANCHOR_SECONDS)


def _hand_to(place: Place, checkpoint: Checkpoint) -> Anchor | None:
    try:
        given = place.hand_over(checkpoint)
    except (OSError, ValueError, requests.RequestException, NotStored, NotStamped) as error:
        logger.warning("The checkpoint of %s rows could not be handed to %s: %s", checkpoint.size, place.label, error)
        return None
    return Anchor.objects.create(
        place=place.name, size=checkpoint.size, note=checkpoint.note, place_words=given.where, receipt=given.receipt
    )
