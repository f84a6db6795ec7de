"""The rate budget by itself: what is admitted, when, and what survives what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from riskadmin.local.places import prepare
from riskadmin.local.valkey import ValkeyServer
from riskadmin.tradovate.budget import WINDOW_S, Budget
from riskadmin.tradovate.endpoints import (
    ACCESS_TOKEN_REQUEST,
    ACCOUNTS,
    ME,
    RENEW_ACCESS_TOKEN,
    SET_ADMIN_AUTO_LIQ_ACTION,
    Endpoint,
)
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Lane
from tests.servers import Servers
from tests.tradovate.stores import SqliteLedger

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Clock:
    """Seconds since 1970, moved by the test."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> SqliteLedger:
    return SqliteLedger(tmp_path / "ledger.sqlite", clock)


@pytest.fixture
def make_budget(redis_client: redis.Redis, ledger: SqliteLedger, clock: Clock) -> Callable[..., Budget]:
    """Budgets as several processes have them; 100 calls, 20 of them margin, half of the rest urgent."""

    def make(*, user: str = "desk", client: redis.Redis = redis_client, address: str = "office") -> Budget:
        return Budget(
            client,
            ledger,
            user=user,
            address=address,
            calls_per_hour=100,
            safety_margin=20,
            urgent_share_pct=50,
            clock=clock,
        )

    return make


@pytest.fixture
def budget(make_budget: Callable[..., Budget]) -> Budget:
    return make_budget()


def fill(budget: Budget, count: int, *, lane: Lane = Lane.URGENT, endpoint: Endpoint = ACCOUNTS) -> None:
    for _ in range(count):
        budget.reserve(endpoint, lane)


def refused(budget: Budget, *, lane: Lane = Lane.URGENT, endpoint: Endpoint = ACCOUNTS, spare: int = 0) -> NotHandled:
    with pytest.raises(NotHandled) as refusal:
        budget.reserve(endpoint, lane, spare=spare)
    return refusal.value


def test_bulk_leaves_the_urgent_share_and_the_margin(budget: Budget) -> None:
    fill(budget, 40, lane=Lane.BULK)
    assert refused(budget, lane=Lane.BULK).reason is NotHandledReason.NO_BUDGET
    fill(budget, 40, lane=Lane.URGENT)
    assert refused(budget, lane=Lane.URGENT).reason is NotHandledReason.NO_BUDGET


def test_urgent_calls_take_from_bulk_not_from_the_urgent_share(budget: Budget) -> None:
    fill(budget, 30, lane=Lane.URGENT)
    fill(budget, 10, lane=Lane.BULK)
    refused(budget, lane=Lane.BULK)
    fill(budget, 40, lane=Lane.URGENT)


def test_the_wait_is_exact_to_the_millisecond(budget: Budget, clock: Clock) -> None:
    for _ in range(80):
        budget.reserve(ACCOUNTS, Lane.URGENT)
        clock.now += 10
    urgent, bulk = refused(budget), refused(budget, lane=Lane.BULK)
    assert urgent.retry_after_s == WINDOW_S - 800
    # 41 of the 80 have to expire before bulk is under its 40.
    assert bulk.retry_after_s == WINDOW_S - 800 + 400
    clock.now += urgent.retry_after_s - 0.001
    assert refused(budget).retry_after_s == pytest.approx(0.001)
    clock.now += 0.001
    fill(budget, 1)
    assert refused(budget).retry_after_s == 10


def test_the_hour_rolls(budget: Budget, clock: Clock) -> None:
    """Over three hours of taking all there is, no window holds more than the limit, and little is left unused."""
    admitted: list[float] = []
    end = clock.now + 3 * WINDOW_S
    while clock.now < end:
        try:
            admitted.append(budget.reserve(ACCOUNTS, Lane.URGENT).at.timestamp())
            clock.now += 1
        except NotHandled as refusal:
            clock.now += refusal.retry_after_s or 0
    assert all(later - earlier >= WINDOW_S for earlier, later in zip(admitted, admitted[80:], strict=False))
    assert len(admitted) == 240


def test_every_attempt_has_a_row_with_its_lane_and_a_refused_one_has_none(budget: Budget, ledger: SqliteLedger) -> None:
    fill(budget, 40, lane=Lane.BULK)
    refused(budget, lane=Lane.BULK)
    budget.reserve(SET_ADMIN_AUTO_LIQ_ACTION, Lane.URGENT)
    assert ledger.endpoints() == ["account/list"] * 40 + ["accountRiskStatus/setadminautoliqaction"]
    assert ledger.lanes() == ["bulk"] * 40 + ["urgent"]


def test_a_used_up_hour_is_refused_without_touching_the_ledger(budget: Budget, ledger: SqliteLedger) -> None:
    fill(budget, 80)
    ledger.away = True
    assert refused(budget).reason is NotHandledReason.NO_BUDGET


