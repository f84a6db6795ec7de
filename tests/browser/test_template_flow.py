"""A limit template, from an account that has the right limits to two hundred others, and back when one of them drifts."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from riskadmin.local.program import CannotStart
from tests.browser.people import sign_in, sign_out
from tests.stack import LiveStack
from tests.targets import free_accounts

CheckPage = Callable[[Page], None]
MANY = 200
SIZE = 77_000
"""A size that no other account has, so that the template is for these alone."""
NAME = "77K evaluation"


@pytest.fixture
def alike(live_stack: LiveStack) -> list[tuple[int, str]]:
    """Accounts of one size, as the mirror knows them by now."""
    accounts = free_accounts(live_stack, MANY)
    for account_id, _ in accounts:
        live_stack.simulator.patch("account", account_id, evaluationSize=SIZE)
    read_anew(live_stack)
    return accounts


def read_anew(stack: LiveStack) -> None:
    """Read the whole environment into the mirror; the clock may be at it just now."""

    def is_read() -> bool:
        try:
            stack.manage(["sync_mirror", "demo"])
        except CannotStart:
            return False
        return True

    stack.wait_until(is_read)


def ask_and_approve(page: Page, stack: LiveStack, count: int) -> int:
    """Ask for what a page shows, have a supervisor approve it, and return the change's number once it is through."""
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill("As the template says")
    if count > 100:
        page.get_by_label("How many is that?").fill(str(count))
    page.get_by_role("button", name=re.compile("^Ask for approval")).click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    change = page.url
    sign_out(page)
    sign_in(page, stack.base_url, "supervisor")
    page.goto(change)
    page.get_by_role("button", name=re.compile("^Approve: Change the limits of")).click()
    expect(page.locator("#state-title")).to_have_text("Finished", timeout=60_000)
    return int(change.rstrip("/").rsplit("/", 1)[1])


def outcomes(stack: LiveStack, change: int) -> dict[str, int]:
    rows = stack.rows("SELECT state, count(*) FROM changes_item WHERE change_id = %s GROUP BY state", change)
    return {str(state): int(count) for state, count in rows}


def test_a_template_from_an_account_to_many_and_back(  # noqa: PLR0915  (one walk, told in its order)
    live_stack: LiveStack, alike: list[tuple[int, str]], page: Page, check_page: CheckPage
) -> None:
    stack, base = live_stack, live_stack.base_url
    (model, _), *_ = alike

    # Support makes it of an account's limits, alters one, and proposes it.
    sign_in(page, base, "support")
    page.goto(f"{base}/accounts/demo/{model}/")
    expect(page.locator("#limits")).to_contain_text("No template governs this account.")
    page.get_by_role("link", name="Make a template of the firm's limits").click()
    expect(page.get_by_label("Daily loss: auto-liquidation")).not_to_have_value("")
    check_page(page)
    page.get_by_label("Weekly loss: auto-liquidation").fill("7321.50")
    page.get_by_role("button", name="Propose").click()
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_role("main")).to_contain_text("waits for a decision")
    template = page.url
    sign_out(page)

    # A supervisor approves it, and says what it is for.
    sign_in(page, base, "supervisor")
    page.get_by_role("link", name="Templates").click()
    check_page(page)
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("button", name="Approve version 1").click()
    expect(page.get_by_role("heading", name="Version 1, in force")).to_be_visible()
    page.get_by_label("Accounts of").select_option(label="Demo: size $77,000.00")
    page.get_by_role("button", name="Assign").click()
    expect(page.locator("#assignments")).to_contain_text(f"{MANY} open accounts")
    check_page(page)
    sign_out(page)

    # Support applies it to all of them, as a change that somebody else approves.
    sign_in(page, base, "support")
    page.goto(template)
    page.get_by_role("link", name="Apply to…").click()
    check_page(page)
    page.get_by_role("button", name=re.compile(f"^Show what would happen to {MANY} accounts")).click()
    expect(page.locator("#ask")).to_contain_text(f"{NAME}, version 1")
    expect(page.locator("#ask")).to_contain_text(f"{MANY} to send")
    applied = ask_and_approve(page, stack, MANY)
    assert outcomes(stack, applied) == {"applied": MANY}
    page.goto(f"{base}/templates/drift/")
    expect(page.get_by_role("main")).to_contain_text("Nothing differs.")

    # Somebody alters one at Tradovate; the next reading finds it, and whose hand it was not.
    (drifted, drifted_name) = alike[17]
    stack.simulator.patch("userAccountAutoLiq", drifted, weeklyLossAutoLiq=9999)
    read_anew(stack)
    page.reload()
    expect(page.locator("#drift tbody").last).to_contain_text(drifted_name)
    expect(page.locator("#drift")).to_contain_text("Outside riskadmin, between")
    check_page(page)
    page.get_by_label("Differs in").select_option("do_not_unlock")
    expect(page.locator("#drift")).to_contain_text("Nothing differs.")
    check_page(page)
    page.goto(f"{base}/accounts/demo/{drifted}/")
    expect(page.locator("#limits")).to_contain_text("Differs")
    check_page(page)
    sign_out(page)

    # One press plans the correction.
    sign_in(page, base, "support")
    page.goto(f"{base}/templates/drift/")
    page.get_by_role("button", name=re.compile("^Correct 1 account…")).click()
    expect(page.locator("#plan-rows")).to_contain_text("$7,321.50")
    corrected = ask_and_approve(page, stack, 1)
    assert outcomes(stack, corrected) == {"applied": 1}
    page.goto(f"{base}/templates/drift/")
    expect(page.get_by_role("main")).to_contain_text("Nothing differs.")
    assert stack.simulator.account(drifted)["userAccountAutoLiq"]["weeklyLossAutoLiq"] == 7321.5
