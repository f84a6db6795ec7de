"""The shared session token in PostgreSQL, encrypted; contract: `riskadmin.tradovate.tokens.TokenStore`."""

from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.gateway.sealing import purpose_of_token
from accounts.gateway.storage import stored, stored_at_once
from accounts.models.api import ApiSession, ApiToken
from riskadmin.sealing import cipher
from riskadmin.tradovate.tokens import StoredToken
from riskadmin.tradovate.vocabulary import Environment


class PostgresTokenStore:
    """The token of one user at one address, and the lease of the process that may replace it.

    It is sealed for the environment, the address and the user (`purpose_of_token`).
    """

    def __init__(self, *, environment: Environment, base_url: str, user: str) -> None:
        """Derive the keys; nothing is read yet."""
        self._environment, self._user = environment, user
        self._cipher = cipher(purpose_of_token(environment=environment, base_url=base_url, user=user))

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
