"""The circuit breaker: stop, probe gently, resume; shared by every process, and forgotten by a wiped Redis."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from riskadmin.tradovate.breaker import FAILURES, FORGOTTEN_S, LAST_PROBE_S, PROBE_S, Breaker
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.tokens import TokenSource
from riskadmin.tradovate.vocabulary import AdminAction, Environment, Lane, ReasonCode
from tests.tradovate.canned import CannedServer, Play, answer, reset
from tests.tradovate.names import CREDENTIALS
from tests.tradovate.stores import SqliteTokenStore, WatchedLedger
from tests.tradovate.test_budget import START, Clock, clock

__all__ = ["clock"]  # a fixture

READ, LOCK = "account/list", "accountRiskStatus/setadminautoliqaction"


@pytest.fixture
def make_breaker(redis_client: redis.Redis, clock: Clock) -> Callable[..., Breaker]:
    """Breakers as several processes have them."""

    def make(environment: Environment = Environment.DEMO) -> Breaker:
        return Breaker(redis_client, environment=environment, clock=clock)

    return make


@pytest.fixture
def breaker(make_breaker: Callable[..., Breaker]) -> Breaker:
    return make_breaker()


def fail(breaker: Breaker, times: int = FAILURES, reason: str = "HTTP 503") -> None:
    for _ in range(times):
        breaker.failed(reason)


def refused(breaker: Breaker) -> NotHandled:
    with pytest.raises(NotHandled) as refusal:
        breaker.check()
    assert refusal.value.reason is NotHandledReason.OUTAGE
    return refusal.value


def probe_that_fails(breaker: Breaker) -> Callable[[], None]:
    def read() -> None:
        breaker.check()
        breaker.failed("HTTP 502")
        raise OutcomeUnknown("Tradovate answered HTTP 502")

    return read


def probe_that_is_answered(breaker: Breaker) -> Callable[[], None]:
    return lambda: breaker.answered(breaker.check())


def never() -> None:
    raise AssertionError("nothing should be read now")


def test_failures_in_a_row_open_it_for_every_process(make_breaker: Callable[..., Breaker]) -> None:
    one, other = make_breaker(), make_breaker()
    fail(one, 2)
    fail(other, 2)
    assert one.check() == 4
    other.failed("HTTP 503")
    refusal = refused(one)
    assert refusal.retry_after_s == 6
    assert "demo environment does not answer (HTTP 503)" in refusal.message
    assert make_breaker(Environment.LIVE).check() == 0


def test_an_answer_restarts_the_count(breaker: Breaker) -> None:
    for _ in range(3):
        fail(breaker, FAILURES - 1)
        breaker.answered(breaker.check())
        assert breaker.check() == 0


def test_calls_that_were_in_flight_neither_close_it_nor_delay_the_probe(breaker: Breaker, clock: Clock) -> None:
    failures = breaker.check()
    fail(breaker)
    clock.now += 4
    fail(breaker)
    breaker.answered(failures + 1)
    assert refused(breaker).retry_after_s == 2


def test_the_probes_come_after_5_s_doubling_to_60(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    waits = []
    for _ in range(6):
        assert not breaker.probe(never)
        outage = breaker.outage()
        assert outage is not None
        waits.append(outage.next_try_s)
        clock.now += outage.next_try_s - 0.001
        assert not breaker.probe(never)
        clock.now += 0.001
        assert breaker.probe(probe_that_fails(breaker))
        refused(breaker)
    assert waits == [5, 10, 20, 40, LAST_PROBE_S, LAST_PROBE_S]
    found = breaker.outage()
    assert found is not None
    assert (found.since, found.reason) == (START, "HTTP 502")


def test_the_first_answer_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += 5
    assert breaker.probe(probe_that_is_answered(breaker))
    assert (breaker.check(), breaker.outage()) == (0, None)
    assert not breaker.probe(never)
    fail(breaker, FAILURES - 1)
    breaker.check()


def test_only_one_process_probes(make_breaker: Callable[..., Breaker], clock: Clock) -> None:
    one, other = make_breaker(), make_breaker()
    fail(one)
    clock.now += 5

    def slow() -> None:
        assert not other.probe(never)
        refused_by_other.append(True)
        clock.now += PROBE_S
        assert other.probe(probe_that_is_answered(other)), "the first one takes too long to be waited for"

    refused_by_other: list[bool] = []
    assert one.probe(slow)
    assert refused_by_other == [True]
    assert one.check() == 0


def test_a_probe_that_could_not_be_made_is_made_after_the_same_wait(breaker: Breaker, clock: Clock) -> None:
    def no_budget() -> None:
        raise NotHandled("the calls of this hour are used up", reason=NotHandledReason.NO_BUDGET)

    fail(breaker)
    for _ in range(3):
        clock.now += 5
        assert breaker.probe(no_budget)
    refused(breaker)


def test_a_wiped_redis_closes_it(breaker: Breaker, redis_client: redis.Redis) -> None:
    fail(breaker)
    redis_client.flushall()
    assert breaker.check() == 0
    fail(breaker, FAILURES - 1)
    breaker.check()


def test_it_is_forgotten_where_there_is_no_probe(breaker: Breaker, redis_client: redis.Redis) -> None:
    fail(breaker)
    assert 0 < redis_client.pttl("tradovate:outage:demo") <= (5 + FORGOTTEN_S) * 1000


def test_no_redis_no_opinion(clock: Clock) -> None:
    breaker = Breaker(redis.Redis(port=1, retry=Retry(NoBackoff(), 0)), environment=Environment.DEMO, clock=clock)
    fail(breaker)
    breaker.answered(1)
    assert breaker.check() == 0
    assert not breaker.probe(never)
    with pytest.raises(redis.RedisError):
        breaker.outage()


# With the client.


@pytest.fixture
def guarded(server: CannedServer, store: SqliteTokenStore, budget: Budget, breaker: Breaker) -> Callable[..., Client]:
    def make(base_url: str = "", lane: Lane = Lane.URGENT) -> Client:
        url = base_url or server.url
        tokens = TokenSource(
            environment=Environment.DEMO, base_url=url, store=store, credentials=CREDENTIALS, budget=budget, breaker=breaker
        )
        return Client(
            environment=Environment.DEMO,
            base_url=url,
            tokens=tokens,
            budget=budget,
            breaker=breaker,
            lane=lane,
            timeout=(10.0, 10.0),
        )

    return make


def lock(client: Client) -> None:
    client.set_admin_auto_liq_action(
        permit=WritePermit(call_id=1, good_for_s=3600.0),
        account_id=1,
        action=AdminAction.LOCK,
        reason_code=ReasonCode.OTHER,
        reason="a test",
    )


OUT_OF_ORDER: list[Play] = [
    answer(500),
    answer(503, b"<html>Service unavailable</html>", content_type="text/html"),
    answer(200, b"<!DOCTYPE html><title>Back soon</title>", content_type="text/html"),
    answer(200, b"[", length=500),
    reset,
]
IN_ORDER: list[Play] = [answer(404), answer(429), answer(200, {"errorText": "no"}), answer(200, {"p-ticket": "t", "p-time": 1})]


@pytest.mark.parametrize("play", OUT_OF_ORDER)
def test_what_says_that_tradovate_is_out_of_order(
    server: CannedServer, guarded: Callable[..., Client], breaker: Breaker, play: Play
) -> None:
    server.on(LOCK, play)
    with pytest.raises(OutcomeUnknown):
        lock(guarded())
    assert breaker.check() == 1


@pytest.mark.parametrize("play", IN_ORDER)
def test_what_is_an_answer(server: CannedServer, guarded: Callable[..., Client], breaker: Breaker, play: Play) -> None:
    server.on(LOCK, play)
    breaker.failed("before")
    with pytest.raises((Rejected, NotHandled)):
        lock(guarded())
    assert breaker.check() == 0


def test_an_ended_session_counts_as_neither_success_nor_failure(
    server: CannedServer, guarded: Callable[..., Client], breaker: Breaker
) -> None:
    server.on(LOCK, answer(408))
    server.on("auth/renewaccesstoken", answer(408))
    server.on("auth/accesstokenrequest", answer(408))
    breaker.failed("before")
    with pytest.raises(OutcomeUnknown):
        lock(guarded())
    assert breaker.check() == 1


def test_an_outage_uses_up_no_budget_and_sends_nothing(
    guarded: Callable[..., Client], budget: Budget, ledger: WatchedLedger
) -> None:
    no_capability = "http://127.0.0.1:1/v1"
    for _ in range(FAILURES):
        with pytest.raises(NotHandled) as refusal:
            guarded(no_capability).accounts()
        assert refusal.value.reason is NotHandledReason.NOT_CONNECTED
    for attempt in (guarded(no_capability).accounts, lambda: lock(guarded(no_capability, Lane.BULK))):
        with pytest.raises(NotHandled) as refusal:
            attempt()
        assert refusal.value.reason is NotHandledReason.OUTAGE
    assert budget.state().used == 0
    assert ledger.endpoints() == []


def test_a_write_that_got_no_answer_stays_unknown_and_the_next_one_waits(
    server: CannedServer, guarded: Callable[..., Client], clock: Clock, breaker: Breaker
) -> None:
    server.on(LOCK, answer(502))
    ends: list[type[TradovateError]] = []
    for _ in range(FAILURES + 3):
        with pytest.raises(TradovateError) as error:
            lock(guarded())
        ends.append(type(error.value))
    assert ends == [OutcomeUnknown] * FAILURES + [NotHandled] * 3
    assert len(server.paths()) == FAILURES
    server.on(READ, answer(200, []))
    clock.now += 5
    assert breaker.probe(guarded().accounts)
    assert server.paths()[FAILURES:] == [READ]
    server.on(LOCK, answer(200, {"accountRiskStatus": {"id": 1, "adminAction": "LockTradingImmediately"}}))
    lock(guarded())


def test_the_probe_replaces_a_session_that_ended_meanwhile(
    server: CannedServer, guarded: Callable[..., Client], clock: Clock, breaker: Breaker, store: SqliteTokenStore
) -> None:
    store.put("an old one", datetime(2020, 1, 1, tzinfo=UTC))
    fail(breaker)
    with pytest.raises(NotHandled) as refusal:
        guarded().accounts()
    assert refusal.value.reason is NotHandledReason.OUTAGE
    assert server.paths() == []
    server.on("auth/accesstokenrequest", answer(200, {"accessToken": "new", "expirationTime": "2099-01-01T00:00:00Z"}))
    server.on(READ, answer(200, []))
    clock.now += 5
    assert breaker.probe(guarded().accounts)
    assert server.paths() == ["auth/accesstokenrequest", READ]
    assert breaker.check() == 0
