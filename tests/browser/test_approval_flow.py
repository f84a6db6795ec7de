"""A request comes back, is edited and approved without one account; a supervisor acts alone, and another one reviews it."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsing import sign_in, watched_page
from tests.stack import LiveStack, free_accounts

CheckPage = Callable[[Page], None]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def as_person(live_stack: LiveStack, browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Open a page on which somebody has signed in, in a browser session of its own."""
    with ExitStack() as stack:

        def opened(username: str) -> Page:
            page = stack.enter_context(watched_page(browser, name=f"approvals-{username}", failed=lambda: False))
            sign_in(page, live_stack.base_url, username)
            page.goto(live_stack.base_url)
            return page

        yield opened


def request_change(page: Page, base: str, kind: str, *account_ids: int) -> int:
    """Request a change of accounts, and return its number."""
    page.goto(f"{base}/changes/new/{kind}/?" + "&".join(f"account=demo:{account_id}" for account_id in account_ids))
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill("Reviewed with the traders")
    page.locator("form[method=post] button[type=submit]:not([formnovalidate])").last.click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def finished(stack: LiveStack, change: int) -> None:
    stack.wait_until(lambda: stack.rows("SELECT state FROM changes_change WHERE id = %s", change) == [("finished",)])


def test_edits_are_made_and_one_account_is_left_out(
    live_stack: LiveStack, as_person: Callable[[str], Page], check_page: CheckPage
) -> None:
    base = live_stack.base_url
    (first, first_name), (second, second_name) = free_accounts(live_stack, 2)
    support, supervisor = as_person("support"), as_person("supervisor")
    finished(live_stack, request_change(support, base, "lock", first, second))
    asked = request_change(support, base, "unlock", first, second)

    # The supervisor finds it in the inbox, and asks for edits.
    supervisor.get_by_role("link", name="Approvals").click()
    check_page(supervisor)
    supervisor.locator(f'.table a.row-link[href="/changes/{asked}/"]').click()
    supervisor.locator("summary", has_text="Ask for edits").click()
    supervisor.get_by_label("What has to be edited").fill(f"Say what was agreed about {second_name}")
    supervisor.locator("form", has=supervisor.get_by_label("What has to be edited")).get_by_role("button").click()
    expect(supervisor.get_by_role("main")).to_contain_text("You requested edits")

    # It comes back to support, who edits it and asks again.
    support.goto(base)
    returned = support.locator("section", has=support.get_by_role("heading", name="Came back to you"))
    expect(returned).to_contain_text(f"Say what was agreed about {second_name}")
    check_page(support)
    returned.get_by_role("link", name=re.compile("^Edit Unlock 2 accounts")).first.click()
    expect(support.get_by_label("Ids or names")).to_have_value(f"{first_name}\n{second_name}")
    check_page(support)
    support.get_by_role("button", name="Continue").click()
    expect(support.get_by_label("In words")).to_have_value("Reviewed with the traders")
    support.get_by_label("In words").fill("Both traders agreed to a lower limit")
    support.get_by_role("button", name=re.compile("^Ask for approval")).click()
    support.wait_for_url(re.compile(rf"/changes/(?!{asked}/)\d+/$"))
    again = int(support.url.rstrip("/").rsplit("/", 1)[1])
    expect(support.get_by_role("main")).to_contain_text(f"Change {asked}")

    # The supervisor approves it without one account.
    supervisor.goto(f"{base}/changes/{again}/")
    supervisor.get_by_label(f"Choose {second_name}").check()
    check_page(supervisor)
    supervisor.get_by_role("button", name="Leave out", exact=True).click()
    expect(supervisor.locator("#decision")).to_contain_text("You approve 1 of 2 accounts. 1 is left out")
    supervisor.get_by_role("button", name=re.compile("^Approve without the 1")).click()
    finished(live_stack, again)
    items = live_stack.rows("SELECT target_name, state, note FROM changes_item WHERE change_id = %s ORDER BY position", again)
    assert items[0][:2] == (first_name, "applied")
    assert items[1] == (second_name, "skipped", "Excluded by Sue Supervisor")


def test_a_supervisor_acts_alone_and_another_one_reviews_it_on_a_phone(
    live_stack: LiveStack, as_person: Callable[[str], Page], check_page: CheckPage
) -> None:
    base = live_stack.base_url
    ((account_id, _),) = free_accounts(live_stack, 1)
    supervisor = as_person("supervisor")
    finished(live_stack, request_change(supervisor, base, "lock", account_id))
    alone = request_change(supervisor, base, "unlock", account_id)
    supervisor.get_by_role("link", name="Run without approval").click()
    check_page(supervisor)
    supervisor.get_by_label("Incident number").fill("INC-1042")
    supervisor.get_by_label("Why it can't wait").fill("The desk is alone and the trader holds a position")
    supervisor.get_by_role("button", name=re.compile("^Run now without approval")).click()
    finished(live_stack, alone)

    reviewer = as_person("supervisor2")
    reviewer.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    for tab in ("", "reviews/", "own/", "decided/"):
        reviewer.goto(f"{base}/approvals/{tab}")
        assert reviewer.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
        check_page(reviewer)
    reviewer.goto(f"{base}/approvals/reviews/")
    row = reviewer.locator("tbody tr", has_text="INC-1042")
    row.get_by_role("link", name=re.compile("^Review")).click()
    check_page(reviewer)
    reviewer.get_by_label("What you found").fill("It was right")
    reviewer.get_by_role("button", name="Mark as reviewed").click()
    reviewer.wait_for_url(f"{base}/approvals/reviews/")
    expect(reviewer.locator("tbody tr", has_text="INC-1042")).to_have_count(0)
    query = "SELECT reviewed_by_name FROM approvals_approvalrequest WHERE incident = %s"
    assert live_stack.rows(query, "INC-1042") == [("Stan Supervisor",)]
