"""Tokens: how they are given, renewed, evicted and refused."""

from __future__ import annotations

from datetime import datetime

from tests.simulator.driver import ADMIN, SET_ACTION, VIEWER, Simulator

REQUEST = "/auth/accesstokenrequest"
RENEW = "/auth/renewaccesstoken"


def works(simulator: Simulator, token: str | None, *, host: str = "demo") -> int:
    return simulator.call("GET", "/riskCategory/list", host=host, token=token).status_code


def test_a_token_is_given_for_ninety_minutes_and_works_on_both_hosts(simulator: Simulator) -> None:
    answer = simulator.call("POST", REQUEST, body=simulator.credentials()).json()

    expires = datetime.fromisoformat(answer["expirationTime"])
    now = datetime.fromisoformat(simulator.control("GET", "/clock")["now"])
    assert 5390 < (expires - now).total_seconds() <= 5400
    assert (answer["name"], answer["userStatus"], answer["hasLive"]) == (ADMIN, "Active", True)
    assert works(simulator, answer["accessToken"]) == 200
    assert works(simulator, answer["accessToken"], host="live") == 200


def test_cid_may_be_a_number(simulator: Simulator) -> None:
    assert "accessToken" in simulator.call("POST", REQUEST, body={**simulator.credentials(), "cid": 8}).json()


def test_wrong_passwords_apps_and_users_are_refused(simulator: Simulator) -> None:
    wrong = "Incorrect username or password. Please try again, noting that passwords are case-sensitive."
    body = simulator.credentials()
    for changes in ({"password": "Simulator"}, {"name": "nobody"}):
        answer = simulator.call("POST", REQUEST, body={**body, **changes})
        assert (answer.status_code, answer.json()) == (200, {"errorText": wrong})
    answer = simulator.call("POST", REQUEST, body={**body, "sec": "other"})
    assert answer.json() == {"errorText": "The app is not registered"}

    simulator.set(bad_login_status=401)
    answer = simulator.call("POST", REQUEST, body={**body, "password": "no"})
    assert (answer.status_code, answer.text) == (401, wrong)


def test_missing_unknown_and_expired_tokens_are_401(simulator: Simulator, token: str) -> None:
    assert works(simulator, None) == 401
    assert works(simulator, "nonsense") == 401
    simulator.advance(5399)
    assert works(simulator, token) == 200
    simulator.advance(2)
    answer = simulator.call("GET", "/riskCategory/list", token=token)
    assert (answer.status_code, answer.text) == (401, "Invalid access token")
    simulator.set(expired_token_status=400)
    assert works(simulator, token) == 400


def test_renewal_keeps_the_session_and_restarts_ninety_minutes(simulator: Simulator, token: str) -> None:
    simulator.advance(4000)
    renewed = simulator.call("GET", RENEW, token=token).json()["accessToken"]
    assert renewed != token
    assert works(simulator, token) == 200
    simulator.advance(2000)
    assert works(simulator, token) == 401
    assert works(simulator, renewed) == 200
    tokens = [t for t in simulator.control("GET", "/sessions")["tokens"] if t["token"] in {token, renewed}]
    assert len({t["session"] for t in tokens}) == 1


def test_renewal_may_close_the_old_token(simulator: Simulator, token: str) -> None:
    simulator.set(renewal_closes_old_token=True)
    renewed = simulator.call("GET", RENEW, token=token).json()["accessToken"]
    assert (works(simulator, token), works(simulator, renewed)) == (401, 200)


def test_a_third_session_closes_the_oldest_across_hosts(simulator: Simulator) -> None:
    first, second, third = simulator.token(), simulator.token(host="live"), simulator.token()

    assert works(simulator, first) == 408
    assert works(simulator, second) == 200
    assert works(simulator, third, host="live") == 200
    simulator.set(evicted_token_status=503)
    assert works(simulator, first) == 503


def test_renewals_are_no_new_sessions_and_other_users_have_their_own(simulator: Simulator, token: str) -> None:
    for _ in range(3):
        simulator.call("GET", RENEW, token=token)
    simulator.token()
    simulator.token(VIEWER)
    simulator.token(VIEWER)
    assert works(simulator, token) == 200


def test_eviction_takes_renewed_tokens_of_the_session_along(simulator: Simulator, token: str) -> None:
    renewed = simulator.call("GET", RENEW, token=token).json()["accessToken"]
    simulator.token()
    simulator.token()
    assert (works(simulator, token), works(simulator, renewed)) == (408, 408)


def test_me(simulator: Simulator, token: str) -> None:
    answer = simulator.call("GET", "/auth/me", token=token).json()
    assert (answer["name"], answer["email"]) == (ADMIN, "api-admin@example.com")


def test_credentials_are_not_kept(simulator: Simulator, token: str) -> None:
    simulator.call("POST", SET_ACTION, token=token, body={"accountId": 0})
    kept = {row["endpoint"]: row["request"] for row in simulator.calls()}
    assert kept[REQUEST] is None
    assert kept[SET_ACTION] == '{"accountId": 0}'
