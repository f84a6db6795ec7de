"""The two tiers of limits, silence after 429, penalty tickets and their replay."""

from __future__ import annotations

import pytest

from tests.simulator.conftest import Post
from tests.simulator.driver import ADMIN, SWITCH_CATEGORY, VIEWER, Simulator

LIST = "/riskCategory/list"
REQUEST = "/auth/accesstokenrequest"


def status(simulator: Simulator, token: str, *, host: str = "demo") -> int:
    return simulator.call("GET", LIST, host=host, token=token).status_code


def test_a_users_hour_is_shared_by_hosts_and_over_it_comes_429_with_an_empty_body(simulator: Simulator, token: str) -> None:
    simulator.set(user_calls_per_hour=6)
    assert [status(simulator, token, host=host) for host in ("demo", "live") * 3] == [200] * 6

    answer = simulator.call("GET", LIST, host="live", token=token)

    assert (answer.status_code, answer.content) == (429, b"")
    assert answer.headers["Content-Length"] == "0"
    assert "Retry-After" not in answer.headers
    assert status(simulator, simulator.token(VIEWER)) == 200


def test_silence_lasts_an_hour_whatever_the_window_says(simulator: Simulator) -> None:
    simulator.set(user_calls_per_hour=2, token_life_s=100_000)
    token = simulator.token()
    status(simulator, token)
    simulator.advance(1800)
    assert [status(simulator, token) for _ in range(2)] == [200, 429]
    simulator.set(user_calls_per_hour=5000)
    simulator.advance(3590)
    assert status(simulator, token) == 429
    simulator.advance(11)
    assert status(simulator, token) == 200


def test_the_hour_rolls(simulator: Simulator) -> None:
    simulator.set(user_calls_per_hour=2, token_life_s=100_000)
    token = simulator.token()
    status(simulator, token)
    simulator.advance(3000)
    status(simulator, token)
    simulator.advance(601)
    assert [status(simulator, token) for _ in range(2)] == [200, 429]


def test_the_documented_defaults(simulator: Simulator) -> None:
    settings = simulator.control("GET", "/settings")
    assert settings["user_calls_per_hour"] == 5000
    assert settings["anonymous_calls_per_hour"] == 1000
    assert settings["token_life_s"] == 90 * 60
    assert settings["sessions_per_user"] == 2


def test_calls_without_a_token_count_for_the_address(simulator: Simulator, token: str) -> None:
    simulator.set(anonymous_calls_per_hour=3)
    # The token request of the fixture was the first.
    assert [simulator.call("GET", LIST).status_code for _ in range(3)] == [401, 401, 429]
    assert status(simulator, token) == 200


def test_every_call_counts_refused_ones_too(simulator: Simulator, token: str) -> None:
    simulator.call("GET", "/account/item", token=token, query={"id": 1})
    simulator.call("GET", "/no/such/thing", token=token)
    simulator.call("POST", SWITCH_CATEGORY, token=token, body={"accountIds": [], "riskCategoryId": 1})
    counted = simulator.counters()["last_hour"]["subjects"]
    user = simulator.call("GET", "/auth/me", token=token).json()["userId"]
    assert counted[f"user:{user}"] == 3


def test_an_endpoint_over_its_limit_answers_a_ticket_and_does_nothing(simulator: Simulator, post: Post, account: int) -> None:
    simulator.set(endpoint_calls_per_hour={SWITCH_CATEGORY.lower(): 1})
    body = {"accountIds": [account], "riskCategoryId": 6}
    post(SWITCH_CATEGORY, {"accountIds": [], "riskCategoryId": 6})

    penalty = simulator.call("POST", SWITCH_CATEGORY, token=simulator.token(), body=body)

    assert penalty.status_code == 200
    assert penalty.json() == {"p-ticket": penalty.json()["p-ticket"], "p-time": 1}
    assert simulator.effects(account_id=account) == []
    assert simulator.counters()["by_outcome"]["penalty"] == 1


def test_the_replay_needs_the_wait_the_same_body_and_the_same_endpoint(simulator: Simulator, token: str, account: int) -> None:
    simulator.set(endpoint_calls_per_hour={SWITCH_CATEGORY.lower(): 1}, token_life_s=100_000)
    body = {"accountIds": [account], "riskCategoryId": 6}

    def send(**more: object) -> dict[str, object]:
        found: dict[str, object] = simulator.call("POST", SWITCH_CATEGORY, token=token, body={**body, **more}).json()
        return found

    simulator.call("POST", SWITCH_CATEGORY, token=token, body={"accountIds": [], "riskCategoryId": 6})
    ticket = send()["p-ticket"]
    early = send(**{"p-ticket": ticket})
    assert early["p-ticket"] != ticket
    simulator.advance(1.1)
    assert "p-ticket" in send(**{"p-ticket": ticket, "riskCategoryId": 5})
    assert "p-ticket" in send(**{"p-ticket": "invented"})
    elsewhere = simulator.call("POST", "/user/expireuserlockout", token=token, body={**body, "p-ticket": ticket})
    assert "p-ticket" in elsewhere.json()
    assert simulator.effects(account_id=account) == []

    assert send(**{"p-ticket": ticket, "p-time": 1}) == {"ok": True, "errorText": ""}
    assert len(simulator.effects(account_id=account, action="category_switched")) == 1
    assert "p-ticket" in send(**{"p-ticket": ticket})


def test_failed_logins_are_penalised_with_a_captcha_after_five(simulator: Simulator) -> None:
    wrong = {**simulator.credentials(), "password": "no"}
    for _ in range(5):
        assert "errorText" in simulator.call("POST", REQUEST, body=wrong).json()

    penalty = simulator.call("POST", REQUEST, body=simulator.credentials()).json()

    assert penalty == {"p-ticket": penalty["p-ticket"], "p-time": 15, "p-captcha": True}
    simulator.advance(20)
    again = simulator.call("POST", REQUEST, body={**simulator.credentials(), "p-ticket": penalty["p-ticket"]})
    assert "p-ticket" in again.json()
    simulator.advance(3600)
    assert "accessToken" in simulator.call("POST", REQUEST, body=simulator.credentials()).json()


def test_good_logins_do_not_count_toward_the_failures(simulator: Simulator) -> None:
    assert all(simulator.token(ADMIN) for _ in range(7))


def test_renewals_count_all_and_me_counts_failures(simulator: Simulator, token: str) -> None:
    renewals = [simulator.call("GET", "/auth/renewaccesstoken", token=token).json() for _ in range(16)]
    assert ["p-ticket" in body for body in renewals] == [False] * 15 + [True]
    assert renewals[-1]["p-time"] == 15
    assert all("userId" in simulator.call("GET", "/auth/me", token=token).json() for _ in range(12))
    for _ in range(10):
        assert simulator.call("GET", "/auth/me").status_code == 401
    assert simulator.call("GET", "/auth/me", token=token).json()["p-time"] == 30


def test_repeated_violations_may_lengthen_the_wait(simulator: Simulator, token: str) -> None:
    simulator.set(endpoint_calls_per_hour={"/auth/renewaccesstoken": 1}, penalty_growth=2)
    waits = [simulator.call("GET", "/auth/renewaccesstoken", token=token).json().get("p-time") for _ in range(4)]
    assert waits == [None, 15, 30, 60]


@pytest.mark.parametrize(("mode", "expected"), [("off", 200), ("on", 503)])
def test_maintenance_is_off_unless_requested(simulator: Simulator, token: str, mode: str, expected: int) -> None:
    simulator.set(maintenance=mode)
    assert status(simulator, token) == expected
