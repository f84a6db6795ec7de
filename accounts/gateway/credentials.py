"""What we log in to Tradovate with: as an administrator stored it, encrypted, else as the settings say.

The user is always the one in the settings: the API budget and the stops are counted for that user.
"""

import json
import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from accounts.gateway.sealing import purpose_of_credentials
from accounts.models.api import ApiCredentials
from riskadmin import sealing
from riskadmin.tradovate.tokens import Credentials
from riskadmin.tradovate.vocabulary import Environment

KNOWN_FOR_S: Final = 5.0
"""A process learns this late that another one has stored new credentials."""

PARTS: Final = ("password", "app_id", "app_version", "cid", "sec", "device_id")


@dataclass(frozen=True)
class _Known:
    stored: Credentials | None
    read_at: float


_known: Final[dict[Environment, _Known]] = {}


class CannotOpen(Exception):
    """Stored credentials can't be decrypted with the keys in the settings."""

    def __init__(self, environment: Environment) -> None:
        """Say what to do."""
        super().__init__(
            f"The stored credentials of {environment} can't be decrypted. Store them again on the page Connections."
        )


def credentials(environment: Environment) -> Credentials:
    """Return what to log in with. Raises CannotOpen; reads PostgreSQL once every KNOWN_FOR_S."""
    known = _known.get(environment)
    if known is None or time.monotonic() - known.read_at > KNOWN_FOR_S:
        known = _known[environment] = _Known(_read(environment), time.monotonic())
    return known.stored or of_settings()


def forget() -> None:
    """Have this process read them again."""
    _known.clear()


def of_settings() -> Credentials:
    """Return what the settings say."""
    return Credentials(
        username=settings.TRADOVATE_USERNAME,
        password=settings.TRADOVATE_PASSWORD,
        app_id=settings.TRADOVATE_APP_ID,
        app_version=settings.TRADOVATE_APP_VERSION,
        cid=settings.TRADOVATE_CID,
        sec=settings.TRADOVATE_SEC,
        device_id=settings.TRADOVATE_DEVICE_ID,
    )


def seal(environment: Environment, wanted: Credentials) -> str:
    """Return credentials as they are stored."""
    text = json.dumps({part: getattr(wanted, part) for part in PARTS})
    return sealing.seal(text, purpose=purpose_of_credentials(environment))


def _read(environment: Environment) -> Credentials | None:
    stored = ApiCredentials.objects.filter(environment=environment).first()
    if stored is None:
        return None
    try:
        parts = json.loads(sealing.unseal(stored.sealed, purpose=purpose_of_credentials(environment)))
    except sealing.CannotOpen as error:
        raise CannotOpen(environment) from error
    return Credentials(username=settings.TRADOVATE_USERNAME, **parts)
