"""A process that starts says when there is no key to seal the trail with; in production it does not start."""

import logging
from typing import Final

from django.conf import settings

logger = logging.getLogger(__name__)

MISSING: Final = (
    "AUDIT_SIGNING_KEY is not set, so the audit trail could be altered unseen. Make one with `openssl rand -base64 32` and "
    "keep it in a file that AUDIT_SIGNING_KEY_FILE names, apart from the database (docs/security/proof.md)."
)


def refuse_missing_key() -> None:
    """Log a warning if there is no key. In production, end this process instead: what is not proven must not be done."""
    if settings.AUDIT_SIGNING_KEY:
        return
    if settings.DEBUG or settings.DEMO:
        logger.warning("%s", MISSING)
        return
    logger.critical("%s", MISSING)
    raise SystemExit(MISSING)
