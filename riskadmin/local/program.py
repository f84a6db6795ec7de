"""One child process: started so that it can't outlive us, watched, stopped, and cleaned up after we were killed ourselves."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HAS_PROC = Path("/proc/self/stat").exists()
"""Linux has information about processes in files. Elsewhere `ps` is used, which a minimal Linux may lack."""

TETHER = Path(__file__).with_name("tether.py")
POLL_S = 0.02
GONE_WITHIN_S = 1.0
LOG_LIMIT_BYTES = 5_000_000
LAST_WORDS = 15
"""Lines of a log that an error shows."""


class CannotStart(Exception):
    """Something could not be set up. The text tells a person what failed, why, and what to do."""


@dataclass(frozen=True)
class SystemAccount:
    """The operating-system account a server runs as when we are root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """What to run, and how to check that it is healthy.

    `stop_signal` asks for an orderly exit; the kernel also sends it when we are killed. SIGKILL follows after `grace_s`
    seconds. `before` runs at each start. `ready` returns whether the program serves (it must not block for long).
    """

    name: str
    argv: Sequence[str]
    log: Path
    pidfile: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    account: SystemAccount | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 10.0
    ready_within_s: float = 60.0
    before: Callable[[], None] = field(default=lambda: None)
    ready: Callable[[], bool] = field(default=lambda: True)


class Process:
    """A `Program` that can be started repeatedly.

    Start it from a thread that lives as long as the process should: Linux treats the death of that thread as the parent's
    death.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._popen: subprocess.Popen[bytes] | None = None
        self._asked = False

    @property
    def pid(self) -> int | None:
        """The id of the process that was last started. None before the first start."""
        return self._popen.pid if self._popen else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, as in `subprocess`: None while it runs, negative for a signal."""
        return self._popen.poll() if self._popen else None

    def start(self) -> None:
        """Start it without waiting. First ends what an earlier, killed parent left running."""
        program = self.program
        if self._popen:
            # Children of a dead group leader (for example gunicorn's workers) still hold its port.
            kill_group(self._popen.pid)
        recover(program.pidfile, grace_s=program.grace_s, stop_signal=program.stop_signal)
        program.before()
        self._asked = False
        rotate(program.log)
        account = program.account
        tether = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), str(int(program.stop_signal))]
        identity = [str(account.uid), str(account.gid)] if account else ["-1", "-1"]
        with program.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*tether, *identity, *program.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if program.env is None else dict(program.env),
                cwd=program.cwd or "/",
                # Its own session: Ctrl-C at the terminal reaches us alone, and we stop the children in order.
                start_new_session=True,
            )
        remember(program.pidfile, self._popen.pid)

    def wait_ready(self, check: Callable[[], None] = lambda: None) -> None:
        """Return when it serves. Raise CannotStart with its last output when it ends or takes too long.

        `check` is called repeatedly and may raise to give up.
        """
        deadline = time.monotonic() + self.program.ready_within_s
        while not self.program.ready():
            check()
            self.must_run()
            if time.monotonic() > deadline:
                raise self.failure(f"is not ready after {self.program.ready_within_s:g} s")
            time.sleep(POLL_S)

    def must_run(self) -> None:
        """Raise CannotStart with its last output if it has ended."""
        if not self.running:
            raise self.failure(f"ended at its start ({describe_exit(self.exit_code)})")

    def failure(self, what: str) -> CannotStart:
        """Return an error that says what happened and shows the end of the log."""
        words = "\n".join(f"  {line}" for line in tail(self.program.log, LAST_WORDS))
        return CannotStart(f"{self.program.name} {what}. The end of {self.program.log}:\n{words}")

    def finish(self, check: Callable[[], None] = lambda: None) -> None:
        """Return when it exited with 0. Raise CannotStart with its last output otherwise. `check` as in `wait_ready`."""
        while self.running:
            check()
            time.sleep(POLL_S)
        if self.exit_code != 0:
            raise self.failure(f"failed ({describe_exit(self.exit_code)})")
        self.program.pidfile.unlink(missing_ok=True)

    def ask(self) -> None:
        """Ask it to exit, without waiting. Ask only once: some programs take a second signal as "exit immediately"."""
        if self._popen and self.running and not self._asked:
            self._asked = True
            self._popen.send_signal(self.program.stop_signal)

    def stop(self) -> None:
        """End it and everything it started. Returns when none of it runs."""
        if self._popen is None:
            return
        if self.running:
            self.ask()
            try:
                self._popen.wait(self.program.grace_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        # It leads its own process group, so this reaches the children that it abandoned and no other process.
        kill_group(self._popen.pid)
        self.program.pidfile.unlink(missing_ok=True)


def describe_exit(code: int | None) -> str:
    """'exit code 3' or 'killed by SIGKILL'."""
    if code is None:
        return "still running"
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log, reading no more than its last 64 KiB."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def rotate(log: Path) -> None:
    """Create the log's directory, and keep one earlier copy of a log that grew large."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def kill_group(pgid: int) -> None:
    """Send SIGKILL to what is left of a process group, and wait until it is gone and its ports are free."""
    deadline = time.monotonic() + GONE_WITHIN_S
    # macOS answers EPERM for a group of zombies; elsewhere they count until init collects them, hence the deadline.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < deadline:
            os.killpg(pgid, signal.SIGKILL)
            time.sleep(POLL_S)


def birth(pid: int) -> str | None:
    """Return a text that identifies this process even if its id is used again later. None when there is no such process.

    On Linux, the boot's id and the start time in ticks; elsewhere, the start time from `ps`. A zombie counts as gone.
    """
    if HAS_PROC:
        try:
            # Fields after the command name, which is in parentheses and may itself contain anything.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if fields[0] == "Z" else f"{boot}/{fields[19]}"
    done = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def command_line(pid: int) -> str:
    """The command a process was started with. Empty when there is no such process."""
    if HAS_PROC:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def remember(pidfile: Path, pid: int) -> None:
    """Record which process we started, atomically."""
    pidfile.parent.mkdir(parents=True, exist_ok=True)
    draft = pidfile.with_suffix(".new")
    draft.write_text(f"{pid} {birth(pid) or ''}")
    draft.replace(pidfile)


def recall(pidfile: Path) -> int | None:
    """The recorded process's id, if that same process still runs."""
    try:
        pid, _, born = pidfile.read_text().partition(" ")
    except FileNotFoundError:
        return None
    return int(pid) if pid.isdigit() and born and birth(int(pid)) == born else None


def recover(pidfile: Path, *, grace_s: float, stop_signal: signal.Signals) -> None:
    """End the recorded process, if it still runs, and its group."""
    pid = recall(pidfile)
    if pid is not None:
        deadline = time.monotonic() + grace_s
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
            while recall(pidfile) is not None:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(POLL_S)
        kill_group(pid)
    pidfile.unlink(missing_ok=True)
