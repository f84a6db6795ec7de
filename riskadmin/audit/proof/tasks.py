"""The tasks that beat starts in this package."""

import logging

from celery import shared_task

from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.proof.actions import seal_everything
from riskadmin.audit.proof.anchors.actions import hand_outside
from riskadmin.audit.proof.exporting import write_waiting
from riskadmin.audit.proof.keys import NoKey
from riskadmin.audit.proof.verifying import verify_trail

logger = logging.getLogger(__name__)


@shared_task(name="proof.seal")
def seal_task() -> None:
    """Seal what was written since the last round."""
    try:
        seal_everything()
    except NoKey as error:
        logger.warning("%s", error)


@shared_task(name="proof.anchor")
def anchor_task() -> None:
    """Hand the newest checkpoint to the places whose turn it is."""
    hand_outside()


@shared_task(name="proof.verify")
def verify_task() -> None:
    """Verify what was sealed since the last time, and all that was signed."""
    found = verify_trail(actor=SYSTEM, origin=Origin(job="proof"), full=False)
    for wrong in found.wrong:
        logger.critical("The audit trail was altered: %s", wrong)


@shared_task(name="proof.export")
def export_task() -> None:
    """Write the exports that people wait for."""
    write_waiting()
