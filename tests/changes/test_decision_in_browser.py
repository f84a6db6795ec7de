"""The page of a decision in a browser: the buttons stay in sight, filters keep what is typed, a decision by others shows."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.changes.models import Change
from accounts.models import Cash
from riskadmin.staff.models import Staff
from tests.browsing import sign_in
from tests.changes.test_decision_page import LIQUIDATES, NEW_LIMIT, make_evaluations
from tests.changes.world import ask, reject
from tests.staff.people import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

CheckPage = Callable[[Page], None]
Sent = list[tuple[str, list[int], str]]
PHONE = (390, 844)


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
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{live_server.url}/changes/{change.pk}/")
    approve = page.get_by_role("button", name=re.compile("^Approve: Change the limits of 60 accounts, liquidate 2"))
    expect(page.get_by_text("2 accounts would be liquidated now")).to_be_in_viewport()
    for share in (0, 0.5, 1):
        page.evaluate("share => scrollTo(0, share * document.documentElement.scrollHeight)", share)
        expect(approve).to_be_in_viewport()
        expect(page.get_by_role("button", name="Reject")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    check_page(page)

    # A filter is a link; what is typed stays.
    page.get_by_label("Comment").fill("Half typed")
    page.get_by_role("link", name=LIQUIDATES).click()
    expect(page.locator("#items tbody tr")).to_have_count(2)
    expect(page.locator("#items").get_by_role("link", name="KTR50K-000059")).to_be_in_viewport()
    expect(page.get_by_label("Comment")).to_have_value("Half typed")

    # Somebody else decides: the buttons go, and what was previewed stays.
    reject(second_supervisor, change)
    expect(page.locator("#state-title")).to_have_text("Rejected")
    expect(approve).to_have_count(0)
    expect(page.get_by_role("heading", name="As previewed when it was requested")).to_have_count(1)
