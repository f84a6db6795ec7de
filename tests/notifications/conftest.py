"""People with e-mail addresses, an installation that sends e-mail, and a server that takes webhooks."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from pytest_django import Settings

from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.staff.people import make_person


def make_reachable(role: Role, username: str = "") -> Staff:
    """Add a person with an e-mail address."""
    person = make_person(role, username)
    person.email = f"{person.username}@firm.example"
    person.save()
    return person


@pytest.fixture
def sue(db: None) -> Staff:
    """A supervisor with an e-mail address."""
    return make_reachable(Role.SUPERVISOR, "sue")


@pytest.fixture
def email_is_on(settings: Settings) -> None:
    """Let the installation have a mail server: what is sent lands in `mailoutbox`."""
    settings.EMAIL_IS_ON = True


@dataclass
class Receiver:
    """A server on this machine that takes webhooks, and answers with `status` and `headers`."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A receiver that DEBUG allows, since it is on this machine."""
    settings.DEBUG = True
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(kept.status)
            for name, value in kept.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield kept
        server.shutdown()
