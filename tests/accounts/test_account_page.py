"""One account's page: exact figures and words, 404 for what isn't there, and reading it again through Tradovate."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import redis
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Account, LimitLevel, RiskStatus, Source
from accounts.sync.actions import sync
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.formats import MINUS
from tests.accounts.mirrored import (
    make_account,
    make_active,
    make_cash,
    make_category,
    make_limits,
    make_position,
    make_status,
    make_trader,
)
from tests.simulator.driver import Simulator
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def page_of(account: Account) -> str:
    return reverse("accounts:detail", args=[account.environment, account.tradovate_id])


def refresh_of(account: Account) -> str:
    return reverse("accounts:refresh", args=[account.environment, account.tradovate_id])


def text(client: Client, account: Account) -> str:
    """The page's words, as a person reads them."""
    response = client.get(page_of(account))
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("&#x27;", "'").split())


@pytest.fixture
def support(client: Client, db: None) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


@pytest.mark.parametrize("role", Role)
def test_every_role_may_look(client: Client, role: Role) -> None:
    account = make_active("EVAL-1")
    client.force_login(make_person(role))

    assert "EVAL-1" in text(client, account)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_sent_to_sign_in_and_nothing_is_read(client: Client, method: str) -> None:
    account = make_active()

    response = client.get(page_of(account)) if method == "get" else client.post(refresh_of(account))

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("staff:sign_in"))


@pytest.mark.parametrize(
    "address", ["demo/999999", "live/1001", "moon/1001", "demo/99999999999999999999999999"], ids=lambda part: part[:12]
)
def test_what_is_not_there_is_not_found(support: Client, address: str) -> None:
    make_active(tradovate_id=1001)

    assert support.get(f"/accounts/{address}/").status_code == 404
    assert support.post(f"/accounts/{address}/refresh/").status_code == 404
    assert support.get("/accounts/demo/1001/").status_code == 200


def test_reading_again_is_a_post(support: Client) -> None:
    assert support.get(refresh_of(make_active())).status_code == 405


def test_the_page_says_why_what_and_how_far(support: Client) -> None:
    ana = make_trader("ana.garcia", email="ana@firm.example")
    account = make_active("EVAL-1", trader=ana, risk_category=make_category("Gold"), positions_read_at=datetime.now(UTC))
    make_active("EVAL-2", trader=ana)
    make_cash(account, today="-1200", amount_usd=Decimal("48800.5"))
    make_limits(account, daily_loss_auto_liq_usd=2000, margin_alert_pct=Decimal("12.5"), do_not_unlock=True)
    make_limits(account, LimitLevel.TRADER, daily_loss_auto_liq_usd=1500)
    make_position(account, net_pos=-3, net_price=Decimal("5012.25"))

    page = text(support, account)

    assert "No lock. What its risk category (Gold) allows is not known here." in page
    assert "stays stopped until unlocked" in page
    assert f"{MINUS}$1,200.00; auto-liquidates at {MINUS}$1,500.00: $300.00 left" in page
    assert "trader's limit is the nearer" in page
    assert "12.5%" in page
    assert "short 3" in page
    assert "5,012.25" in page
    assert "$48,800.50" in page
    assert "ana@firm.example" in page
    assert "EVAL-2" in page
    assert "Gold" in page


def test_what_tradovate_dates_ten_minutes_ahead_of_our_clock_has_happened_just_now(support: Client) -> None:
    account = make_account("EVAL-1")
    now = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
    make_status(account, admin_action="LockTradingImmediately", admin_at=now + timedelta(minutes=10), fresh_at=now)

    with time_machine.travel(now + timedelta(seconds=30), tick=False):
        page = text(support, account)
        row = support.get(reverse("accounts:list")).content.decode()

    since = page[page.index("<dt>Since</dt>") :]
    assert ">2026-11-21 14:10:00</time>" in since
    assert ">just now</time>" in since[: since.index("</dd>")]
    assert "9 min" not in page
    assert ">30 s ago</time>" in page
    assert ">0 s</time>" in row
    assert "9 min" not in row


def test_the_panels_of_upper_rooms_are_links_too(support: Client) -> None:
    account = make_active()

    page = text(support, account)

    for name in ("changes:account_panel", "changes:account_actions", "story:account"):
        address = reverse(name, args=[account.environment, account.tradovate_id])
        assert f'hx-get="{address}"' in page
        assert f'href="{address}"' in page


def test_an_account_with_nothing_known_says_so(support: Client) -> None:
    page = text(support, make_account())

    assert "Its risk status was never read." in page
    assert "Tradovate has shown no cash balance for it." in page
    assert "No one has an accepted permission to trade it." in page
    assert "No limit is set on either level" in page
    assert "Not read yet." in page


