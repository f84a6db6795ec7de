"""What administrators and supervisors keep by hand: the firm's reasons, and the duty roster."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browsing import sign_in
from tests.stack import LiveStack


def test_reasons_and_duty(live_stack: LiveStack, page: Page, check_page: Callable[[Page], None]) -> None:
    base = live_stack.base_url
    sign_in(page, base, "administrator")
    page.goto(f"{base}/reasons/")
    check_page(page)
    page.get_by_role("link", name="Add a reason for Unlock", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Bonus round")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a text")
    check_page(page)
    page.get_by_role("textbox", name="Text").fill("Unlocked for the bonus round.")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Up Bonus round").click()
    page.get_by_role("button", name="Retire Bonus round").click()
    expect(page.get_by_role("link", name="Bonus round")).to_have_count(0)

    sign_in(page, base, "supervisor")
    page.goto(f"{base}/duty/")
    page.get_by_role("checkbox", name="Monday").check()
    page.get_by_label("From").fill("08:00")
    page.get_by_label("To", exact=True).fill("16:00")
    page.get_by_role("button", name="Add hours").click()
    expect(page.get_by_role("table")).to_contain_text("Monday 08:00 to 16:00")
    page.get_by_label("Stands in").select_option("Stan Supervisor")
    page.get_by_label("Until").fill("2020-01-01T12:00")
    page.get_by_role("button", name="Name a stand-in").click()
    expect(page.get_by_role("alert")).to_contain_text("That is over already")
    check_page(page)
    page.get_by_role("button", name="Remove Monday 08:00 to 16:00").first.click()
    expect(page.get_by_role("table")).not_to_contain_text("Monday 08:00")
