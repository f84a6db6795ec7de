"""Two supervisors, desktop and phone: 1,200 accounts without one of them, and what moved before a scheduled start."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from accounts.changes.models import Change
from accounts.changes.scheduling.start import start_due
from accounts.changes.states import ChangeState, ItemState
from riskadmin.staff.models import Staff
from tests.approvals.policies import TWO_SUPERVISORS, want_for
from tests.browsing import press_approve, sign_in
from tests.changes.test_scheduled import ask as schedule
from tests.changes.test_scheduled import in_seconds, unread
from tests.changes.world import LOCKED, ORIGIN, ask, make_accounts, set_status
from tests.staff.people import PASSWORD

__all__ = ["unread"]

pytestmark = pytest.mark.django_db(transaction=True)

CheckPage = Callable[[Page], None]
Sent = list[tuple[str, list[int], str]]
DESKTOP, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=390, height=844)
MANY = 1200


def sign_in_as(page: Page, server: LiveServer, person: Staff, size: ViewportSize) -> None:
    """Sign in as somebody, with a window of a size."""
    sign_in(page, server.url, person.username, PASSWORD)
    page.set_viewport_size(size)


def test_two_supervisors_approve_1200_accounts_without_one(  # noqa: PLR0917  (fixtures)
    live_server: LiveServer,
    page: Page,
    check_page: CheckPage,
    support: Staff,
    supervisor: Staff,
    second_supervisor: Staff,
    sent: Sent,
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_accounts(range(1, MANY + 1), LOCKED)
    change = ask(support, "unlock", *range(1, MANY + 1))
    left_out = change.items.get(position=700)

    # The first finds one account by name, leaves it out, and types how many the others are.
    sign_in_as(page, live_server, supervisor, DESKTOP)
    page.goto(f"{live_server.url}/changes/{change.pk}/")
    expect(page.locator("#decision")).to_contain_text("1,200")
    page.get_by_label("Account name or id").fill(left_out.target_name)
    page.get_by_role("button", name="Find", exact=True).click()
    page.get_by_label(f"Choose {left_out.target_name}").check()
    page.get_by_role("button", name="Leave out", exact=True).click()
    expect(page.locator("#decision")).to_contain_text("You approve 1,199 of 1,200 accounts. 1 is left out")
    check_page(page)
    press_approve(page)
    expect(page.get_by_role("main")).to_contain_text("1 of 2 approvals. One more supervisor needed.")
    check_page(page)
    assert sent == []

    # The second is shown the rest and what was left out, on a phone, with the buttons in sight.
    sign_in_as(page, live_server, second_supervisor, PHONE)
    page.goto(f"{live_server.url}/approvals/")
    expect(page.get_by_role("main")).to_contain_text("1 of 1,200 excluded, 1,199 become looser")
    check_page(page)
    page.get_by_role("link", name=re.compile("^Unlock 1,199 accounts")).click()
    expect(page.get_by_role("main")).to_contain_text(f"{supervisor.who().name} excluded")
    expect(page.locator("#decision")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    check_page(page)
    press_approve(page)
    expect(page.locator("#state-title")).to_have_text("Running")
    assert set(change.items.exclude(pk=left_out.pk).values_list("state", flat=True)) == {ItemState.QUEUED}
    left_out.refresh_from_db()
    assert (left_out.state, left_out.note) == (ItemState.SKIPPED, f"Excluded by {supervisor.who().name}")

    # And so is the person who requested it.
    sign_in_as(page, live_server, support, PHONE)
    page.goto(f"{live_server.url}/changes/{change.pk}/?state=skipped")
    expect(page.locator("#items")).to_contain_text(f"Excluded by {supervisor.who().name}")
    check_page(page)


def test_two_accounts_that_moved_before_the_start_come_back_to_be_approved(  # noqa: PLR0917  (fixtures)
    live_server: LiveServer,
    page: Page,
    check_page: CheckPage,
    support: Staff,
    supervisor: Staff,
    second_supervisor: Staff,
    sent: Sent,
) -> None:
    want_for("unlock", stages=TWO_SUPERVISORS)
    make_accounts(range(1, 6), LOCKED)
    change = schedule(support, "unlock", *range(1, 6), at=in_seconds(-1))
    for person, size in ((supervisor, DESKTOP), (second_supervisor, PHONE)):
        sign_in_as(page, live_server, person, size)
        page.goto(f"{live_server.url}/changes/{change.pk}/")
        press_approve(page)
        expect(page.get_by_text("You approved")).to_be_visible()
    expect(page.locator("#state-title")).to_have_text("Scheduled")

    for item in change.items.filter(position__in=(2, 4)):
        set_status(item.account, admin_action="LiquidateOnlyModeImmediately")
    assert start_due(origin=ORIGIN) == 1
    (again,) = Change.objects.filter(of_change=change)
    assert sorted(item.target_id for item in again.items.all()) == [2, 4]

    # Both are asked again, about these two alone, and see what they were.
    for person, size in ((supervisor, PHONE), (second_supervisor, DESKTOP)):
        sign_in_as(page, live_server, person, size)
        page.goto(f"{live_server.url}/approvals/")
        check_page(page)
        page.get_by_role("link", name="Unlock 2 accounts", exact=True).click()
        expect(page.locator("#items")).to_contain_text("Closing orders only")
        expect(page.get_by_role("main")).to_contain_text(re.compile(rf"Carries on with what moved of\s*Change {change.pk}"))
        check_page(page)
        press_approve(page)
        expect(page.get_by_text("You approved")).to_be_visible()
    expect(page.locator("#state-title")).to_have_text("Running")
    again.refresh_from_db()
    assert again.state == ChangeState.RUNNING
    assert {run for _, (run,), _ in sent} == {change.pk, again.pk}