def test_names_from_outside_are_escaped(support: Client) -> None:
    account = make_active("<b>X", trader=make_trader("<script>", email="a&b@x"))

    page = support.get(page_of(account)).content.decode()

    assert "<b>X" not in page
    assert "&lt;script&gt;" in page


def test_one_and_thirty_other_accounts_take_the_same_queries(support: Client) -> None:
    trader = make_trader("ana.garcia")
    account = make_active(trader=trader)
    make_limits(account)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            text(support, account)
        return len(captured)

    make_active(trader=trader)
    make_position(account)
    few = queries()
    for _ in range(29):
        make_cash(make_active(trader=trader))
        make_position(account)

    assert queries() == few <= 15


@pytest.fixture
def mirrored(simulator: Simulator, client: Client) -> Account:
    """An open account of a filled mirror; support is signed in, and no call has been counted yet."""
    client.force_login(make_person(Role.SUPPORT))
    assert sync(Environment.DEMO) is not None
    simulator.reset_counters()
    return Account.objects.filter(archived=False, risk_status__admin_action="Normal")[0]


def test_read_now_reads_all_that_the_page_shows(simulator: Simulator, mirrored: Account, client: Client) -> None:
    simulator.patch("accountRiskStatus", mirrored.tradovate_id, adminAction="LockTradingImmediately")

    response = client.post(refresh_of(mirrored), follow=True)

    assert response.redirect_chain == [(page_of(mirrored), 303)]
    page = response.content.decode()
    assert "Read from Tradovate just now." in page
    assert "Locked (no orders)" in page
    assert RiskStatus.objects.get(account=mirrored).source == Source.REFRESH
    assert sorted(call["endpoint"] for call in simulator.calls()) == [
        "/account/items",
        "/accountRiskStatus/items",
        "/cashBalance/ldeps",
        "/permissionedAccountAutoLiq/ldeps",
        "/position/ldeps",
        "/riskCategory/list",
        "/user/items",
        "/userAccountAutoLiq/ldeps",
        "/userAccountPositionLimit/ldeps",
        *(["/userAccountRiskParameter/ldeps"] if mirrored.position_limits.exists() else []),
    ]
    simulator.patch("accountRiskStatus", mirrored.tradovate_id, adminAction="Normal")


def test_read_now_shows_limits_that_somebody_has_changed_outside(
    simulator: Simulator, mirrored: Account, client: Client
) -> None:
    simulator.patch("userAccountAutoLiq", mirrored.tradovate_id, dailyLossAutoLiq=4321.5)
    assert "$4,321.50" not in text(client, mirrored)
    client.post(refresh_of(mirrored))
    assert "$4,321.50" in text(client, mirrored)


def test_read_now_says_which_part_could_not_be_read_and_reads_the_others(
    simulator: Simulator, mirrored: Account, client: Client
) -> None:
    began_at = timezone.now()
    simulator.fault("answer", status=401, body="Access is denied", endpoint="/position/ldeps")
    page = client.post(refresh_of(mirrored), follow=True).content.decode().replace("&#x27;", "'")
    assert "Read from Tradovate just now, except positions: " in page
    assert "What you see of that was read before." in page
    assert "Tradovate can't be read now" not in page
    mirrored.refresh_from_db()
    assert mirrored.positions_read_at
    assert mirrored.positions_read_at < began_at < mirrored.cash.fresh_at
    assert mirrored.position_limits_read_at
    assert mirrored.position_limits_read_at > began_at
    assert all(each.fresh_at > began_at for each in mirrored.limits.all())


def test_when_tradovate_fails_the_page_says_so_and_keeps_what_was_known(
    simulator: Simulator, mirrored: Account, client: Client
) -> None:
    before = RiskStatus.objects.get(account=mirrored).fresh_at
    simulator.patch("accountRiskStatus", mirrored.tradovate_id, adminAction="LockTradingImmediately")
    for endpoint in ("/riskcategory/list", "/accountriskstatus/items"):
        simulator.fault("500", endpoint=endpoint)

    page = client.post(refresh_of(mirrored), follow=True).content.decode().replace("&#x27;", "'")

    assert "Tradovate can't be read now:" in page
    assert "What you see is what was known last." in page
    assert RiskStatus.objects.get(account=mirrored).fresh_at == before


def test_an_environment_that_is_not_connected_says_so(
    transactional_db: None, redis_client: redis.Redis, client: Client, settings: Settings
) -> None:
    settings.TRADOVATE_URLS = {"demo": "", "live": ""}
    account = make_active()
    client.force_login(make_person(Role.SUPPORT))

    page = client.post(refresh_of(account), follow=True).content.decode()

    assert "TRADOVATE_DEMO_URL is not set" in page
