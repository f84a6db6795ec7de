"""The README's pictures, taken from the demo that runs: `make demo` in one terminal, `make screenshots` in another.

They show what a person sees after asking for a lock and an unlock of two accounts of the demo; run it on fresh data.
"""

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browsing import launch, sign_in

OUT = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
BASE = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}"


def main() -> None:
    """Take every picture."""
    OUT.mkdir(parents=True, exist_ok=True)
    with launch() as browser:
        page = open_page(browser, "support", "light")
        page.goto(f"{BASE}/accounts/?environment=demo&status=locked")
        page.locator(".row-link").first.click()
        page.wait_for_load_state("networkidle")
        shoot(page, "account")
        page.get_by_role("link", name="Unlock", exact=True).click()
        page.get_by_label("Reason", exact=True).select_option("Other")
        page.get_by_label("In words").fill("The trader's robot is off; spoke with them on the phone.")
        page.get_by_role("button", name=re.compile("^Ask for approval")).click()
        page.wait_for_url(re.compile(r"/changes/\d+/$"))
        change = page.url
        page.goto(f"{BASE}/accounts/?environment=demo&status=active")
        page.locator(".row-link").first.click()
        page.get_by_role("link", name="Lock", exact=True).click()
        page.get_by_label("Reason", exact=True).select_option("Other")
        page.get_by_label("In words").fill("Orders every second since 09:31; the trader can't be reached.")
        shoot(page, "ask")
        page.get_by_role("button", name=re.compile("^Lock 1 account")).click()
        page.locator("#state-title", has_text="Finished").wait_for()

        page = open_page(browser, "supervisor", "light")
        page.goto(change)
        page.wait_for_load_state("networkidle")
        shoot(page, "change")

        page = open_page(browser, "support", "dark")
        page.goto(f"{BASE}/accounts/")
        page.wait_for_load_state("networkidle")
        shoot(page, "accounts-dark")

        page = open_page(browser, "compliance", "light")
        page.goto(f"{BASE}/audit/")
        page.wait_for_load_state("networkidle")
        shoot(page, "audit")


def open_page(browser: Browser, username: str, theme: str) -> Page:
    """Open a page in a session of its own, signed in."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    sign_in(page, BASE, username)
    context.add_cookies([{"name": "theme", "value": theme, "url": BASE}])
    return page


def shoot(page: Page, name: str) -> None:
    """Keep a picture of what the window shows."""
    page.screenshot(path=OUT / f"{name}.png")


if __name__ == "__main__":
    main()
