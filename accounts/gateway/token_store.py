"""The shared session token in PostgreSQL, encrypted; contract: `riskadmin.tradovate.tokens.TokenStore`."""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.gateway.storage import stored, stored_at_once
from accounts.models.api import ApiSession, ApiToken
from riskadmin.tradovate.tokens import StoredToken
from riskadmin.tradovate.vocabulary import Environment


class PostgresTokenStore:
    """The token of one user at one address, and the lease of the process that may replace it.

    The key is derived from `secret_key`, the environment, the address and the user: a token stored under other values can't be
    read, so it is never sent to a host it isn't for.
    """

    def __init__(self, *, environment: Environment, base_url: str, user: str, secret_key: str) -> None:
        """Derive the key; nothing is read yet."""
        self._environment, self._user = environment, user
        purpose = f"riskadmin access token\0{environment}\0{base_url}\0{user}".encode()
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret_key.encode())
        self._cipher = Fernet(urlsafe_b64encode(key))

    @stored
    def load(self) -> StoredToken | None:
        """The latest token, expired or not; None before the first one, and if it was stored under another key."""
        row = ApiToken.objects.filter(environment=self._environment, expires_at__isnull=False).first()
        if row is None or row.expires_at is None:
            return None
        try:
            access_token = self._cipher.decrypt(bytes(row.ciphertext)).decode()
        except InvalidToken:
            return None
        return StoredToken(access_token, row.expires_at, row.generation)

    @stored_at_once
    def lease(self, *, holder: str, seconds: float) -> bool:
        """Take the lease if it is free, lapsed or already the holder's; return whether it was taken."""
        ApiToken.objects.bulk_create([ApiToken(environment=self._environment)], ignore_conflicts=True)
        free = Q(leased_until=None) | Q(leased_until__lte=Now()) | Q(lease_holder=holder)
        taken = ApiToken.objects.filter(free, environment=self._environment).update(
            lease_holder=holder, leased_until=Now() + timedelta(seconds=seconds)
        )
        return bool(taken)

    @stored_at_once
    def release(self, *, holder: str) -> None:
        """Release the lease; does nothing if it is not the holder's."""
        ApiToken.objects.filter(environment=self._environment, lease_holder=holder).update(lease_holder="", leased_until=None)

    @stored_at_once
    def save(self, *, holder: str, access_token: str, expires_at: datetime, begins: str = "") -> bool:
        """Replace the token with the next generation while `holder` has the lease; return whether it was replaced.

        With a new session, the last one is noted as ended, and why.
        """
        leased = ApiToken.objects.filter(environment=self._environment, lease_holder=holder, leased_until__gt=Now())
        with transaction.atomic():
            saved = leased.update(
                ciphertext=self._cipher.encrypt(access_token.encode()), expires_at=expires_at, generation=F("generation") + 1
            )
            if saved and begins:
                last = ApiSession.objects.filter(environment=self._environment, ended_at=None)
                last.update(ended_at=Now(), why_ended=begins)
                ApiSession.objects.create(environment=self._environment, api_user=self._user)
        return bool(saved)
