"""Stops as the budget keeps them, from the call that was answered to the pages; and that kinds say truly what they need."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.test import Client as Browser
from django.urls import reverse
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.stops import Ahead, stops_now
from accounts.gateway import connection
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from riskadmin.tradovate.calling import Calling
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import SET_ADMIN_AUTO_LIQ_ACTION, Endpoint
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.http_record import HttpRecord, Reply
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.pages import new, words
from tests.changes.world import make_account
from tests.staff.people import make_person
from tests.tradovate.canned import CannedServer, answer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]

LOCK = SET_ADMIN_AUTO_LIQ_ACTION.name
TOKEN = {"accessToken": "t", "expirationTime": "2099-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def tradovate(settings: Settings, redis_client: redis.Redis) -> Iterator[CannedServer]:
    """A Tradovate that does as it is told, behind an empty budget."""
    server = CannedServer()
    settings.TRADOVATE_USERNAME, settings.TRADOVATE_PASSWORD = "desk", "secret"
    settings.TRADOVATE_URLS = {"demo": server.url, "live": ""}
    server.on("auth/accesstokenrequest", answer(200, TOKEN))
    server.on("auth/renewaccesstoken", answer(200, {**TOKEN, "accessToken": "t2"}))
    yield server
    server.close()
    for built in (connection._client, connection._tokens, connection._budget, connection._breaker):
        built.cache_clear()


@pytest.fixture
def browser(client: Browser) -> Browser:
    client.force_login(make_person(Role.SUPPORT))
    return client


def test_after_a_captcha_on_a_lock_the_next_preview_says_until_when(browser: Browser) -> None:
    make_account(1)
    connection.budget().halt(3600, "Tradovate demands a captcha", SET_ADMIN_AUTO_LIQ_ACTION)
    (halted,) = connection.budget().state().halted_endpoints
    page = browser.get(new("lock"), {"account": "demo:1"})
    found = page.context["outlook"]
    assert (found.fits, found.finish_at) == (False, halted.until)
    assert halted.until > datetime.now(UTC) + timedelta(minutes=59)
    assert "As soon as Tradovate answers" not in words(page)
    for shown in (words(page), words(browser.get(reverse("accounts:detail", args=["demo", 1])))):
        assert f"Tradovate demands a captcha for {LOCK}." in shown
        assert "Until then: move it to a risk category that your firm has set up to allow no orders" in shown


def test_a_lasting_denial_is_a_stop_like_any_other_and_one_event(browser: Browser, tradovate: CannedServer) -> None:
    make_account(1)
    tradovate.on("account/list", answer(401, b"Access is denied", content_type="text/plain"))
    tradovate.on("riskCategory/list", answer(200, []))
    client = connection.client(Environment.DEMO, Lane.BULK)
    for _ in range(3):
        with pytest.raises(NotHandled, match="Tradovate denies access to account/list"):
            client.accounts()
    client.risk_categories()
    reported = (
        "Tradovate denies access to account/list (HTTP 401: Access is denied): a permission of the API key may be missing"
    )
    event = Event.objects.get(tag=Tag.API_HALTED)
    assert (event.detail["endpoint"], event.detail["text"]) == ("account/list on demo", reported)
    (stop,) = stops_now().found
    assert stop.what == "Accounts can't be read"
    assert stop.because.startswith(f"{reported}. It is tried again at ")
    for name in ("home", "changes:stops"):
        assert f"{reported}." in words(browser.get(reverse(name)))
    assert "Accounts can't be read until Tradovate allows access again" in words(browser.get(reverse("changes:stops_strip")))


# What kinds say that they need.

LIMIT = {"id": 9, "accountId": 1, "active": True, "totalBy": "Overall"}
EXCHANGE = HttpRecord(
    endpoint="",
    environment=Environment.DEMO,
    method="GET",
    path="/",
    request_body=None,
    status=200,
    response_text="",
    sent_at=datetime(2026, 11, 21, tzinfo=UTC),
    elapsed_ms=1,
)
VARIANTS = [pytest.param(kind, id=label) for each in KINDS.values() for label, kind in each.variants()]


@pytest.mark.parametrize("kind", VARIANTS)
def test_each_step_has_its_endpoint(kind: Kind) -> None:
    assert len(kind.step_endpoints()) == len(kind.steps)
    for endpoint in kind.step_endpoints():
        assert kind.environments <= endpoint.environments


@pytest.mark.parametrize("kind", VARIANTS)
@pytest.mark.parametrize("count", [1, 301])
def test_what_a_kind_reads_is_what_it_says(kind: Kind, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kind.is_read_back:
        assert kind.reads == ()
        return
    read: set[str] = set()

    def call(_client: Calling, endpoint: Endpoint, **_: object) -> Reply[object]:
        read.add(endpoint.name)
        return Reply([LIMIT] if endpoint.name == "userAccountPositionLimit/ldeps" else [], EXCHANGE)

    monkeypatch.setattr(Calling, "_call", call)
    client: Client = connection.client(Environment.DEMO, Lane.BULK)
    ids = range(1, min(count, kind.read_at_once) + 1)
    for _ in kind.read_all(client, list(ids)):
        pass
    for step in range(len(kind.steps)):
        kind.read_step(client, list(ids), step)
    assert read <= Ahead(kind=kind, environment=Environment.DEMO, lane=Lane.BULK, targets=count).reads
    if count == 1:
        assert read == {each.name for each in kind.reads}
