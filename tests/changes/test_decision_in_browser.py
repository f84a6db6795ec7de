"""The page of a decision in a browser: decided by keyboard alone, the bar in sight, what is typed kept, buttons that go."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from accounts.approvals.models import Approval
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from accounts.models import Cash
from riskadmin.staff.models import Staff
from tests.browsing import sign_in
from tests.changes.test_decision_page import LIQUIDATES, NEW_LIMIT, make_evaluations, make_the_reported
from tests.changes.world import approve, ask, reject
from tests.staff.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

CheckPage = Callable[[Page], None]
Sent = list[tuple[str, list[int], str]]
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)

# Whether a click in the middle of an element gets to it, wherever the page is scrolled to.
ON_TOP = """element => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2) === element;
}"""


@pytest.fixture
def change(support: Staff, sent: Sent) -> Change:
    """A change of 60 limits that would liquidate two."""
    make_evaluations(range(1, 61), limit="2500", positions=10)
    for number in (59, 60):
        Cash.objects.filter(account__tradovate_id=number).update(realized_pnl_usd=-1600 - number)
    return ask(support, "auto_liq_limits", *range(1, 61), parameters=NEW_LIMIT)


def test_on_a_phone_effects_and_buttons_are_in_sight_wherever_one_reads(  # noqa: PLR0917  (fixtures)
    live_server: LiveServer, page: Page, check_page: CheckPage, change: Change, supervisor: Staff, second_supervisor: Staff
) -> None:
    sign_in(page, live_server.url, supervisor.username, PASSWORD)
    page.set_viewport_size(PHONE)
    page.goto(f"{live_server.url}/changes/{change.pk}/")
    button = page.get_by_role("button", name=re.compile("^Approve and liquidate 2"))
    expect(page.get_by_text("2 would be liquidated now;")).to_be_in_viewport()
    for share in (0, 0.5, 1):
        page.evaluate("share => scrollTo(0, share * document.documentElement.scrollHeight)", share)
        expect(button).to_be_in_viewport()
        expect(page.locator("summary", has_text="Reject")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    check_page(page)

    # Rows that are chosen and not left out yet are told of in the bar, where nothing covers the way to leave them out.
    leave_out = page.get_by_role("button", name="Leave out", exact=True)
    expect(leave_out).to_be_hidden()
    page.get_by_label("Choose KTR50K-000003").check()
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        expect(page.locator("#decision")).to_contain_text("1 chosen, not left out yet")
        assert leave_out.evaluate(ON_TOP), size
    page.get_by_label("Choose KTR50K-000003").uncheck()
    expect(leave_out).to_be_hidden()

    # Without the number, the browser itself sends nothing.
    button.click()
    assert page.evaluate("document.activeElement.id") == "approve_confirm_count"
    assert not Approval.objects.filter(request=change.approval_id).exists()

    # A filter is a link; what is typed stays, and Escape closes what a key has opened.
    page.locator("h1").click()
    page.keyboard.press("c")
    page.keyboard.type("Half typed")
    page.keyboard.press("Escape")
    page.get_by_role("link", name=LIQUIDATES).click()
    expect(page.locator("#items tbody tr:has(td)")).to_have_count(2)
    expect(page.locator("#items").get_by_role("link", name="KTR50K-000059")).to_be_in_viewport()
    page.keyboard.press("c")
    expect(page.locator("#approve_comment")).to_have_value("Half typed")
    check_page(page)

    # Somebody else decides: the buttons go, it says who, and what was previewed stays.
    reject(second_supervisor, change, comment="Not now")
    expect(page.locator("#decision")).to_contain_text("rejected this change: “Not now”")
    expect(page.locator("#decision button, #decision summary")).to_have_count(0)
    expect(page.get_by_role("heading", name="As previewed when it was requested")).to_have_count(1)
    check_page(page)


def test_354_accounts_are_approved_by_keyboard_alone(  # noqa: PLR0917  (fixtures)
    live_server: LiveServer,
    page: Page,
    check_page: CheckPage,
    support: Staff,
    supervisor: Staff,
    second_supervisor: Staff,
    sent: Sent,
) -> None:
    change = ask(support, "auto_liq_limits", *make_the_reported(), parameters=NEW_LIMIT)
    approve(second_supervisor, change)
    sign_in(page, live_server.url, supervisor.username, PASSWORD)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size(size)
        page.goto(f"{live_server.url}/approvals/")
        expect(page.get_by_role("link", name="Change the limits of 354 accounts", exact=True)).to_be_visible()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/changes/{change.pk}/")
        page.keyboard.press("?")
        expect(page.locator("#shortcuts")).to_contain_text("Ask for edits")
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        expect(page.locator("#reject_comment")).to_be_focused()
        check_page(page)
        page.keyboard.press("Escape")
        expect(page.locator("#reject_comment")).to_be_hidden()

    # From the inbox: the row, its page, the number, and the button.
    page.goto(f"{live_server.url}/approvals/")
    pressed = ("j", "Enter", "a", "8", "Enter")
    for key in pressed:
        if key == "a":
            page.wait_for_url(f"**/changes/{change.pk}/")
        page.keyboard.press(key)
    expect(page.locator("#state-title")).to_have_text("Running")
    assert len(pressed) <= 6
    change.refresh_from_db()
    assert change.state == ChangeState.RUNNING
