"""Recovery codes: each stands in for the second factor once. They are stored as hashes, so they are shown once."""

import secrets
from typing import Final

from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import check_password, make_password

from riskadmin.staff.models import Staff

COUNT: Final = 10
ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""What can't be taken for something else."""
HALF: Final = 5


def make(person: Staff) -> list[str]:
    """Replace a person's recovery codes, in the caller's transaction, and return the new ones."""
    codes = {str(number): _random() for number in range(COUNT)}
    Authenticator.objects.update_or_create(
        user=person,
        type=Authenticator.Type.RECOVERY_CODES,
        defaults={"data": {"hashes": {number: make_password(code) for number, code in codes.items()}}},
    )
    return [f"{number}-{code[:HALF]}-{code[HALF:]}" for number, code in codes.items()]


def left(person: Staff) -> int | None:
    """Return how many of a person's codes have not been used yet; None if there are none at all."""
    stored = Authenticator.objects.filter(user=person, type=Authenticator.Type.RECOVERY_CODES).first()
    return None if stored is None else len(stored.data["hashes"])


def use(stored: Authenticator, typed: str) -> bool:
    """Return whether a code is one of these, and use it up. The caller holds a lock on the row.

    The number in front of a code says which it is, so that only one slow hash is computed.
    """
    plain = "".join(character for character in typed.upper() if character.isalnum())
    number, code = plain[:1], plain[1:]
    hashed = stored.data["hashes"].get(number)
    if hashed is None or not check_password(code, hashed):
        return False
    del stored.data["hashes"][number]
    stored.save(update_fields=["data"])
    return True


def _random() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(2 * HALF))
