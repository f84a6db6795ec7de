"""The rate budget by itself: what is admitted, when, and what survives what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from riskadmin.tradovate.budget import WINDOW_S, Budget
from riskadmin.tradovate.endpoints import (
    ACCESS_TOKEN_REQUEST,
    ACCOUNTS,
    RENEW_ACCESS_TOKEN,
    SET_ADMIN_AUTO_LIQ_ACTION,
    Endpoint,
)
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.tradovate.stores import WatchedLedger, database_away

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Clock:
    """Seconds since 1970, moved by the test."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now

    def instant(self) -> datetime:
        """The time to the millisecond, as the ledger takes it."""
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=round(self.now * 1000))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(transactional_db: None, clock: Clock) -> WatchedLedger:
    return WatchedLedger(clock.instant)


@pytest.fixture
def make_budget(ledger: WatchedLedger) -> Callable[..., Budget]:
    """Budgets as several processes have them; 100 calls, 20 of them margin, half of the rest urgent."""

    def make(*, user: str = "desk", address: str = "office", **settings_of_it: int) -> Budget:
        settings_of_it = {"calls_per_hour": 100, "safety_margin": 20, "urgent_share_pct": 50, **settings_of_it}
        return Budget(ledger, user=user, address=address, **settings_of_it)

    return make


@pytest.fixture
def budget(make_budget: Callable[..., Budget]) -> Budget:
    return make_budget()


def fill(budget: Budget, count: int, *, lane: Lane = Lane.URGENT, endpoint: Endpoint = ACCOUNTS) -> None:
    for _ in range(count):
        budget.reserve(endpoint, lane)


def refused(budget: Budget, *, lane: Lane = Lane.URGENT, endpoint: Endpoint = ACCOUNTS, keep_free: int = 0) -> NotHandled:
    with pytest.raises(NotHandled) as refusal:
        budget.reserve(endpoint, lane, keep_free=keep_free)
    return refusal.value


def test_bulk_leaves_the_urgent_share_and_the_margin(budget: Budget) -> None:
    fill(budget, 40, lane=Lane.BULK)
    assert refused(budget, lane=Lane.BULK).reason is NotHandledReason.NO_BUDGET
    fill(budget, 40, lane=Lane.URGENT)
    assert refused(budget, lane=Lane.URGENT).reason is NotHandledReason.NO_BUDGET


@pytest.mark.parametrize("back_s", [0.5, 60, 3000, 86_400])
def test_a_clock_that_is_set_back_admits_no_more_calls(budget: Budget, clock: Clock, back_s: float) -> None:
    fill(budget, 70)
    clock.now -= back_s
    fill(budget, 10)
    for later_s in (0, back_s / 2, back_s / 2, 60):
        clock.now += min(later_s, 1500)
        assert refused(budget).reason is NotHandledReason.NO_BUDGET
    clock.now += 2 * 86_400
    fill(budget, 80)


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


def test_every_attempt_has_a_row_with_its_lane_and_a_refused_one_has_none(budget: Budget, ledger: WatchedLedger) -> None:
    fill(budget, 40, lane=Lane.BULK)
    refused(budget, lane=Lane.BULK)
    budget.reserve(SET_ADMIN_AUTO_LIQ_ACTION, Lane.URGENT)
    assert ledger.endpoints() == ["account/list"] * 40 + ["accountRiskStatus/setadminautoliqaction"]
    assert ledger.lanes() == ["bulk"] * 40 + ["urgent"]


def test_the_last_calls_are_counted_by_their_number_not_by_their_ids(budget: Budget, clock: Clock) -> None:
    """What was withdrawn, or has expired, leaves gaps: none of them costs a call."""
    for _ in range(4):
        fill(budget, 10)
        budget.withdraw(*budget.reserve_many(ACCOUNTS, Lane.URGENT, 30))
        clock.now += 900
    assert len(budget.reserve_many(ACCOUNTS, Lane.URGENT, 100)) == 40
    clock.now += 30
    assert len(budget.reserve_many(ACCOUNTS, Lane.URGENT, 100)) == 10


