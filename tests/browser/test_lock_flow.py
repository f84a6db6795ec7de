"""The walk of the product: a lock by support, an unlock that a supervisor approves, and the proof that compliance reads."""

import re
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.browsing import sign_in, sign_out
from tests.simulator.driver import SET_ACTION
from tests.stack import LiveStack, free_accounts

REASON = "Runaway robot: trader asked on the phone"


def admin_action(stack: LiveStack, account_id: int) -> str:
    """What Tradovate itself says of the account."""
    return str(stack.simulator.account(account_id)["accountRiskStatus"].get("adminAction", "Normal"))


def change_number(page: Page) -> int:
    """The number of the change whose page is open."""
    found = re.search(r"/changes/(\d+)/$", page.url)
    assert found, page.url
    return int(found[1])


def test_lock_unlock_and_proof(  # noqa: PLR0915  (one walk, told in its order)
    live_stack: LiveStack, page: Page, check_page: Callable[[Page], None]
) -> None:
    ((account_id, name),) = free_accounts(live_stack, 1)
    base = live_stack.base_url

    # Support finds the account, and locks it with Other and a text.
    sign_in(page, base, "support")
    page.goto(base)
    page.get_by_role("searchbox").first.fill(name)
    page.keyboard.press("Enter")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    check_page(page)
    page.get_by_role("link", name="Lock", exact=True).click()
    expect(page.locator("#ask")).to_contain_text("Locked (no orders)")
    page.get_by_label("Reason").select_option("Other")
    page.get_by_role("button", name=re.compile("^Lock 1 account")).click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    check_page(page)
    assert live_stack.rows("SELECT count(*) FROM changes_item WHERE target = %s", f"demo:account:{account_id}") == [(0,)]

    # The answer is held back until the page has shown the change on its way; then it goes on without a reload.
    held = live_stack.simulator.fault("hold", when="after", endpoint=SET_ACTION, account_id=account_id, count=1)
    page.get_by_label("In words").fill(REASON)
    page.get_by_role("button", name=re.compile("^Lock 1 account")).click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    change = change_number(page)
    page.evaluate("window.notReloaded = true")
    expect(page.locator("#state-title")).to_have_text("Running")
    expect(page.locator("#progress")).to_contain_text("Sending")
    live_stack.simulator.release(held)
    expect(page.locator("#progress")).to_contain_text("Applied")
    expect(page.locator("#state-title")).to_have_text("Finished")
    assert page.evaluate("window.notReloaded") is True
    history = page.locator("section", has=page.get_by_role("heading", name="History"))
    expect(history).to_contain_text("Change finished")  # the panels are read once more at the end
    expect(page.locator("#progress")).not_to_have_attribute("data-poll", re.compile(".*"))
    check_page(page)
    assert admin_action(live_stack, account_id) == "LockTradingImmediately"
    assert len(live_stack.simulator.effects(account_id=account_id, source="call")) == 1

    # Support asks to unlock: it waits, and support can't approve it.
    page.goto(f"{base}/accounts/demo/{account_id}/")
    page.get_by_role("link", name="Unlock", exact=True).click()
    # A reason of the firm's own fills in code and text, but replaces nothing that was typed.
    page.get_by_label("Fill in from").select_option("New session")
    expect(page.get_by_label("Reason")).to_have_value("Other")
    expect(page.get_by_label("In words")).to_have_value("Unlocked for the new session.")
    page.get_by_label("Fill in from").select_option("Our mistake")
    expect(page.get_by_label("In words")).to_have_value(re.compile("by mistake"))
    page.get_by_label("In words").fill("The robot is off")
    page.get_by_label("Fill in from").select_option("Review finished")
    expect(page.get_by_label("In words")).to_have_value("The robot is off")
    page.get_by_label("Ticket").fill("not a ticket")
    page.get_by_label("Attach files").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"Please unlock"})
    page.get_by_role("button", name=re.compile("^Ask for approval")).click()
    expect(page.get_by_role("alert")).to_contain_text("This is not a ticket number")
    expect(page.get_by_role("checkbox", name="a.txt")).to_be_checked()
    check_page(page)
    page.get_by_label("Ticket").fill("HELP-7")
    page.get_by_role("button", name=re.compile("^Ask for approval")).click()
    page.wait_for_url(re.compile(rf"/changes/(?!{change}/)\d+/$"))
    unlock = change_number(page)
    expect(page.get_by_role("button", name="Download a.txt")).to_be_visible()
    expect(page.locator("#progress")).to_contain_text("HELP-7")
    expect(page.get_by_role("region", name="Who can approve")).to_be_visible()
    expect(page.locator("#state-title")).to_have_text("Waiting for a decision")
    expect(page.get_by_role("button", name=re.compile("Approve"))).to_have_count(0)
    ((support_id, request, digest),) = live_stack.rows(
        "SELECT requested_by_id, approval_id, digest FROM changes_change WHERE id = %s", unlock
    )
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    forged = page.request.post(
        f"{base}/approvals/{request}/decide/",
        form={"csrfmiddlewaretoken": token, "verdict": "approve", "digest": digest},
        headers={"Referer": f"{base}/changes/{unlock}/"},
    )
    assert forged.status == 403
    with pytest.raises(psycopg.errors.IntegrityError, match="can't decide about it"):
        live_stack.rows(
            "INSERT INTO approvals_approval"
            " (request_id, version, staff_id, staff_name, staff_role, verdict, stage, digest, comment, excluded)"
            " VALUES (%s, 1, %s, 'x', 'supervisor', 'approve', 1, %s, '', '[]')",
            request,
            support_id,
            digest,
        )
    assert live_stack.rows("SELECT count(*) FROM approvals_approval WHERE request_id = %s", request) == [(0,)]
    assert admin_action(live_stack, account_id) == "LockTradingImmediately"
    sign_out(page)

    # The supervisor approves what they see.
    sign_in(page, base, "supervisor")
    page.goto(base)
    page.locator(".navigation").get_by_role("link", name="Approvals").click()
    check_page(page)
    page.locator(f'.table a.row-link[href="/changes/{unlock}/"]').click()
    page.locator("summary", has_text="Comment").click()
    page.locator("#approve_comment").fill("Spoke with the trader")
    page.get_by_role("button", name=re.compile("^Approve: Unlock 1 account")).click()
    expect(page.locator("#progress")).to_contain_text("Applied")
    check_page(page)
    assert admin_action(live_stack, account_id) == "Normal"
    sign_out(page)

    # Compliance reads who, why and what Tradovate said, and may act on nothing.
    sign_in(page, base, "compliance")
    page.goto(f"{base}/audit/?change={change}")
    expect(page.locator("main")).to_contain_text(REASON)
    check_page(page)
    page.goto(f"{base}/changes/{change}/")
    calls = page.locator("section", has=page.get_by_role("heading", name="Calls to Tradovate"))
    calls.locator("summary").last.click()
    expect(calls).to_contain_text("LockTradingImmediately")
    for path in ("lock", "liquidate_only", "unlock"):
        assert page.request.get(f"{base}/changes/new/{path}/?account=demo:{account_id}").status == 403
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    for path in (f"approvals/{request}/decide", "changes/new/lock"):
        answer = page.request.post(
            f"{base}/{path}/", form={"csrfmiddlewaretoken": token}, headers={"Referer": f"{base}/changes/{unlock}/"}
        )
        assert answer.status == 403
