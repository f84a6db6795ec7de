"""The workers and the clock as processes of their own, on the benchmark's database and broker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import connection

from riskadmin.local.places import Places
from riskadmin.local.program import Process, Program
from riskadmin.local.stack import LOOPBACK, Stack, free_ports
from tests import servers
from tests.bench.firm import Firm
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC
from tests.stack import run
from tests.waiting import wait_until


class Workers:
    """Worker processes by name; beat is one of them."""

    def __init__(self, directory: Path, firm: Firm, env: Mapping[str, str]) -> None:
        """Prepare them; `env` holds settings that differ from the defaults."""
        database = servers.with_database(os.environ["DATABASE_URL"], connection.settings_dict["NAME"])
        self._stack = Stack(
            Places(run=directory, state=directory, sockets=directory, account=None),
            {
                **servers.environment(database_url=database, redis_url=settings.REDIS_URL),
                "TRADOVATE_DEMO_URL": firm.simulator.demo_url,
                "TRADOVATE_LIVE_URL": firm.simulator.live_url,
                "TRADOVATE_USERNAME": ADMIN,
                "TRADOVATE_PASSWORD": PASSWORD,
                "TRADOVATE_CID": CID,
                "TRADOVATE_SEC": SEC,
                "SYNC_SECONDS": "3600",
                "STATIC_ROOT": str(directory / "static"),
                "PYTHONUNBUFFERED": "1",
                **env,
            },
        )
        self.running: dict[str, Process] = {}
        self.base_url = ""

    def start(self, *lanes: str, clock: bool = True) -> None:
        """Start a worker for each lane named, the web pages for `web`, and the clock."""
        for number, lane in enumerate(lanes):
            if lane == "web":
                (port,) = free_ports(1)
                self.base_url = f"http://{LOOPBACK}:{port}"
                run(self._stack.commands("static", ["collectstatic", "--no-input"]))
                self._start(self._stack.web(port))
            else:
                self._start(self._worker(lane, number))
        if clock:
            self._start(self._stack.beat())

    def _worker(self, lane: str, number: int) -> Program:
        program = self._stack.worker(lane)
        name = f"{program.name}-{number}"
        argv = [f"{lane}-{number}@%h" if each == f"{lane}@%h" else each for each in program.argv]
        places = self._stack.places
        return replace(program, name=name, argv=argv, log=places.log(name), pidfile=places.pidfile(name))

    def _start(self, program: Program) -> None:
        process = Process(program)
        process.start()
        process.wait_ready()
        self.running[program.name] = process

    def kill(self) -> None:
        """End every worker at once, as a power cut would; the clock stays."""
        for name in [name for name in self.running if name.startswith("worker")]:
            process = self.running.pop(name)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            wait_until(lambda process=process: not process.running)  # type: ignore[misc]

    def stop(self) -> None:
        """End all of it."""
        for process in reversed(self.running.values()):
            process.stop()
        self.running.clear()


@contextmanager
def workers(directory: Path, firm: Firm, *lanes: str, **env: str) -> Iterator[Workers]:
    """Run workers for a while."""
    directory.mkdir()
    made = Workers(directory, firm, env)
    try:
        made.start(*lanes)
        yield made
    finally:
        made.stop()
