"""A change of many followed, paused, resumed and cancelled half-way; and an unknown outcome settled by a supervisor."""

import csv
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import sign_in
from tests.simulator.driver import SET_ACTION
from tests.stack import LiveStack, free_accounts

CheckPage = Callable[[Page], None]
MANY = 200
UNREAD = r"^(\(\d+\) )?"
"""What a title begins with while messages are unread: those of earlier tests may be."""
SWAP_OUT = "addEventListener('submit', ({target}) => queueMicrotask(() => target.remove()), {capture: true, once: true})"
"""Takes the next form that is sent out of the page."""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def held_stack(live_stack: LiveStack) -> LiveStack:
    """The product, with a Tradovate that answers no lock before its faults are lifted."""
    live_stack.simulator.fault("hold", when="before", endpoint=SET_ACTION)
    return live_stack


def states_of(stack: LiveStack, change: int) -> dict[str, int]:
    counts = stack.rows("SELECT state, count(*) FROM changes_item WHERE change_id = %s GROUP BY state", change)
    return {str(state): int(count) for state, count in counts}


def ask_to_lock(page: Page, stack: LiveStack, names: list[str], reason: str) -> int:
    """Ask for locks by name, as many as there are, and return the change's number."""
    page.goto(f"{stack.base_url}/changes/targets/lock/")
    page.get_by_label("Ids or names", exact=True).fill("\n".join(names))
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill(reason)
    if len(names) > 100:
        page.get_by_label("How many is that?").fill(str(len(names)))
    page.get_by_role("button", name=re.compile("^Lock ")).click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    return int(page.url.rstrip("/").rsplit("/", 1)[1])


def press_amid_a_tick(page: Page, name: str) -> None:
    """Press a button whose form is replaced while the session is asked whether it may be sent."""
    page.evaluate(SWAP_OUT)
    page.get_by_role("button", name=name).click()


def test_many_locks_are_paused_resumed_and_cancelled_midway(live_stack: LiveStack, page: Page, check_page: CheckPage) -> None:
    stack = live_stack
    sign_in(page, stack.base_url, "supervisor")
    # Four at a time: it would take two and a half minutes, so that a browser on a busy machine can stop it half-way.
    stack.simulator.fault("latency", endpoint=SET_ACTION, ms=3000)
    change = ask_to_lock(page, stack, [name for _, name in free_accounts(stack, MANY)], "Many to follow")
    stack.wait_until(lambda: states_of(stack, change).get("applied", 0) > 0)
    expect(page.locator(".tallies")).to_contain_text(re.compile(rf"[1-9]\d* of {MANY} settled"))

    # Paused, it sends nothing more; what is under way is confirmed; the page says who holds it.
    press_amid_a_tick(page, "Pause")
    expect(page.locator("#state-title")).to_have_text("Paused")
    expect(page.locator(".hold", has_text="Paused by")).to_be_visible()
    stack.wait_until(lambda: set(states_of(stack, change)) == {"queued", "applied"})
    held = states_of(stack, change)
    check_page(page)
    calls = stack.simulator.call_count(SET_ACTION)
    expect(page.locator(".tallies")).to_contain_text(f"{held['applied']} of {MANY} settled")

    # Some of its items, found by state and name, without reloading the page.
    page.get_by_label("Items in state").select_option("Applied")
    expect(page).to_have_url(re.compile(r"\?state=applied"))
    expect(page.locator("#items tbody tr")).to_have_count(min(held["applied"], 100))
    page.get_by_label("Items in state").select_option("Rejected")
    expect(page.locator("#items")).to_contain_text("No item matches.")
    check_page(page)
    page.get_by_role("link", name="Clear").click()
    assert states_of(stack, change) == held
    assert stack.simulator.call_count(SET_ACTION) == calls

    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#state-title")).to_have_text("Running")
    stack.wait_until(lambda: states_of(stack, change).get("applied", 0) > held["applied"])

    # Cancelled, the rest is not sent, and the change ends when the last call is confirmed.
    page.get_by_role("button", name=re.compile(r"^Cancel the \d+ not sent")).click()
    expect(page.locator("#state-title")).to_have_text("Finished")
    ended = states_of(stack, change)
    assert set(ended) == {"applied", "cancelled"}
    assert sum(ended.values()) == MANY
    expect(page.locator("#progress")).to_contain_text("Cancelled by")
    check_page(page)
    locked = stack.rows("SELECT target_name FROM changes_item WHERE change_id = %s AND state = 'applied'", change)
    assert len(locked) == ended["applied"]

    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        outcomes = [row["outcome"] for row in csv.DictReader(file)]
    assert (outcomes.count("Applied"), outcomes.count("Cancelled")) == (ended["applied"], ended["cancelled"])

    # The evidence of one of them, and the rest asked for again.
    page.locator("#items a.row-link", has_text="Applied").first.click()
    expect(page.locator("#calls-title")).to_be_visible()
    page.locator(".call summary").last.click()
    expect(page.locator(".call").last).to_contain_text("LockTradingImmediately")
    page.get_by_role("heading", level=1).scroll_into_view_if_needed()
    check_page(page)
    page.go_back()
    page.get_by_role("button", name=f"Ask again for {ended['cancelled']} not carried out").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"{ended['cancelled']} account")
    expect(page.get_by_role("main")).to_contain_text(f"What was not carried out of change {change}")