def test_the_last_call_goes_to_one_of_two_rivals(make_budget: Callable[..., Budget], ledger: SqliteLedger) -> None:
    """The rival is admitted between our look and our row: our row goes again."""
    budget, rival = make_budget(), make_budget()
    fill(budget, 79)
    append = ledger.append

    def append_after_the_rival(*, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> list[int]:
        ledger.append = append  # type: ignore[method-assign]
        rival.reserve(ACCOUNTS, Lane.URGENT)
        return append(user=user, address=address, endpoint=endpoint, lane=lane, attempts=attempts)

    ledger.append = append_after_the_rival  # type: ignore[method-assign]
    assert refused(budget).reason is NotHandledReason.NO_BUDGET
    assert len(ledger.endpoints()) == 80
    assert budget.state().used == 80


def test_many_are_counted_as_far_as_there_is_room(budget: Budget, ledger: SqliteLedger) -> None:
    fill(budget, 75)

    admissions = budget.reserve_many(ACCOUNTS, Lane.URGENT, 9)

    assert len(admissions) == 5
    assert len({admission.id for admission in admissions}) == 5
    assert budget.state().used == 80
    assert len(ledger.endpoints()) == 80
    assert refused(budget).reason is NotHandledReason.NO_BUDGET


def test_many_share_the_last_room_with_a_rival(make_budget: Callable[..., Budget], ledger: SqliteLedger) -> None:
    """The rival takes some between our look and our rows: we get the rest, and the rows of the others go again."""
    budget, rival = make_budget(), make_budget()
    fill(budget, 75)
    append = ledger.append

    def append_after_the_rival(*, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> list[int]:
        ledger.append = append  # type: ignore[method-assign]
        rival.reserve_many(ACCOUNTS, Lane.URGENT, 3)
        return append(user=user, address=address, endpoint=endpoint, lane=lane, attempts=attempts)

    ledger.append = append_after_the_rival  # type: ignore[method-assign]
    assert len(budget.reserve_many(ACCOUNTS, Lane.URGENT, 5)) == 2
    assert len(ledger.endpoints()) == 80
    assert budget.state().used == 80


def test_the_own_limit_of_an_endpoint_bounds_many(budget: Budget) -> None:
    admissions = budget.reserve_many(RENEW_ACCESS_TOKEN, Lane.URGENT, 40)

    assert len(admissions) == RENEW_ACCESS_TOKEN.hourly_limit
    assert refused(budget, endpoint=RENEW_ACCESS_TOKEN).reason is NotHandledReason.NO_BUDGET
    budget.withdraw(*admissions)
    assert budget.state().used == 0
    assert len(budget.reserve_many(RENEW_ACCESS_TOKEN, Lane.URGENT, 2)) == 2


def test_users_do_not_share(make_budget: Callable[..., Budget]) -> None:
    fill(make_budget(), 80)
    fill(make_budget(user="other"), 80)


# Limits of single endpoints.


def test_an_endpoint_that_counts_all(budget: Budget, clock: Clock) -> None:
    for _ in range(15):
        budget.succeeded(budget.reserve(RENEW_ACCESS_TOKEN, Lane.URGENT))
        clock.now += 60
    refusal = refused(budget, endpoint=RENEW_ACCESS_TOKEN)
    assert (refusal.reason, refusal.retry_after_s) == (NotHandledReason.NO_BUDGET, WINDOW_S - 900)
    fill(budget, 1, endpoint=ACCOUNTS)


@pytest.mark.parametrize(("endpoint", "limit"), [(ACCESS_TOKEN_REQUEST, 5), (ME, 10)])
def test_an_endpoint_that_counts_failures(budget: Budget, endpoint: Endpoint, limit: int) -> None:
    for _ in range(20):
        budget.succeeded(budget.reserve(endpoint, Lane.URGENT))
    fill(budget, limit, endpoint=endpoint)
    assert refused(budget, endpoint=endpoint).reason is NotHandledReason.NO_BUDGET
    assert budget.state().used == 20 + limit, "the user's own hour counts successes too"


def test_spare_calls_of_an_endpoint_stay(budget: Budget) -> None:
    for _ in range(10):
        budget.reserve(RENEW_ACCESS_TOKEN, Lane.URGENT, spare=5)
    assert refused(budget, endpoint=RENEW_ACCESS_TOKEN, spare=5).retry_after_s == WINDOW_S
    fill(budget, 5, endpoint=RENEW_ACCESS_TOKEN)
    refused(budget, endpoint=RENEW_ACCESS_TOKEN)


def test_an_attempt_of_which_nothing_was_sent_is_given_back(budget: Budget, ledger: SqliteLedger) -> None:
    for _ in range(200):
        budget.withdraw(budget.reserve(RENEW_ACCESS_TOKEN, Lane.BULK))
    assert budget.state().used == 0
    assert ledger.endpoints() == []


# Halts.


def test_a_halt_stops_every_call_until_it_ends(budget: Budget, clock: Clock, ledger: SqliteLedger) -> None:
    budget.halt(3600, "too many calls")
    for endpoint in (ACCOUNTS, RENEW_ACCESS_TOKEN, SET_ADMIN_AUTO_LIQ_ACTION):
        refusal = refused(budget, endpoint=endpoint)
        assert (refusal.reason, refusal.retry_after_s) == (NotHandledReason.HALTED, 3600)
    assert refusal.message == "calls are stopped: too many calls"
    assert ledger.endpoints() == []
    clock.now += 3599.999
    refused(budget)
    clock.now += 0.001
    fill(budget, 1)


def test_a_halted_endpoint_leaves_the_others(budget: Budget) -> None:
    budget.halt(60, "penalty: 15 s", ACCOUNTS)
    assert refused(budget).retry_after_s == 60
    fill(budget, 1, endpoint=SET_ADMIN_AUTO_LIQ_ACTION)


def test_the_longer_halt_wins(budget: Budget) -> None:
    budget.halt(3600, "long")
    budget.halt(60, "short")
    assert refused(budget).retry_after_s == 3600
    budget.halt(7200, "longer")
    assert refused(budget).retry_after_s == 7200


# Loss of Redis' memory.


def test_a_wiped_redis_counts_what_the_ledger_knows(budget: Budget, redis_client: redis.Redis, clock: Clock) -> None:
    fill(budget, 15, endpoint=RENEW_ACCESS_TOKEN)
    clock.now += 100
    fill(budget, 65)
    budget.halt(30, "for a moment", ME)
    clock.now += 10
    redis_client.flushall()
    refusal = refused(budget)
    assert (refusal.reason, refusal.retry_after_s) == (NotHandledReason.NO_BUDGET, WINDOW_S - 110)
    state = budget.state()
    assert state.used == 80
    assert [(halted.endpoint, halted.reason) for halted in state.halted_endpoints] == [(ME.name, "for a moment")]
    clock.now += WINDOW_S - 110
    fill(budget, 15)
    refused(budget)


def test_endpoint_limits_survive_a_wipe(budget: Budget, redis_client: redis.Redis) -> None:
    fill(budget, 15, endpoint=RENEW_ACCESS_TOKEN)
    redis_client.flushall()
    assert refused(budget, endpoint=RENEW_ACCESS_TOKEN).reason is NotHandledReason.NO_BUDGET
    fill(budget, 1)


def test_halts_survive_a_wipe(budget: Budget, redis_client: redis.Redis, clock: Clock) -> None:
    budget.halt(3600, "too many calls: Tradovate")
    clock.now += 600
    redis_client.flushall()
    refusal = refused(budget)
    assert (refusal.reason, refusal.retry_after_s) == (NotHandledReason.HALTED, 3000)
    assert refusal.message == "calls are stopped: too many calls: Tradovate"


def test_a_wipe_between_the_row_and_the_admission(budget: Budget, ledger: SqliteLedger, redis_client: redis.Redis) -> None:
    """The rebuild sees our own row; it is counted once, not twice."""
    fill(budget, 79)
    append = ledger.append

    def append_and_wipe(*, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> list[int]:
        attempt_ids = append(user=user, address=address, endpoint=endpoint, lane=lane, attempts=attempts)
        redis_client.flushall()
        return attempt_ids

    ledger.append = append_and_wipe  # type: ignore[method-assign]
    budget.reserve(ACCOUNTS, Lane.URGENT)
    assert budget.state().used == 80


def test_a_second_wipe_during_the_rebuild(
    make_budget: Callable[..., Budget], ledger: SqliteLedger, redis_client: redis.Redis
) -> None:
    """A rival rebuilds and is admitted after we read the ledger: what we read is old and must not replace it."""
    budget, rival = make_budget(), make_budget()
    fill(budget, 70)
    redis_client.flushall()

    def rival_goes_first() -> None:
        redis_client.flushall()
        fill(rival, 10)

    ledger.before_recent = rival_goes_first
    assert refused(budget).reason is NotHandledReason.NO_BUDGET
    assert len(ledger.endpoints()) == 80


def test_a_rebuild_that_comes_second(
    make_budget: Callable[..., Budget], ledger: SqliteLedger, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rival has rebuilt, and goes on being admitted, after we saw that it was needed: nothing is replaced."""
    budget, rival = make_budget(), make_budget()
    fill(budget, 70)
    redis_client.flushall()
    rebuild = budget._rebuild

    def too_late() -> None:
        fill(rival, 4)
        ledger.before_recent = lambda: fill(rival, 4)
        rebuild()

    monkeypatch.setattr(budget, "_rebuild", too_late)
    budget.reserve(ACCOUNTS, Lane.URGENT)
    assert budget.state().used == len(ledger.endpoints()) == 75


def test_a_rebuild_waits_for_the_rival_that_does_it(
    make_budget: Callable[..., Budget], ledger: SqliteLedger, redis_client: redis.Redis
) -> None:
    budget = make_budget()
    fill(budget, 80)
    redis_client.flushall()
    redis_client.set("tradovate:budget:{desk}:rebuild", "a process that died", px=50)
    assert refused(budget).reason is NotHandledReason.NO_BUDGET


@pytest.fixture
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A server that a test may stop and start."""
    places = prepare(tmp_path_factory.mktemp("valkey"))
    server = ValkeyServer(places, durable=False)
    server.start()
    yield server
    server.stop()
    places.forget()


def test_a_restart_that_lost_the_latest_calls_is_noticed(make_budget: Callable[..., Budget], own_valkey: ValkeyServer) -> None:
    """As after a crash with `appendfsync everysec`: the sentinel is there, some of the calls are not."""
    with redis.Redis.from_url(own_valkey.url()) as client:
        running, fresh = make_budget(client=client), make_budget(client=client)
        fill(running, 40)
        client.save()
        fill(running, 40)
        client.shutdown(nosave=True)
        own_valkey.stop()
        own_valkey.start()
        assert client.zcard("tradovate:budget:{desk}:calls") == 41
        assert refused(fresh).reason is NotHandledReason.NO_BUDGET
        assert refused(running).reason is NotHandledReason.NO_BUDGET


# Stores that are away: closed.


def test_no_redis_no_calls(make_budget: Callable[..., Budget], ledger: SqliteLedger, own_valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(own_valkey.url()) as client:
        budget = make_budget(client=client)
        admission = budget.reserve(ACCOUNTS, Lane.URGENT)
        own_valkey.stop()
        assert refused(budget).reason is NotHandledReason.BUDGET_UNAVAILABLE
        budget.succeeded(admission)
        budget.withdraw(admission)
        budget.halt(60, "kept by the ledger at least")
        with pytest.raises(NotHandled):
            budget.state()
        assert [halt.reason for halt in ledger.halts(user="desk", address="office")] == ["kept by the ledger at least"]


def test_no_ledger_no_calls(budget: Budget, ledger: SqliteLedger, redis_client: redis.Redis) -> None:
    fill(budget, 1)
    ledger.away = True
    assert refused(budget).reason is NotHandledReason.BUDGET_UNAVAILABLE
    budget.halt(60, "kept by Redis at least")
    assert refused(budget).reason is NotHandledReason.HALTED
    redis_client.flushall()
    assert refused(budget).reason is NotHandledReason.BUDGET_UNAVAILABLE
    ledger.away = False
    fill(budget, 1)
    assert budget.state().used == 2


# What the gauge shows.


def test_state(budget: Budget, clock: Clock) -> None:
    empty = budget.state()
    assert (empty.limit, empty.used, empty.left_urgent, empty.left_bulk, empty.next_free_at) == (100, 0, 80, 40, None)
    fill(budget, 1)
    clock.now += 60
    fill(budget, 49)
    state = budget.state()
    assert (state.used, state.left_urgent, state.left_bulk) == (50, 30, 0)
    assert state.next_free_at == START + timedelta(seconds=WINDOW_S)
    assert (state.halted_until, state.halt_reason, state.halted_endpoints) == (None, "", ())
    budget.halt(3600, "too many calls")
    halted = budget.state()
    assert (halted.halted_until, halted.halt_reason) == (START + timedelta(seconds=3660), "too many calls")


@pytest.mark.parametrize("decode", [True, False])
def test_either_kind_of_redis_client(servers: Servers, make_budget: Callable[..., Budget], decode: bool) -> None:  # noqa: FBT001  (a case's)
    with redis.Redis.from_url(servers.redis_url, decode_responses=decode) as client:
        budget = make_budget(client=client)
        fill(budget, 1)
        budget.halt(60, "penalty", ACCOUNTS)
        assert refused(budget).message == "calls are stopped: penalty"
        assert budget.state().halted_endpoints[0].endpoint == ACCOUNTS.name


@pytest.mark.parametrize(("margin", "share"), [(100, 10), (-1, 10), (0, 101), (0, -1)])
def test_settings_that_leave_nothing_are_refused(
    redis_client: redis.Redis, ledger: SqliteLedger, margin: int, share: int
) -> None:
    with pytest.raises(ValueError, match="the"):
        Budget(redis_client, ledger, user="desk", calls_per_hour=100, safety_margin=margin, urgent_share_pct=share)
