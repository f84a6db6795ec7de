"""pytest plugin: PostgreSQL and a Redis-compatible server of our own, before Django reads its settings.

Loaded by `-p tests.servers` (pyproject.toml). Each process that runs tests, so each xdist worker, has its own pair on
sockets in a temporary directory, which dies with it. Whatever the caller's environment or `.env` says is overridden:
a test can't reach the demo's data. TEST_DATABASE_URL and TEST_REDIS_URL name other servers to use.

The migrations take longer than hundreds of tests. Where several processes share the tests, the one that distributes them
runs the migrations once, and each worker's PostgreSQL begins with a copy of its data.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
from psycopg import sql

from riskadmin.database.roles import create
from riskadmin.local.places import PROJECT, Places, prepare
from riskadmin.local.postgres import APPLICATION, AUDITOR, FORGETFUL, OWNER, PostgresServer
from riskadmin.local.valkey import ValkeyServer

NOWHERE = "nowhere://a-test-published-a-task-without-the-fixture-real_broker"
"""No such transport: publishing raises instead of leaving a message that no one handles."""


DATABASE = "riskadmin"

NO_DATABASE, NO_REDIS = "postgresql://nobody@127.0.0.1:1/none", "redis://127.0.0.1:1/0"
"""Addresses at which no one answers."""

PUBLISHING = "CELERY_BROKER_WRITE_URL"
"""Celery itself prefers this variable to its settings."""

MIGRATED = "riskadmin_migrated"
"""The database with every table as the migrations left them, in servers that began with such data; no one connects to it."""

MIGRATED_DATA = "TEST_MIGRATED_DATA"
"""The variable that tells workers the directory of PostgreSQL's data with that database."""


NICE = 5
"""How much the other workers give way to the first one, to which xdist gives the first group: the whole stack's, the longest."""


@dataclass
class Servers:
    """This process's addresses, and the servers themselves where we started them. `database_url` is a superuser's."""

    places: Places
    database_url: str = ""
    redis_url: str = ""
    postgres: PostgresServer | None = None
    valkey: ValkeyServer | None = None
    migrated: bool = False  # whether PostgreSQL has the database MIGRATED

    def new_database(self, name: str) -> str:
        """Create a database, migrated already where that was done once for all workers; return its address."""
        url = with_database(self.database_url, name)
        new_database(url, template=MIGRATED if self.migrated else "")
        return url

    def stop(self) -> None:
        """End what was started and delete its data."""
        for server in (self.postgres, self.valkey):
            if server:
                server.stop()
        self.places.forget()


SERVERS_KEY = pytest.StashKey[Servers]()


def start(options: Mapping[str, str] = FORGETFUL) -> Servers:
    """Start the servers that TEST_DATABASE_URL and TEST_REDIS_URL don't name, PostgreSQL with options. Raises CannotStart."""
    servers = Servers(places=prepare(Path(tempfile.mkdtemp(prefix="riskadmin-test-"))))
    try:
        servers.database_url = os.environ.get("TEST_DATABASE_URL", "")
        if not servers.database_url:
            servers.postgres = PostgresServer(servers.places, options=options)
            servers.migrated = take_migrated_data(servers.postgres)
            servers.postgres.start()
            servers.database_url = servers.postgres.url(DATABASE)
        redis_url = os.environ.get("TEST_REDIS_URL", "")
        if not redis_url:
            servers.valkey = ValkeyServer(servers.places, durable=False)
            servers.valkey.start()
            redis_url = servers.valkey.url()
        # Two numbers for each xdist worker, in case they share a server: its tests', and its whole stack's.
        servers.redis_url = with_redis_number(redis_url, 2 * worker_index())
    except BaseException:
        servers.stop()
        raise
    return servers


