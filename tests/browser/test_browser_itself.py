"""The browser of the tests: it runs, and what it must catch it catches."""

import pytest
from playwright.sync_api import Browser, Page

from tests.browsing import FAILURES, watched_page


def test_it_renders_and_runs_scripts(page: Page) -> None:
    page.set_content("<h1>none</h1><script>document.querySelector('h1').textContent = 'some'</script>")
    assert page.locator("h1").inner_text() == "some"


def test_a_failing_script_fails_the_test_and_leaves_a_trace(browser: Browser) -> None:
    picture, trace = FAILURES / "a-broken-page.png", FAILURES / "a-broken-page.zip"
    with (
        pytest.raises(AssertionError, match="broken on purpose"),
        watched_page(browser, name="a broken page", failed=lambda: False) as page,
    ):
        page.set_content("<script>throw new Error('broken on purpose')</script>")
    assert picture.exists()
    assert trace.exists()
    picture.unlink()
    trace.unlink()


def test_a_breach_of_the_content_security_policy_fails_the_test(browser: Browser) -> None:
    with (
        pytest.raises(AssertionError, match="Content Security Policy"),
        watched_page(browser, name="a breach", failed=lambda: False) as page,
    ):
        page.set_content(
            "<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\"><script>document.title = 'x'</script>"
        )
    for leftover in FAILURES.glob("a-breach.*"):
        leftover.unlink()


@pytest.mark.django_db
def test_django_still_answers_queries_beside_the_browser(page: Page) -> None:
    from riskadmin.staff.models import Staff

    page.set_content("<h1>still here</h1>")
    assert Staff.objects.count() == 0
