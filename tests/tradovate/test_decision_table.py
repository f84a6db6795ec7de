"""Every answer Tradovate or the network can give, and the one thing the client makes of it."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import SET_ADMIN_AUTO_LIQ_ACTION
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.http_record import RESPONSE_TEXT_MAX, Reply
from riskadmin.tradovate.permit import Reservation, WritePermit
from riskadmin.tradovate.transport import Transport
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode
from tests.tradovate.canned import CannedServer, Play, Request, answer, raw, reset
from tests.tradovate.names import TOKEN
from tests.tradovate.stores import WatchedLedger

LOCK = "accountRiskStatus/setadminautoliqaction"
RENEW = "auth/renewaccesstoken"
HTML = b"<html><body>We are down for maintenance</body></html>"


def lock(
    client: Client, ticket: str | None = None, reservations: Sequence[Reservation] = ()
) -> Reply[AccountRiskStatus | None]:
    return client.set_admin_auto_liq_action(
        permit=WritePermit(call_id=1, good_for_s=3600.0, reservations=list(reservations)),
        account_id=41,
        action=AdminAction.LOCK,
        reason_code=ReasonCode.OTHER,
        reason="runaway algorithm",
        ticket=ticket,
    )


# Source: seed 001, "Error Messages".
SEED_001_TEXTS = [
    "Account Id should be greater than 0",
    "Admin Action should be between Normal and LiquidateImmediately",
    "Admin Action Reason Code should be between CloseAMLDecision and Other",
    "Admin Action Reason should be no longer than 8192",
    "Admin Action Reason should be specified",
    "Access is denied",
    "This endpoint should be called on live.tradovateapi.com",
]


def test_every_error_text_of_the_seed_is_a_rejection_in_tradovates_words(
    subtests: pytest.Subtests, server: CannedServer, client: Client
) -> None:
    for text in SEED_001_TEXTS:
        server.requests.clear()
        with subtests.test(text):
            server.on(LOCK, answer(200, {"errorText": text}))
            with pytest.raises(Rejected) as refusal:
                lock(client)
            assert (refusal.value.text, refusal.value.status) == (text, 200)
            assert refusal.value.http_record is not None
            assert json.loads(refusal.value.http_record.response_text) == {"errorText": text}
            assert server.paths() == [LOCK]


REJECTED: list[tuple[Play, str, int]] = [
    (answer(200, {"ok": False}), "ok: false, without a reason", 200),
    (answer(200, {"ok": False, "errorText": ""}), "ok: false, without a reason", 200),
    (answer(200, {"ok": False, "errorText": "User not found."}), "User not found.", 200),
    (answer(200, {"success": False}), "success: false, without a reason", 200),
    (
        answer(
            200, {"violations": [{"constraint": "min", "value": 0, "description": "must be at least 1"}, {"constraint": "max"}]}
        ),
        "must be at least 1; max",
        200,
    ),
    (answer(200, {"errorText": "no", "accountRiskStatus": {"id": 41, "adminAction": "Normal"}}), "no", 200),
    (answer(400, b"malformed", content_type="text/plain"), "malformed", 400),
    (answer(400, {"violations": [{"description": "accountId is required"}]}), "accountId is required", 400),
    (answer(404), "HTTP 404", 404),
    (answer(404, b'"Account not found"'), "Account not found", 404),
    (answer(404, HTML, content_type="text/html"), "HTTP 404", 404),
    (answer(404, b"cut off", length=500), "HTTP 404", 404),
    (answer(405, {"errorText": "Use POST"}), "Use POST", 405),
    (answer(409, b"[1]"), "HTTP 409", 409),
    (answer(422, b"x" * 9000, content_type="text/plain"), "x" * 8192, 422),
]


def test_rejected(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for number, (play, text, status) in enumerate(REJECTED):
        server.requests.clear()
        with subtests.test(f"{number}: {text[:40]}"):
            server.on(LOCK, play)
            with pytest.raises(Rejected) as refusal:
                lock(client)
            assert (refusal.value.text, refusal.value.status) == (text, status)
            assert server.paths() == [LOCK]


NOT_HANDLED: list[tuple[Play, NotHandledReason, float, str | None]] = [
    (answer(200, {"p-ticket": "t-1", "p-time": 15}), NotHandledReason.PENALTY, 15, "t-1"),
    (answer(200, {"p-ticket": "t-1", "p-time": 1.5, "p-captcha": False}), NotHandledReason.PENALTY, 1.5, "t-1"),
    (answer(200, {"p-ticket": "t-1", "p-time": None}), NotHandledReason.PENALTY, 60, "t-1"),
    (answer(200, {"p-ticket": "t-1", "p-time": "soon"}), NotHandledReason.PENALTY, 60, "t-1"),
    (answer(200, {"p-ticket": "t-1", "p-time": 10**9}), NotHandledReason.PENALTY, 86_400, "t-1"),
    # A ticket outranks every other word of the body: the call was not looked at.
    (answer(200, {"p-ticket": "t-1", "p-time": 3, "errorText": "no", "ok": False}), NotHandledReason.PENALTY, 3, "t-1"),
    (answer(200, {"p-ticket": "t-1", "p-time": 15, "p-captcha": True}), NotHandledReason.CAPTCHA, 3600, None),
    (answer(429), NotHandledReason.RATE_LIMITED, 3600, None),
    (answer(429, HTML, content_type="text/html"), NotHandledReason.RATE_LIMITED, 3600, None),
    (answer(423), NotHandledReason.LOCKOUT_WARNING, 3600, None),
]


@pytest.mark.parametrize(("play", "reason", "retry_after_s", "ticket"), NOT_HANDLED)
def test_not_handled_stops_what_it_must_and_sends_nothing_more(
    *,
    server: CannedServer,
    client: Client,
    budget: Budget,
    play: Play,
    reason: NotHandledReason,
    retry_after_s: float,
    ticket: str | None,
) -> None:
    server.on(LOCK, play)
    server.on("riskCategory/list", answer(200, []))
    with pytest.raises(NotHandled) as refusal:
        lock(client)
    assert (refusal.value.reason, refusal.value.retry_after_s, refusal.value.ticket) == (reason, retry_after_s, ticket)

    with pytest.raises(NotHandled) as second:
        lock(client)
    assert second.value.reason is NotHandledReason.HALTED
    assert second.value.retry_after_s is not None
    assert retry_after_s - 10 < second.value.retry_after_s <= retry_after_s
    everything = reason in {NotHandledReason.RATE_LIMITED, NotHandledReason.LOCKOUT_WARNING}
    if everything:
        with pytest.raises(NotHandled):
            client.risk_categories()
        assert server.paths() == [LOCK]
        assert budget.state().halted_until is not None
    else:
        client.risk_categories()
        assert server.paths() == [LOCK, "riskCategory/list"]
        assert [halted.endpoint for halted in budget.state().halted_endpoints] == [LOCK]


@pytest.mark.parametrize("play", [play for play, *_ in NOT_HANDLED])
def test_what_was_counted_before_the_stop_is_not_sent_after_it(
    server: CannedServer, client: Client, ledger: WatchedLedger, play: Play
) -> None:
    server.on(LOCK, play)
    first, second = client.reserve(SET_ADMIN_AUTO_LIQ_ACTION, 2)
    with pytest.raises(NotHandled):
        lock(client, reservations=[first])

    with pytest.raises(NotHandled) as refusal:
        lock(client, reservations=[second])
    assert refusal.value.reason is NotHandledReason.HALTED
    assert server.paths() == [LOCK]
    assert ledger.endpoints() == [LOCK], "the second is given back"


def test_what_was_counted_before_another_endpoints_stop_is_sent(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(200, {}))
    server.on("riskCategory/list", answer(200, {"p-ticket": "t-1", "p-time": 15}))
    reservations = client.reserve(SET_ADMIN_AUTO_LIQ_ACTION, 1)
    with pytest.raises(NotHandled):
        client.risk_categories()

    lock(client, reservations=reservations)
    assert server.paths() == ["riskCategory/list", LOCK]


CLEAN = [
    ({}, None),
    ({"errorText": ""}, None),
    ({"errorText": None, "accountRiskStatus": None}, None),
    ({"ok": True, "success": True, "violations": []}, None),
    ({"p-ticket": None}, None),
    ({"accountRiskStatus": {"id": 41, "adminAction": "LockTradingImmediately"}}, AdminAction.LOCK),
    ({"accountRiskStatus": {"id": 41, "adminAction": "SomethingNew"}}, "SomethingNew"),
]


def test_accepted(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for body, action in CLEAN:
        with subtests.test(body=body):
            server.on(LOCK, answer(200, body))
            reply = lock(client)
            assert (reply.value.admin_action if reply.value else None) == action
            assert (reply.http_record.status, json.loads(reply.http_record.response_text)) == (200, body)


def drip(_request: Request, connection: socket.socket) -> None:
    """One byte at a time, without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        connection.sendall(b" ")