def migrate_once() -> Servers:
    """Make the data that each worker's PostgreSQL begins with, and name them in the environment. Raises CannotStart, CalledProcessError."""
    servers = Servers(places=prepare(Path(tempfile.mkdtemp(prefix="riskadmin-test-"))))
    try:
        servers.postgres = PostgresServer(servers.places, options=FORGETFUL)
        servers.postgres.start()
        servers.postgres.create_database(MIGRATED)
        env = environment(database_url=servers.postgres.url(MIGRATED), redis_url=NO_REDIS)
        migrate = json.dumps([["migrate", "--no-input"]])
        subprocess.run(
            [sys.executable, "-m", "riskadmin.local.commands", migrate],
            env=env,
            cwd=PROJECT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        servers.postgres.stop()
    except BaseException:
        servers.stop()
        raise
    os.environ[MIGRATED_DATA] = str(servers.postgres.data)
    return servers


def compile_once() -> subprocess.Popen[bytes] | None:
    """Begin to compile every test where none was yet, as on a new machine: each worker would do it, all at the same time."""
    if sys.dont_write_bytecode or any(PROJECT.glob("tests/__pycache__/conftest.*-pytest-*")):
        return None
    command = [sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "--quiet", "--quiet"]
    env = {**os.environ, "TEST_DATABASE_URL": NO_DATABASE, "TEST_REDIS_URL": NO_REDIS}  # none has to be started
    return subprocess.Popen(command, cwd=PROJECT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def take_migrated_data(postgres: PostgresServer) -> bool:
    """Let a new server begin with the data that were migrated once, if there are any; say whether."""
    data = os.environ.get(MIGRATED_DATA)
    if data is None:
        return False
    subprocess.run(["cp", "-a", data, postgres.data], check=True)  # owners and modes too: PostgreSQL insists on them
    return True


def own_database() -> str:
    """The name that Django gives to the database of the tests of this process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return f"test_{DATABASE}_{worker}" if worker else f"test_{DATABASE}"


def worker_index() -> int:
    """0 for xdist's `gw0` and without xdist, 1 for `gw1`, and so on."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def setting_names() -> frozenset[str]:
    """Every variable that the settings read."""
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^#?\s*([A-Z][A-Z0-9_]+)=", example, flags=re.MULTILINE))


def bare_environment() -> dict[str, str]:
    """The caller's environment without any setting, nor those of a `.env`."""
    names = setting_names()
    kept = {name: value for name, value in os.environ.items() if name not in names and not name.startswith("CELERY_")}
    return {**kept, "DJANGO_SETTINGS_MODULE": "riskadmin.settings", "ENV_FILE": os.devnull}


def environment(*, database_url: str, redis_url: str) -> dict[str, str]:
    """The settings of every process under test: nothing of the caller's, Tradovate at a port where no one listens.

    `database_url` is a superuser's; the processes get those of the three roles.
    """
    return {
        **bare_environment(),
        "SECRET_KEY": "only-for-tests-" + "x" * 40,
        "AUDIT_SIGNING_KEY": b64encode(b"a key that only the tests use...").decode(),
        "SECOND_FACTOR_REQUIRED": "off",  # tests of second factors switch it on
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "DATABASE_URL": with_role(database_url, APPLICATION),
        "DATABASE_OWNER_URL": with_role(database_url, OWNER),
        "DATABASE_AUDITOR_URL": with_role(database_url, AUDITOR),
        "REDIS_URL": redis_url,
        "TRADOVATE_DEMO_URL": "http://127.0.0.1:1/v1",
        "TRADOVATE_LIVE_URL": "http://127.0.0.1:1/v1",
        "TRADOVATE_USERNAME": "riskadmin",
        "TRADOVATE_PASSWORD": "simulated",
        "TRADOVATE_CID": "1",
        "TRADOVATE_SEC": "simulated",
        "TRADOVATE_DEVICE_ID": "riskadmin-tests",
        "HTTPS": "false",
        "RATE_LIMITS": "false",  # a test is quicker than a person
    }


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """Run before pytest-django reads the settings (a wrapper goes first)."""
    namespace = early_config.known_args_namespace
    only_distributes = bool(getattr(namespace, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ
    if only_distributes or namespace.help or namespace.version:
        if only_distributes:
            compiling = compile_once()
            if "TEST_DATABASE_URL" not in os.environ:
                early_config.stash[SERVERS_KEY] = migrate_once()
            if compiling:
                compiling.wait()
        _enter(environment(database_url=NO_DATABASE, redis_url=NO_REDIS))
        return (yield)  # pytest_unconfigure deletes the data also when no worker comes to start
    if worker_index() > 0:
        os.nice(NICE)
    servers = start()
    early_config.stash[SERVERS_KEY] = servers
    _enter(environment(database_url=servers.database_url, redis_url=servers.redis_url))
    try:
        return (yield)
    except BaseException:  # pytest_unconfigure will not be called
        servers.stop()
        raise


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of this process."""
    if SERVERS_KEY in config.stash:
        config.stash[SERVERS_KEY].stop()


def _enter(env: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env, **{PUBLISHING: NOWHERE})


def with_database(url: str, name: str) -> str:
    """Return a PostgreSQL address that leads to another database of the same server."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


def with_role(url: str, role: str) -> str:
    """Return a PostgreSQL address with another role, and the password that it has in tests."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{role}:password-of-{role}@{host}{parts.path}?{parts.query}"


def new_database(url: str, *, template: str = "") -> None:
    """Recreate the database of a superuser's address with its three roles, empty or as a copy of another one of its server."""
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(name, sql.Identifier(template or "template1")))
    owner, application, auditor = (with_role(url, role) for role in (OWNER, APPLICATION, AUDITOR))
    create(url, owner=owner, application=application, auditor=auditor, alone="TEST_DATABASE_URL" not in os.environ)


def sign_in_as_superuser(url: str) -> None:
    """Let Django's connections of this process be those of a superuser's address: tests prepare and look at anything."""
    from django.db import connections

    parts = urlsplit(url)
    for settings in (connections.settings["default"], connections["default"].settings_dict):
        settings.update(USER=unquote(parts.username or ""), PASSWORD=unquote(parts.password or ""))


def with_redis_number(url: str, number: int) -> str:
    """Return a Redis address that leads to another numbered database of the same server."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.netloc}{parts.path}?db={number}"
    return f"{parts.scheme}://{parts.netloc}/{number}?{parts.query}"
