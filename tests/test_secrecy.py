"""No tool prints a secret, each secret may be in a file, and Redis asks for its password."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from pytest_django import Settings

from riskadmin.celery import app
from riskadmin.env import SECRETS
from riskadmin.local.places import PROJECT
from riskadmin.secrecy import Secret, SecretUrl
from tests.servers import Servers, environment
from tests.test_settings import load

VALUES: Final = {
    "SECRET_KEY": "hush-secret-key-" + "k" * 32,
    "AUDIT_ANCHOR_S3_SECRET_KEY": "hush-bucket",
    "AUDIT_SIGNING_KEY": "hushauditsigningkey" + "k" * 23 + "A=",
    "SECRET_KEY_FALLBACKS": "hush-fallback-key-" + "k" * 32,
    "ENCRYPTION_KEY": "hush-encryption-key-" + "k" * 32,
    "ENCRYPTION_KEY_FALLBACKS": "hush-encryption-fallback-" + "k" * 32,
    "DATABASE_PASSWORD": "hush-database",
    "DATABASE_URL": "postgresql://riskadmin_app:hush-in-url@127.0.0.1:1/riskadmin",
    "DATABASE_OWNER_PASSWORD": "hush-owner",
    "DATABASE_OWNER_URL": "postgresql://riskadmin_owner:hush-owner-url@127.0.0.1:1/riskadmin",
    "DATABASE_AUDITOR_PASSWORD": "hush-auditor",
    "DATABASE_AUDITOR_URL": "postgresql://riskadmin_auditor:hush-auditor-url@127.0.0.1:1/riskadmin",
    "DATABASE_ADMIN_PASSWORD": "hush-admin",
    "DATABASE_ADMIN_URL": "postgresql://postgres:hush-admin-url@127.0.0.1:1/riskadmin",
    "REDIS_PASSWORD": "hush-redis",
    "REDIS_URL": "redis://:hush-redis-url@127.0.0.1:1/0",
    "CELERY_BROKER_URL": "redis://:hush-broker@127.0.0.1:1/0",
    "TRADOVATE_PASSWORD": "hush-tradovate",
    "TRADOVATE_SEC": "hush-sec",
    "EMAIL_PASSWORD": "hush-email",
    "SENTRY_DSN": "http://hush@127.0.0.1:1/1",
    "SSO_CLIENT_SECRET": "hush-sso",
    "METRICS_TOKEN": "hush-metrics-" + "k" * 32,
}
"""A value for each secret; all of them contain `hush`."""

TOOLS: Final = {
    "settings": ["manage.py", "diffsettings", "--all"],
    "report": ["-m", "celery", "-A", "riskadmin", "report"],
    "control": ["-m", "celery", "-A", "riskadmin", "inspect", "conf", "--timeout", "1"],
    "check": ["manage.py", "check", "--deploy"],
    "migrate": ["manage.py", "migrate"],
    "roles": ["manage.py", "create_database_roles"],
    "worker": ["-m", "celery", "-A", "riskadmin", "worker", "-P", "solo", "-Q", "bulk", "--loglevel", "DEBUG"],
    "beat": ["-m", "celery", "-A", "riskadmin", "beat", "-s", "", "--loglevel", "DEBUG", "--max-interval", "1"],
    "repr": ["-c", "import django; django.setup(); from riskadmin import settings; print(repr(settings.env), vars(settings))"],
}


def test_there_is_a_value_for_each_secret() -> None:
    assert set(VALUES) == set(SECRETS)


@pytest.mark.parametrize("name", TOOLS)
def test_no_tool_prints_a_secret(servers: Servers, tmp_path: Path, name: str) -> None:
    """Where nothing answers at the addresses, so that the messages about that are seen too."""
    env = {**environment(database_url=servers.database_url, redis_url=servers.redis_url), **VALUES}
    env["CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP"] = "false"
    command = [each or str(tmp_path / "schedule") for each in TOOLS[name]]
    with subprocess.Popen(
        [sys.executable, *command], cwd=PROJECT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as tool:
        assert tool.stdout is not None
        said = ""
        for line in tool.stdout:
            said += line
            if "Cannot connect" in line or "Connection refused" in line:
                tool.terminate()
    assert said
    assert "hush" not in said


def test_the_page_of_a_fault_shows_no_secret(settings: Settings, rf: RequestFactory) -> None:
    settings.DEBUG = True
    settings.TRADOVATE_SEC = settings.EMAIL_HOST_PASSWORD = Secret("hush")
    settings.REDIS_URL = settings.CELERY_BROKER_URL = SecretUrl("redis://:hush@127.0.0.1/0")
    settings.ENCRYPTION_KEYS = settings.SECRET_KEY_FALLBACKS = [Secret("hush")]
    settings.DATABASES["default"] = {**settings.DATABASES["default"], "PASSWORD": Secret("hush")}
    page = ExceptionReporter(rf.get("/"), None, None, None).get_traceback_html()
    assert "TRADOVATE_SEC" in page
    assert "hush" not in page


def test_each_secret_may_be_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subtests: pytest.Subtests) -> None:
    for name, value in VALUES.items():
        file = tmp_path / name
        file.write_text(value + "\n", encoding="utf-8")
        with subtests.test(name):
            named = load(monkeypatch, **({"SECRET_KEY": "x" * 40} | {f"{name}_FILE": str(file)}))["env"]
            direct = load(monkeypatch, **({"SECRET_KEY": "x" * 40} | {name: value, f"{name}_FILE": ""}))["env"]
            assert getattr(named, name) == getattr(direct, name)
            with pytest.raises(ImproperlyConfigured) as refused:
                load(monkeypatch, **{f"{name}_FILE": str(tmp_path / "not there")})
            assert name in str(refused.value)
            monkeypatch.delenv(f"{name}_FILE")


def test_a_password_beside_an_address_goes_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    password = "a/b@c:d%?"
    for url in ("redis://127.0.0.1:6379/3", "unix:///run/redis.sock?db=3", "rediss://user@host/3"):
        found = load(monkeypatch, REDIS_URL=url, REDIS_PASSWORD=password)["REDIS_URL"]
        kept = redis.Redis.from_url(found).connection_pool.connection_kwargs
        assert (kept["password"], kept["db"]) == (password, 3)
    database = load(monkeypatch, DATABASE_URL="postgresql://app:other@h/risk", DATABASE_PASSWORD=password)["DATABASES"]
    assert database["default"]["PASSWORD"] == password


def test_a_secret_is_used_as_text_and_shown_as_stars() -> None:
    assert (repr(Secret("x")), repr(Secret("")), Secret("x") + "y") == ("'********'", "''", "xy")
    assert repr(SecretUrl("redis://:pass@host:1/0")) == "'redis://:********@host:1/0'"


def test_workers_take_no_orders_over_the_broker() -> None:
    assert app.conf.worker_enable_remote_control is False
    assert (app.conf.worker_send_task_events, app.conf.task_send_sent_event) == (False, False)


def test_redis_asks_for_its_password(servers: Servers) -> None:
    assert servers.valkey is not None
    with (
        redis.Redis.from_url(f"unix://{servers.valkey.socket}") as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    for file in ("redis-password", "valkey.conf"):
        assert (servers.places.run / file).stat().st_mode & 0o777 == 0o600
    arguments = Path(f"/proc/{servers.valkey.process.pid}/cmdline")
    if arguments.exists():
        assert servers.valkey.password not in arguments.read_text()
