"""The gauge in the frame and the page of the hour, as people see them."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browsing import sign_in
from tests.stack import LiveStack


def test_the_gauge_and_the_hour(live_stack: LiveStack, page: Page, check_page: Callable[[Page], None]) -> None:
    sign_in(page, live_stack.base_url, "supervisor")
    page.goto(live_stack.base_url)
    expect(page.locator(".topbar")).to_contain_text("Calls left:")
    expect(page.locator(".topbar")).to_contain_text("urgent")
    page.get_by_role("link", name="Budget").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Budget of calls")
    expect(page.get_by_role("img", name="Calls in each minute of the hour")).to_be_visible()
    expect(page.locator("table").last).to_contain_text("account/list")
    check_page(page)
    page.get_by_text("Calls of each minute, and when they come back").click()
    check_page(page)


def test_support_has_the_gauge_but_not_the_page(live_stack: LiveStack, page: Page) -> None:
    sign_in(page, live_stack.base_url, "support")
    page.goto(live_stack.base_url)
    expect(page.locator(".topbar")).to_contain_text("Calls left:")
    expect(page.get_by_role("link", name="Budget")).to_have_count(0)
    page.goto(f"{live_stack.base_url}/budget/")
    expect(page.get_by_role("main")).to_contain_text("see how the system is")
