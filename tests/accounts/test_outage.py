"""What the product does while Tradovate does not answer: pages fail fast, beat's task finds out when it is back."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from pytest_django import Settings

from accounts.gateway import connection
from accounts.sync.tasks import probe_task
from riskadmin.staff.roles import Role
from riskadmin.tradovate.breaker import FAILURES
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import make_account
from tests.staff.people import make_person
from tests.tradovate.canned import CannedServer, answer

pytestmark = pytest.mark.django_db(transaction=True)

DEMO_KEY = "tradovate:outage:demo"
LOGIN = answer(200, {"accessToken": "t", "expirationTime": "2099-01-01T00:00:00Z"})


@pytest.fixture(autouse=True)
def tradovate(settings: Settings, redis_client: redis.Redis) -> Iterator[CannedServer]:
    """A Tradovate that does as it is told, behind an empty budget."""
    server = CannedServer()
    settings.TRADOVATE_USERNAME, settings.TRADOVATE_PASSWORD = "desk", "secret"
    settings.TRADOVATE_URLS = {"demo": server.url, "live": ""}
    server.on("auth/accesstokenrequest", LOGIN)
    yield server
    server.close()
    for built in (connection._client, connection._tokens, connection._budget, connection._breaker):
        built.cache_clear()


def open_breaker() -> None:
    for _ in range(FAILURES):
        connection.breaker(Environment.DEMO).failed("HTTP 503")


def test_every_lane_and_process_stops_and_the_message_says_why(tradovate: CannedServer) -> None:
    open_breaker()
    for lane in Lane:
        with pytest.raises(NotHandled) as refusal:
            connection.client(Environment.DEMO, lane).accounts()
        assert refusal.value.reason is NotHandledReason.OUTAGE
        assert refusal.value.retry_after_s is not None
    assert "demo environment does not answer (HTTP 503)" in refusal.value.message
    assert tradovate.paths() == []
    assert connection.budget().state().used == 0
    found = connection.outages()
    assert [(outage.environment, outage.reason) for outage in found] == [(Environment.DEMO, "HTTP 503")]


def test_a_page_that_reads_says_so_at_once(client: Client, tradovate: CannedServer) -> None:
    make_account(101)
    open_breaker()
    client.force_login(make_person(Role.SUPPORT))
    page = client.post("/accounts/demo/101/refresh/", follow=True).content.decode()
    assert "does not answer (HTTP 503); it is tried again on its own" in " ".join(page.split())
    assert tradovate.paths() == []


def test_beat_probes_when_it_is_time_and_work_continues(tradovate: CannedServer, redis_client: redis.Redis) -> None:
    tradovate.on("riskCategory/list", answer(200, []), answer(503), answer(200, []))
    connection.client(Environment.DEMO, Lane.BULK).risk_categories()
    open_breaker()
    probe_task()
    assert len(tradovate.paths()) == 2, "it is not time yet"
    for still_out in (True, False):
        redis_client.hset(DEMO_KEY, "probe_at", 0)
        probe_task()
        assert bool(connection.outages()) == still_out
    probe_task()
    assert tradovate.paths() == ["auth/accesstokenrequest", *["riskCategory/list"] * 3]
    connection.client(Environment.DEMO, Lane.BULK).risk_categories()


def test_beat_starts_the_probe_in_the_urgent_lane() -> None:
    entry = django_settings.CELERY_BEAT_SCHEDULE["probe"]
    assert (entry["task"], entry["schedule"]) == ("accounts.probe", 5.0)
    assert entry["options"] == {"queue": "urgent", "expires": 5}