def test_many_are_counted_as_far_as_there_is_room(budget: Budget, ledger: WatchedLedger) -> None:
    fill(budget, 75)

    admissions = budget.reserve_many(ACCOUNTS, Lane.URGENT, 9)

    assert len(admissions) == 5
    assert len({admission.id for admission in admissions}) == 5
    assert budget.state().used == 80
    assert len(ledger.endpoints()) == 80
    assert refused(budget).reason is NotHandledReason.NO_BUDGET


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


def test_an_endpoint_that_counts_failures(budget: Budget) -> None:
    for _ in range(20):
        budget.succeeded(budget.reserve(ACCESS_TOKEN_REQUEST, Lane.URGENT))
    fill(budget, 5, endpoint=ACCESS_TOKEN_REQUEST)
    assert refused(budget, endpoint=ACCESS_TOKEN_REQUEST).reason is NotHandledReason.NO_BUDGET
    assert budget.state().used == 25, "the user's own hour counts successes too"


def test_calls_kept_free_of_an_endpoint_stay(budget: Budget) -> None:
    for _ in range(10):
        budget.reserve(RENEW_ACCESS_TOKEN, Lane.URGENT, keep_free=5)
    assert refused(budget, endpoint=RENEW_ACCESS_TOKEN, keep_free=5).retry_after_s == WINDOW_S
    fill(budget, 5, endpoint=RENEW_ACCESS_TOKEN)
    refused(budget, endpoint=RENEW_ACCESS_TOKEN)


def test_an_attempt_of_which_nothing_was_sent_is_given_back(budget: Budget, ledger: WatchedLedger) -> None:
    for _ in range(200):
        budget.withdraw(budget.reserve(RENEW_ACCESS_TOKEN, Lane.BULK))
    assert budget.state().used == 0
    assert ledger.endpoints() == []


# Halts.


def test_a_halt_stops_every_call_until_it_ends(budget: Budget, clock: Clock, ledger: WatchedLedger) -> None:
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


# Another process, and a store that is away: closed.


def test_a_new_process_finds_everything(make_budget: Callable[..., Budget]) -> None:
    fill(make_budget(), 15, endpoint=RENEW_ACCESS_TOKEN)
    make_budget().halt(30, "for a moment", ACCESS_TOKEN_REQUEST)
    fresh = make_budget()
    assert refused(fresh, endpoint=RENEW_ACCESS_TOKEN).reason is NotHandledReason.NO_BUDGET
    assert refused(fresh, endpoint=ACCESS_TOKEN_REQUEST).message == "calls are stopped: for a moment"
    assert fresh.state().used == 15


def test_no_database_no_calls(budget: Budget, ledger: WatchedLedger) -> None:
    admission = budget.reserve(ACCOUNTS, Lane.URGENT)
    with database_away():
        assert refused(budget).reason is NotHandledReason.BUDGET_UNAVAILABLE
        budget.succeeded(admission)
        budget.withdraw(admission)
        with pytest.raises(NotHandled) as refusal:
            budget.state()
    assert refusal.value.reason is NotHandledReason.BUDGET_UNAVAILABLE
    assert budget.state().used == len(ledger.endpoints()) == 1


@pytest.mark.parametrize("kind", ["halt", "deny"])
def test_a_stop_that_can_not_be_written_is_written_before_the_next_call(
    budget: Budget, ledger: WatchedLedger, kind: str
) -> None:
    with database_away():
        if kind == "halt":
            budget.halt(60, "423")
        else:
            assert budget.deny(ACCOUNTS, Environment.DEMO, "423") == 60
        assert refused(budget).reason is NotHandledReason.BUDGET_UNAVAILABLE
    assert ledger.stops() == []
    with pytest.raises(NotHandled, match="calls are stopped: 423") as refusal:
        budget.reserve(ACCOUNTS, Lane.URGENT, environment=Environment.DEMO)
    assert refusal.value.retry_after_s == 60
    assert len(ledger.stops()) == 1
    assert ledger.endpoints() == []


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
