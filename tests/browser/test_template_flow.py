"""A limit template, from an account that has the right limits to forty others, and back when one of them drifts."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from riskadmin.local.program import CannotStart
from tests.browser.requesting import approve_as_needed, number_of, request_change
from tests.browsing import sign_in, watched_page
from tests.stack import LiveStack, free_accounts

CheckPage = Callable[[Page], None]
MANY = 40
SIZE = 77_000
"""A size that no other account has, so that the template is for these alone."""
NAME = "77K evaluation"
REASON = "As the template says"


@pytest.fixture
def alike(live_stack: LiveStack) -> list[tuple[int, str]]:
    """Accounts of one size, as the mirror knows them by now."""
    accounts = free_accounts(live_stack, MANY)
    for account_id, _ in accounts:
        live_stack.simulator.patch("account", account_id, evaluationSize=SIZE)
    read_again(live_stack)
    return accounts


def read_again(stack: LiveStack) -> None:
    """Read the whole environment into the mirror; the clock may be at it just now."""

    def is_read() -> bool:
        try:
            stack.manage(["sync_mirror", "demo", "--operator", "tests"])
        except CannotStart:
            return False
        return True

    stack.wait_until(is_read)


@pytest.fixture
def support(live_stack: LiveStack, page: Page) -> Page:
    """A page on which support has signed in."""
    sign_in(page, live_stack.base_url, "support")
    return page


@pytest.fixture
def supervisor(live_stack: LiveStack, browser: Browser) -> Iterator[Page]:
    """A page of another browser session, on which a supervisor has signed in."""
    with watched_page(browser, name="template-supervisor", failed=lambda: False) as page:
        sign_in(page, live_stack.base_url, "supervisor")
        page.goto(live_stack.base_url)
        yield page


def outcomes(supervisor: Page, stack: LiveStack, change: str) -> dict[str, int]:
    """Have a change approved if it waits, and return how many of its items have which outcome once it is through."""
    approve_as_needed(supervisor, stack, change)
    number = number_of(change)
    stack.wait_until(lambda: stack.rows("SELECT state FROM changes_change WHERE id = %s", number) == [("finished",)])
    rows = stack.rows("SELECT state, count(*) FROM changes_item WHERE change_id = %s GROUP BY state", number)
    return {str(state): int(count) for state, count in rows}


def test_a_template_from_an_account_to_many_and_back(
    live_stack: LiveStack, alike: list[tuple[int, str]], support: Page, supervisor: Page, check_page: CheckPage
) -> None:
    stack, base = live_stack, live_stack.base_url
    (model, _), *_ = alike

    # Support makes it of an account's limits, alters one, and proposes it.
    support.goto(f"{base}/accounts/demo/{model}/")
    expect(support.locator("#limits")).to_contain_text("No template governs this account.")
    support.get_by_role("link", name="Make a template of the firm's limits").click()
    expect(support.get_by_label("Daily loss: auto-liquidation")).not_to_have_value("")
    check_page(support)
    support.get_by_label("Weekly loss: auto-liquidation").fill("7321.50")
    support.get_by_label("Name", exact=True).fill(NAME)
    support.get_by_role("button", name="Propose").click()
    expect(support.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(support.get_by_role("main")).to_contain_text("waits for a decision")

    # A supervisor approves it, and says what it is for.
    supervisor.get_by_role("link", name="Templates").click()
    check_page(supervisor)
    supervisor.get_by_role("link", name=NAME).click()
    supervisor.get_by_role("button", name="Approve version 1").click()
    expect(supervisor.get_by_role("heading", name="Version 1, in force")).to_be_visible()
    supervisor.get_by_label("Accounts of").select_option(label="Demo: size $77,000.00")
    supervisor.get_by_role("button", name="Assign").click()
    expect(supervisor.locator("#assignments")).to_contain_text(f"{MANY} open accounts")
    check_page(supervisor)

    # Support applies it to all of them, as a change that somebody else approves.
    support.reload()
    support.get_by_role("link", name="Apply to…").click()
    check_page(support)
    support.get_by_role("button", name=re.compile(f"^Show what would happen to {MANY} accounts")).click()
    expect(support.locator("#ask")).to_contain_text(f"{NAME}, version 1")
    expect(support.locator("#ask")).to_contain_text(f"{MANY} to send")
    assert outcomes(supervisor, stack, request_change(support, REASON)) == {"applied": MANY}
    support.goto(f"{base}/templates/drift/")
    expect(support.get_by_role("main")).to_contain_text("Nothing differs.")

    # Somebody alters one at Tradovate; the next reading finds it, and that it was not done here.
    (drifted, drifted_name) = alike[17]
    stack.simulator.patch("userAccountAutoLiq", drifted, weeklyLossAutoLiq=9999)
    read_again(stack)
    support.reload()
    expect(support.locator("#drift tbody").last).to_contain_text(drifted_name)
    expect(support.locator("#drift")).to_contain_text("Outside riskadmin, between")
    check_page(support)
    support.get_by_label("Differs in").select_option("do_not_unlock")
    expect(support.locator("#drift")).to_contain_text("Nothing differs.")
    check_page(support)
    support.goto(f"{base}/accounts/demo/{drifted}/")
    expect(support.locator("#limits")).to_contain_text("Differs")
    check_page(support)

    # One press plans the correction.
    support.goto(f"{base}/templates/drift/")
    support.get_by_role("button", name=re.compile("^Correct 1 account…")).click()
    expect(support.locator("#plan-rows")).to_contain_text("$7,321.50")
    assert outcomes(supervisor, stack, request_change(support, REASON)) == {"applied": 1}
    support.goto(f"{base}/templates/drift/")
    expect(support.get_by_role("main")).to_contain_text("Nothing differs.")
    assert stack.simulator.account(drifted)["userAccountAutoLiq"]["weeklyLossAutoLiq"] == 7321.5
