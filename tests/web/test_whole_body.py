"""Requests as bytes, sent to a real gunicorn: too long, without a length, never ending, cut off, and slow."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from riskadmin.local.places import Places
from riskadmin.local.program import Process
from riskadmin.local.stack import LOOPBACK, Stack, free_ports
from tests.servers import Servers, environment
from tests.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def port(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where gunicorn listens, with the product's own settings; a body has five seconds to arrive."""
    run = tmp_path_factory.mktemp("web")
    env = {
        **environment(database_url=servers.database_url, redis_url=servers.redis_url),
        "REQUEST_SECONDS": "5",
        "DEBUG": "true",  # static files without a manifest
        "PYTHONUNBUFFERED": "1",
    }
    (number,) = free_ports(1)
    process = Process(Stack(Places(run=run, state=run, sockets=run, account=None), env).web(number))
    process.start()
    try:
        process.wait_ready()
        yield number
    finally:
        process.stop()


def answer_to(port: int, *sent: bytes, then_close: bool = False) -> bytes:
    """Send bytes on one connection and return everything the server answers until it closes the connection."""
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE_S) as connection:
        for part in sent:
            connection.sendall(part)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := _received(connection):
            parts.append(part)
        return b"".join(parts)


def _received(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except ConnectionResetError:  # closed while some of what was sent is unread
        return b""


def head(*lines: str, path: str = "/sign-in/") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode()


def test_it_answers_at_all(port: int) -> None:
    answer = answer_to(port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_what_is_too_long_is_refused_from_its_head_alone(port: int) -> None:
    """Nothing of the 300 MB is sent, and the answer comes all the same."""
    answer = answer_to(port, head("Content-Length: 314572800", "Connection: close"))
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "sent", [b"", b"5\r\nhello\r\n", b"fffffff\r\n" + b"x" * 100_000], ids=["none", "one chunk", "a huge chunk"]
)
def test_a_body_in_chunks_without_an_end_is_refused(port: int, sent: bytes) -> None:
    answer = answer_to(port, head("Transfer-Encoding: chunked", "Connection: close"), sent)
    assert answer.startswith(b"HTTP/1.1 411 ")


FORM = head("Content-Length: 1000", "Content-Type: application/x-www-form-urlencoded", "Connection: close")


@pytest.mark.parametrize("then_close", [False, True], ids=["slow", "cut off"])
def test_a_form_that_does_not_come_whole_is_not_taken(port: int, *, then_close: bool) -> None:
    answer = answer_to(port, FORM, b"username=alice&password=x", then_close=then_close)
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"too many tries" not in answer, "the password was looked at"


def test_a_head_that_does_not_come_ends_the_connection(port: int) -> None:
    assert b"HTTP/1.1 2" not in answer_to(port, b"POST /sign-in/ HTTP/1.1\r\nHost: 127")


@pytest.mark.parametrize(
    "lines",
    [["Content-Length: 5", "Content-Length: 6"], ["Content-Length: +5"], ["Content-Length: 5", "Transfer-Encoding: chunked"]],
    ids=str,
)
def test_what_could_be_two_requests_is_refused(port: int, lines: list[str]) -> None:
    assert answer_to(port, head(*lines, "Connection: close"), b"0\r\n\r\n")[9:10] == b"4"


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(80)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + b"a" * 9000 + b"\r\n\r\n",
    ],
    ids=["address", "count of headers", "header"],
)
def test_a_head_that_is_too_long_is_refused(port: int, request_head: bytes) -> None:
    assert answer_to(port, request_head)[9:10] == b"4"


def test_slow_clients_hold_no_thread_for_good(port: int) -> None:
    """There are more of them than threads; once their time is up, others are answered."""
    with ExitStack() as slow:
        for _ in range(20):
            connection = slow.enter_context(socket.create_connection((LOOPBACK, port), timeout=PATIENCE_S))
            connection.sendall(FORM)
        test_it_answers_at_all(port)
