"""The key that signs checkpoints and exports. It is never in the database, whose owner must not have it."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from riskadmin.audit.proof.verify_export import Key


class NoKey(Exception):
    """AUDIT_SIGNING_KEY is not set."""


def signing_key() -> Ed25519PrivateKey:
    """Return the key that signs. Raises NoKey."""
    if not settings.AUDIT_SIGNING_KEY:
        raise NoKey("AUDIT_SIGNING_KEY is not set, so nothing of the audit trail can be sealed (docs/security/proof.md).")
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(settings.AUDIT_SIGNING_KEY))


def public_key() -> Key:
    """Return the public half of the key that signs now. Raises NoKey."""
    public = signing_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return Key(name=settings.AUDIT_ORIGIN, public=public)


def known_keys() -> list[Key]:
    """Return each public key whose signatures count: the one that signs now, and the earlier ones of the settings."""
    present = [public_key()] if settings.AUDIT_SIGNING_KEY else []
    return [*present, *map(Key.parse, settings.AUDIT_PUBLIC_KEYS)]


def signed_note(body: str) -> str:
    """Return a text, which ends with a line break, as a note signed with the present key. Raises NoKey."""
    key = public_key()
    signature = base64.b64encode(key.id + signing_key().sign(body.encode())).decode()
    return f"{body}\n\N{EM DASH} {key.name} {signature}\n"
