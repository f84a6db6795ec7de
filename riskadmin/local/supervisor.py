"""Start programs, restart those that die, and stop all in order, so that no process is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Self

from riskadmin.local.program import CannotStart, Process, Program, describe_exit

LOOK_S = 0.1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
WELL_AFTER_S = 60.0
"""A process that ran this long is healthy: its next death counts as its first."""


class Stopped(Exception):
    """The supervisor was asked to stop."""


@dataclass
class _Watched:
    process: Process
    started_at: float
    pause_s: float = field(default_factory=lambda: FIRST_PAUSE_S)
    restart_at: float | None = None


class Supervisor:
    """Use as a context manager in the main thread. Leaving it, for any reason, stops every child.

    SIGINT, SIGTERM and SIGHUP make the current call raise Stopped. Repeated signals while stopping have no effect.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """`say` receives one line of text whenever a program dies or is restarted."""
        self._say = say
        self._stages: list[list[_Watched]] = []
        self._asked = False
        self._handlers: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_error: object) -> None:
        self._asked = True
        for stage in reversed(self._stages):
            for watched in stage:
                watched.process.ask()
            for watched in stage:
                watched.process.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, programs: Sequence[Program]) -> None:
        """Start some programs together; return when all are ready. They are stopped together, after those started later.

        Raises CannotStart when one ends or takes too long, Stopped when asked to stop.
        """
        now = time.monotonic()
        stage = [_Watched(Process(program), now) for program in programs]
        self._stages.append(stage)
        for watched in stage:
            self.check()
            watched.process.start()
        for watched in stage:
            watched.process.wait_ready(self.check)

    def run(self, programs: Sequence[Program]) -> None:
        """Run programs that end by themselves, in parallel. Raises CannotStart when one fails, Stopped when asked to stop."""
        stage = [_Watched(Process(program), 0.0) for program in programs]
        self._stages.append(stage)
        for watched in stage:
            self.check()
            watched.process.start()
        for watched in stage:
            watched.process.finish(self.check)
        self._stages.remove(stage)

    def check(self) -> None:
        """Raise Stopped if the supervisor was asked to stop."""
        if self._asked:
            raise Stopped

    def wait_for(self, condition: Callable[[], bool], *, within_s: float, every_s: float = LOOK_S) -> bool:
        """Poll until the condition holds and return True, or return False when it takes too long.

        Raises CannotStart when a child ends meanwhile, Stopped when asked to stop.
        """
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.check()
            for stage in self._stages:
                for watched in stage:
                    watched.process.must_run()
            time.sleep(every_s)
        return True

    def watch(self) -> None:
        """Keep everything running until asked to stop, then raise Stopped."""
        while True:
            self.look()
            time.sleep(LOOK_S)

    def look(self) -> None:
        """Check each child once, and restart those that died a while ago. Raises Stopped."""
        self.check()
        now = time.monotonic()
        for watched in (watched for stage in self._stages for watched in stage):
            if watched.process.running:
                continue
            if watched.restart_at is None:
                self._handle_exit(watched, now)
            elif now >= watched.restart_at:
                self._restart(watched, now)

    def _handle_exit(self, watched: _Watched, now: float) -> None:
        well = now - watched.started_at > WELL_AFTER_S
        watched.pause_s = FIRST_PAUSE_S if well else watched.pause_s
        watched.restart_at = now + watched.pause_s
        program = watched.process.program
        how = describe_exit(watched.process.exit_code)
        self._say(f"{program.name} ended ({how}), starting it again in {watched.pause_s:g} s; its log: {program.log}")
        watched.pause_s = min(watched.pause_s * 2, LONGEST_PAUSE_S)

    def _restart(self, watched: _Watched, now: float) -> None:
        watched.restart_at, watched.started_at = None, now
        name = watched.process.program.name
        try:
            watched.process.start()
        except CannotStart as error:
            self._say(f"{name} can't be started: {error}")
            watched.restart_at = now + watched.pause_s
        else:
            self._say(f"{name} runs again (process {watched.process.pid})")

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
