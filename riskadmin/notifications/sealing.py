"""Addresses and secrets of webhooks, encrypted where they are stored."""

from typing import Final

from django.db import transaction

from riskadmin import sealing
from riskadmin.notifications.models import Webhook

PURPOSE: Final = "riskadmin webhook"


def seal(text: str) -> str:
    """Encrypt a text."""
    return sealing.seal(text, purpose=PURPOSE)


def unseal(sealed: str) -> str:
    """Return the text that was sealed. Raises CannotOpen."""
    return sealing.unseal(sealed, purpose=PURPOSE)


@transaction.atomic
def reseal() -> int:
    """Encrypt each webhook that was not removed with the newest key; return how many. Raises CannotOpen."""
    webhooks = list(Webhook.objects.select_for_update().filter(removed_at=None))
    for webhook in webhooks:
        webhook.sealed_url, webhook.sealed_secret = (
            sealing.resealed(text.encode(), purpose=PURPOSE).decode() for text in (webhook.sealed_url, webhook.sealed_secret)
        )
        webhook.save(update_fields=["sealed_url", "sealed_secret"])
    return len(webhooks)
