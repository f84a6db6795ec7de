"""Encryption of what the gateway stores: a key for each purpose, derived from SECRET_KEY."""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def cipher(purpose: str) -> Fernet:
    """Return the cipher for a purpose, such as the credentials of one environment."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(settings.SECRET_KEY.encode())
    return Fernet(urlsafe_b64encode(key))
