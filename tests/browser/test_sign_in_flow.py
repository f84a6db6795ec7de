"""Signing in with a real browser: password with an authenticator app, a passkey alone, and single sign-on."""

from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import AccountNote
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.browsing import PATIENCE_MS, sign_out
from tests.changes.world import make_account
from tests.staff.people import PASSWORD, make_person
from tests.staff.sign_in.factors import AppClock, code, has_app
from tests.staff.sign_in.provider import provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at(live_server: LiveServer, settings: Settings) -> str:
    """The address of the pages, under the name that passkeys need."""
    address = str(live_server.url).replace("127.0.0.1", "localhost")
    settings.PUBLIC_URL = address
    return address


@pytest.fixture
def app_clock(monkeypatch: pytest.MonkeyPatch) -> AppClock:
    clock = AppClock()
    clock.use(monkeypatch)
    return clock


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
    page: Page, at: str, settings: Settings, app_clock: AppClock, check_page: Callable[[Page], None]
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
    page.get_by_label("Code").fill(code(app_clock.period, secret))
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
    app_clock.period += 1
    page.get_by_label("Code").fill(code(app_clock.period, secret))
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Home")
    assert proven_by() == ["password", "password, authenticator app"]


def virtual_authenticator(page: Page) -> tuple[CDPSession, str]:
    """Give the browser's page a device that keeps passkeys; return what drives it, and the device's name."""
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
    return devtools, devtools.send("WebAuthn.addVirtualAuthenticator", {"options": kind})["authenticatorId"]


def add_passkey(page: Page, at: str) -> None:
    """Sign in with the password and add a passkey."""
    by_password(page, at)
    heading(page, "Home")
    page.goto(f"{at}/me/security/")
    page.get_by_label("Name", exact=True).fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    heading(page, "Recovery codes")


def type_a_note_and_lose_the_session(page: Page, at: str) -> Locator:
    """Type on an account's page and sign out in another tab; return the dialog that comes over the page."""
    make_account(102)
    page.goto(f"{at}/accounts/demo/102/")
    page.get_by_label("New note").fill("The trader called")
    other = page.context.new_page()
    other.goto(at)
    sign_out(other)
    other.close()
    dialog = page.locator("#session-dialog")
    expect(dialog.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    return dialog


def the_note_is_sent(page: Page) -> None:
    """The page is as it was left, and what was typed is sent as the same person."""
    expect(page.locator("#session-dialog")).to_be_hidden()
    expect(page.get_by_label("New note")).to_have_value("The trader called")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("dd", has_text="The trader called")).to_be_visible()
    assert [note.text for note in AccountNote.objects.all()] == ["The trader called"]


def test_over_a_page_one_signs_in_with_an_authenticator_app(
    page: Page, at: str, app_clock: AppClock, check_page: Callable[[Page], None]
) -> None:
    has_app(make_person(Role.SUPERVISOR))
    by_password(page, at)
    page.get_by_label("Code").fill(code(app_clock.period))
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Home")

    dialog = type_a_note_and_lose_the_session(page, at)
    dialog.get_by_label("Username").fill("supervisor")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog.get_by_label("Code")).to_be_focused()
    check_page(page)
    dialog.get_by_label("Code").fill("000000")
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog).to_contain_text("This code is wrong")
    app_clock.period += 1
    dialog.get_by_label("Code").fill(code(app_clock.period))
    dialog.get_by_role("button", name="Sign in", exact=True).click()

    the_note_is_sent(page)
    assert proven_by() == ["password, authenticator app"] * 2


def test_over_a_page_one_signs_in_with_a_passkey(page: Page, at: str, check_page: Callable[[Page], None]) -> None:
    make_person(Role.SUPERVISOR)
    devtools, authenticator = virtual_authenticator(page)
    add_passkey(page, at)

    dialog = type_a_note_and_lose_the_session(page, at)
    check_page(page)
    verified = {"authenticatorId": authenticator, "isUserVerified": False}
    devtools.send("WebAuthn.setUserVerified", verified)
    dialog.get_by_role("button", name="Sign in with a passkey").click()
    expect(dialog.locator("[data-passkey-problem]")).to_be_visible()
    devtools.send("WebAuthn.setUserVerified", {**verified, "isUserVerified": True})
    dialog.get_by_role("button", name="Sign in with a passkey").click()

    the_note_is_sent(page)
    assert proven_by() == ["password", "passkey"]


def test_a_passkey_signs_in_alone(page: Page, at: str, check_page: Callable[[Page], None]) -> None:
    make_person(Role.SUPERVISOR)
    devtools, authenticator = virtual_authenticator(page)
    add_passkey(page, at)
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
        page.get_by_role("button", name="Sign in with Firm").click()
        page.locator("[name=sub]").first.fill("sue")
        page.locator("form [type=submit], form button").first.click()
        heading(page, "Duty")
        assert proven_by() == ["single sign-on"]

        sign_out(page)
        page.get_by_role("button", name="Sign in with Firm").click()
        page.locator("[name=sub]").first.fill("stranger")
        page.locator("form [type=submit], form button").first.click()
        heading(page, "Not signed in")
        check_page(page)
