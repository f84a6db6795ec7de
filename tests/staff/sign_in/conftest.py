"""The clock of authenticator apps stands still in these tests; and a real identity provider for those that need one."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person
from tests.staff.sign_in.factors import AppClock
from tests.staff.sign_in.provider import Provider, provider


@pytest.fixture(autouse=True)
def app_clock(monkeypatch: pytest.MonkeyPatch) -> AppClock:
    clock = AppClock()
    clock.use(monkeypatch)
    return clock


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    with provider() as server:
        yield server


@pytest.fixture
def server(running_provider: Provider, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The identity provider, connected; it knows Sue as `sub-1`."""
    monkeypatch.setenv("NO_PROXY", "localhost")
    app = {
        "provider_id": running_provider.issuer,
        "name": "Firm",
        "client_id": "riskadmin",
        "secret": "secret",
        "settings": {"server_url": running_provider.issuer, "scope": ["openid", "profile", "email"]},
    }
    settings.SSO_ISSUER = running_provider.issuer
    settings.SSO_NAME = "Firm"
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    running_provider.knows("sub-1", email="sue@firm.example", email_verified=True, preferred_username="sue", groups=["desk"])
    return running_provider


@pytest.fixture
def sue() -> Staff:
    person = make_person(Role.SUPPORT, "sue")
    person.email = "Sue@firm.example"
    person.save()
    return person
