"""One token for all processes: when it is renewed, when a session is begun, and that neither happens twice."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCESS_TOKEN_REQUEST, RENEW_ACCESS_TOKEN
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, TradovateError
from riskadmin.tradovate.tokens import Credentials, TokenSource
from riskadmin.tradovate.vocabulary import Environment
from tests.tradovate.canned import CannedServer, Request, answer, raw
from tests.tradovate.hammer import PROCESSES, a_token, another_token, database_of_this_test
from tests.tradovate.names import CREDENTIALS, TOKEN
from tests.tradovate.stores import SqliteTokenStore, WatchedLedger
from tests.waiting import wait_until

LOGIN = ACCESS_TOKEN_REQUEST.name
RENEW = RENEW_ACCESS_TOKEN.name
FAR = "2099-01-01T00:00:00.000Z"


@pytest.fixture
def empty(tmp_path: Path) -> SqliteTokenStore:
    """A store that never held a token."""
    return SqliteTokenStore(tmp_path / "empty.sqlite")


@pytest.fixture
def make_source(server: CannedServer, budget: Budget) -> Callable[..., TokenSource]:
    def make(store: SqliteTokenStore, *, wait_s: float = 10.0, later: timedelta = timedelta()) -> TokenSource:
        return TokenSource(
            environment=Environment.DEMO,
            base_url=server.url,
            store=store,
            credentials=CREDENTIALS,
            budget=budget,
            wait_s=wait_s,
            now=lambda: datetime.now(UTC) + later,
        )

    return make


def not_handled(source: TokenSource) -> NotHandled:
    with pytest.raises(NotHandled) as refusal:
        source.get()
    return refusal.value


def test_a_good_token_is_used_without_a_call(
    server: CannedServer, make_source: Callable[..., TokenSource], store: SqliteTokenStore
) -> None:
    source = make_source(store)
    assert source.get() == TOKEN
    store.away = True
    assert source.get() == TOKEN, "not even the store is asked again"
    assert server.requests == []


def test_without_a_token_a_session_is_begun(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore, ledger: WatchedLedger
) -> None:
    server.on(LOGIN, answer(200, {"accessToken": "token-1", "expirationTime": FAR, "userStatus": "Active"}))
    assert make_source(empty).get() == "token-1"
    (request,) = server.requests
    assert (request.method, "authorization" in request.headers) == ("POST", False)
    assert request.json() == {
        "name": "desk",
        "password": "pass-9f31",
        "appId": "riskadmin",
        "appVersion": "1",
        "cid": "77",
        "sec": "sec-51c0",
        "deviceId": "d-1",
    }
    stored = empty.load()
    assert stored is not None
    assert (stored.access_token, stored.expires_at, stored.generation) == ("token-1", datetime(2099, 1, 1, tzinfo=UTC), 1)
    assert ledger.endpoints() == [LOGIN], "a token call counts too"


def test_empty_parts_of_the_registration_are_not_sent() -> None:
    assert Credentials(username="desk", password="pass").as_body() == {"name": "desk", "password": "pass"}


def test_an_answer_without_an_end_lives_ninety_minutes(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    server.on(LOGIN, answer(200, {"accessToken": "token-1"}))
    make_source(empty).get()
    stored = empty.load()
    assert stored is not None
    left = stored.expires_at - datetime.now(UTC)
    assert timedelta(minutes=89) < left <= timedelta(minutes=90)


@pytest.mark.parametrize(("minutes", "calls"), [(44, []), (46, [RENEW]), (59, [RENEW]), (59.9, [LOGIN]), (70, [LOGIN])])
def test_a_token_is_renewed_in_its_last_quarter_of_an_hour_and_replaced_after_its_end(
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    store: SqliteTokenStore,
    minutes: float,
    calls: list[str],
) -> None:
    """The stored token lives an hour from now."""
    server.on(RENEW, answer(200, {"accessToken": "token-2", "expirationTime": FAR}))
    server.on(LOGIN, answer(200, {"accessToken": "token-2", "expirationTime": FAR}))
    source = make_source(store, later=timedelta(minutes=minutes))
    assert source.get() == ("token-2" if calls else TOKEN)
    assert source.get() == ("token-2" if calls else TOKEN)
    assert server.paths() == calls
    if calls == [RENEW]:
        assert (server.requests[0].method, server.requests[0].headers["authorization"]) == ("GET", f"Bearer {TOKEN}")


def test_the_others_go_on_while_one_renews(
    server: CannedServer, make_source: Callable[..., TokenSource], store: SqliteTokenStore
) -> None:
    go = threading.Event()

    def renewed_on_request(request: Request, connection: socket.socket) -> None:
        go.wait(10)
        answer(200, {"accessToken": "token-2", "expirationTime": FAR})(request, connection)

    server.on(RENEW, renewed_on_request)
    late = timedelta(minutes=50)
    one, other = make_source(store, later=late), make_source(store, later=late)
    with ThreadPoolExecutor(1) as threads:
        renewing = threads.submit(one.get)
        wait_until(lambda: server.requests)
        assert one.get() == TOKEN, "another thread"
        assert other.get() == TOKEN, "another process"
        go.set()
        assert renewing.result() == "token-2"
    assert server.paths() == [RENEW]
    assert make_source(store, later=late).get() == "token-2"


@pytest.mark.parametrize(
    "trouble", [answer(500), raw(b""), answer(200, b"<html>"), answer(200, {"p-ticket": "t", "p-time": 15})]
)
def test_a_failed_renewal_is_not_hurried_while_the_token_is_good(
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    store: SqliteTokenStore,
    trouble: Callable[[Request, socket.socket], None],
) -> None:
    server.on(RENEW, trouble)
    for _ in range(3):
        assert make_source(store, later=timedelta(minutes=50)).get() == TOKEN
    assert server.paths() == [RENEW]


@pytest.mark.parametrize(
    "gone", [answer(401), answer(200, {"errorText": "Invalid access token"}), answer(400, b"bad"), answer(408)]
)
def test_a_session_that_cannot_be_renewed_is_replaced(
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    store: SqliteTokenStore,
    gone: Callable[[Request, socket.socket], None],
) -> None:
    server.on(RENEW, gone)
    server.on(LOGIN, answer(200, {"accessToken": "token-2", "expirationTime": FAR}))
    source = make_source(store)
    source.refuse(TOKEN)
    assert source.get() == "token-2"
    assert server.paths() == [RENEW, LOGIN]


def test_a_token_already_replaced_is_not_replaced_again(
    server: CannedServer, make_source: Callable[..., TokenSource], store: SqliteTokenStore
) -> None:
    source = make_source(store)
    source.refuse("a token of an hour ago")
    assert source.get() == TOKEN
    assert server.requests == []


# Refused logins.


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (answer(200, {"errorText": "Incorrect username or password."}), "Incorrect username or password."),
        (answer(200, {"errorText": "no", "accessToken": "token-1"}), "no"),
        (answer(200, {"userStatus": "Active"}), "Tradovate gave no token"),
        (answer(200, {"accessToken": ""}), "Tradovate gave no token"),
        (answer(401, b"Incorrect username or password.", content_type="text/plain"), "Tradovate denies access (HTTP 401)"),
        (answer(404), "HTTP 404"),
    ],
)
def test_a_refused_login_waits_for_a_person(
    *,
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    empty: SqliteTokenStore,
    budget: Budget,
    refusal: Callable[[Request, socket.socket], None],
    words: str,
) -> None:
    server.on(LOGIN, refusal)
    first = not_handled(make_source(empty))
    assert (first.reason, first.retry_after_s) == (NotHandledReason.LOGIN_REFUSED, 900)
    assert first.message == f"Tradovate refuses our login: {words}"
    assert not_handled(make_source(empty)).reason is NotHandledReason.HALTED
    assert server.paths() == [LOGIN], "failures are counted at Tradovate: five an hour"
    assert [halted.endpoint for halted in budget.state().halted_endpoints] == [LOGIN]
    assert empty.load() is None


def test_a_penalty_of_the_login_keeps_its_ticket_to_itself(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    """The ticket belongs to the token call: sent with the caller's own it would be wrong."""
    server.on(LOGIN, answer(200, {"p-ticket": "t", "p-time": 15, "accessToken": "token-1"}))
    refusal = not_handled(make_source(empty))
    assert (refusal.reason, refusal.retry_after_s, refusal.ticket) == (NotHandledReason.TOKEN_UNAVAILABLE, 15, None)