UNKNOWN: list[tuple[str, Play]] = [
    ("408", answer(408)),
    ("500", answer(500, {"errorText": "oops"})),
    ("502 page", answer(502, HTML, content_type="text/html")),
    ("503", answer(503)),
    ("599", answer(599)),
    ("redirect", answer(302, headers="Location: https://elsewhere.example/\r\n")),
    ("redirect home", answer(307, headers=f"Location: /v1/{LOCK}\r\n")),
    ("204", raw(b"HTTP/1.1 204 X\r\n\r\n")),
    ("201", answer(201, {"accountRiskStatus": {"id": 41}})),
    ("empty 200", answer(200)),
    ("page with 200", answer(200, HTML, content_type="text/html")),
    ("invalid JSON", answer(200, b'{"ok": tru')),
    ("NaN", answer(200, b'{"accountRiskStatus": {"id": 1, "maxNetLiq": NaN}}')),
    ("not UTF-8", answer(200, b'{"\xff": 1')),
    ("a list", answer(200, [])),
    ("a text", answer(200, b'"done"')),
    ("null", answer(200, b"null")),
    ("deep nesting", answer(200, b"[" * 100_000)),
    ("wrong type inside", answer(200, {"accountRiskStatus": {"id": "41"}})),
    ("status not an object", answer(200, {"accountRiskStatus": [1]})),
    ("cut body", answer(200, b'{"accountRiskStatus": {"id": 41}}', length=500)),
    ("cut chunks", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}")),
    ("broken gzip", answer(200, b"\x1f\x8bnonsense", headers="Content-Encoding: gzip\r\n")),
    ("cut head", raw(b"HTTP/1.1 200 O")),
    ("not HTTP", raw(b"220 mail.example ESMTP\r\n")),
    ("closed", raw(b"")),
    ("reset", reset),
    ("too long", answer(200, b'{"a": "' + b"x" * 1_100_000 + b'"}')),
]


