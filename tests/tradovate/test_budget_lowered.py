"""What the budget foresees, what an address shares, and what a 429 teaches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models.api import ApiAttempt
from riskadmin.tradovate.budget import WINDOW_S, Admission, Budget
from riskadmin.tradovate.budget_rules import LOWERED_FOR_S
from riskadmin.tradovate.budget_state import Lowered
from riskadmin.tradovate.endpoints import ACCESS_TOKEN_REQUEST, ACCOUNTS, RENEW_ACCESS_TOKEN
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Lane
from tests.examples import EXAMPLES_OF_MANY_QUERIES
from tests.tradovate.stores import database_away
from tests.tradovate.test_budget import START, Clock, budget, clock, fill, ledger, make_budget, refused

__all__ = ["budget", "clock", "ledger", "make_budget"]  # fixtures

DAY_S = 86_400


# When the last of so many calls can leave: 80 an hour for urgent work, 40 for bulk.


def left_at(budget: Budget, clock: Clock, calls: int, lane: Lane) -> float:
    """When the last of so many calls really leaves, if they are made as soon as they may be and by no one else."""
    for _ in range(calls):
        while True:
            try:
                budget.reserve(ACCOUNTS, lane)
                break
            except NotHandled as refusal:
                clock.now = round(clock.now + (refusal.retry_after_s or 0), 3)
    return clock.now - START.timestamp()


def refuse(budget: Budget, clock: Clock) -> None:
    """What the client does when the call admitted now draws a 429."""
    budget.lower(Admission(0, ACCOUNTS, clock.instant(), 0.0, 0))


def foreseen(budget: Budget, calls: int, lane: Lane) -> float:
    _, at = budget.estimate_finish(calls, lane)
    assert at is not None
    return (at - START).total_seconds()


def test_what_fits_can_leave_at_once(budget: Budget) -> None:
    fill(budget, 30)
    assert foreseen(budget, 50, Lane.URGENT) == 0
    assert foreseen(budget, 10, Lane.BULK) == 0
    assert budget.estimate_finish(0, Lane.BULK)[1] is None


def test_each_counted_call_frees_its_place_at_its_own_time(budget: Budget, clock: Clock) -> None:
    for _ in range(40):
        budget.reserve(ACCOUNTS, Lane.BULK)
        clock.now += 10
    assert foreseen(budget, 1, Lane.BULK) == WINDOW_S
    assert foreseen(budget, 40, Lane.BULK) == WINDOW_S + 390
    assert foreseen(budget, 41, Lane.BULK) == 2 * WINDOW_S
    assert foreseen(budget, 1000, Lane.BULK) == 25 * WINDOW_S + 390
    assert foreseen(budget, 40, Lane.URGENT) == 400
    assert foreseen(budget, 42, Lane.URGENT) == WINDOW_S + 10


def test_bulk_waits_until_urgent_calls_in_its_share_are_over_too(budget: Budget, clock: Clock) -> None:
    for _ in range(60):
        budget.reserve(ACCOUNTS, Lane.URGENT)
        clock.now += 1
    assert foreseen(budget, 1, Lane.BULK) == WINDOW_S + 20


def test_nothing_leaves_before_a_stop_ends(budget: Budget, clock: Clock) -> None:
    fill(budget, 40)
    budget.halt(2 * WINDOW_S, "too many calls")
    assert foreseen(budget, 1, Lane.BULK) == foreseen(budget, 40, Lane.BULK) == 2 * WINDOW_S
    assert foreseen(budget, 41, Lane.BULK) == 3 * WINDOW_S


@settings(
    max_examples=EXAMPLES_OF_MANY_QUERIES, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    before=st.lists(st.tuples(st.sampled_from(Lane), st.integers(0, 200)), max_size=70),
    calls=st.integers(1, 130),
    lane=st.sampled_from(Lane),
)
def test_what_is_foreseen_is_what_happens(
    make_budget: Callable[..., Budget],
    clock: Clock,
    before: list[tuple[Lane, int]],
    calls: int,
    lane: Lane,
) -> None:
    ApiAttempt.objects.all().delete()
    clock.now = START.timestamp()
    budget = make_budget()
    for other, pause in before:
        clock.now += pause
        try:
            budget.reserve(ACCOUNTS, other)
        except NotHandled:
            continue
    reported = foreseen(budget, calls, lane)
    assert left_at(budget, clock, calls, lane) == pytest.approx(reported, abs=0.002)


# Limits of single endpoints belong to the address.


def test_users_of_one_address_share_the_limits_of_endpoints(make_budget: Callable[..., Budget]) -> None:
    one, other, elsewhere = make_budget(), make_budget(user="other"), make_budget(user="third", address="cloud")
    fill(one, 8, endpoint=RENEW_ACCESS_TOKEN)
    fill(other, 7, endpoint=RENEW_ACCESS_TOKEN)
    assert refused(one, endpoint=RENEW_ACCESS_TOKEN).reason is NotHandledReason.NO_BUDGET
    assert (one.state().used, other.state().used) == (8, 7)
    fill(elsewhere, 15, endpoint=RENEW_ACCESS_TOKEN)


def test_a_stopped_endpoint_is_stopped_for_the_whole_address(make_budget: Callable[..., Budget]) -> None:
    one, other, elsewhere = make_budget(), make_budget(user="other"), make_budget(user="third", address="cloud")
    same_user = make_budget(address="cloud")
    one.halt(600, "captcha", ACCESS_TOKEN_REQUEST)
    one.halt(60, "423")
    assert refused(other, endpoint=ACCESS_TOKEN_REQUEST).retry_after_s == 600
    assert refused(same_user, endpoint=ACCESS_TOKEN_REQUEST).reason is NotHandledReason.HALTED
    assert [halted.reason for halted in other.state().halted_endpoints] == ["captcha"]
    assert (other.state().halted_until, one.state().halted_until) == (None, START + timedelta(seconds=60))
    fill(other, 1)
    fill(elsewhere, 1, endpoint=ACCESS_TOKEN_REQUEST)


# What a 429 teaches.


def test_a_429_below_our_limit_lowers_it_for_a_day(budget: Budget, clock: Clock) -> None:
    fill(budget, 71)
    refuse(budget, clock)
    state = budget.state()
    # One less than was counted, and the margin and the shares of that: 50 for urgent work, 25 for bulk.
    assert (state.limit, state.left_urgent, state.left_bulk) == (70, 0, 0)
    assert state.lowered == Lowered(100, 71, START + timedelta(days=1))
    clock.now += WINDOW_S
    assert (budget.state().left_urgent, budget.state().left_bulk) == (50, 25)
    fill(budget, 25, lane=Lane.BULK)
    refused(budget, lane=Lane.BULK)
    fill(budget, 25)
    refused(budget)
    clock.now = START.timestamp() + DAY_S
    assert (budget.state().limit, budget.state().lowered) == (100, None)
    fill(budget, 80)


def test_the_lowest_of_those_in_flight_at_the_same_time_counts(budget: Budget, clock: Clock) -> None:
    admissions = []
    for _ in range(65):
        admissions.append(budget.reserve(ACCOUNTS, Lane.URGENT))
        clock.now += 0.01
    limits = []
    for place in (62, 64, 61, 63, 30):
        budget.lower(admissions[place - 1])
        clock.now += 1
        limits.append(budget.state().limit)
    assert limits == [61, 61, 60, 60, 50], "but not less than half of what stood"
    lowered = budget.state().lowered
    assert lowered is not None
    assert lowered.until == START + timedelta(days=1, seconds=0.65), "however many there were"
    clock.now += WINDOW_S
    fill(budget, 28)
    refuse(budget, clock)
    assert budget.state().limit == 27


def test_so_few_that_the_429_says_something_else_halve_it(budget: Budget, clock: Clock) -> None:
    fill(budget, 3)
    refuse(budget, clock)
    assert budget.state().limit == 50


def test_a_limit_never_falls_to_nothing(budget: Budget, clock: Clock) -> None:
    for _ in range(12):
        refuse(budget, clock)
        clock.now += 3601
    assert (budget.state().limit, budget.state().left_urgent) == (1, 1)


def test_another_one_soon_after_lasts_twice_as_long_up_to_a_month(budget: Budget, clock: Clock) -> None:
    lasted = []
    for _ in range(8):
        refuse(budget, clock)
        state = budget.state()
        assert state.lowered is not None
        lasted.append((state.lowered.until.timestamp() - clock.now) / DAY_S)
        clock.now += lasted[-1] * 1.5 * DAY_S
    assert lasted == [1, 2, 4, 8, 16, 32, 32, 32]
    clock.now += 100 * DAY_S
    refuse(budget, clock)
    assert budget.state().lowered == Lowered(100, 0, START + timedelta(seconds=clock.now - START.timestamp() + DAY_S))


def test_an_observed_limit_lasts_longer_the_next_time_even_after_the_first_ended(budget: Budget, clock: Clock) -> None:
    fill(budget, 61)
    refuse(budget, clock)
    assert budget.state().limit == 60
    clock.now += LOWERED_FOR_S + 60
    assert budget.state().limit == 100
    refuse(budget, clock)
    again = budget.state().lowered
    assert again is not None
    assert again.until.timestamp() == clock.now + 2 * LOWERED_FOR_S


def test_a_lower_setting_is_kept(budget: Budget, make_budget: Callable[..., Budget], clock: Clock) -> None:
    fill(budget, 71)
    refuse(budget, clock)
    fewer = make_budget(calls_per_hour=60, safety_margin=0)
    assert (fewer.state().limit, fewer.state().lowered) == (60, None)


def test_learning_raises_nothing_and_is_made_up_for(budget: Budget, clock: Clock) -> None:
    fill(budget, 71)
    with database_away():
        refuse(budget, clock)
    refused(budget)
    assert budget.state().limit == 70
