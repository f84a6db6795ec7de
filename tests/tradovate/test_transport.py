"""Connections to Tradovate: kept, shared by all threads, and not used once their end may be near."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from riskadmin.tradovate import transport
from riskadmin.tradovate.transport import Answer, Transport


class Keeping(ThreadingHTTPServer):
    """Answers everything, keeps connections open, and counts them."""

    connections = answered = 0
    closes = False
    together: threading.Barrier | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.closed = threading.Event()

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)  # type: ignore[arg-type]
        self.closed.set()

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # type: ignore[arg-type]


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if len(self.rfile.read(length)) == length:
            self.do_GET()
        else:
            self.close_connection = True  # half a request

    def do_GET(self) -> None:
        assert isinstance(self.server, Keeping)
        self.server.answered += 1
        if self.server.together:
            self.server.together.wait()
        self.close_connection = self.server.closes  # without a word of it
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (its name there)
        pass


@pytest.fixture
def server() -> Iterator[Keeping]:
    with Keeping() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def to_server(server: Keeping) -> Transport:
    return Transport(f"http://127.0.0.1:{server.server_port}", timeout=(3.05, 10.0))


def ask(to_server: Transport) -> Answer:
    """Send one request, in a thread of its own, as each call of a lane may be."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(to_server.send("GET", "/", body=None, token=None, body_limit=100)))
    thread.start()
    thread.join()
    return answers[0]


def test_a_connection_outlives_the_thread_that_opened_it(server: Keeping, to_server: Transport) -> None:
    assert [ask(to_server).status for _ in range(3)] == [200, 200, 200]
    assert server.connections == 1


def test_one_that_was_long_not_used_is_not_used_again(
    server: Keeping, to_server: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(to_server)
    monkeypatch.setattr(transport, "KEPT_FOR_S", 0.0)
    assert ask(to_server).status == 200
    assert server.connections == 2


def test_at_the_same_time_each_thread_has_its_own(server: Keeping, to_server: Transport) -> None:
    server.together = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        assert [answer.status for answer in threads.map(lambda _: ask(to_server), range(2))] == [200, 200]
    assert server.connections == 2


def test_one_that_the_server_has_closed_is_not_used_again(server: Keeping, to_server: Transport) -> None:
    server.closes = True
    assert ask(to_server).status == 200
    assert server.closed.wait(10)
    assert ask(to_server).status == 200
    assert server.connections == 2


def test_where_a_new_one_is_refused_nothing_was_sent(
    server: Keeping, to_server: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(to_server)
    monkeypatch.setattr(transport, "KEPT_FOR_S", 0.0)
    server.shutdown()
    server.server_close()
    answer = ask(to_server)
    assert (answer.sent, answer.status, answer.trouble) == (False, None, "ConnectionError")


def test_what_can_not_leave_in_time_is_not_sent(server: Keeping, to_server: Transport) -> None:
    late = to_server.send("POST", "/", body={"a": 1}, token=None, body_limit=100, leaves_by=time.monotonic() - 0.001)
    assert (late.sent, late.held_up, server.answered) == (False, True, 0)
    in_time = to_server.send("POST", "/", body={"a": 1}, token=None, body_limit=100, leaves_by=time.monotonic() + 60)
    assert (in_time.sent, in_time.held_up, in_time.status, server.answered) == (True, False, 200, 1)


def test_a_call_held_up_midway_has_an_unknown_outcome(
    server: Keeping, to_server: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head has left, the body has not: the server can't act on that, but that is for a read-back to say."""
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + (100 if transport._leaving.has_left else 0))
    half = to_server.send("POST", "/", body={"a": 1}, token=None, body_limit=100, leaves_by=clock() + 50)
    assert (half.sent, half.held_up, half.status, half.trouble) == (True, False, None, "held up")
    assert server.closed.wait(10)
    assert server.answered == 0
