"""What the gateway stores encrypted, sealed again after a change of the key: credentials and tokens of Tradovate."""

from django.conf import settings
from django.db import transaction

from accounts.models.api import ApiCredentials, ApiToken
from riskadmin.sealing import resealed


def purpose_of_credentials(environment: str) -> str:
    """Return the purpose that the credentials of an environment are sealed for."""
    return f"riskadmin credentials\0{environment}"


def purpose_of_token(*, environment: str, base_url: str, user: str) -> str:
    """Return the purpose of a token. Stored for another address it can't be read, so it is never sent to the wrong host."""
    return f"riskadmin access token\0{environment}\0{base_url}\0{user}"


@transaction.atomic
def reseal_credentials() -> int:
    """Seal the credentials with the newest key; return how many there are. Raises CannotOpen."""
    stored = list(ApiCredentials.objects.select_for_update())
    for each in stored:
        each.sealed = resealed(each.sealed.encode(), purpose=purpose_of_credentials(each.environment)).decode()
        each.save(update_fields=["sealed"])
    return len(stored)


@transaction.atomic
def reseal_tokens() -> int:
    """Seal the tokens of the addresses and the user in the settings with the newest key; return how many. Raises CannotOpen."""
    stored = list(ApiToken.objects.select_for_update().filter(expires_at__isnull=False))
    stored = [each for each in stored if settings.TRADOVATE_URLS.get(each.environment)]
    for each in stored:
        purpose = purpose_of_token(
            environment=each.environment,
            base_url=settings.TRADOVATE_URLS[each.environment],
            user=settings.TRADOVATE_USERNAME,
        )
        each.ciphertext = resealed(bytes(each.ciphertext), purpose=purpose)
        each.save(update_fields=["ciphertext"])
    return len(stored)
