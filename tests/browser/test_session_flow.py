"""What is typed survives the end of a session, other people, and a restart; and what matters most asks who somebody is."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Page, expect

from riskadmin.staff.sessions.store import SessionStore
from tests.browsing import press_approve, sign_in, sign_out
from tests.stack import PASSWORD, LiveStack, PeopleClient, free_accounts

SESSIONS = "staff_sessions_staffsession"


@pytest.fixture
def typed(live_stack: LiveStack, page: Page, request: pytest.FixtureRequest) -> str:
    """A note that was typed on an account's page and not sent."""
    text = f"The trader called: {request.node.name}"
    ((account_id, _),) = free_accounts(live_stack, 1)
    sign_in(page, live_stack.base_url, "support")
    page.goto(f"{live_stack.base_url}/accounts/demo/{account_id}/")
    page.get_by_label("New note").fill(text)
    return text


def notes(stack: LiveStack, text: str) -> int:
    return int(stack.rows("SELECT count(*) FROM accounts_accountnote WHERE text = %s", text)[0][0])


def session_key(page: Page) -> str:
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid")


def sign_in_over_the_page(page: Page) -> None:
    dialog = page.locator("#session-dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Username").fill("support")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog).to_be_hidden()


def test_signed_out_in_another_tab_one_signs_in_over_the_page(
    live_stack: LiveStack, page: Page, typed: str, check_page: Callable[[Page], None]
) -> None:
    other = page.context.new_page()
    other.goto(live_stack.base_url)
    sign_out(other)

    expect(page.locator("#session-dialog")).to_be_visible()
    expect(page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    check_page(page)
    # Nothing of the page is left to who is at the computer now, also without the dialog.
    page.keyboard.press("Escape")
    expect(page.locator("#session-dialog")).to_be_visible()
    expect(page).to_have_title("Signed out · riskadmin")
    for part in ("main", ".topbar", "main h1", "[name=text]"):
        expect(page.locator(part).first).to_have_css("visibility", "hidden")
    sign_in_over_the_page(page)

    expect(page).not_to_have_title("Signed out · riskadmin")
    expect(page.get_by_label("New note")).to_have_value(typed)
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("dd", has_text=typed)).to_be_visible()
    assert notes(live_stack, typed) == 1


def test_a_page_is_left_if_no_one_signs_in_again(live_stack: LiveStack, page: Page) -> None:
    ((account_id, _),) = free_accounts(live_stack, 1)
    address = f"/accounts/demo/{account_id}/"
    page.clock.install()
    sign_in(page, live_stack.base_url, "support")
    page.goto(live_stack.base_url + address)
    page.get_by_label("New note").fill("Typed before the session ended")
    other = page.context.new_page()
    other.goto(live_stack.base_url)
    sign_out(other)
    expect(page.locator("#session-dialog")).to_be_visible()

    page.clock.fast_forward("16:00")

    page.wait_for_url(f"**/sign-in/?next={quote(address, safe='')}")
    expect(page.get_by_text(address)).to_have_count(0)
    page.get_by_label("Username").fill("support")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_label("New note")).to_have_value("Typed before the session ended")


def test_nothing_is_sent_as_another_person(live_stack: LiveStack, page: Page, typed: str) -> None:
    other = page.context.new_page()
    other.goto(live_stack.base_url)
    sign_out(other)
    sign_in(other, live_stack.base_url, "supervisor")
    other.goto(live_stack.base_url)

    expect(page.get_by_role("heading", name="Somebody else is signed in")).to_be_visible()
    expect(page.locator("main")).to_have_css("visibility", "hidden")
    page.get_by_role("button", name="Reload as").click()
    expect(page.get_by_label("New note")).to_have_value("")
    assert notes(live_stack, typed) == 0


def test_before_it_expires_it_warns_and_after_it_the_form_is_sent(live_stack: LiveStack, page: Page, typed: str) -> None:
    page.clock.install()
    page.reload()
    expect(page.get_by_text("Restored what you typed")).to_be_visible()
    key, unused = session_key(page), f"UPDATE {SESSIONS} SET used_at = now() - %s * interval '1 minute' WHERE session_key = %s"

    live_stack.rows(unused, 29, key)
    page.clock.fast_forward("29:00")
    expect(page.locator("#session-warning")).to_be_visible()
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.locator("#session-warning")).to_be_hidden()
    assert live_stack.rows(f"SELECT used_at > now() - interval '1 minute' FROM {SESSIONS} WHERE session_key = %s", key) == [
        (True,)
    ]

    live_stack.rows(unused, 60, key)
    page.get_by_role("button", name="Add note").click()
    sign_in_over_the_page(page)
    expect(page.locator("dd", has_text=typed)).to_be_visible()  # without another click
    assert notes(live_stack, typed) == 1


def test_while_the_server_restarts_the_form_stays(live_stack: LiveStack, page: Page, typed: str) -> None:
    live_stack.kill("web")
    live_stack.wait_until(lambda: is_down(live_stack))
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#notice")).to_contain_text("Nothing was sent")
    expect(page.get_by_label("New note")).to_have_value(typed)
    live_stack.start("web")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("dd", has_text=typed)).to_be_visible()
    assert notes(live_stack, typed) == 1


def test_an_approval_with_an_old_proof_asks_and_is_then_sent(
    live_stack: LiveStack, page: Page, check_page: Callable[[Page], None]
) -> None:
    ((account_id, _),) = free_accounts(live_stack, 1)
    support = PeopleClient(live_stack.base_url, "support")
    support.ask("lock", account_id, reason="Robot runs away")
    live_stack.wait_until(
        lambda: (
            live_stack.rows("SELECT state FROM changes_item WHERE target = %s", f"demo:account:{account_id}") == [("applied",)]
        )
    )
    change = support.ask("unlock", account_id, reason="Robot is off")
    sign_in(page, live_stack.base_url, "supervisor")
    page.goto(f"{live_stack.base_url}/changes/{change}/")
    make_proof_old(live_stack, session_key(page))

    press_approve(page)
    dialog = page.locator("#session-dialog")
    expect(dialog.get_by_role("heading", name="Confirm it's you")).to_be_visible()
    check_page(page)
    assert live_stack.rows("SELECT state FROM changes_change WHERE id = %s", change) == [("pending",)]
    dialog.get_by_label("Password", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_contain_text("That is not right")
    dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()

    expect(page.get_by_role("main")).to_contain_text("You approved")
    assert live_stack.rows("SELECT state = 'pending' FROM changes_change WHERE id = %s", change) == [(False,)]


def is_down(stack: LiveStack) -> bool:
    """Whether nothing accepts connections any more: what a killed server had begun lives on for a moment."""
    try:
        requests.get(f"{stack.base_url}/healthz", timeout=10)
    except requests.ReadTimeout:
        return False
    except requests.ConnectionError:
        return True
    return False


def make_proof_old(stack: LiveStack, key: str) -> None:
    """Rewrite a session so that its proof is an hour old."""
    store = SessionStore()
    [(stored,)] = stack.rows(f"SELECT session_data FROM {SESSIONS} WHERE session_key = %s", key)
    data = store.decode(stored)
    data["proved_at"] -= 3600
    for step in data.get("account_authentication_methods", []):
        step["at"] -= 3600
    stack.rows(f"UPDATE {SESSIONS} SET session_data = %s WHERE session_key = %s", store.encode(data), key)
