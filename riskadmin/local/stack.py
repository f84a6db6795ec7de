"""The product's processes and their commands, the same for `make demo` and for tests of the whole product."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from typing import Final

from riskadmin.local.places import PROJECT, Places
from riskadmin.local.program import Program

LOOPBACK = "127.0.0.1"

PORTS: Final = (20_000, 32_000)
"""Ports of our own programs are in this range."""

# Threads of Celery: one runs the lane, the others handle beat's messages. CALLS_AT_ONCE sets how many calls are in flight.
THREADS: Mapping[str, int] = {"urgent": 4, "bulk": 4}

OF_OTHER_ROLES: Final = tuple(
    f"DATABASE_{role}_{what}{file}"
    for role in ("OWNER", "AUDITOR", "ADMIN")
    for what in ("URL", "PASSWORD")
    for file in ("", "_FILE")
)
"""Addresses of the database that only some commands need."""

# The user and the application that the simulator accepts (docs/simulator.md).
SIMULATED_SIGN_IN: Mapping[str, str] = {
    "TRADOVATE_USERNAME": "api-admin",
    "TRADOVATE_PASSWORD": "simulator",
    "TRADOVATE_APP_ID": "riskadmin",
    "TRADOVATE_CID": "8",
    "TRADOVATE_SEC": "simulator-secret",
    "TRADOVATE_DEVICE_ID": "riskadmin-local",
}


@dataclass(frozen=True)
class SimulatorPorts:
    """Where the simulated Tradovate listens: its two environments, and its control port."""

    demo: int
    live: int
    control: int

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point the product to it."""
        return {
            "TRADOVATE_DEMO_URL": f"http://{LOOPBACK}:{self.demo}/v1",
            "TRADOVATE_LIVE_URL": f"http://{LOOPBACK}:{self.live}/v1",
            **SIMULATED_SIGN_IN,
        }


@dataclass(frozen=True)
class Stack:
    """The product's processes, each with the same environment, except that few know the database's other roles."""

    places: Places
    env: Mapping[str, str]

    def simulator(self, ports: SimulatorPorts, *options: str) -> Program:
        """The simulated Tradovate. Its data survive a restart."""
        argv = [
            *("-m", "riskadmin.simulator", "--demo-port", str(ports.demo), "--live-port", str(ports.live)),
            *("--control-port", str(ports.control), "--data", str(self.places.run / "simulator"), *options),
        ]
        return self._program("simulator", sys.executable, *argv, listens_on=(ports.demo, ports.live, ports.control))

    def web(self, port: int) -> Program:
        """Gunicorn on loopback; ready when it accepts connections."""
        argv = [
            *("--bind", f"{LOOPBACK}:{port}", "--workers", "1", "--threads", "16"),
        ]
        return self._program("web", _script("gunicorn"), *argv, listens_on=(port,))

    def worker(self, lane: str) -> Program:
        """A Celery worker of one lane, `urgent` or `bulk`."""
        argv = [
            *("-A", "riskadmin", "worker", "-P", "threads", "-c", str(THREADS[lane]), "-Q", lane, "-n", f"{lane}@%h"),
            # Workers don't use each other's events, and gossip costs a second at each start.
            *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        ]
        return self._program(f"worker-{lane}", _script("celery"), *argv)

    def beat(self) -> Program:
        """Celery beat."""
        schedule = self.places.run / "beat-schedule"
        return self._program("beat", _script("celery"), "-A", "riskadmin", "beat", "-s", str(schedule), "--loglevel", "INFO")

    def commands(self, name: str, *commands: Sequence[str], as_owner: bool = False) -> Program:
        """Some `manage.py` commands, one after the other. The process ends when they are done. `migrate` needs `as_owner`."""
        argv = (sys.executable, "-m", "riskadmin.local.commands", json.dumps(commands))
        return self._program(name, *argv, as_owner=as_owner)

    def _program(self, name: str, *argv: str, listens_on: Iterable[int] = (), as_owner: bool = False) -> Program:
        ports = tuple(listens_on)
        # Django's checks ran with `migrate`. In each Celery process they would cost another second.
        env = {**self.env, "CELERY_SKIP_CHECKS": "true"}
        if not as_owner:
            env |= dict.fromkeys(OF_OTHER_ROLES, "")  # empty, so that a settings file does not give them either
        return Program(
            name=name,
            argv=argv,
            log=self.places.log(name),
            pidfile=self.places.pidfile(name),
            env=env,
            cwd=PROJECT,
            ready=lambda: all(listening(port) for port in ports),
        )


def listening(port: int) -> bool:
    """Whether a server accepts connections at a port of this machine."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int) -> list[int]:
    """Return ports that are free at this moment, all different.

    They are below the range that systems use for outgoing connections, so that a program that is restarted finds its own
    port free.
    """
    probes: list[socket.socket] = []
    try:
        while len(probes) < count:
            probe = socket.socket()
            probes.append(probe)
            try:
                probe.bind((LOOPBACK, randrange(*PORTS)))  # noqa: S311  (no secret)
            except OSError:
                probes.pop().close()
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _script(name: str) -> str:
    """A command of our own virtual environment, whether or not it is on PATH."""
    return str(Path(sys.executable).with_name(name))
