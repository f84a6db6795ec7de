"""What every page must stand: axe, in both themes, also after a swap."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RUN = """async () => (await axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}))
    .violations.map(found => `${found.id}: ${found.nodes.map(node => node.html.slice(0, 200)).join(" | ")}`)"""


@pytest.fixture
def check_page() -> Callable[[Page], None]:
    """A function that finds no violation on the page as it stands, in light and in dark."""

    def check(page: Page) -> None:
        page.wait_for_load_state("networkidle")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        before = page.evaluate("document.documentElement.dataset.bsTheme")
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", theme)
            assert page.evaluate(RUN) == [], f"{page.url} in {theme}"
        page.evaluate("theme => { document.documentElement.dataset.bsTheme = theme }", before)

    return check
