import pytest
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer
from accounts.models import Cash, AutoLiqLimits, Position
from tests.browsing import sign_in
from tests.changes.test_decision_page import NEW_LIMIT, make_the_reported
from tests.changes.world import ask, approve, make_trader, let_trade
from tests.staff.people import PASSWORD
from accounts.models import Account

pytestmark = pytest.mark.django_db(transaction=True)


def test_pictures(live_server, page, support, supervisor, second_supervisor, sent, check_page):
    ids = make_the_reported()
    trader = make_trader(77, "tariq.moreau.211")
    let_trade(trader, *Account.objects.filter(tradovate_id__gte=347))
    change = ask(support, "auto_liq_limits", *ids, parameters=NEW_LIMIT)
    approve(second_supervisor, change)
    ask(support, "lock", 350, 351)
    Cash.objects.filter(account__tradovate_id=300).update(realized_pnl_usd=-1700)
    AutoLiqLimits.objects.filter(account__tradovate_id=2).update(daily_loss_auto_liq_usd=2000)
    sign_in(page, live_server.url, supervisor.username, PASSWORD)
    page.set_viewport_size({"width": 1360, "height": 900})
    page.goto(f"{live_server.url}/changes/{change.pk}/")
    page.wait_for_timeout(800)
    page.screenshot(path="/tmp/dp-1360.png")
    page.screenshot(path="/tmp/dp-full.png", full_page=True)
    page.keyboard.press("r")
    page.wait_for_timeout(200)
    page.screenshot(path="/tmp/dp-reject.png")
    page.keyboard.press("Escape")
    page.evaluate("document.documentElement.dataset.bsTheme='dark'")
    page.keyboard.press("a")
    page.keyboard.type("9")
    page.screenshot(path="/tmp/dp-dark.png")
    page.set_viewport_size({"width": 390, "height": 844})
    page.screenshot(path="/tmp/dp-phone-dark.png")
    page.evaluate("document.documentElement.dataset.bsTheme='light'")
    page.screenshot(path="/tmp/dp-phone.png")
    page.screenshot(path="/tmp/dp-phone-full.png", full_page=True)
    print(page.evaluate("document.documentElement.scrollWidth"))
    page.goto(f"{live_server.url}/changes/{change.pk}/?without=liquidated")
    page.screenshot(path="/tmp/dp-phone-without.png")
    page.set_viewport_size({"width": 1360, "height": 900})
    page.screenshot(path="/tmp/dp-without.png")
    check_page(page)
