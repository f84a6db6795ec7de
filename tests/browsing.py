"""A real browser for tests, people who sign in to it, and what a failing test leaves behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from riskadmin.local import chromium
from riskadmin.local.places import PROJECT
from tests.stack import HIDDEN, PASSWORD
from tests.waiting import PATIENCE_S

FAILURES = PROJECT / ".run" / "failures"
PATIENCE_MS = 1000 * PATIENCE_S
VIEWPORT_WIDTH, VIEWPORT_HEIGHT = 1280, 800
ARGUMENTS = (
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


@contextmanager
def launch() -> Iterator[Browser]:
    """Run the machine's Chromium. Raises CannotStart when there is none."""
    binary = chromium.find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, *, name: str, failed: Callable[[], bool]) -> Iterator[Page]:
    """Open a page in a session of its own; keep trace and screenshot if the test failed.

    Raises AssertionError at the end when a script failed or the content security policy was breached.
    """
    context = browser.new_context(viewport={"width": VIEWPORT_WIDTH, "height": VIEWPORT_HEIGHT}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    context.tracing.start()  # a picture and a copy of every page in it take a third of the browser's time
    page = context.new_page()
    problems: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            problems.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        yield page
    finally:
        if failed() or problems:
            FAILURES.mkdir(parents=True, exist_ok=True)
            stem = FAILURES / re.sub(r"[^\w.-]+", "-", name)
            page.screenshot(path=f"{stem}.png", full_page=True)
            context.tracing.stop(path=f"{stem}.zip")
        context.close()
    assert not problems, problems


def sign_in(page: Page, base_url: str, username: str, password: str = PASSWORD) -> None:
    """Make a page's browser that of somebody, no matter who used it before; the page is left empty.

    The form of the sign-in page is sent without drawing that page and the one after it, which costs seconds:
    tests/browser/test_sign_in_flow.py fills it in as people do.
    """
    if page.url.startswith("http"):
        page.goto("about:blank")  # nothing of the page before asks for anything meanwhile
    page.context.clear_cookies()
    address, browser = f"{base_url}/sign-in/", {"User-Agent": page.evaluate("navigator.userAgent")}
    form = dict(HIDDEN.findall(page.context.request.get(address, headers=browser).text()))
    fields = {**form, "username": username, "password": password}
    answer = page.context.request.post(address, headers=browser, form=fields, max_redirects=0)
    assert answer.status == HTTPStatus.SEE_OTHER, answer.text()[:2000]


def press_approve(page: Page, name: str = "") -> None:
    """Approve what a page shows, with the number typed if it asks for one; `name` is how the button goes on after "Approve"."""
    number = page.locator("#approve_confirm_count")
    button = page.get_by_role("button", name=re.compile(f"^Approve{name}"))
    expect(button).to_be_visible()
    if number.count():
        number.fill(number.get_attribute("title") or "")
    button.click()


def sign_out(page: Page) -> None:
    """Sign out by the person's menu."""
    page.locator(".person").first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
