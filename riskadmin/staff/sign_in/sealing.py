"""Secrets of second factors, encrypted where they are stored."""

from typing import Final

from allauth.mfa.models import Authenticator
from django.db import transaction

from riskadmin import sealing

PURPOSE: Final = "riskadmin second factors"
SEALED: Final = ("secret", "seed")
"""What allauth has encrypted of an authenticator's data: the secret of an app, and the seed of recovery codes."""


def seal(text: str) -> str:
    """Encrypt a text."""
    return sealing.seal(text, purpose=PURPOSE)


def unseal(sealed: str) -> str:
    """Return the text that was sealed. Raises `sealing.CannotOpen`."""
    return sealing.unseal(sealed, purpose=PURPOSE)


@transaction.atomic
def reseal() -> int:
    """Encrypt the secrets of all second factors with the newest key; return how many factors have any. Raises CannotOpen."""
    found = [each for each in Authenticator.objects.select_for_update() if set(SEALED) & set(each.data)]
    for each in found:
        again = {
            name: sealing.resealed(each.data[name].encode(), purpose=PURPOSE).decode() for name in SEALED if name in each.data
        }
        each.data = {**each.data, **again}
        each.save(update_fields=["data"])
    return len(found)
