"""An endpoint that denies us access whatever the token is stopped for a while, in its environment, and told of once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.budget_rules import DENIED_FOR_MAX_S, DENIED_FOR_S
from riskadmin.tradovate.budget_state import HaltedEndpoint
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNTS, SET_ADMIN_AUTO_LIQ_ACTION, SWITCH_RISK_CATEGORY
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import AdminAction, Environment, Lane, ReasonCode
from tests.tradovate.canned import CannedServer, Play, answer
from tests.tradovate.stores import WatchedLedger
from tests.tradovate.test_budget import START, Clock, budget, clock, ledger, make_budget

__all__ = ["budget", "clock", "ledger", "make_budget"]  # fixtures

LOCK, RENEW = SET_ADMIN_AUTO_LIQ_ACTION.name, "auth/renewaccesstoken"
DENIED = answer(401, b"Access is denied", content_type="text/plain")
WORDS = f"Tradovate denies access to {LOCK} (HTTP 401: Access is denied): a permission of the API key may be missing"


def lock(client: Client) -> None:
    client.set_admin_auto_liq_action(
        permit=WritePermit(call_id=1, good_for_s=3600.0),
        account_id=41,
        action=AdminAction.LOCK,
        reason_code=ReasonCode.CLOSE_FRAUD,
    )


def refusal_of(client: Client) -> NotHandled:
    with pytest.raises(NotHandled) as refusal:
        lock(client)
    return refusal.value


def renewals(count: int) -> list[Play]:
    return [answer(200, {"accessToken": f"token-{number}"}) for number in range(2, count + 2)]


@pytest.fixture(autouse=True)
def denying(server: CannedServer) -> None:
    """A key that may do everything but set an admin action; tokens are renewed as often as asked."""
    server.on(LOCK, DENIED)
    server.on(RENEW, *renewals(50))
    server.on("account/list", answer(200, []))


def after(clock: Clock) -> datetime:
    return START + timedelta(seconds=clock.now - START.timestamp())


def test_a_second_denial_stops_the_endpoint_for_a_minute_and_nothing_else(
    server: CannedServer, client: Client, budget: Budget
) -> None:
    refusal = refusal_of(client)
    assert (refusal.reason, refusal.message, refusal.retry_after_s) == (NotHandledReason.UNAUTHORISED, WORDS, 60.0)
    assert refusal.http_record is not None
    assert refusal.http_record.status == 401
    state = budget.state()
    assert state.halted_until is None
    assert state.halted_endpoints == (HaltedEndpoint(LOCK, START + timedelta(seconds=60), WORDS, Environment.DEMO),)
    again = refusal_of(client)
    assert (again.reason, again.message) == (NotHandledReason.HALTED, f"calls are stopped: {WORDS}")
    assert again.retry_after_s == 60.0
    assert server.paths() == [LOCK, RENEW, LOCK], "while it is stopped nothing is sent"
    client.accounts()


def test_retries_double_their_wait_and_are_reported_once(
    client: Client, ledger: WatchedLedger, clock: Clock, budget: Budget
) -> None:
    lasted = []
    for _ in range(7):
        lasted.append(refusal_of(client).retry_after_s)
        assert budget.state().halted_endpoints[0].until == after(clock) + timedelta(seconds=lasted[-1] or 0)
        clock.now += lasted[-1] or 0
    assert lasted == [60, 120, 240, 480, 900, 900, 900]
    assert ledger.stops() == [f"{LOCK}@demo"] * 7
    assert ledger.stops_in_the_trail() == 1


def test_a_success_ends_it_and_the_next_denial_is_a_new_one(
    server: CannedServer, client: Client, ledger: WatchedLedger, clock: Clock
) -> None:
    assert refusal_of(client).retry_after_s == 60
    clock.now += 60
    assert refusal_of(client).retry_after_s == 120
    clock.now += 120
    server.on(LOCK, answer(200, {}), DENIED)
    lock(client)
    assert refusal_of(client).retry_after_s == 60
    assert (len(ledger.stops()), ledger.stops_in_the_trail()) == (3, 2)


def test_one_that_was_not_tried_for_an_hour_is_reported_again(client: Client, ledger: WatchedLedger, clock: Clock) -> None:
    refusal_of(client)
    clock.now += DENIED_FOR_S + 3600
    assert refusal_of(client).retry_after_s == DENIED_FOR_S
    assert (len(ledger.stops()), ledger.stops_in_the_trail()) == (2, 2)


def test_calls_that_are_denied_together_are_one_denial(budget: Budget, ledger: WatchedLedger, clock: Clock) -> None:
    assert budget.deny(SET_ADMIN_AUTO_LIQ_ACTION, Environment.DEMO, "denied") == 60
    clock.now += 10
    assert budget.deny(SET_ADMIN_AUTO_LIQ_ACTION, Environment.DEMO, "denied") == 50
    assert len(ledger.stops()) == 1


def test_the_other_environment_and_other_users_at_the_address_go_on(budget: Budget, make_budget: Callable[..., Budget]) -> None:
    budget.deny(ACCOUNTS, Environment.LIVE, "denied")
    with pytest.raises(NotHandled, match="denied"):
        budget.reserve(ACCOUNTS, Lane.BULK, environment=Environment.LIVE)
    budget.reserve(ACCOUNTS, Lane.BULK, environment=Environment.DEMO)
    make_budget(user="another").reserve(ACCOUNTS, Lane.BULK, environment=Environment.LIVE)
    assert make_budget(user="another").state().halted_endpoints == ()


def test_renewals_stay_for_when_they_are_due(server: CannedServer, client: Client, clock: Clock) -> None:
    """Tried again for an hour, an endpoint that our key has no right to leaves more than the five that are kept."""
    tries = 0
    while clock.now < START.timestamp() + 3600:
        clock.now += refusal_of(client).retry_after_s or 0
        tries += 1
    assert tries == 7
    assert server.paths().count(RENEW) == tries
    assert DENIED_FOR_MAX_S == 900


def test_of_several_stops_the_longest_is_waited_for(budget: Budget) -> None:
    budget.halt(60, "429")
    budget.halt(600, "captcha", ACCOUNTS)
    with pytest.raises(NotHandled) as refusal:
        budget.reserve(ACCOUNTS, Lane.URGENT, environment=Environment.DEMO)
    assert (refusal.value.message, refusal.value.retry_after_s) == ("calls are stopped: captcha", 600)


class TestForesight:
    def test_calls_wait_for_the_stops_of_their_endpoints(self, budget: Budget) -> None:
        budget.halt(600, "captcha", SET_ADMIN_AUTO_LIQ_ACTION)
        budget.deny(SWITCH_RISK_CATEGORY, Environment.LIVE, "denied")

        def left_at(*endpoints: object, environment: Environment = Environment.DEMO) -> float:
            _, at = budget.estimate_finish(1, Lane.URGENT, endpoints=endpoints, environment=environment)  # type: ignore[arg-type]
            assert at is not None
            return (at - START).total_seconds()

        assert left_at() == 0
        assert left_at(SET_ADMIN_AUTO_LIQ_ACTION) == 600
        assert left_at(SWITCH_RISK_CATEGORY) == 0
        assert left_at(SWITCH_RISK_CATEGORY, environment=Environment.LIVE) == 60
        assert left_at(SWITCH_RISK_CATEGORY, SET_ADMIN_AUTO_LIQ_ACTION, environment=Environment.LIVE) == 600

    def test_the_next_call_of_each_lane(self, budget: Budget, clock: Clock) -> None:
        assert (budget.state().urgent_free_at, budget.state().bulk_free_at) == (None, None)
        for _ in range(50):
            budget.reserve(ACCOUNTS, Lane.URGENT)
            clock.now += 1
        state = budget.state()
        # 80 calls an hour, 40 of them for bulk work: the eleventh has to come back before one of those can leave.
        assert (state.left_bulk, state.bulk_free_at) == (0, START + timedelta(seconds=3630 + 10))
        assert (state.left_urgent, state.urgent_free_at) == (30, None)
        assert state.free_at(Lane.BULK) == state.bulk_free_at
        assert state.free_at(Lane.URGENT) is None
