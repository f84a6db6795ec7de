"""The gauge on every page, and the page that shows the hour."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.gateway import connection
from accounts.gateway.ledger import PostgresLedger
from accounts.gateway.usage.queries import WINDOW, hour
from accounts.models.api import ApiAttempt
from riskadmin.staff.roles import Role
from riskadmin.tradovate.breaker import FAILURES
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.endpoints import ACCOUNTS, RENEW_ACCESS_TOKEN
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db(transaction=True)

GAUGE, PAGE = "/budget/-/gauge/", "/budget/"


@pytest.fixture(autouse=True)
def desk(settings: Settings, redis_client: redis.Redis) -> Iterator[None]:
    """An empty hour of a user of our own."""
    settings.TRADOVATE_USERNAME = "desk"
    settings.TRADOVATE_URLS = {"demo": "http://127.0.0.1:1/v1", "live": ""}
    yield
    connection._budget.cache_clear()
    connection._breaker.cache_clear()


@pytest.fixture
def support(client: Client) -> Client:
    client.force_login(make_person(Role.SUPPORT))
    return client


@pytest.fixture
def supervisor(client: Client) -> Client:
    client.force_login(make_person(Role.SUPERVISOR))
    return client


def shown(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


def count_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger be away, though the rest of the database answers."""

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(PostgresLedger, "state", fail)


def spend(count: int, lane: Lane = Lane.BULK) -> None:
    for _ in range(count):
        connection.budget().reserve(ACCOUNTS, lane)


