"""A role that may do too much: a process in production doesn't start with it, and others say so."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import psycopg
import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from riskadmin.database.excess import excess
from riskadmin.database.start import refuse_excess
from riskadmin.local.places import PROJECT
from riskadmin.local.postgres import APPLICATION, OWNER
from tests.database.conftest import AddressOf
from tests.servers import Servers, environment, own_database, with_database, with_role

pytestmark = pytest.mark.django_db  # so that the test database is made

GRANTS: Final = {
    "may UPDATE audit_event": "GRANT UPDATE (tag) ON audit_event TO strong",
    "may DELETE approvals_approval": "GRANT DELETE ON approvals_approval TO strong",
    "may TRUNCATE changes_change": "GRANT TRUNCATE ON changes_change TO strong",
    "may TRIGGER staff_staff": "GRANT TRIGGER ON staff_staff TO strong",
    "may INSERT occurred_at of audit_event": "GRANT INSERT (occurred_at) ON audit_event TO strong",
    "may INSERT auth_group": "GRANT INSERT ON auth_group TO strong",
    "may create tables and functions in the schema public": "GRANT CREATE ON SCHEMA public TO strong",
    "may create temporary tables": "GRANT TEMP ON DATABASE {database} TO strong",
    "may create schemas": "GRANT CREATE ON DATABASE {database} TO strong",
    "may create roles": "ALTER ROLE strong CREATEROLE",
    "may create databases": "ALTER ROLE strong CREATEDB",
    "may replicate, which reads every table": "ALTER ROLE strong REPLICATION",
    "bypasses row security": "ALTER ROLE strong BYPASSRLS",
    "may set session_replication_role": "GRANT SET ON PARAMETER session_replication_role TO strong",
    "is a member of pg_write_server_files": "GRANT pg_write_server_files TO strong",
    f"is a member of {OWNER}": f"GRANT {OWNER} TO strong",
    "owns auth_group": "ALTER TABLE auth_group OWNER TO strong",
    "is a superuser: nothing that PostgreSQL guards is guarded from it": "ALTER ROLE strong SUPERUSER",
}


@pytest.fixture
def strong(superuser: psycopg.Connection, address_of: AddressOf) -> Iterator[psycopg.Connection]:
    """A role that may connect and nothing else, until a test grants it something; all in a transaction that is rolled back."""
    superuser.execute(f"CREATE ROLE strong LOGIN; GRANT CONNECT ON DATABASE {own_database()} TO strong".encode())
    yield superuser
    superuser.execute(f"ALTER TABLE auth_group OWNER TO {OWNER}; DROP OWNED BY strong CASCADE; DROP ROLE strong".encode())


def test_each_right_that_is_too_much_is_found(
    strong: psycopg.Connection, address_of: AddressOf, subtests: pytest.Subtests
) -> None:
    with psycopg.connect(address_of("strong")) as connection:
        assert excess(connection) == []
    for words, grant in GRANTS.items():
        strong.execute(grant.format(database=own_database()).encode())
        with subtests.test(words), psycopg.connect(address_of("strong")) as connection:
            assert [each for each in excess(connection) if each.startswith(words)]


class TestStart:
    """What a process does with it."""

    @pytest.fixture(autouse=True)
    def as_superuser(self, settings: Settings, servers: Servers, django_db_setup: None) -> None:
        assert servers.postgres is not None
        settings.DATABASES["default"] = {**settings.DATABASES["default"], "NAME": own_database()}

    def test_production_does_not_start(self, settings: Settings) -> None:
        settings.DEMO = settings.DEBUG = False
        with pytest.raises(SystemExit, match=r"it is a superuser.*Let DATABASE_URL name the application's role"):
            refuse_excess()

    @pytest.mark.parametrize("name", ["DEMO", "DEBUG"])
    def test_a_demo_warns(self, settings: Settings, name: str, caplog: pytest.LogCaptureFixture) -> None:
        settings.DEMO = settings.DEBUG = False
        setattr(settings, name, True)
        with caplog.at_level(logging.WARNING):
            refuse_excess()
        assert "it is a superuser" in caplog.text

    def test_the_deployment_check_says_so(self, settings: Settings) -> None:
        settings.DEMO = settings.DEBUG = False
        (found,) = run_checks(tags=["database_roles"], include_deployment_checks=True)
        assert (found.id, "it is a superuser" in found.msg) == ("database.E001", True)

    def test_a_database_that_does_not_answer_is_no_reason(self, settings: Settings) -> None:
        settings.DEMO = settings.DEBUG = False
        settings.DATABASES["default"] = {**settings.DATABASES["default"], "HOST": "127.0.0.1", "PORT": "1"}
        refuse_excess()
        (found,) = run_checks(tags=["database_roles"], include_deployment_checks=True)
        assert found.id == "database.W001"


@pytest.fixture
def processes(servers: Servers, django_db_setup: None) -> dict[str, str]:
    """The environment of a process in production, as the application's role, on the test database."""
    return environment(database_url=with_database(servers.database_url, own_database()), redis_url=servers.redis_url)


def run(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=PROJECT, env=env, capture_output=True, text=True, check=False)


def test_the_application_cannot_migrate_and_learns_how(processes: dict[str, str]) -> None:
    refused = run({**processes, "DATABASE_OWNER_URL": ""}, "manage.py", "migrate", "--no-input")
    assert refused.returncode == 1
    assert f"CommandError: The role {APPLICATION} may not change tables" in refused.stderr
    assert "Set DATABASE_OWNER_URL" in refused.stderr
    assert refused.stdout == ""


def test_web_worker_and_beat_refuse_a_superuser_and_start_as_the_application(
    processes: dict[str, str], servers: Servers, subtests: pytest.Subtests
) -> None:
    load = {
        "web": "import riskadmin.wsgi",
        "worker": "from riskadmin.celery import app; from celery.signals import worker_init; worker_init.send(app)",
        "beat": "from riskadmin.celery import app; from celery.signals import beat_init; beat_init.send(app)",
    }
    superuser = with_role(processes["DATABASE_URL"], "postgres")
    for name, code in load.items():
        with subtests.test(name):
            refused = run({**processes, "DATABASE_URL": superuser}, "-c", code)
            assert (refused.returncode, "it is a superuser" in refused.stderr) == (1, True), refused.stderr
            assert run(processes, "-c", code).returncode == os.EX_OK
