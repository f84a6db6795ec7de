"""The list of accounts as people use it: chips that filter at once and are removed, sorting, columns, rows that are selected."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browsing import sign_in
from tests.stack import LiveStack

CheckPage = Callable[[Page], None]


@pytest.fixture
def accounts(live_stack: LiveStack, page: Page) -> Page:
    """The list of accounts, which support has opened."""
    sign_in(page, live_stack.base_url, "support")
    page.goto(f"{live_stack.base_url}/accounts/")
    return page


def rows(page: Page) -> Locator:
    return page.locator("#list tbody tr")


def count(stack: LiveStack, condition: str) -> int:
    ((number,),) = stack.rows(f"SELECT count(*) FROM accounts_account WHERE {condition}")
    return int(number)


def test_chips_filter_at_once_and_are_removed_with_one_click(
    live_stack: LiveStack, accounts: Page, check_page: CheckPage
) -> None:
    page = accounts
    environment, search = page.locator("#id_environment"), page.locator("#id_q")
    check_page(page)

    # By keyboard: the list follows, the focus stays, and the address says what is shown.
    environment.focus()
    environment.select_option("live")
    expect(page).to_have_url(re.compile(r"/accounts/\?environment=live$"))
    expect(rows(page).filter(has=page.locator(".env-demo"))).to_have_count(0)
    expect(rows(page).first.locator(".env-live")).to_be_visible()
    expect(environment).to_be_focused()
    expect(page.locator(".chip-active")).to_have_text(re.compile("Environment"))
    expect(page.locator("#announcer")).to_have_text(re.compile(r"accounts?$"))
    check_page(page)

    # Another one narrows what is left; a part of a name acts on Enter.
    name = rows(page).first.locator(".row-link").inner_text()
    search.fill(name)
    search.press("Enter")
    expect(page).to_have_url(re.compile(rf"/accounts/\?q={name}&environment=live$"))
    expect(page.locator(".list-count")).to_have_text("1 account")
    expect(rows(page)).to_have_count(1)

    # One click removes one of them, and one more all the others.
    page.get_by_role("link", name="Remove filter: Environment").click()
    expect(page).to_have_url(re.compile(rf"/accounts/\?q={name}$"))
    expect(environment).to_have_value("")
    page.get_by_role("link", name="Clear all").click()
    expect(page).to_have_url(re.compile(r"/accounts/$"))
    expect(page.locator(".chip-active")).to_have_count(0)
    expect(rows(page)).to_have_count(min(50, count(live_stack, "true")))

    # Back shows what was shown before.
    page.go_back()
    expect(search).to_have_value(name)
    expect(rows(page)).to_have_count(1)


def test_a_sorted_and_filtered_list_is_selected_from(live_stack: LiveStack, accounts: Page, check_page: CheckPage) -> None:
    page = accounts
    page.locator("#id_environment").select_option("demo")
    expect(page).to_have_url(re.compile(r"environment=demo$"))

    page.get_by_role("link", name="Account", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Account")
    expect(page).to_have_url(re.compile(r"environment=demo&sort=-account$"))
    ((last,),) = live_stack.rows("SELECT name FROM accounts_account WHERE environment = 'demo' ORDER BY name DESC LIMIT 1")
    expect(rows(page).first.locator(".row-link")).to_have_text(str(last))
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.locator("th[aria-sort=descending]")).to_be_visible()
    page.get_by_role("link", name="First", exact=True).click()

    page.locator("#id_status").select_option("active")
    expect(page).to_have_url(re.compile(r"status=active"))
    page.get_by_label("Choose all on this page").check()
    chosen = page.locator("#list tbody input:checked").count()
    expect(page.locator("[data-selection]")).to_contain_text(f"{chosen} chosen")
    check_page(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    written = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(written) == 1 + min(
        10_000, int(page.locator(".list-count").inner_text().split()[0].replace(",", "").rstrip("+"))
    )
    page.locator("[data-selection]").get_by_role("button", name="Lock…", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(chosen))


def test_columns_are_chosen_and_stay(accounts: Page, check_page: CheckPage) -> None:
    page = accounts
    page.locator("summary", has_text="Columns").click()
    check_page(page)
    choice = page.get_by_role("form", name="Columns")
    choice.get_by_label("Trader").uncheck()
    choice.get_by_label("Opened").check()
    choice.get_by_role("button", name="Show these columns").click()
    expect(page.locator("thead")).not_to_contain_text("Trader")
    expect(page.locator("thead")).to_contain_text("Opened")
    page.locator("#id_environment").select_option("demo")
    expect(page).to_have_url(re.compile(r"environment=demo$"))
    expect(page.locator("thead")).not_to_contain_text("Trader")
    page.reload()
    expect(page.locator("thead")).to_contain_text("Opened")
    check_page(page)


def test_without_scripts_filters_act_on_a_button(live_stack: LiveStack, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, live_stack.base_url, "support")
    page.goto(f"{live_stack.base_url}/accounts/?sort=-account")
    page.locator("#id_environment").select_option("live")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile(r"environment=live.*sort=-account"))
    expect(page.locator("th[aria-sort=descending]")).to_be_visible()
    expect(rows(page).filter(has=page.locator(".env-demo"))).to_have_count(0)
    page.get_by_role("link", name="Remove filter: Environment").click()
    expect(page).to_have_url(re.compile(r"/accounts/\?sort=-account$"))
    context.close()
