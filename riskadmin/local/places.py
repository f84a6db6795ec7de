"""Where the local servers keep their files: the project's `.run/`, unless the account they run as can't reach it."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from riskadmin.local.program import CannotStart, SystemAccount

PROJECT = Path(__file__).resolve().parents[2]
SOCKET_DIR_LIMIT = 80
"""In bytes. A socket's whole path may have 103 (macOS) or 107 (Linux). The longest name under it is `pg/.s.PGSQL.5432`."""


@dataclass(frozen=True)
class Places:
    """`run` holds logs, pid files and secrets. `state` holds files that a server's own account must be able to reach."""

    run: Path
    state: Path
    sockets: Path
    account: SystemAccount | None

    @property
    def logs(self) -> Path:
        """The directory of every log."""
        return self.run / "logs"

    def log(self, name: str) -> Path:
        """The log of one program."""
        return self.logs / f"{name}.log"

    def pidfile(self, name: str) -> Path:
        """The file that holds one program's process id."""
        return self.run / "pids" / f"{name}.pid"

    def forget(self) -> None:
        """Delete all of them."""
        for place in {self.run, self.state, self.sockets}:
            shutil.rmtree(place, ignore_errors=True)


def prepare(run: Path) -> Places:
    """Create the directories for the servers of one demo or test run under `run`.

    Raises CannotStart when one of our directories belongs to another user.
    """
    account = server_account()
    run.mkdir(parents=True, exist_ok=True)
    # Others may pass through (PostgreSQL's account must), but not list the contents.
    run.chmod(0o711 if account else 0o700)
    state = run
    if account and not can_reach(account, run):
        # Root's home is closed to others and stays so. Its project's data are kept where servers keep their data.
        state = own_directory(Path("/var/lib") / f"riskadmin-{fingerprint(run)}")
    sockets = state / "sockets"
    if len(os.fsencode(sockets)) > SOCKET_DIR_LIMIT:
        sockets = own_directory(Path(tempfile.gettempdir()) / f"riskadmin-{os.getuid()}-{fingerprint(run)}")
    sockets.mkdir(exist_ok=True)
    for place in {state, sockets}:
        place.chmod(0o711 if account else 0o700)
    return Places(run=run, state=state, sockets=sockets, account=account)


def server_account() -> SystemAccount | None:
    """The account PostgreSQL runs as, since it refuses root; None when we are not root and it runs as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemAccount(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise CannotStart(
        "PostgreSQL refuses to run as root, and this system has neither an account `postgres` nor `nobody`.\n"
        "Run this as an ordinary user, or set DATABASE_URL to a server of your own."
    )


def can_reach(account: SystemAccount, path: Path) -> bool:
    """Whether that account may pass through a directory, or execute a file. The system itself is asked, ACLs included."""
    question = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
    return subprocess.run(question, user=account.uid, group=account.gid, extra_groups=[], cwd="/", check=False).returncode == 0


def own_directory(path: Path) -> Path:
    """Create a directory under a name that others could guess, and refuse it if it is not ours."""
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != os.geteuid():
        raise CannotStart(f"{path} belongs to somebody else (uid {status.st_uid}). Remove it and start again.")
    return path


def fingerprint(path: Path) -> str:
    """Return eight letters that identify a path."""
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]
