"""The system page, as people see it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browsing import sign_in
from tests.stack import LiveStack


def test_the_parts_and_the_trading_hours(live_stack: LiveStack, page: Page, check_page: Callable[[Page], None]) -> None:
    sign_in(page, live_stack.base_url, "supervisor")
    page.goto(live_stack.base_url)
    page.get_by_role("link", name="System").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("System")
    hours = page.get_by_role("region", name="Trading hours")
    expect(hours).to_contain_text("Next session begins")
    expect(hours).to_contain_text("Holidays known until")
    check_page(page)