def test_a_captcha_at_the_login_stops_it_for_an_hour(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    server.on(LOGIN, answer(200, {"p-ticket": "t", "p-time": 15, "p-captcha": True}))
    refusal = not_handled(make_source(empty))
    assert (refusal.reason, refusal.retry_after_s) == (NotHandledReason.CAPTCHA, 3600)
    assert not_handled(make_source(empty)).reason is NotHandledReason.HALTED
    assert server.paths() == [LOGIN]


@pytest.mark.parametrize("trouble", [answer(503), raw(b""), answer(200, b"{"), answer(200, {"accessToken": 7})])
def test_a_login_without_a_clear_answer_is_not_the_callers_unknown(
    server: CannedServer,
    make_client: Callable[..., Client],
    store: SqliteTokenStore,
    trouble: Callable[[Request, socket.socket], None],
) -> None:
    """The caller's own call was not sent, so nothing about it is unknown."""
    store.put(TOKEN, datetime.now(UTC) - timedelta(hours=1))
    server.on(LOGIN, trouble)
    for reason in (NotHandledReason.TOKEN_UNAVAILABLE, NotHandledReason.HALTED):
        with pytest.raises(NotHandled) as refusal:
            make_client().accounts()
        assert refusal.value.reason is reason
    assert server.paths() == [LOGIN]


# One process at a time.


@pytest.mark.parametrize("minutes", [0, 50, 70])
def test_a_rival_that_was_quicker_is_noticed_under_the_lease(
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    store: SqliteTokenStore,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
) -> None:
    """It replaced the token after we looked and before we had the lease: refused, nearly over, and over."""
    lease = store.lease

    def lease_after_the_rival(*, holder: str, seconds: float) -> bool:
        monkeypatch.setattr(store, "lease", lease)
        store.put("token-of-the-rival", datetime(2099, 1, 1, tzinfo=UTC))
        return lease(holder=holder, seconds=seconds)

    monkeypatch.setattr(store, "lease", lease_after_the_rival)
    source = make_source(store, later=timedelta(minutes=minutes))
    if minutes == 0:
        source.refuse(TOKEN)
    assert source.get() == "token-of-the-rival"
    assert server.requests == []


def test_waiting_for_another_process_ends(make_source: Callable[..., TokenSource], empty: SqliteTokenStore) -> None:
    assert empty.lease(holder="another", seconds=60)
    assert not_handled(make_source(empty, wait_s=0.05)).reason is NotHandledReason.TOKEN_UNAVAILABLE


def test_waiting_for_another_thread_ends(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    server.on(LOGIN, server.hang)
    source = make_source(empty, wait_s=0.05)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(source.get)
        wait_until(lambda: server.requests)
        assert not_handled(source).reason is NotHandledReason.TOKEN_UNAVAILABLE
        server.closing.set()
        with pytest.raises(NotHandled):
            first.result()


def test_the_lease_of_a_dead_process_lapses(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    assert empty.lease(holder="a process that died", seconds=0.2)
    server.on(LOGIN, answer(200, {"accessToken": "token-1", "expirationTime": FAR}))
    assert make_source(empty).get() == "token-1"


def test_a_token_that_came_after_the_lease_is_not_stored(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore
) -> None:
    """A process stopped in mid-call wakes up when another has long replaced the token."""

    def overtaken(request: Request, connection: socket.socket) -> None:
        with empty.transaction() as database:
            database.execute("UPDATE token SET leased_until = 0")
        empty.put("token-of-another", datetime(2099, 1, 1, tzinfo=UTC))
        answer(200, {"accessToken": "token-too-late", "expirationTime": FAR})(request, connection)

    server.on(LOGIN, overtaken)
    source = make_source(empty)
    assert not_handled(source).reason is NotHandledReason.TOKEN_UNAVAILABLE
    assert source.get() == "token-of-another"
    assert server.paths() == [LOGIN]


def test_no_store_no_calls(server: CannedServer, make_source: Callable[..., TokenSource], store: SqliteTokenStore) -> None:
    store.away = True
    source = make_source(store)
    assert not_handled(source).reason is NotHandledReason.TOKEN_UNAVAILABLE
    with pytest.raises(NotHandled):
        source.refuse(TOKEN)
    assert server.requests == []


def test_eight_processes_begin_one_session(
    server: CannedServer, ledger: WatchedLedger, tmp_path: Path, pool: ProcessPoolExecutor
) -> None:
    server.on(LOGIN, *[answer(200, {"accessToken": f"token-{number}", "expirationTime": FAR}) for number in range(1, 9)])
    SqliteTokenStore(tmp_path / "token.sqlite")
    database = database_of_this_test()
    asking = [pool.submit(a_token, database, tmp_path, server.url) for _ in range(PROCESSES)]
    assert {each.result() for each in asking} == {"token-1"}
    assert server.paths() == [LOGIN]


def test_eight_processes_renew_a_refused_token_once(
    *,
    server: CannedServer,
    ledger: WatchedLedger,
    tmp_path: Path,
    store: SqliteTokenStore,
    pool: ProcessPoolExecutor,
) -> None:
    server.on(RENEW, *[answer(200, {"accessToken": f"token-{number}", "expirationTime": FAR}) for number in range(2, 10)])
    database = database_of_this_test()
    asking = [pool.submit(another_token, database, tmp_path, server.url, TOKEN) for _ in range(PROCESSES)]
    assert {each.result() for each in asking} == {"token-2"}
    assert server.paths() == [RENEW]


# Secrets.

SECRETS = [TOKEN, "token-9aa1", CREDENTIALS.password, CREDENTIALS.sec]


def assert_no_secret(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


def test_secrets_are_in_no_repr(store: SqliteTokenStore, make_source: Callable[..., TokenSource], client: Client) -> None:
    source = make_source(store)
    source.get()
    for thing in (CREDENTIALS, store.load(), source, client):
        assert_no_secret(repr(thing))


@pytest.mark.parametrize("token", ["token\n2", "token\0", "tok\ud800en", "t\u00f6ken"])
def test_a_token_that_no_header_can_hold_is_no_token(
    server: CannedServer, make_source: Callable[..., TokenSource], empty: SqliteTokenStore, token: str
) -> None:
    server.on(LOGIN, answer(200, {"accessToken": token, "expirationTime": FAR}))
    with pytest.raises(NotHandled) as raised:
        make_source(empty).get()
    assert raised.value.reason is NotHandledReason.TOKEN_UNAVAILABLE
    assert empty.load() is None


@pytest.mark.parametrize(
    "echo",
    [
        answer(200, {"accessToken": "token-9aa1", "expirationTime": "never"}),
        answer(200, {"errorText": "no", "accessToken": "token-9aa1"}),
        answer(500, b"<pre>{'password': 'pass-9f31', 'sec': 'sec-51c0'} token-9aa1</pre>", content_type="text/html"),
        answer(400, b"{'password': 'pass-9f31', 'sec': 'sec-51c0'} token-9aa1", content_type="text/plain"),
        answer(401, b'["token-9aa1", "pass-9f31"]'),
        answer(418, b'"pass-9f31"'),
    ],
)
def test_a_login_leaves_no_secret_behind(
    server: CannedServer,
    make_source: Callable[..., TokenSource],
    empty: SqliteTokenStore,
    caplog: pytest.LogCaptureFixture,
    echo: Callable[[Request, socket.socket], None],
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on(LOGIN, echo)
    error: BaseException | None = not_handled(make_source(empty))
    while error:
        assert_no_secret(f"{error!r} {error} {getattr(error, 'http_record', '')!r}")
        error = error.__cause__
    assert_no_secret(caplog.text)


def test_an_echoed_token_is_withheld(server: CannedServer, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("account/list", answer(502, f"GET /account/list Authorization: Bearer {TOKEN}".encode()))
    with pytest.raises(TradovateError) as failure:
        client.accounts()
    assert failure.value.http_record is not None
    assert failure.value.http_record.response_text == "GET /account/list Authorization: Bearer [withheld]"
    assert_no_secret(caplog.text)
    server.on("user/list", answer(404, f"no route for Bearer {TOKEN}".encode()))
    with pytest.raises(TradovateError) as failure:
        client.users()
    assert failure.value.message == "no route for Bearer [withheld]"
