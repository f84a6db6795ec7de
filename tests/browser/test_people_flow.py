"""A person is invited, gets in, gets a role from two administrators, requests, and is switched off."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import VIEWPORT_HEIGHT, VIEWPORT_WIDTH, sign_in, watched_page
from tests.stack import LiveStack

CheckPage = Callable[[Page], None]
CHOSEN = "a very long new secret"
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens a page of a browser session of its own."""
    with ExitStack() as pages:
        yield lambda name: pages.enter_context(watched_page(browser, name=f"people-{name}", failed=lambda: False))


def on_a_phone(page: Page, check_page: CheckPage) -> None:
    """Check a page at the width of a phone: nothing is cut off at its side."""
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a TypedDict
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    check_page(page)
    page.set_viewport_size({"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT})


def invite(administrator: Page, username: str, role: str, check_page: CheckPage) -> str:
    """Invite a person and return their one-time link; the page is then that person's."""
    administrator.get_by_role("link", name="People").first.click()
    administrator.get_by_role("link", name="Invite a person").click()
    check_page(administrator)
    administrator.get_by_label("Username").fill(username)
    administrator.get_by_label("Role optional").select_option(role)
    administrator.get_by_label("Reason").fill("Joins the night desk")
    administrator.get_by_role("button", name="Invite").click()
    expect(administrator.get_by_role("heading", level=1)).to_contain_text("One-time link for")
    check_page(administrator)
    [link] = re.findall(r"https?://\S+#[\w-]+", administrator.locator("main").inner_text())
    administrator.get_by_role("link", name="Go to the person").click()
    return str(link).partition("/people/")[2]


def set_password(page: Page, base_url: str, link: str, check_page: CheckPage) -> None:
    """Open a link, and set a password there."""
    page.goto(f"{base_url}/people/{link}")
    expect(page.get_by_label("Code")).to_have_value(link.partition("#")[2])
    assert "#" not in page.url
    check_page(page)
    page.get_by_label("New password", exact=True).fill(CHOSEN)
    page.get_by_label("New password again").fill(CHOSEN)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("Your password is set")).to_be_visible()


def test_from_invitation_to_switch_off(
    live_stack: LiveStack, page: Page, open_page: Callable[[str], Page], check_page: CheckPage
) -> None:
    base_url = live_stack.base_url
    sign_in(page, base_url, "administrator")
    page.goto(base_url)

    # The second administrator of this firm is confirmed on the server: there is no other one yet.
    link = invite(page, "grace", "administrator", check_page)
    waiting = page.locator("#asked-title")
    expect(waiting).to_be_visible()
    page.goto(f"{base_url}/people/requests/")
    expect(page.get_by_text("No one else can confirm it here")).to_be_visible()
    check_page(page)
    [number] = re.findall(r"confirm_rights (\d+)", page.locator("main").inner_text())
    second = open_page("second")
    set_password(second, base_url, link, check_page)
    [(newest,)] = live_stack.rows("SELECT max(id) FROM audit_event WHERE tag = 'staff:link:used'")
    live_stack.manage(["confirm_rights", number, "--newest-read", str(newest), "--operator", "Grace Hopper"])
    sign_in(second, base_url, "grace", CHOSEN)

    link = invite(page, "newcomer", "support", check_page)
    person_url = page.url
    newcomer = open_page("newcomer")
    set_password(newcomer, base_url, link, check_page)
    sign_in(newcomer, base_url, "newcomer", CHOSEN)
    newcomer.goto(base_url)
    expect(newcomer.get_by_text("You have no role yet")).to_be_visible()
    check_page(newcomer)

    second.goto(f"{base_url}/people/requests/")
    check_page(second)
    on_a_phone(second, check_page)
    second.get_by_role("button", name="Confirm").click()
    expect(second.get_by_text("You confirmed for newcomer")).to_be_visible()

    sign_in(newcomer, base_url, "newcomer", CHOSEN)  # what was opened without the role has ended
    newcomer.goto(f"{base_url}/changes/")
    newcomer.get_by_role("link", name="New change").click()
    expect(newcomer.get_by_role("heading", level=1)).to_have_text("Ask for a change")

    page.goto(person_url)
    check_page(page)
    on_a_phone(page, check_page)
    page.goto(f"{base_url}/people/permissions/")
    check_page(page)
    page.goto(f"{base_url}/people/")
    check_page(page)
    on_a_phone(page, check_page)
    page.goto(person_url)
    page.get_by_role("link", name="Switch off").click()
    check_page(page)
    page.get_by_label("Reason").fill("Left the firm")
    page.get_by_role("button", name="Switch off newcomer").click()
    expect(page.get_by_text("is switched off. All their sessions have ended")).to_be_visible()
    check_page(page)

    newcomer.reload()
    expect(newcomer.get_by_role("heading", level=1)).to_have_text("Sign in")