def test_unknown(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    server.on(RENEW, answer(200, {"accessToken": "token-2"}))  # after a 408
    for name, play in UNKNOWN:
        server.requests.clear()
        with subtests.test(name):
            server.on(LOCK, play)
            with pytest.raises(OutcomeUnknown) as unknown:
                lock(client)
            assert unknown.value.http_record is not None
            assert unknown.value.http_record.request_body is not None
            assert server.paths().count(LOCK) == 1, "nothing is sent twice"


@pytest.mark.parametrize("status", [408, 500, 503])
def test_a_read_that_fails_raises_the_same_class(server: CannedServer, client: Client, status: int) -> None:
    server.on("account/list", answer(status))
    server.on(RENEW, answer(200, {"accessToken": "token-2"}))
    with pytest.raises(OutcomeUnknown):
        client.accounts()


def test_a_list_that_is_none_is_unreadable(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    bodies: tuple[object, ...] = ({}, {"accounts": []}, 7, "[]", b"NaN", b"[{]")
    for body in bodies:
        with subtests.test(body=repr(body)):
            server.on("account/list", answer(200, body))
            with pytest.raises(OutcomeUnknown):
                client.accounts()


def test_a_list_may_be_refused_inside_a_200(server: CannedServer, client: Client) -> None:
    server.on("account/list", answer(200, {"errorText": "Access is denied"}))
    with pytest.raises(Rejected, match="Access is denied"):
        client.accounts()


def test_no_answer_in_time_is_unknown(server: CannedServer, make_client: Callable[..., Client]) -> None:
    server.on(LOCK, server.hang)
    with pytest.raises(OutcomeUnknown) as unknown:
        lock(make_client(timeout=(3.05, 0.05)))
    assert unknown.value.http_record is not None
    assert unknown.value.http_record.status is None


def test_a_dripping_answer_ends_at_the_deadline(server: CannedServer) -> None:
    server.on(LOCK, drip)
    transport = Transport(server.url, timeout=(3.05, 10.0), deadline_s=0.1)
    whole = transport.send("POST", f"/{LOCK}", body={}, token=None, body_limit=2**30)
    assert (whole.sent, whole.status, whole.trouble) == (True, 200, "still not complete at the deadline")


def test_a_compressed_answer_is_read(server: CannedServer, client: Client) -> None:
    rows = [{"id": number, "name": f"category {number}"} for number in range(1, 5000)]
    server.on("riskCategory/list", answer(200, gzip.compress(json.dumps(rows).encode()), headers="Content-Encoding: gzip\r\n"))
    reply = client.risk_categories()
    assert len(reply.value) == 4999
    assert len(reply.http_record.response_text) == RESPONSE_TEXT_MAX


def test_a_chunked_answer_is_read(server: CannedServer, client: Client) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    server.on("riskCategory/list", raw(chunks))
    assert client.risk_categories().value == []


# Nothing was sent: the four ways of not being connected.


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def assert_nothing_sent(client: Client, budget: Budget, ledger: WatchedLedger) -> None:
    with pytest.raises(NotHandled) as refusal:
        lock(client)
    assert refusal.value.reason is NotHandledReason.NOT_CONNECTED
    assert refusal.value.http_record is not None
    assert refusal.value.http_record.status is None
    assert budget.state().used == 0, "an outage does not use up the hour"
    assert ledger.endpoints() == []


def test_a_refused_connection_is_not_handled(make_client: Callable[..., Client], budget: Budget, ledger: WatchedLedger) -> None:
    assert_nothing_sent(make_client(base_url=f"http://127.0.0.1:{free_port()}/v1"), budget, ledger)


def test_a_name_that_does_not_resolve_is_not_handled(
    make_client: Callable[..., Client], budget: Budget, ledger: WatchedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_such_name(*_args: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = make_client(base_url="http://localhost:9/v1")
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    assert_nothing_sent(client, budget, ledger)


def test_a_connect_timeout_is_not_handled(
    make_client: Callable[..., Client], budget: Budget, ledger: WatchedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_args: object, **_options: object) -> None:
        raise TimeoutError

    client = make_client(base_url="http://127.0.0.1:9/v1")
    monkeypatch.setattr("urllib3.util.connection.create_connection", too_late)
    assert_nothing_sent(client, budget, ledger)


def test_an_untrusted_certificate_is_not_handled(
    server: CannedServer, make_client: Callable[..., Client], budget: Budget, ledger: WatchedLedger, tmp_path: Path
) -> None:
    server.tls = self_signed(tmp_path)
    assert_nothing_sent(make_client(base_url=server.url.replace("http:", "https:")), budget, ledger)
    assert server.requests == []


def self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_server_that_speaks_no_tls_is_not_handled(
    server: CannedServer, make_client: Callable[..., Client], budget: Budget, ledger: WatchedLedger
) -> None:
    assert_nothing_sent(make_client(base_url=server.url.replace("http:", "https:")), budget, ledger)


# 401, 403 and the 400 of an expired token: one renewal, one more try.

DENIED: list[Play] = [
    answer(401, b"Access is denied", content_type="text/plain"),
    answer(403, HTML, content_type="text/html"),
    answer(400, {"errorText": "Invalid access token"}),
]


@pytest.mark.parametrize("denied", DENIED)
def test_denied_renews_once_and_tries_once_more(server: CannedServer, client: Client, budget: Budget, denied: Play) -> None:
    server.on(LOCK, denied, answer(200, {}))
    server.on(RENEW, answer(200, {"accessToken": "token-2", "expirationTime": "2099-01-01T00:00:00Z"}))
    lock(client)
    assert server.paths() == [LOCK, RENEW, LOCK]
    assert [request.headers["authorization"] for request in server.requests] == [
        f"Bearer {TOKEN}",
        f"Bearer {TOKEN}",
        "Bearer token-2",
    ]
    assert budget.state().used == 3, "each attempt counts"


@pytest.mark.parametrize("denied", DENIED)
def test_denied_twice_is_not_handled(server: CannedServer, client: Client, denied: Play) -> None:
    server.on(LOCK, denied)
    server.on(RENEW, answer(200, {"accessToken": "token-2"}))
    with pytest.raises(NotHandled) as refusal:
        lock(client)
    assert refusal.value.reason is NotHandledReason.UNAUTHORISED
    assert server.paths() == [LOCK, RENEW, LOCK]


def test_408_renews_the_token_and_leaves_the_outcome_unknown(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(408), answer(200, {}))
    server.on(RENEW, answer(200, {"accessToken": "token-2"}))
    with pytest.raises(OutcomeUnknown):
        lock(client)
    assert server.paths() == [LOCK, RENEW]
    lock(client)
    assert server.requests[-1].headers["authorization"] == "Bearer token-2"


def test_408_stays_unknown_when_nothing_can_be_renewed(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(408))
    server.on(RENEW, answer(500))
    with pytest.raises(OutcomeUnknown) as unknown:
        lock(client)
    assert unknown.value.http_record is not None
    assert unknown.value.http_record.endpoint == LOCK


def test_a_ticket_goes_with_the_second_sending(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(200, {"p-ticket": "t-1", "p-time": 0}), answer(200, {}))
    with pytest.raises(NotHandled) as refusal:
        lock(client)
    lock(client, ticket=refusal.value.ticket)
    first, second = (request.json() for request in server.requests)
    assert second == {**first, "p-ticket": "t-1"}


def test_every_error_says_what_was_exchanged(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(500, b"boom", content_type="text/plain"))
    with pytest.raises(TradovateError) as failure:
        lock(client)
    http_record = failure.value.http_record
    assert http_record is not None
    assert (http_record.endpoint, http_record.method, http_record.path) == (LOCK, "POST", f"/{LOCK}")
    assert (http_record.environment, http_record.status, http_record.response_text) == ("demo", 500, "boom")
    assert http_record.sent_at.tzinfo is not None
    assert http_record.request_body == {
        "accountId": 41,
        "adminAction": "LockTradingImmediately",
        "adminActionReasonCode": "Other",
        "adminActionReason": "runaway algorithm",
    }
