"""Encryption of what is stored, and the change of its key.

Each purpose has keys of its own: what was sealed for one can't be read for another.
The newest key seals, and each one in the settings unseals (docs/security/keys.md).
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

Reseal = Callable[[], int]


class CannotOpen(Exception):
    """It was sealed with a key that is not in the settings any more, or for another purpose."""


def cipher(purpose: str) -> MultiFernet:
    """Return the cipher for a purpose, such as "riskadmin webhook". Its keys are derived from those of the settings."""
    return MultiFernet([_derived(key, purpose) for key in settings.ENCRYPTION_KEYS])


def seal(text: str, *, purpose: str) -> str:
    """Return a text encrypted, with the newest key."""
    return cipher(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """Return the text that was sealed for a purpose. Raises CannotOpen."""
    try:
        return cipher(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CannotOpen from error


def resealed(sealed: bytes, *, purpose: str) -> bytes:
    """Return what was sealed, sealed with the newest key. Raises CannotOpen."""
    try:
        return cipher(purpose).rotate(sealed)
    except InvalidToken as error:
        raise CannotOpen from error


_stored: Final[dict[str, Reseal]] = {}


def stores_sealed(what: str, reseal: Reseal) -> None:
    """Register what a package stores sealed. `reseal` seals all of it with the newest key and returns how much there was.

    It raises CannotOpen if some of it can't be read; nothing of `what` is changed then. A package calls this at start.
    """
    _stored[what] = reseal


def everything_stored() -> dict[str, Reseal]:
    """Return what is stored sealed, by name."""
    return dict(_stored)


def _derived(key: str, purpose: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key.encode())
    return Fernet(urlsafe_b64encode(derived))
