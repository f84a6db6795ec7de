"""What the product runs as: its processes and their commands, the same for `make demo` and for tests of the whole."""

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
"""Ports of our own programs lie between these."""

# Threads of Celery: one leads the lane, the others take the clock's messages. How many calls fly at once is CALLS_AT_ONCE.
THREADS: Mapping[str, int] = {"urgent": 4, "bulk": 4}

# The person and the application that the simulator knows (docs/simulator.md).
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
    """Where the simulated Tradovate listens: its two environments, and the controls of the simulation."""

    demo: int
    live: int
    control: int

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point the product at it."""
        return {
            "TRADOVATE_DEMO_URL": f"http://{LOOPBACK}:{self.demo}/v1",
            "TRADOVATE_LIVE_URL": f"http://{LOOPBACK}:{self.live}/v1",
            **SIMULATED_SIGN_IN,
        }


@dataclass(frozen=True)
class Stack:
    """The product's processes, each with the same environment."""

    places: Places
    env: Mapping[str, str]

    def simulator(self, ports: SimulatorPorts, *options: str) -> Program:
        """Tradovate in a box; its data survive a restart."""
        argv = [
            *("-m", "riskadmin.simulator", "--demo-port", str(ports.demo), "--live-port", str(ports.live)),
            *("--control-port", str(ports.control), "--data", str(self.places.run / "simulator"), *options),
        ]
        return self._program("simulator", sys.executable, *argv, listens_on=(ports.demo, ports.live, ports.control))

    def web(self, port: int) -> Program:
        """Gunicorn on loopback; ready when it accepts connections."""
        argv = [
            *("riskadmin.wsgi:application", "--bind", f"{LOOPBACK}:{port}", "--worker-class", "gthread"),
            *("--workers", "1", "--threads", "16", "--access-logfile", "-", "--no-control-socket", "--preload"),
        ]
        return self._program("web", _script("gunicorn"), *argv, listens_on=(port,))

    def worker(self, lane: str) -> Program:
        """A Celery worker of one lane, `urgent` or `bulk`."""
        argv = [
            *("-A", "riskadmin", "worker", "-P", "threads", "-c", str(THREADS[lane]), "-Q", lane, "-n", f"{lane}@%h"),
            # Nobody listens to what workers tell each other, and asking around costs a second at each start.
            *("--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        ]
        return self._program(f"worker-{lane}", _script("celery"), *argv)

    def beat(self) -> Program:
        """Celery's clock."""
        schedule = self.places.run / "beat-schedule"
        return self._program("beat", _script("celery"), "-A", "riskadmin", "beat", "-s", str(schedule), "--loglevel", "INFO")

    def commands(self, name: str, *commands: Sequence[str]) -> Program:
        """Some of `manage.py`'s commands, one after the other; they end by themselves."""
        return self._program(name, sys.executable, "-m", "riskadmin.local.commands", json.dumps(commands))

    def _program(self, name: str, *argv: str, listens_on: Iterable[int] = ()) -> Program:
        ports = tuple(listens_on)
        # Django's checks have run with `migrate`; in each Celery process they would cost another second.
        env = {**self.env, "CELERY_SKIP_CHECKS": "true"}
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
    """Whether somebody accepts connections at a port of this machine."""
    with socket.socket() as client:
        client.settimeout(1.0)
        return client.connect_ex((LOOPBACK, port)) == 0


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at this moment, all different.

    They lie below those that systems give to outgoing connections, so that a program which is started again finds its own free.
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
