"""The pages of access and of accounts of staff in a browser, and whether everyone can use them."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from riskadmin.staff.roles import Role
from tests.access.programs import make_program
from tests.browsing import sign_in
from tests.changes.world import make_account
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db(transaction=True)


def test_limiting_a_person_and_marking_an_account(
    live_server: LiveServer, page: Page, check_page: Callable[[Page], None]
) -> None:
    administrator, support = make_person(Role.ADMINISTRATOR), make_person(Role.SUPPORT)
    make_account(101, risk_category=make_program(1))
    make_account(102, risk_category=make_program(2))
    sign_in(page, live_server.url, administrator.username, PASSWORD)

    page.goto(f"{live_server.url}{reverse('access:limits', args=[support.pk])}")
    check_page(page)
    page.get_by_label("Only what is chosen below").check()
    page.get_by_label("Why").fill("Works on this program")
    page.get_by_role("button", name="Save access").click()
    expect(page.get_by_text("Choose an environment or a program.").first).to_be_visible()
    check_page(page)
    page.get_by_label("Program 1 (Demo)").check()
    page.get_by_role("button", name="Save access").click()
    expect(page.get_by_text("support has access to Program 1 on demo.").first).to_be_visible()

    page.goto(f"{live_server.url}{reverse('access:related')}")
    page.get_by_label("Member of staff").select_option(label="support")
    page.get_by_label("It is", exact=True).select_option(label="A relative's")
    page.get_by_label("Its name or Tradovate id").fill("101")
    page.get_by_label("What is known").fill("Declared on 3 March")
    page.get_by_role("button", name="Mark", exact=True).click()
    expect(page.get_by_role("cell", name="a relative of support (staff)")).to_be_visible()
    check_page(page)
    page.get_by_role("link", name="KTR50K-000101").click()
    expect(page.get_by_text("Belongs to a relative of support (staff)")).to_be_visible()