def is_left_to_people(stack: LiveStack, change: int) -> bool:
    """Say whether the only item of a change waits for a person; otherwise let what it waits for have come."""
    state = stack.rows("SELECT state, not_before FROM changes_item WHERE change_id = %s", change)
    if state == [("unknown", None)]:
        return True
    if state[0][0] == "unknown":
        guard = "execution_call_completed_once"
        stack.rows(f"ALTER TABLE execution_call DISABLE TRIGGER {guard}")
        stack.rows(
            "UPDATE execution_call SET ended_at = ended_at - interval '2 minutes' WHERE state = 'unknown' AND id IN"
            " (SELECT call_id FROM execution_callitem JOIN changes_item item ON item.id = item_id WHERE item.change_id = %s)",
            change,
        )
        stack.rows(f"ALTER TABLE execution_call ENABLE ALWAYS TRIGGER {guard}")
        stack.rows("UPDATE changes_item SET not_before = now() WHERE change_id = %s AND not_before > now()", change)
    return False


def hidden_while_it_runs(page: Page, stack: LiveStack, reason: str) -> int:
    """Ask for four locks, leave for another tab, and let them be answered; return the change. The page's clock can be put on."""
    page.clock.install()
    sign_in(page, stack.base_url, "support")
    change = ask_to_lock(page, stack, [name for _, name in free_accounts(stack, 4)], reason)
    expect(page).to_have_title(re.compile(rf"{UNREAD}Change {change} running, \d+ of 4 · "))
    page.evaluate(HIDE, arg=True)
    stack.simulator.clear_faults()
    return change


def test_a_hidden_tab_polls_once_a_minute_and_its_title_shows_the_end(held_stack: LiveStack, page: Page) -> None:
    change = hidden_while_it_runs(page, held_stack, "Followed from elsewhere")
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if request.url.endswith("/progress/") else None)

    held_stack.wait_until(lambda: set(states_of(held_stack, change)) == {"applied"})
    assert polls == []
    page.clock.fast_forward("01:01")
    expect(page).to_have_title(re.compile(rf"{UNREAD}Change {change} finished · riskadmin$"))
    assert len(polls) == 1


def test_a_tab_that_is_seen_again_asks_at_once(held_stack: LiveStack, page: Page) -> None:
    change = hidden_while_it_runs(page, held_stack, "Looked at again")
    held_stack.wait_until(lambda: set(states_of(held_stack, change)) == {"applied"})
    page.evaluate(HIDE, arg=False)
    expect(page).to_have_title(re.compile(rf"{UNREAD}Change {change} finished · riskadmin$"))


def test_a_supervisor_resolves_an_unknown_outcome(live_stack: LiveStack, page: Page, check_page: CheckPage) -> None:
    stack = live_stack
    ((account_id, name),) = free_accounts(stack, 1)
    # Three calls end without an answer and without an effect: then it is left to people.
    stack.simulator.fault("cut", when="before", endpoint=SET_ACTION, account_id=account_id, count=3)
    sign_in(page, stack.base_url, "support")
    change = ask_to_lock(page, stack, [name], "One that is cut off")
    stack.wait_until(lambda: is_left_to_people(stack, change))
    page.reload()
    expect(page.locator("#state-title")).to_have_text("Running")
    expect(page.locator(".hold")).to_contain_text("the outcome is not known yet")
    check_page(page)
    page.locator("#items a.row-link").click()
    expect(page.get_by_role("main")).to_contain_text("A supervisor decides what became of it.")
    expect(page.get_by_role("button", name="It was applied")).to_have_count(0)

    sign_in(page, stack.base_url, "supervisor")
    page.goto(stack.base_url)
    expect(page.locator(".navigation")).to_contain_text("not known")
    page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Unknown outcomes")).click()
    check_page(page)
    page.get_by_role("link", name=f"Lock {name}").click()
    expect(page.get_by_role("main")).to_contain_text("Tradovate has not confirmed the outcome")
    check_page(page)

    # Without a word it is not taken; what Tradovate says to one who asks again may be conclusive, and here it is not.
    page.get_by_role("button", name="It was not applied; leave it").click()
    page.get_by_label("How do you know?").fill("Its dashboard shows the account as normal")
    check_page(page)
    page.get_by_role("button", name="It was not applied; leave it").click()
    expect(page.locator("#item-title")).to_have_text("Cancelled")
    expect(page.get_by_role("main")).to_contain_text("Its dashboard shows the account as normal")
    check_page(page)
    assert stack.rows("SELECT state FROM changes_change WHERE id = %s", change) == [("finished",)]
    assert stack.rows("SELECT count(*) FROM audit_event WHERE change_id = %s AND tag = 'item:outcome:resolved'", change) == [
        (1,)
    ]
    assert stack.simulator.account(account_id)["accountRiskStatus"]["adminAction"] == "Normal"
