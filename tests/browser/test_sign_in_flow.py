"""Signing in with a real browser: password with an authenticator app, a passkey alone, and single sign-on."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.browsing import PATIENCE_MS, sign_out
from tests.staff.people import PASSWORD, make_person
from tests.staff.sign_in.factors import code
from tests.staff.sign_in.provider import provider

pytestmark = pytest.mark.django_db(transaction=True)

HALF_MINUTE = 30


@pytest.fixture
def at(live_server: LiveServer, settings: Settings) -> str:
    """The address of the pages, under the name that passkeys need."""
    address = str(live_server.url).replace("127.0.0.1", "localhost")
    settings.PUBLIC_URL = address
    return address


def by_password(page: Page, at: str) -> None:
    page.goto(f"{at}/sign-in/")
    page.get_by_label("Username").fill("supervisor")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text, timeout=PATIENCE_MS)


def proven_by() -> list[str]:
    return [event.detail["proven_by"] for event in Event.objects.filter(tag=Tag.STAFF_SIGNED_IN).order_by("id")]


def test_a_person_sets_up_an_authenticator_app_and_signs_in_with_it(
    page: Page, at: str, settings: Settings, check_page: Callable[[Page], None]
) -> None:
    settings.SECOND_FACTOR_REQUIRED = "everyone"
    make_person(Role.SUPERVISOR)
    page.goto(f"{at}/sign-in/")
    check_page(page)
    page.get_by_label("Password", exact=True).fill("typed")
    page.get_by_label("Show password").check()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")

    by_password(page, at)
    heading(page, "Password and second factors")
    check_page(page)
    page.get_by_role("link", name="Add an authenticator app").click()
    heading(page, "Add an authenticator app")
    check_page(page)
    secret = page.locator("code").first.inner_text().replace(" ", "")
    period = int(time.time()) // HALF_MINUTE
    page.get_by_label("Code").fill(code(period, secret))
    page.get_by_role("button", name="Add the app").click()
    heading(page, "Recovery codes")
    check_page(page)
    page.get_by_role("link", name="I have kept them").click()
    heading(page, "Home")

    sign_out(page)
    by_password(page, at)
    heading(page, "Second factor")
    check_page(page)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    page.get_by_label("Code").fill(code(period + 1, secret))
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Home")
    assert proven_by() == ["password", "password, authenticator app"]


def test_a_passkey_signs_in_alone(page: Page, at: str, check_page: Callable[[Page], None]) -> None:
    make_person(Role.SUPERVISOR)
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    kind = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    authenticator = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": kind})["authenticatorId"]
    by_password(page, at)
    heading(page, "Home")
    page.goto(f"{at}/me/security/")
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    heading(page, "Recovery codes")
    page.goto(f"{at}/me/security/")
    expect(page.get_by_text("Laptop").first).to_be_visible()
    check_page(page)

    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    heading(page, "Home")
    assert proven_by() == ["password", "passkey"]

    sign_out(page)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": authenticator, "isUserVerified": False})
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.locator("[data-passkey-problem]")).to_be_visible()
    heading(page, "Sign in")
    assert len(proven_by()) == 2


def test_single_sign_on_goes_to_the_provider_and_back(
    page: Page, at: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, check_page: Callable[[Page], None]
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    Staff.objects.filter(pk=make_person(Role.SUPERVISOR).pk).update(email="sue@firm.example")
    with provider() as server:
        server.knows("sue", email="sue@firm.example", email_verified=True)
        app = {"provider_id": server.issuer, "name": "Firm", "client_id": "riskadmin", "secret": "secret"}
        settings.SSO_ISSUER, settings.SSO_NAME = server.issuer, "Firm"
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [{**app, "settings": {"server_url": server.issuer}}]}
        }
        page.goto(f"{at}/sign-in/?next=/duty/")
        page.get_by_role("link", name="Sign in with Firm").click()
        page.locator("[name=sub]").first.fill("sue")
        page.locator("form [type=submit], form button").first.click()
        heading(page, "Duty")
        assert proven_by() == ["single sign-on"]

        sign_out(page)
        page.get_by_role("link", name="Sign in with Firm").click()
        page.locator("[name=sub]").first.fill("stranger")
        page.locator("form [type=submit], form button").first.click()
        heading(page, "Not signed in")
        check_page(page)
