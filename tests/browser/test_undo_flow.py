"""Undoing a file's limits, as people do it: two accounts have been changed since, and are left alone by name."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser.requesting import approve_as_needed, request_change
from tests.browsing import sign_in, watched_page
from tests.stack import LiveStack, free_accounts

CheckPage = Callable[[Page], None]
FIELD = "weeklyLossAutoLiq"


def weekly_loss(stack: LiveStack, account_id: int) -> object:
    """What Tradovate itself says of an account's weekly limit."""
    return stack.simulator.account(account_id)["userAccountAutoLiq"].get(FIELD)


@pytest.fixture
def supervisor(live_stack: LiveStack, browser: Browser) -> Iterator[Page]:
    """A page of another browser session, on which a supervisor has signed in."""
    with watched_page(browser, name="undo-supervisor", failed=lambda: False) as page:
        sign_in(page, live_stack.base_url, "supervisor")
        yield page


def asked_and_approved(page: Page, supervisor: Page, stack: LiveStack, reason: str) -> str:
    """Ask for what the page shows, have it approved, wait for its end, and return its address, which is open."""
    change = request_change(page, reason)
    approve_as_needed(supervisor, stack, change)
    page.goto(change)
    expect(page.locator("#state-title")).to_have_text("Finished")
    return change


def test_a_file_of_limits_is_undone_but_for_what_has_changed_since(
    live_stack: LiveStack, page: Page, supervisor: Page, check_page: CheckPage
) -> None:
    chosen = free_accounts(live_stack, 10)
    before = {account_id: weekly_loss(live_stack, account_id) for account_id, _ in chosen}
    sign_in(page, live_stack.base_url, "support")
    page.goto(f"{live_stack.base_url}/changes/targets/auto_liq_limits/")
    check_page(page)
    rows = "\n".join(f"{name},{6100 + number}" for number, (_, name) in enumerate(chosen))
    page.get_by_label("CSV file", exact=True).set_input_files(
        FilePayload(name="wrong.csv", mimeType="text/csv", buffer=f"account,weekly_loss_auto_liq_usd\n{rows}\n".encode())
    )
    page.get_by_role("button", name="Check the file").click()
    change = asked_and_approved(page, supervisor, live_stack, "The new weekly limits")
    assert [weekly_loss(live_stack, account_id) for account_id, _ in chosen] == list(range(6100, 6110))

    # Two of them get another limit.
    moved = chosen[3], chosen[7]
    page.goto(f"{live_stack.base_url}/changes/targets/auto_liq_limits/")
    page.get_by_label("Ids or names", exact=True).fill("\n".join(name for _, name in moved))
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_label("Weekly loss: auto-liquidation").fill("7777")
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#ask")).to_contain_text("2 to send")
    asked_and_approved(page, supervisor, live_stack, "These two have a programme of their own")

    page.goto(change)
    check_page(page)
    page.get_by_role("link", name="Undo…").click()
    expect(page.get_by_role("heading", level=2, name="Change the limits of 8 accounts")).to_be_visible()
    for _, name in moved:
        expect(page.get_by_role("row", name=re.compile(name))).to_contain_text("Changed since")
    expect(page.locator("#main")).to_contain_text("$7,777.00")
    check_page(page)
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#ask")).to_contain_text("8 to send, 2 skipped")
    check_page(page)
    undo = asked_and_approved(page, supervisor, live_stack, "They were the limits of another programme")

    left = {account_id for account_id, _ in moved}
    assert {account_id: weekly_loss(live_stack, account_id) for account_id, _ in chosen} == {
        account_id: 7777 if account_id in left else was for account_id, was in before.items()
    }
    # Each of the two leads to the other.
    page.locator("#of-change").click()
    expect(page).to_have_url(change)
    expect(page.locator("#main")).to_contain_text("Undoes this one")
    check_page(page)
    page.get_by_role("region", name="What came of it").get_by_role("link").click()
    expect(page).to_have_url(undo)
