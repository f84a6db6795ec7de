"""A new key: what was sealed with the old one stays readable, and after `reseal` the old one is no longer needed."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.core.signing import BadSignature, Signer
from pytest_django import Settings

from accounts.gateway import credentials
from accounts.gateway.token_store import PostgresTokenStore
from accounts.models.api import ApiCredentials
from riskadmin.notifications.models import Webhook
from riskadmin.notifications.sealing import seal, unseal
from riskadmin.sealing import CannotOpen, everything_stored
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in.sealing import seal as seal_factor
from riskadmin.staff.sign_in.sealing import unseal as unseal_factor
from riskadmin.tradovate.vocabulary import Environment
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW = "o" * 40, "n" * 40
ADDRESS = "https://demo.tradovateapi.com/v1"


@pytest.fixture
def stored(settings: Settings) -> Webhook:
    """A webhook, credentials and a token that were stored under the old key."""
    settings.ENCRYPTION_KEYS = [OLD]
    settings.TRADOVATE_URLS = {"demo": ADDRESS, "live": ""}
    settings.TRADOVATE_USERNAME = "us"
    ApiCredentials.objects.create(
        environment="demo", sealed=credentials.seal(Environment.DEMO, credentials.of_settings()), set_by_name="x"
    )
    store = a_store()
    assert store.lease(holder="a", seconds=20)
    assert store.save(holder="a", access_token="a token", expires_at=datetime(2026, 12, 1, tzinfo=UTC))
    person = make_person(Role.SUPPORT)
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": seal_factor("a seed")})
    return Webhook.objects.create(
        name="chat",
        shape="json",
        topics=[],
        host="chat.example",
        sealed_url=seal("https://chat.example/x"),
        sealed_secret=seal(""),
        added_by_name="x",
    )


def a_store() -> PostgresTokenStore:
    return PostgresTokenStore(environment=Environment.DEMO, base_url=ADDRESS, user="us")


def everything_opens() -> bool:
    """Whether all three can be read."""
    credentials.forget()
    token = a_store().load()
    try:
        url = unseal(Webhook.objects.get().sealed_url)
        found = credentials.credentials(Environment.DEMO)
        factor = unseal_factor(Authenticator.objects.get().data["secret"])
    except (CannotOpen, credentials.CannotOpen):
        return False
    return token is not None and (token.access_token, url, found.username, factor) == (
        *("a token", "https://chat.example/x", "us", "a seed"),
    )


def test_the_old_key_is_not_needed_after_everything_was_sealed_again(stored: Webhook, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert everything_opens()
    said = StringIO()
    call_command("reseal", operator="Olga", stdout=said)
    assert sorted(said.getvalue().splitlines()) == [f"{what}: 1" for what in sorted(everything_stored())]
    settings.ENCRYPTION_KEYS = [NEW]
    assert everything_opens()
    settings.ENCRYPTION_KEYS = [OLD]
    assert not everything_opens()


def test_what_cannot_be_read_is_named_and_stays(stored: Webhook, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [NEW]
    before = stored.sealed_url
    with pytest.raises(CommandError, match="second factors, webhooks, credentials of Tradovate, tokens of Tradovate"):
        call_command("reseal", operator="Olga", stdout=StringIO())
    stored.refresh_from_db()
    assert stored.sealed_url == before
    credentials.forget()


def test_what_was_signed_with_an_earlier_key_is_accepted_while_that_is_listed(settings: Settings) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    signed = Signer().sign("x")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert Signer().unsign(signed) == "x"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(BadSignature):
        Signer().unsign(signed)
