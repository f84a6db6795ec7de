"""`make demo`: starts everything on this machine, up to a page to sign in at, and runs until Ctrl-C.

Run as `python -m riskadmin.local.demo [DIRECTORY]` in the project's virtual environment. The directory, `.run` by default,
keeps the data.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path

from dotenv import load_dotenv

from riskadmin.local.claim import claim
from riskadmin.local.places import PROJECT, Places, prepare
from riskadmin.local.postgres import APPLICATION, AUDITOR, OWNER, PostgresServer
from riskadmin.local.program import CannotStart, Program
from riskadmin.local.stack import LOOPBACK, SimulatorPorts, Stack, free_ports, listening
from riskadmin.local.supervisor import Stopped, Supervisor
from riskadmin.local.valkey import ValkeyServer

HOST = "localhost"
"""How people reach the demo: browsers offer passkeys at this name, and not at 127.0.0.1."""
DATABASE = "riskadmin"
OPERATOR = ("--operator", "make demo")
READY_WITHIN_S = 90.0
LAST_PORT = 65_535
SIGN_INS = (
    ("support", "finds accounts, asks for changes"),
    ("supervisor", "approves and rejects"),
    ("supervisor2", "a second pair of eyes"),
    ("compliance", "reads the trail"),
    ("administrator", "staff, policy, system"),
)


def main(arguments: list[str]) -> int:
    """Run the demo until it is stopped. The exit code is 1 when it could not start."""
    run = Path(arguments[0]).resolve() if arguments else PROJECT / ".run"
    load_dotenv(os.environ.get("ENV_FILE") or PROJECT / ".env", interpolate=False)
    try:
        port = web_port(os.environ.get("PORT", "8000"))
        address = f"http://{HOST}:{port}"
        with claim(run, address), Supervisor(say) as supervisor:
            refuse_taken(port)
            bring_up(supervisor, run, port)
            say(f"\nready {address}")
            supervisor.watch()
    except Stopped:
        say("stopped")
    except CannotStart as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        return 1
    return 0


def bring_up(supervisor: Supervisor, run: Path, port: int) -> None:
    """Start everything in order, and return when people can sign in."""
    places = prepare(run)
    env = {"PYTHONUNBUFFERED": "1", **os.environ, "DJANGO_SETTINGS_MODULE": "riskadmin.settings"}
    env.setdefault("SECRET_KEY", secret_key(places))
    env.setdefault("AUDIT_SIGNING_KEY", signing_key(places))
    env.setdefault("AUDIT_ANCHOR_FILE", str(places.run / "audit-anchors.txt"))
    env.setdefault("DEMO_PASSWORD", "demo")
    env["RISKADMIN_DEMO"] = "true"
    env["STATIC_ROOT"] = str(places.run / "static")
    env.setdefault("PUBLIC_URL", f"http://{HOST}:{port}")
    env.setdefault("METRICS_ADDRESSES", LOOPBACK)
    env.setdefault("LOG_FORMAT", "line")
    if not env.get("EMAIL_HOST"):
        env["EMAIL_FOLDER"] = str(places.run / "mail")
    servers: list[Program] = []
    postgres = None if env.get("DATABASE_URL") else PostgresServer(places)
    if postgres:
        servers.append(postgres.process.program)
        env["DATABASE_URL"] = postgres.url(DATABASE, APPLICATION)
        env["DATABASE_OWNER_URL"] = postgres.url(DATABASE, OWNER)
        env["DATABASE_AUDITOR_URL"] = postgres.url(DATABASE, AUDITOR)
    if not env.get("REDIS_URL"):
        valkey = ValkeyServer(places)
        servers.append(valkey.process.program)
        env["REDIS_URL"] = valkey.url()
    stack = Stack(places, env)
    set_up = [["migrate", "--no-input"], ["create_demo_people", *OPERATOR], ["sync_mirror", *OPERATOR]]
    if not (env.get("TRADOVATE_DEMO_URL") or env.get("TRADOVATE_LIVE_URL")):
        ports = simulator_ports(places)
        servers.append(stack.simulator(ports))
        set_up.append(["seed_demo", *OPERATOR])
        env.update(ports.settings)
    with progress(", ".join(program.name for program in servers) or "servers of your own"):
        supervisor.start(servers)
        if postgres:
            postgres.create_database(DATABASE)
    with progress("tables, demo people, first look at Tradovate"):
        steps = [stack.commands("set-up", *set_up, as_owner=True)]
        static = StaticFiles(places)
        if not static.collected:
            steps.append(stack.commands("static", ["collectstatic", "--no-input"]))
        supervisor.run(steps)
        static.remember()
    with progress("web, workers, beat"):
        supervisor.start([stack.web(port), stack.worker("urgent"), stack.worker("bulk"), stack.beat()])
        wait_ready(supervisor, places, port)
    print_sign_ins(env["DEMO_PASSWORD"], places)


def simulator_ports(places: Places) -> SimulatorPorts:
    """Return the ports of the last start if they are free, else new ones.

    A session at Tradovate belongs to the address it was started at, and new sessions are limited to a few an hour.
    """
    file = places.run / "simulator-ports.json"
    if file.exists():
        ports = SimulatorPorts(**json.loads(file.read_text()))
        if not any(listening(port) for port in (ports.demo, ports.live, ports.control)):
            return ports
    ports = SimulatorPorts(*free_ports(3))
    file.write_text(json.dumps(asdict(ports)))
    return ports


class StaticFiles:
    """Whether static files were collected since they last changed. Collecting compresses each file, which takes seconds."""

    def __init__(self, places: Places) -> None:
        """Read the files' names, sizes and times, and the installed packages, which have static files too."""
        digest = hashlib.sha256((PROJECT / "requirements.lock").read_bytes())
        for file in sorted((PROJECT / "static").rglob("*")):
            status = file.stat()
            digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
        self._fingerprint = digest.hexdigest()
        self._stamp = places.run / "static-collected"

    @property
    def collected(self) -> bool:
        """Whether nothing changed since `remember`."""
        return self._stamp.exists() and self._stamp.read_text() == self._fingerprint

    def remember(self) -> None:
        """Record that they were collected."""
        self._stamp.write_text(self._fingerprint)


