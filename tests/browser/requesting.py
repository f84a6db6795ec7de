"""Requesting a change on the page that previews it, and having it approved, as people do it."""

import re
from typing import Final

from playwright.sync_api import Page, expect

from tests.browsing import press_approve
from tests.stack import LiveStack, PeopleClient

CONFIRM_FROM: Final = 101
"""From so many accounts on, the number has to be typed."""


def number_of(change: str) -> int:
    """Return the number of a change, given its address."""
    return int(change.rstrip("/").rsplit("/", 1)[1])


def request_change(page: Page, reason: str, *, count: int = 1) -> str:
    """Request what a page shows for so many accounts, and return the change's address.

    The button says whether it is for approval: what only tightens runs at once, until support has requested much of it today.
    """
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill(reason)
    if count >= CONFIRM_FROM:
        page.get_by_label("How many is that?").fill(str(count))
    form = page.locator("#ask form").filter(has=page.get_by_label("In words"))
    form.locator(".form-actions button[type=submit]").click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    return page.url


def approve_as_needed(page: Page, stack: LiveStack, change: str) -> None:
    """Approve a change as often as policy asks: first by the supervisor who signed in on the page, then by another."""
    number = number_of(change)
    page.goto(change)
    if _waits(stack, number):
        press_approve(page)
        expect(page.get_by_role("main")).to_contain_text("You approved")
    if _waits(stack, number):
        _approve_as_another(stack, number)


def _waits(stack: LiveStack, number: int) -> bool:
    return stack.rows("SELECT state FROM changes_change WHERE id = %s", number) == [("pending",)]


def _approve_as_another(stack: LiveStack, number: int) -> None:
    second = PeopleClient(stack.base_url, "supervisor2")
    page = second.get(f"/changes/{number}/")
    (request,) = stack.rows("SELECT approval_id FROM changes_change WHERE id = %s", number)[0]
    asked_for = re.search(r'title="([\d,]+)"\s+aria-keyshortcuts="a"', page.text)
    typed = asked_for[1] if asked_for else ""
    answer = second.post(f"/approvals/{request}/decide/", page, verdict="approve", confirm_count=typed)
    assert answer.status_code == 200, answer.text[:2000]
