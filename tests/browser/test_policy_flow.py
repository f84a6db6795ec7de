"""The policy is edited, tried on the past, proposed by an administrator and approved by a supervisor."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import VIEWPORT_HEIGHT, VIEWPORT_WIDTH, sign_in, watched_page
from tests.stack import LiveStack, PeopleClient, free_accounts

CheckPage = Callable[[Page], None]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def administrator(live_stack: LiveStack, page: Page) -> Page:
    """A page on which an administrator has signed in."""
    sign_in(page, live_stack.base_url, "administrator")
    page.goto(live_stack.base_url)
    return page


@pytest.fixture
def supervisor(live_stack: LiveStack, browser: Browser) -> Iterator[Page]:
    """A page of another browser session, on which a supervisor has signed in."""
    with watched_page(browser, name="policy-supervisor", failed=lambda: False) as page:
        sign_in(page, live_stack.base_url, "supervisor")
        page.goto(live_stack.base_url)
        yield page


def on_a_phone(page: Page, check_page: CheckPage) -> None:
    """Check a page at the width of a phone: nothing is cut off at its side."""
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a TypedDict
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    check_page(page)
    page.set_viewport_size({"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT})


def try_two_approvals_of_each_lock(page: Page, check_page: CheckPage) -> None:
    """Add a rule, at first with a mistake, and see what it would have meant."""
    page.get_by_role("link", name="Edit").click()
    page.get_by_text("Add a rule").click()
    added = page.locator("details[open]")
    added.get_by_label("Lock", exact=True).check()
    added.get_by_label("Approvals", exact=True).fill("many")
    page.get_by_label("Why").fill("Locks of many accounts")
    page.get_by_role("button", name="Try on the past").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a whole number in digits")
    check_page(page)
    added.get_by_label("Approvals", exact=True).fill("2")
    page.get_by_role("button", name="Try on the past").click()
    expect(page.locator("#trial")).to_contain_text("More approvals")
    expect(page.locator("#trial tbody")).to_contain_text("Lock 1 account")
    check_page(page)
    on_a_phone(page, check_page)


def narrow_and_propose(page: Page, check_page: CheckPage) -> int:
    """Let the rule affect no other test of this stack, propose it, and return the version's number."""
    page.locator("summary", has_text="Lock: 2 approvers").click()
    added = page.locator("details[open]")
    added.get_by_label("Environment").select_option("live")
    added.get_by_label("From so many targets on").fill("9000")
    page.get_by_role("button", name="Propose these rules").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was proposed yet")
    expect(page.get_by_label("Why")).to_have_value("Locks of many accounts")
    page.get_by_role("button", name="Propose these rules").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Waiting for approval")
    check_page(page)
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def ask_what_a_lock_needs(page: Page, check_page: CheckPage) -> None:
    """Ask what a lock of so many accounts needs, by each version."""
    page.get_by_role("link", name="Policy").click()
    page.get_by_role("link", name="What would this need?").click()
    page.get_by_label("Environment").select_option("live")
    page.get_by_label("Requested by").select_option("supervisor")
    page.get_by_label("Direction").select_option("tightening")
    page.get_by_label("Targets").fill("9000")
    page.get_by_role("button", name="What would this need?").click()
    expect(page.get_by_role("heading", name="No one; reviewed within 24 h")).to_be_visible()
    expect(page.get_by_role("heading", name="2 approvers")).to_be_visible()
    check_page(page)
    on_a_phone(page, check_page)


def test_a_version_is_tried_on_the_past_and_approved(
    live_stack: LiveStack, administrator: Page, supervisor: Page, check_page: CheckPage
) -> None:
    ((account_id, _),) = free_accounts(live_stack, 1)
    PeopleClient(live_stack.base_url, "support").ask("lock", account_id, reason="A lock of the past")
    administrator.get_by_role("link", name="Policy").click()
    check_page(administrator)
    on_a_phone(administrator, check_page)
    try_two_approvals_of_each_lock(administrator, check_page)
    version = narrow_and_propose(administrator, check_page)

    ask_what_a_lock_needs(supervisor, check_page)
    supervisor.get_by_role("link", name="Policy").first.click()
    supervisor.get_by_role("link", name="What it would change").click()
    expect(supervisor.get_by_role("row", name=re.compile("New"))).to_contain_text("from 9,000 targets on")
    on_a_phone(supervisor, check_page)
    supervisor.get_by_role("button", name="Reject").click()
    expect(supervisor.get_by_role("alert")).to_contain_text("Say why")
    check_page(supervisor)
    supervisor.get_by_role("button", name=f"Approve version {version}").click()
    expect(supervisor.get_by_role("main")).to_contain_text(f"You approved version {version}")
    assert live_stack.rows("SELECT number FROM approvals_policyversion WHERE state = 'in_force'") == [(version,)]

    # What the administrator's page still offers is refused.
    administrator.get_by_role("button", name="Withdraw").click()
    expect(administrator.get_by_role("alert")).to_contain_text("no longer waiting: approved")