def wait_ready(supervisor: Supervisor, places: Places, port: int) -> None:
    """Return when /readyz answers 200. Raise CannotStart with what is missing when that takes too long."""
    answer = ""

    def ready() -> bool:
        nonlocal answer
        status, answer = ask(f"http://{LOOPBACK}:{port}/readyz")
        return status == HTTPStatus.OK

    # Don't poll more often: the answer uses the same processors that the workers need to get ready.
    if not supervisor.wait_for(ready, within_s=READY_WITHIN_S, every_s=0.5):
        raise CannotStart(f"not ready after {READY_WITHIN_S:g} s. /readyz says: {answer}\nLogs are in {places.logs}.")


def ask(url: str) -> tuple[int, str]:
    """Return status and body of one of our pages, or (0, reason) when there is no answer yet."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5.0) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def web_port(text: str) -> int:
    """Return the number in PORT. Raises CannotStart for anything that is not a port."""
    if text.isdigit() and 0 < int(text) <= LAST_PORT:
        return int(text)
    raise CannotStart(f"PORT is {text!r}; it must be a number from 1 to {LAST_PORT}.")


def refuse_taken(port: int) -> None:
    """Raise CannotStart when we can't listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise CannotStart(
                f"can't listen at {LOOPBACK}:{port} ({error.strerror}). Choose another port: make demo PORT={port + 1}"
            ) from error


def secret_key(places: Places) -> str:
    """Return this demo's secret key, created at its first start."""
    file = places.run / "secret-key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(50))
    return file.read_text()


def signing_key(places: Places) -> str:
    """Return the key that signs this demo's audit trail, created at its first start."""
    file = places.run / "audit-signing-key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(b64encode(secrets.token_bytes(32)).decode())
    return file.read_text()


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Report a step, and how long it took."""
    started = time.monotonic()
    print(f"  {what:<52}", end="", flush=True)
    try:
        yield
    except BaseException:
        print()
        raise
    print(f"{time.monotonic() - started:5.1f} s", flush=True)


def print_sign_ins(password: str, places: Places) -> None:
    """Print the sign-ins."""
    say(f"\n  {'sign in as':<16}{'password':<16}who")
    for name, duty in SIGN_INS:
        say(f"  {name:<16}{password:<16}{duty}")
    say(f"\n  logs: {os.path.relpath(places.logs)}   stop: Ctrl-C   forget everything: make demo-reset")


def say(line: str) -> None:
    """Print a line and flush it, also through a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
