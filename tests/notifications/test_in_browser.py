"""The bell, the tab's title and the pages about notifications in a browser, and whether everyone can use them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from riskadmin.notifications.models import Message
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.browsing import sign_in
from tests.changes.world import LOCKED, ask, make_account
from tests.notifications.notices import hook, send_notice
from tests.staff.people import PASSWORD, make_person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("email_is_on")]


def test_the_bell_the_title_and_reading(live_server: LiveServer, page: Page, check_page: Callable[[Page], None]) -> None:
    support, supervisor = make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101)
    send_notice(Topic.DECIDED, supervisor, subject="Another")
    sign_in(page, live_server.url, supervisor.username, PASSWORD)
    page.goto(live_server.url)
    expect(page).to_have_title("(2) Home · riskadmin")
    bell = page.get_by_role("link", name="Notifications 2 unread")
    bell.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Notifications")
    check_page(page)

    # To open one is to read it; nothing is approved by that.
    page.get_by_role("link", name=f"Change {change.pk} waits for approval").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Unlock")
    expect(page).to_have_title("(1) Change 1 waiting for a decision · riskadmin".replace("Change 1", f"Change {change.pk}"))
    change.refresh_from_db()
    assert change.state == "pending"

    page.go_back()
    page.get_by_role("button", name="Mark as read: Another").click()
    expect(page.get_by_role("button", name="Mark as read")).to_have_count(0)
    expect(page).to_have_title("Notifications · riskadmin")
    assert not Message.objects.filter(person=supervisor, channel="page", read_at=None).exists()

    page.get_by_role("link", name="Settings", exact=True).click()
    check_page(page)
    page.get_by_label("Decided: On the page").uncheck()
    page.get_by_label("Every hour, in one e-mail").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Your notification settings are saved.")).to_be_visible()
    expect(page.get_by_label("Decided: On the page")).not_to_be_checked()


def test_the_outbox_on_a_phone_and_a_new_webhook(
    live_server: LiveServer, page: Page, check_page: Callable[[Page], None], sue: Staff
) -> None:
    administrator = make_person(Role.ADMINISTRATOR)
    hook(administrator, "https://hooks.example.com/x", name="other")
    send_notice(Topic.DECIDED, sue)
    Message.objects.filter(channel="email").update(state="given_up", tries=9, last_error="It answered with HTTP status 500.")
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, live_server.url, administrator.username, PASSWORD)
    page.goto(f"{live_server.url}/notifications/outbox/")
    check_page(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Retry message").click()
    expect(page.get_by_text("is sent again within a few seconds")).to_be_visible()

    page.get_by_role("link", name="Webhooks").click()
    page.get_by_label("Name", exact=True).fill("desk")
    page.get_by_label("Address").fill("http://hooks.example.com/x")
    page.get_by_label("Decided").check()
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_text("Write an address that begins with https://.").first).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("desk")
    check_page(page)
    page.get_by_label("Address").fill("https://hooks.example.com/x")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.locator(".callout")).to_contain_text("whsec_")
    check_page(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
