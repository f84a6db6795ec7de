"""The supervisor, with real processes that do as they are told: what dies comes back, and nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from riskadmin.local import supervisor as supervisor_module
from riskadmin.local.places import PROJECT
from riskadmin.local.program import CannotStart, Program, birth, recall
from riskadmin.local.supervisor import Stopped, Supervisor
from tests.waiting import PATIENCE_S, wait_until

SLEEPER = "import signal; signal.pause()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
FAMILY = (
    "import signal, subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']); signal.pause()"
)
WORDY = "import sys; print('the disk is full'); sys.exit(3)"


class Programs:
    """Makes programs that log and leave their pid files in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, name: str, code: str, *, grace_s: float = 10.0, ready_within_s: float = 10.0) -> Program:
        return Program(
            name=name,
            argv=[sys.executable, "-c", code],
            log=self.directory / f"{name}.log",
            pidfile=self.directory / f"{name}.pid",
            grace_s=grace_s,
            ready_within_s=ready_within_s,
        )

    def pid(self, name: str) -> int | None:
        return recall(self.directory / f"{name}.pid")


@pytest.fixture
def program(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


@pytest.fixture
def said() -> list[str]:
    return []


@contextmanager
def asked_to_stop_when(happens: Callable[[], object]) -> Iterator[None]:
    """Send this process SIGTERM, from another thread, when something has happened."""

    def ask() -> None:
        wait_until(happens)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_leaving_it_stops_everything_in_reverse_order(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("first", SLEEPER)])
        supervisor.start([program("second", SLEEPER), program("third", SLEEPER)])
        pids = [program.pid(name) for name in ("first", "second", "third")]
    assert None not in pids
    assert [birth(pid) for pid in pids if pid] == [None, None, None]
    assert [program.pid(name) for name in ("first", "second", "third")] == [None, None, None]
    assert said == []


def test_what_dies_is_started_again_and_reported(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("worker", SLEEPER)])
        first = program.pid("worker")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        with asked_to_stop_when(lambda: program.pid("worker") not in {None, first}), pytest.raises(Stopped):
            supervisor.watch()
    assert said[0].startswith("worker ended (killed by SIGKILL), starting it again in 0.5 s")
    assert said[1].startswith("worker runs again")
    assert program.pid("worker") is None


def test_what_dies_again_and_again_is_given_longer_pauses(
    program: Programs, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(supervisor_module, "LONGEST_PAUSE_S", 0.05)
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("worker", WORDY)])
        with asked_to_stop_when(lambda: len(said) >= 7), pytest.raises(Stopped):
            supervisor.watch()
    deaths = [line.partition(";")[0] for line in said if "ended" in line]
    assert deaths[:4] == [
        f"worker ended (exit code 3), starting it again in {pause} s" for pause in ("0.02", "0.04", "0.05", "0.05")
    ]


def test_a_death_at_the_start_is_fatal_and_shows_the_last_words(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("server", SLEEPER)])
        supervisor.start([program("web", WORDY)])
        with pytest.raises(CannotStart, match=r"(?s)web ended at its start \(exit code 3\).*the disk is full"):
            supervisor.wait_for(lambda: False, within_s=PATIENCE_S)
    assert program.pid("server") is None


def test_a_failing_step_shows_its_last_words(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor, pytest.raises(CannotStart, match=r"(?s)migrate failed.*the disk is full"):
        supervisor.run([program("migrate", WORDY)])


def test_a_step_that_ends_well_is_not_started_again(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.run([program("migrate", "print('done')")])
        supervisor.look()
    assert said == []


def test_a_stop_request_during_a_step_lets_the_step_end(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor, asked_to_stop_when(lambda: program.pid("migrate")), pytest.raises(Stopped):
        supervisor.run([program("migrate", SLEEPER)])
    assert program.pid("migrate") is None


def test_what_does_not_listen_is_killed_after_its_grace(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("stubborn", STUBBORN, grace_s=0.2)])
        pid = program.pid("stubborn")
    assert pid is not None
    assert birth(pid) is None


def test_children_of_children_are_not_left_either(program: Programs, said: list[str]) -> None:
    with Supervisor(said.append) as supervisor:
        supervisor.start([program("gunicorn", FAMILY)])
        leader = program.pid("gunicorn")
        assert leader is not None
        wait_until(lambda: len(_group(leader)) == 2)
    wait_until(lambda: _group(leader) == [])  # killed: the kernel may take a moment


def test_handlers_of_signals_are_given_back(said: list[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Supervisor(said.append):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_supervisor_that_is_killed_leaves_nothing(tmp_path: Path, program: Programs) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells children of their parent's death; elsewhere the next start ends them")
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from tests.local.test_supervisor import Programs, SLEEPER, FAMILY
        from riskadmin.local.supervisor import Supervisor
        program = Programs(Path({str(tmp_path)!r}))
        with Supervisor(print) as supervisor:
            supervisor.start([program("one", SLEEPER), program("two", SLEEPER)])
            print("ready", flush=True)
            supervisor.watch()
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    assert program.pid("one") is not None
    parent.kill()
    parent.communicate()
    wait_until(lambda: program.pid("one") is None and program.pid("two") is None)


def _group(leader: int) -> list[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [int(pid) for pid, group, state in rows if int(group) == leader and not state.startswith("Z")]
