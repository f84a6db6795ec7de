"""Wide tables fit in the window: what they are read for is in sight, on a desk and on a phone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import MoveSubject
from accounts.outside.queries import yesterday
from riskadmin.audit.origin import Origin, Subject, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.accounts.mirrored import make_account
from tests.accounts.test_outside_pages import moved
from tests.audit.events import write
from tests.browsing import sign_in
from tests.execution.unknown_items import ELSEWHERE, read_as, unknown
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db(transaction=True)

CheckPage = Callable[[Page], None]
DESK, PHONE = (1280, 800), (390, 844)

OUT_OF_SIGHT = """() => [...document.querySelectorAll("table td *, table th *, table td, table th")]
    .filter(each => each.getClientRects().length && !each.closest(".visually-hidden, thead") && !each.closest("td:empty"))
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
    .map(each => `${each.tagName} ${each.className}: ${each.textContent.trim().slice(0, 60)}`)"""

LIMITS: dict[str, list[Any]] = {
    "daily_loss_auto_liq_usd": ["1000.00", "777.00"],
    "trailing_max_drawdown_limit_usd": ["50100.00", "52600.00"],
    "do_not_unlock": [None, True],
}


def fits(page: Page) -> None:
    assert page.evaluate(OUT_OF_SIGHT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")


def opened(page: Page, live_server: LiveServer, person: Staff, path: str, size: tuple[int, int]) -> None:
    sign_in(page, live_server.url, person.username, PASSWORD)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{live_server.url}{path}")


@pytest.fixture
def trail() -> None:
    """Events with long names and many limits."""
    about = Subject(environment="demo", account_id=4200001, account_name="KTR150K-EVALUATION-000001")
    sides = ({name: pair[0] for name, pair in LIMITS.items()}, {name: pair[1] for name, pair in LIMITS.items()})
    write(Tag.OUTSIDE_LIMITS, subject=about, before=sides[0], after=sides[1], detail={"kind": "firm_limits"})
    write(
        Tag.ITEM_SETTLED,
        actor=Who(id=8, name="Sue Supervisor-Featherstonehaugh", role="supervisor, administrator"),
        origin=Origin(job="execution.read_back_due"),
        subject=about,
        change_id=1234567,
        reason_code="RestrictedAccountsRequest",
        reason_text="The trader asked for it twice on the phone, see ticket TICKET-2026-11-29-0000000000001",
        before=sides[0],
        after=sides[1],
        detail={"outcome": "applied", "text": "Tradovate answered: Daily loss is too low (HTTP 422)"},
    )
    categories = ("Evaluation 150K, futures and options", "Trading Halted until further notice")
    write(Tag.OUTSIDE_CATEGORY, subject=about, before={"category": categories[0]}, after={"category": categories[1]})


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_trail(live_server: LiveServer, page: Page, check_page: CheckPage, trail: None, size: tuple[int, int]) -> None:
    opened(page, live_server, make_person(Role.COMPLIANCE), "/audit/?every=on", size)
    if size == DESK:
        fits(page)
    # Where it can't be narrow enough it scrolls by itself, inside its frame.
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    check_page(page)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_unknown_outcomes(
    live_server: LiveServer, page: Page, check_page: CheckPage, person: Staff, size: tuple[int, int]
) -> None:
    read_as(ELSEWHERE, unknown())
    opened(page, live_server, person, "/execution/unknown/", size)
    fits(page)
    check_page(page)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_changes_by_others(live_server: LiveServer, page: Page, check_page: CheckPage, size: tuple[int, int]) -> None:
    at = yesterday() + timedelta(hours=1)
    moved([make_account("KTR150K-EVALUATION-000001"), make_account("EVAL-B")], MoveSubject.FIRM, at, **LIMITS)
    opened(page, live_server, make_person(Role.SUPPORT), "/outside/", size)
    fits(page)
    check_page(page)