class TestGauge:
    def test_it_shows_the_calls_left_to_each_lane(self, support: Client) -> None:
        spend(3)
        assert "Calls left: 4,972 urgent, 4,474 bulk" in shown(support, GAUGE)

    def test_it_asks_who_is_there_and_for_the_count(
        self, support: Client, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        spend(1)
        with django_assert_num_queries(3):  # the session, its person, the count
            support.get(GAUGE, headers={"HX-Request": "true"})

    def test_a_stop_of_all_calls(self, support: Client) -> None:
        connection.budget().halt(3600, "too many calls in an hour (HTTP 429)")
        assert "Calls stopped" in shown(support, GAUGE)

    def test_a_stop_of_one_endpoint(self, support: Client) -> None:
        connection.budget().halt(3600, "Tradovate demands a captcha", RENEW_ACCESS_TOKEN)
        text = shown(support, GAUGE)
        assert "1 endpoint stopped" in text
        assert "auth/renewaccesstoken: Tradovate demands a captcha, until" in text
        assert "Calls left:" in text

    def test_an_outage(self, support: Client) -> None:
        for _ in range(FAILURES):
            connection.breaker(Environment.DEMO).failed("HTTP 503")
        text = shown(support, GAUGE)
        assert "Demo doesn&#x27;t answer" in text
        assert "HTTP 503" in text

    def test_a_lowered_limit(self, support: Client) -> None:
        spend(2)
        connection.budget().lower(connection.budget().reserve(ACCOUNTS, Lane.BULK))
        text = shown(support, GAUGE)
        assert "of 2,500 (lowered after a 429; the settings say 5,000)" in text
        assert "Limit lowered." in text

    def test_calls_that_can_not_be_counted(self, support: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        count_nothing(monkeypatch)
        assert "Calls can't be counted: nothing is sent" in shown(support, GAUGE)

    def test_it_is_in_the_frame_and_polls_gently(self, support: Client) -> None:
        assert f'hx-get="{GAUGE}" hx-trigger="load, poll" data-poll="30s"' in shown(support, "/")


class TestPage:
    def test_an_empty_hour(self, supervisor: Client) -> None:
        text = shown(supervisor, PAGE)
        assert "No call in this hour." in text
        assert "<title>Budget of calls" in text

    def test_calls_by_minute_lane_and_endpoint(self, supervisor: Client) -> None:
        spend(3)
        spend(2, Lane.URGENT)
        connection.budget().reserve(RENEW_ACCESS_TOKEN, Lane.URGENT)
        found = hour()
        assert (found.urgent, found.bulk, found.calls) == (3, 3, 6)
        assert [(row.endpoint, row.urgent, row.bulk, row.limit) for row in found.by_endpoint] == [
            ("account/list", 2, 3, None),
            ("auth/renewaccesstoken", 1, 0, 15),
        ]
        assert sum(minute.calls for minute in found.busy_minutes) == 6
        text = shown(supervisor, PAGE)
        assert "auth/renewaccesstoken" in text
        assert "Urgent, 3" in text

    def test_each_minute_has_its_bar_and_its_calls_come_back_a_window_later(self) -> None:
        at = (datetime.now(UTC) - timedelta(minutes=30)).replace(second=0, microsecond=0)
        for offset, lane in ((5, "urgent"), (50, "bulk"), (70, "bulk")):
            when = at + timedelta(seconds=offset)
            ApiAttempt.objects.create(api_user="desk", endpoint="account/list", lane=lane, attempted_at=when)
        found = hour()
        assert [(minute.at, minute.urgent, minute.bulk) for minute in found.busy_minutes] == [
            (at, 1, 1),
            (at + timedelta(minutes=1), 0, 1),
        ]
        assert found.busy_minutes[0].back_at == at + timedelta(minutes=1) + WINDOW
        first, second = found.bars
        assert second.x - first.x == 12
        assert (first.urgent_height, first.bulk_height, second.urgent_height, second.bulk_height) == (59, 59, 0, 59)
        assert (first.bulk_y, first.urgent_y) == (61, 2)
        assert 61 <= len(found.minutes) <= 63

    def test_other_users_and_older_calls_are_not_of_it(self) -> None:
        now = datetime.now(UTC)
        ApiAttempt.objects.create(api_user="another", endpoint="account/list", lane="bulk", attempted_at=now)
        ApiAttempt.objects.create(api_user="desk", endpoint="account/list", lane="bulk", attempted_at=now - WINDOW)
        assert hour().calls == 0

    @pytest.mark.parametrize("count", [20, 200])
    def test_four_queries_however_many_calls(self, count: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for place in range(count):
            at = datetime.now(UTC) - timedelta(seconds=place * 15)
            ApiAttempt.objects.create(api_user="desk", endpoint=f"e/{place % 7}", lane="bulk", attempted_at=at)
        with django_assert_num_queries(4):
            assert hour().calls == count

    def test_stops_outages_and_lowered_limits(self, supervisor: Client) -> None:
        budget = connection.budget()
        refused = budget.reserve(ACCOUNTS, Lane.BULK)
        budget.halt(600, "Tradovate demands a captcha", RENEW_ACCESS_TOKEN)
        budget.halt(3600, "too many calls in an hour (HTTP 429)")
        another = Budget(PostgresLedger(), user="another", calls_per_hour=100, safety_margin=0, urgent_share_pct=10)
        another.halt(60, "not ours")
        budget.lower(refused)
        for _ in range(FAILURES):
            connection.breaker(Environment.DEMO).failed("no connection: ConnectTimeout")
        text = shown(supervisor, PAGE)
        assert "All calls are stopped until" in text
        assert "Tradovate demands a captcha, since" in text
        assert "not ours" not in text
        assert "The limit is 2,500 an hour instead of 5,000, until" in text
        assert "Tradovate's demo environment doesn't answer, for" in text
        assert "next try in 5 s" in text

    def test_it_is_there_when_calls_can_not_be_counted(self, supervisor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        spend(1)
        connection.budget().halt(600, "Tradovate demands a captcha", RENEW_ACCESS_TOKEN)
        count_nothing(monkeypatch)
        text = shown(supervisor, PAGE)
        assert "The calls can't be counted." in text
        assert "Tradovate demands a captcha" in text
        assert "Bulk, 1" in text
