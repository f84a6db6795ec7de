"""Changes in time as people see them, in a browser, on days that the test chooses: the clock is its own, Tradovate's too."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.scheduling.start import start_due
from accounts.changes.states import CHANGE_STARTED, ItemState, Relation
from accounts.models import Account, RiskCategory
from riskadmin.staff.models import Staff
from tests.browsing import press_approve, sign_in
from tests.execution.present import Present, present_from
from tests.execution.worker import ORIGIN, active_account, send_batch, sweep
from tests.simulator.driver import Simulator
from tests.staff.people import PASSWORD

# A Saturday evening in Chicago: the window closes at 21:30, and the next one opens on Sunday at 07:00.
SATURDAY = datetime(2026, 12, 6, 2, 0, tzinfo=UTC)
SUNDAY = datetime(2026, 12, 6, 13, 0, tzinfo=UTC)
# A Tuesday noon there: the session ends at 16:00.
TUESDAY, SESSION_ENDS = datetime(2026, 12, 8, 18, 0, tzinfo=UTC), datetime(2026, 12, 8, 22, 0, tzinfo=UTC)

CheckPage = Callable[[Page], None]


@pytest.fixture
def here() -> Iterator[time_machine.Traveller]:
    """This process's clock, from before the mirror is filled."""
    with time_machine.travel(SATURDAY, tick=False) as traveller:
        yield traveller


@pytest.fixture
def simulator_process(here: time_machine.Traveller, tmp_path: Path) -> Iterator[Simulator]:
    """A simulator of this test alone: its clock begins on Saturday evening."""
    with Simulator(tmp_path / "simulator", now=SATURDAY.isoformat(), stopped=True) as simulator:
        yield simulator


@pytest.fixture
def present(here: time_machine.Traveller, mirror: Simulator) -> Iterator[Present]:
    """The present, on Saturday evening, with the mirror as it is then."""
    with present_from(here, mirror, SATURDAY) as present:
        yield present


def work(*, calls: int = 100) -> None:
    """Do what clock and workers do, for at most so many calls."""
    start_due(origin=ORIGIN)
    for change in Change.objects.filter(state__in=CHANGE_STARTED):
        while calls and send_batch(change.pk, origin=ORIGIN):
            calls -= 1
    sweep(origin=ORIGIN)


def sign_in_as(page: Page, server: LiveServer, person: Staff) -> None:
    sign_in(page, server.url, person.username, PASSWORD)


def open_later(page: Page, server: LiveServer, person: Staff, address: str) -> None:
    """Open a page after time has passed, which has ended the session: sign in again."""
    page.goto(address)
    if page.url != address:
        sign_in(page, server.url, person.username, PASSWORD)
        page.goto(address)


def test_a_switch_for_tonight_that_continues_tomorrow(  # noqa: PLR0917  (fixtures)
    present: Present,
    live_server: LiveServer,
    page: Page,
    check_page: CheckPage,
    support: Staff,
    supervisor: Staff,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(type(KINDS["risk_category"]), "batch_size", 2)
    accounts = [Account.objects.get(environment="demo", tradovate_id=active_account(number)) for number in range(5)]
    category = RiskCategory.objects.filter(environment="demo").exclude(accounts__in=accounts).order_by("pk")[0]
    sign_in_as(page, live_server, support)
    page.goto(f"{live_server.url}/changes/targets/risk_category/")
    page.get_by_label("Environment").first.select_option("demo")
    page.get_by_label("Ids or names", exact=True).fill("\n".join(account.name for account in accounts))
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_label("Risk category").select_option(category.name)
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#plan-rows")).to_be_visible()
    page.get_by_text("When it runs").click()
    page.get_by_role("combobox", name="When").select_option("window")
    page.get_by_label(re.compile("^Not before")).fill("2026-12-05T21:00")
    page.get_by_label(re.compile("If the window closes first")).check()
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill("Evaluation passed")
    check_page(page)
    page.get_by_role("button", name="Ask for approval").click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    change = page.url

    sign_in_as(page, live_server, supervisor)
    page.goto(change)
    press_approve(page)
    expect(page.locator("#state-title")).to_have_text("Scheduled")
    check_page(page)
    page.get_by_role("link", name="Calendar").click()
    row = page.get_by_role("row").filter(has_text="Switch the risk category of 5 accounts")
    expect(row).to_contain_text("2026-12-05 21:00")
    expect(row).to_contain_text(supervisor.who().name)
    expect(row).to_contain_text("3")
    check_page(page)

    # Its time comes, and after two of the three calls its window closes.
    present.move_to(SATURDAY + timedelta(hours=1, seconds=3))
    work(calls=2)
    present.move_to(SATURDAY + timedelta(hours=1, minutes=31))
    work()
    open_later(page, live_server, supervisor, change)
    expect(page.locator("#progress")).to_contain_text("its window has closed, and it goes on in the next one")
    expect(page.locator("#progress")).to_contain_text("2026-12-06 07:00")
    assert Change.objects.get().items.filter(state=ItemState.QUEUED).count() == 1
    check_page(page)

    present.move_to(SUNDAY + timedelta(seconds=3))
    work()
    open_later(page, live_server, supervisor, change)
    expect(page.locator("#state-title")).to_have_text("Finished")
    assert set(Change.objects.get().items.values_list("state", flat=True)) == {ItemState.APPLIED}
    for account in accounts:
        assert present.simulator.account(account.tradovate_id)["account"]["riskCategoryId"] == category.tradovate_id


def test_a_lock_until_the_end_of_the_session(  # noqa: PLR0917  (fixtures)
    present: Present, live_server: LiveServer, page: Page, check_page: CheckPage, support: Staff, supervisor: Staff
) -> None:
    present.move_to(TUESDAY)
    account_id = active_account(7)
    sign_in_as(page, live_server, support)
    page.goto(f"{live_server.url}/accounts/demo/{account_id}/")
    page.get_by_role("link", name=re.compile("^Lock")).click()
    page.get_by_role("combobox", name="How long").select_option("session_end")
    page.get_by_label("Reason", exact=True).select_option("Other")
    page.get_by_label("In words").fill("Trades far too much")
    check_page(page)
    page.get_by_role("button", name=re.compile("^Lock 1 account")).click()
    page.wait_for_url(re.compile(r"/changes/\d+/$"))
    work()
    assert present.simulator.account(account_id)["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    page.goto(f"{live_server.url}/accounts/demo/{account_id}/")
    expect(page.get_by_text(re.compile("it ends 2026-12-08 16:00"))).to_be_visible()
    check_page(page)

    sign_in_as(page, live_server, supervisor)
    page.goto(f"{live_server.url}/changes/{Change.objects.get(relation=Relation.ENDS).pk}/")
    press_approve(page, ": Unlock 1 account")
    expect(page.locator("#state-title")).to_have_text("Scheduled")
    check_page(page)

    present.move_to(SESSION_ENDS - timedelta(seconds=5))
    work()
    assert present.simulator.account(account_id)["accountRiskStatus"]["adminAction"] == "LockTradingImmediately"
    present.move_to(SESSION_ENDS + timedelta(seconds=5))
    work()
    assert present.simulator.account(account_id)["accountRiskStatus"]["adminAction"] == "Normal"
    assert Change.objects.get(relation=Relation.ENDS).items.get().state == ItemState.APPLIED
