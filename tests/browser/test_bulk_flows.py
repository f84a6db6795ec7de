"""Asking for many, as people do it: a file with errors, limits for more than a hundred, a category for chosen rows, a trader's lockout."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.requesting import number_of, request_change
from tests.browsing import press_approve, sign_in
from tests.stack import LiveStack, free_accounts

TRADERS = """
    SELECT DISTINCT ON (trader.tradovate_id) trader.tradovate_id, account.tradovate_id, account.name
    FROM accounts_trader trader JOIN accounts_account account ON account.trader_id = trader.id
    WHERE account.environment = 'demo' AND NOT account.archived AND trader.missing_since IS NULL
      AND NOT EXISTS (SELECT 1 FROM changes_item item WHERE item.target = 'demo:trader:' || trader.tradovate_id)
    ORDER BY trader.tradovate_id LIMIT 1
"""

CheckPage = Callable[[Page], None]
MANY = 120
"""More than fit on a page, and than are asked for without typing how many they are."""


@pytest.fixture
def support_page(live_stack: LiveStack, page: Page) -> Page:
    """A page on which support has signed in."""
    sign_in(page, live_stack.base_url, "support")
    page.goto(live_stack.base_url)
    return page


def approve(page: Page, stack: LiveStack, change: str) -> None:
    """Let as many supervisors approve it as policy asks for, and wait until every item has its outcome."""
    number = number_of(change)
    ((needed,),) = stack.rows(
        "SELECT needed FROM approvals_approvalrequest AS asked JOIN changes_change ON approval_id = asked.id"
        " WHERE changes_change.id = %s",
        number,
    )
    for name in ("supervisor", "supervisor2")[:needed]:
        sign_in(page, stack.base_url, name)
        page.goto(change)
        press_approve(page)
        expect(page.get_by_text("You approved")).to_be_visible()
    page.goto(change)
    expect(page.locator("#state-title")).to_have_text("Finished")


def outcomes(stack: LiveStack, change: str) -> dict[str, int]:
    """How many items of a change have which outcome."""
    number = number_of(change)
    counts = stack.rows("SELECT state, count(*) FROM changes_item WHERE change_id = %s GROUP BY state", number)
    return {str(state): int(count) for state, count in counts}


def auto_liq(stack: LiveStack, account_id: int, field: str) -> object:
    """What Tradovate itself says of an account's firm limit."""
    return stack.simulator.account(account_id)["userAccountAutoLiq"].get(field)


def test_a_file_with_errors_is_submitted_by_skipping_rows(
    live_stack: LiveStack, support_page: Page, check_page: CheckPage
) -> None:
    page = support_page
    (first, first_name), (second, _), (third, _) = free_accounts(live_stack, 3)
    before = auto_liq(live_stack, second, "weeklyLossAutoLiq")

    # From the changes to the kind, and to its file.
    page.get_by_role("link", name="Changes", exact=True).click()
    page.get_by_role("link", name="New change").click()
    check_page(page)
    page.get_by_role("link", name="Change limits").click()
    check_page(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Template", exact=True).click()
    assert download.value.path().read_text().startswith("account,level,")

    # A header that says nothing is refused as a whole, and told.
    page.get_by_label("CSV file", exact=True).set_input_files(
        FilePayload(name="x.csv", mimeType="text/csv", buffer=b"1;2\n3;4\n")
    )
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_role("alert")).to_contain_text("Line 1: the header is missing")
    check_page(page)

    # Bad rows are told one by one, beside the good ones.
    rows = f"\ufeffaccount;weekly_loss_auto_liq_usd\r\n{first_name};6123.5\r\n{second};ten\r\nNOBODY;5000\r\n{third};6200\r\n"
    page.get_by_label("CSV file", exact=True).set_input_files(
        FilePayload(name="limits.csv", mimeType="text/csv", buffer=rows.encode())
    )
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 accounts")
    check_page(page)
    page.get_by_label("In words").fill("Typed before looking at the rows")
    page.get_by_role("link", name=re.compile("^Errors")).click()
    expect(page.locator("#plan-rows")).to_contain_text("Write dollars in digits")
    expect(page.locator("#plan-rows")).to_contain_text("No account has this id or name")
    expect(page.get_by_label("In words")).to_have_value("Typed before looking at the rows")
    check_page(page)

    # Nothing goes on before they are left out on purpose.
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_role("button", name=re.compile("^Ask for approval")).click()
    expect(page.get_by_role("alert")).to_contain_text("Correct the rows and upload them again")
    expect(page.get_by_label("In words")).to_have_value("Typed before looking at the rows")
    check_page(page)
    page.get_by_label("Leave these 2 rows out, and go on without").check()
    change = request_change(page, "The weekly limits of two accounts")
    approve(page, live_stack, change)

    assert outcomes(live_stack, change) == {"applied": 2}
    assert [auto_liq(live_stack, each, "weeklyLossAutoLiq") for each in (first, second, third)] == [6123.5, before, 6200]


def test_limits_for_more_than_a_hundred_accounts(live_stack: LiveStack, support_page: Page, check_page: CheckPage) -> None:
    page = support_page
    chosen = free_accounts(live_stack, MANY)
    page.goto(f"{live_stack.base_url}/changes/targets/auto_liq_limits/")
    page.get_by_label("Ids or names", exact=True).fill("\n".join(name for _, name in chosen))
    page.get_by_role("button", name="Show what would happen").click()

    # First what to set, then what that would do, at an address of its own.
    expect(page.locator("#ask")).to_contain_text("What to set")
    check_page(page)
    page.get_by_label("Weekly loss: auto-liquidation").fill("7321")
    page.get_by_label("Daily loss: alert").fill("900")
    page.get_by_label("Daily loss: auto-liquidation").fill("800")
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_role("alert")).to_contain_text("This has to be more than")
    expect(page.get_by_label("Weekly loss: auto-liquidation")).to_have_value("7321")
    check_page(page)
    page.get_by_label("Daily loss: alert").fill("")
    page.get_by_label("Daily loss: auto-liquidation").fill("")
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#ask")).to_contain_text(f"{MANY} to send")
    expect(page).to_have_url(re.compile("weekly_loss_auto_liq_usd=7321"))
    check_page(page)
    expect(page.locator("#plan-rows tbody tr")).to_have_count(100)
    page.get_by_role("link", name="Next", exact=True).click()
    expect(page.locator("#plan-rows")).to_contain_text(f"101 to {MANY} of {MANY}")
    check_page(page)

    # A change this large is confirmed by typing its number of items.
    page.get_by_label("How many is that?").fill(str(MANY - 1))
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill("Evaluation accounts were opened with the wrong limit")
    page.get_by_role("button", name=re.compile("^Ask for approval")).click()
    expect(page.get_by_role("alert")).to_contain_text("type that number to go on")
    check_page(page)
    page.get_by_label("How many is that?").fill(str(MANY))
    change = request_change(page, "Evaluation accounts were opened with the wrong limit")
    approve(page, live_stack, change)

    assert outcomes(live_stack, change) == {"applied": MANY}
    assert {auto_liq(live_stack, account_id, "weeklyLossAutoLiq") for account_id, _ in chosen[::17]} == {7321}


def test_a_category_for_chosen_rows(live_stack: LiveStack, support_page: Page, check_page: CheckPage) -> None:
    page = support_page
    (account_id, name), *_ = free_accounts(live_stack, 1)
    current = live_stack.simulator.account(account_id)["account"]["riskCategoryId"]
    ((category, category_id),) = live_stack.rows(
        "SELECT name, tradovate_id FROM accounts_riskcategory WHERE environment = 'demo' AND tradovate_id <> %s"
        " AND name NOT ILIKE '%%halt%%' ORDER BY tradovate_id LIMIT 1",
        current,
    )
    page.goto(f"{live_stack.base_url}/accounts/?q={name}&environment=demo")
    check_page(page)
    page.get_by_label(f"Choose {name}").check()
    page.get_by_role("button", name="More…", exact=True).click()
    check_page(page)
    page.get_by_role("link", name="Risk category").click()
    expect(page.locator("#ask")).to_contain_text("switch outside of trading hours")
    page.get_by_label("Risk category").select_option(label=str(category))
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#plan-rows")).to_contain_text(str(category))
    check_page(page)
    change = request_change(page, "Smaller lots from tonight")
    approve(page, live_stack, change)

    assert outcomes(live_stack, change) == {"applied": 1}
    assert live_stack.simulator.account(account_id)["account"]["riskCategoryId"] == category_id


def test_a_traders_lockout_is_ended_and_all_of_her_accounts_are_chosen(
    live_stack: LiveStack, support_page: Page, check_page: CheckPage
) -> None:
    page = support_page
    ((trader_id, account_id, _),) = live_stack.rows(TRADERS)
    live_stack.simulator.start_lockout(trader_id, minutes=600)

    page.goto(f"{live_stack.base_url}/accounts/demo/{account_id}/")
    page.get_by_role("button", name="All of this trader's accounts…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile(r"Ask for a change of \d+ accounts?"))
    check_page(page)
    page.get_by_role("link", name="End the trader's lockout").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("1 trader")
    check_page(page)
    change = request_change(page, "She asked for it on the phone, and her manager agreed")
    approve(page, live_stack, change)

    assert outcomes(live_stack, change) == {"applied": 1}
    ended = live_stack.simulator.effects(entity="_lockout", entity_id=trader_id, action="lockout_expired", source="call")
    assert len(ended) == 1
