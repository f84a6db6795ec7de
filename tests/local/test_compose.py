"""docker-compose.yml and the Dockerfile, as far as they can be held to the rest without an engine to run them."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from celery.beat import ScheduleEntry
from celery.bin.celery import celery
from celery.schedules import schedule
from celery.signals import task_postrun
from django.core.management import get_commands
from django.urls import reverse
from django.utils.module_loading import import_string
from gunicorn.config import Config
from pytest_django import Settings

from riskadmin import liveness
from riskadmin.celery import app, begin
from riskadmin.env import ATTACHMENTS_MAX_MB
from riskadmin.liveness import CHECKS
from riskadmin.local.places import PROJECT
from riskadmin.local.stack import THREADS
from riskadmin.web.body_limits import FORM_MAX
from tests.servers import setting_names

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") in {"riskadmin", "riskadmin-simulator"}}
WORKERS = {name: service for name, service in OURS.items() if "worker" in service["command"]}
OF_OTHER_IMAGES = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "SITE", "TLS"}
RUN_ONCE = {"roles", "migrate", "operations"}
with pytest.MonkeyPatch.context() as patch:
    # Else it makes a folder, and from then on this process would look there for what it counted itself.
    patch.setenv("PROMETHEUS_MULTIPROC_DIR", os.devnull)
    GUNICORN = runpy.run_path(str(PROJECT / "gunicorn.conf.py"))
CADDYFILE = (PROJECT / "deploy" / "Caddyfile").read_text()


def test_the_services_are_the_whole_product() -> None:
    assert set(SERVICES) == {
        *("postgres", "redis", "roles", "migrate", "web", "worker-urgent", "worker-bulk", "beat"),
        *("operations", "proxy", "simulator"),
    }
    optional = {name: service["profiles"] for name, service in SERVICES.items() if service.get("profiles")}
    assert optional == {name: [name] for name in ("operations", "proxy", "simulator")}


def test_every_queue_has_exactly_one_worker() -> None:
    consumed = [_after(service["command"], "-Q") for service in WORKERS.values()]
    assert sorted(consumed) == sorted(queue.name for queue in app.conf.task_queues)


def test_everything_that_beat_starts_goes_to_a_queue_that_is_consumed() -> None:
    consumed = {_after(service["command"], "-Q") for service in WORKERS.values()}
    assert {entry["options"]["queue"] for entry in app.conf.beat_schedule.values()} <= consumed


@pytest.mark.parametrize("name", [*WORKERS, "beat"])
def test_celery_understands_its_options(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    assert program == "celery"
    assert _after(arguments, "-A") == "riskadmin"
    subcommand = arguments[2]
    known = celery.commands[subcommand].params
    options = {option for parameter in known for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {argument for argument in arguments[3:] if argument.startswith("-")} <= options


def test_workers_run_as_many_threads_as_those_of_the_demo() -> None:
    assert {_after(service["command"], "-Q"): int(_after(service["command"], "-c")) for service in WORKERS.values()} == THREADS


def test_gunicorn_understands_its_options_and_finds_the_application(settings: Settings) -> None:
    settings.DEMO = True  # tests sign in to PostgreSQL as a superuser, which a demo only warns of
    assert SERVICES["web"]["command"] == ["gunicorn"], "all of it stands in gunicorn.conf.py"
    config = Config()
    for name in config.settings.keys() & GUNICORN.keys():
        config.set(name, GUNICORN[name])  # refuses what it does not understand
    assert (config.worker_class_str, config.threads, config.bind) == ("gthread", 8, [":8000"])
    assert callable(import_string(config.wsgi_app.replace(":", ".")))


def test_the_web_ends_its_requests_within_the_time_it_gets_to_stop() -> None:
    assert GUNICORN["graceful_timeout"] < int(SERVICES["web"]["stop_grace_period"].removesuffix("s"))


def test_the_database_is_migrated_before_anything_that_needs_it() -> None:
    assert SERVICES["migrate"]["command"][:3] == ["python", "manage.py", "migrate"]
    assert SERVICES["roles"]["command"][:3] == ["python", "manage.py", "create_database_roles"]
    assert {"migrate", "create_database_roles"} <= set(get_commands())
    assert SERVICES["roles"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["depends_on"] == {"roles": {"condition": "service_completed_successfully"}}
    for name in ("web", "worker-urgent", "worker-bulk", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_only_the_commands_that_need_them_know_the_databases_other_roles() -> None:
    others = {"DATABASE_OWNER_URL", "DATABASE_OWNER_PASSWORD", "DATABASE_AUDITOR_URL", "DATABASE_AUDITOR_PASSWORD"}
    admins = {"DATABASE_ADMIN_URL", "DATABASE_ADMIN_PASSWORD"}
    known = {name: {each for each, value in service["environment"].items() if value} for name, service in OURS.items()}
    assert known.pop("roles") >= others | admins
    assert known.pop("migrate") & (others | admins) == others
    assert known.pop("operations") & (others | admins) == others
    for name in known:
        # Set to nothing, so that `.env` does not give them either.
        empty = {each for each, value in OURS[name]["environment"].items() if value == ""}
        assert empty >= others | admins | {"POSTGRES_PASSWORD"}, name


def test_redis_gets_its_password_and_the_signal_to_stop(tmp_path: Path) -> None:
    """The shell that hands the configuration over is gone afterwards; else it would be process 1, and swallow SIGTERM."""
    entrypoint = tmp_path / "docker-entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "$$ $*"\ncat\n')
    entrypoint.chmod(0o755)
    shell, *arguments = (part.replace("$$", "$") for part in SERVICES["redis"]["command"])
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDIS_PASSWORD": "a$HOME`id`b"}
    with subprocess.Popen([shell, *arguments], env=env, stdout=subprocess.PIPE, text=True) as started:
        said, _ = started.communicate()
    first, configuration = said.split("\n", 1)
    assert first.startswith(f"{started.pid} redis-server - --appendonly yes --appendfsync everysec --save ")
    assert configuration == 'requirepass "a$HOME`id`b"\n'


def test_backups_are_taken_by_a_command_of_ours_into_a_volume_of_their_own() -> None:
    service = SERVICES["operations"]
    assert service["entrypoint"] == ["python", "manage.py"]
    assert {"backup", "restore"} <= set(get_commands())
    assert service["volumes"] == [f"backups:{service['environment']['BACKUP_FOLDER']}"]
    assert f"install --directory --owner riskadmin --mode 700 {service['environment']['BACKUP_FOLDER']}" in STAGES[""]


def test_redis_forgets_nothing() -> None:
    command = SERVICES["redis"]["command"]
    assert _after(command, "--maxmemory-policy") == "noeviction"
    assert _after(command, "--appendonly") == "yes"
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


def test_the_simulator_finds_its_module_and_keeps_its_data() -> None:
    from riskadmin.simulator import __main__ as simulator

    command = SERVICES["simulator"]["command"]
    assert command[:3] == ["python", "-m", "riskadmin.simulator"]
    assert callable(simulator.main)
    assert SERVICES["simulator"]["volumes"] == [f"simulator:{_after(command, '--data')}"]


def test_the_simulator_alone_runs_from_an_image_of_its_own() -> None:
    images = {name: (service["image"], service["build"]) for name, service in OURS.items()}
    assert images.pop("simulator") == ("riskadmin-simulator", {"context": ".", "target": "simulator"})
    assert set(images) == {"roles", "migrate", "web", "worker-urgent", "worker-bulk", "beat", "operations"}
    assert [each for each in images.values() if each != ("riskadmin", ".")] == []


def test_every_setting_named_is_a_setting() -> None:
    text = (PROJECT / "docker-compose.yml").read_text()
    substituted = set(re.findall(r"\$\{([A-Z_]+)", text))
    given = {name for service in OURS.values() for name in service["environment"]}
    assert (substituted | given) - OF_OTHER_IMAGES <= setting_names()


def test_only_loopback_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${PORT:-8000}:8000", "80:80", "443:443"]
    assert SERVICES["proxy"]["ports"] == ["80:80", "443:443"], "the rest is for this machine alone"


def test_every_service_is_limited() -> None:
    for name, service in SERVICES.items():
        limits = {"mem_limit", "cpus", "pids_limit", "read_only", "cap_drop", "security_opt", "logging"}
        assert limits - service.keys() == set(), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all("size=" in each for each in service.get("tmpfs", [])), name


def test_every_service_that_goes_on_has_a_health_check() -> None:
    checked = {name for name, service in SERVICES.items() if service.get("healthcheck")}
    assert checked == set(SERVICES) - RUN_ONCE
    ours = {name: service["healthcheck"]["test"] for name, service in OURS.items() if name not in {*RUN_ONCE, "simulator"}}
    for name, test in ours.items():
        assert test[:4] == ["CMD", "python", "-m", "riskadmin.liveness"], name
        assert test[4] == name.partition("-")[0] in CHECKS, name


def test_the_logs_of_every_service_can_be_sent_away_over_tls() -> None:
    collected = yaml.safe_load((PROJECT / "deploy" / "compose.logs.yml").read_text())["services"]
    assert collected.keys() == SERVICES.keys()
    for name, service in collected.items():
        logging = service["logging"]
        assert logging["driver"] != SERVICES[name]["logging"]["driver"], "compose then takes none of the other driver's options"
        assert logging["options"]["syslog-address"].startswith("tcp+tls://${LOG_COLLECTOR:?"), name
        assert logging["options"]["syslog-tls-ca-cert"].startswith("${LOG_COLLECTOR_CA:?"), name


def test_nothing_secret_has_a_default() -> None:
    text = (PROJECT / "docker-compose.yml").read_text()
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    named = set(re.findall(r"\$\{([A-Z_]+)", text))
    assert {name for name in named if "PASSWORD" in name or "KEY" in name} <= required
    assert not re.findall(r"\$\{[A-Z_]*(?:PASSWORD|KEY|SECRET)[A-Z_]*:-", text)


def test_images_are_pinned_by_version() -> None:
    others = {service["image"] for service in SERVICES.values()} - {"riskadmin", "riskadmin-simulator"}
    bases = set(re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE))
    assert all(re.search(r":\d+\.\d+(\.\d+)?(-|$)", image) for image in others | bases), others | bases
    [client] = (base for base in bases if base.startswith("postgres:"))
    assert client.removesuffix("-bookworm") == SERVICES["postgres"]["image"], "pg_dump has to be as new as the server"
    assert [base for base in bases - {client} if not base.endswith("-bookworm")] == [], "their C libraries are the same"
    assert len(bases) == 2


def test_postgresql_and_redis_are_reached_from_inside_alone() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis", "simulator"):
        assert SERVICES[name]["networks"] == ["inside"]
    assert "inside" not in SERVICES["proxy"]["networks"]


def test_the_network_of_the_proxy_is_the_one_that_is_trusted() -> None:
    (subnet,) = (each["subnet"] for each in COMPOSE["networks"]["front"]["ipam"]["config"])
    assert SERVICES["beat"]["environment"]["TRUSTED_PROXIES"] == f"${{TRUSTED_PROXIES:-{subnet}}}"
    assert [name for name, service in SERVICES.items() if "front" in service["networks"]] == ["web", "proxy"]


def test_the_documented_settings_start_and_pass_the_checks_of_a_deployment(tmp_path: Path) -> None:
    """Those that docs/running.md says are the least."""
    text = (PROJECT / "docs" / "running.md").read_text()
    block = re.search(r"Put at least this into `.env`:\n\n((?:    .*\n)+)", text)
    assert block
    documented = dict(line.strip().split("=", 1) for line in block[1].splitlines())
    assert {"SECRET_KEY", "ALLOWED_HOSTS", "TRUSTED_PROXIES"} <= documented.keys() <= setting_names() | OF_OTHER_IMAGES
    values = {name: value for name, value in documented.items() if "<" not in value and "..." not in value}
    secret = {"SECRET_KEY": b64encode(bytes(range(48))).decode(), "TRADOVATE_USERNAME": "x", "TRADOVATE_PASSWORD": "x"}
    env = {**os.environ, "ENV_FILE": os.devnull, "HTTPS": "true", "STATIC_ROOT": str(tmp_path), **values, **secret}
    check = [sys.executable, "manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING"]
    done = subprocess.run(check, cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert documented["PUBLIC_URL"] == documented["CSRF_TRUSTED_ORIGINS"] == f"https://{documented['SITE']}"
    assert documented["ALLOWED_HOSTS"] == documented["SITE"]


class TestProxy:
    """deploy/Caddyfile, as far as it can be read without Caddy."""

    def test_it_goes_to_web(self) -> None:
        (port,) = re.findall(r"UPSTREAM:web:(\d+)", CADDYFILE)
        assert [f":{port}"] == [GUNICORN["bind"]]

    def test_it_takes_the_largest_request_that_a_page_takes(self, settings: Settings) -> None:
        (megabytes,) = re.findall(r"max_size (\d+)MB", CADDYFILE)
        largest = ATTACHMENTS_MAX_MB * 1024 * 1024 + FORM_MAX
        assert largest <= int(megabytes) * 1_000_000 <= settings.FILE_UPLOAD_MAX_MEMORY_SIZE

    def test_what_is_for_the_inside_is_not_shown_outside(self) -> None:
        assert re.search(r"@inside path /metrics /metrics/\* /readyz\n\s*respond @inside 404", CADDYFILE)
        assert reverse("readyz") == "/readyz"


class TestLiveness:
    """The health checks of our own containers."""

    def test_a_task_that_ended_counts_and_is_forgotten_after_a_minute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mark = tmp_path / "mark"
        monkeypatch.setattr(liveness, "_MARK", mark)
        assert not liveness.is_at_work()
        task_postrun.send(sender=None)
        assert liveness.is_at_work()
        long_ago = mark.stat().st_mtime - liveness.AT_WORK_WITHIN_S - 1
        os.utime(mark, (long_ago, long_ago))
        assert not liveness.is_at_work()

    def test_beat_and_each_lane_have_something_to_do_often_enough(self) -> None:
        for lane in ("urgent", "bulk"):
            every = [each["schedule"] for each in app.conf.beat_schedule.values() if each["options"]["queue"] == lane]
            assert min(every) * 4 <= liveness.AT_WORK_WITHIN_S

    def test_web_is_asked_under_its_public_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []

        def refuse(request: Any, **_: Any) -> None:
            asked.append(request)
            raise OSError("no one listens")

        monkeypatch.setattr("urllib.request.urlopen", refuse)
        for hosts, name in {
            "risk.example.com,x": "risk.example.com",
            ".example.com": "example.com",
            "*": "127.0.0.1",
            "": "127.0.0.1",
        }.items():
            monkeypatch.setenv("ALLOWED_HOSTS", hosts)
            assert not liveness.web_answers()
            assert asked[-1].get_header("Host") == name


def test_beat_reads_the_mirror_at_once() -> None:
    entry = ScheduleEntry(name="sync", schedule=schedule(180.0), app=app)
    assert not entry.is_due()[0]
    begin(sender=SimpleNamespace(scheduler=SimpleNamespace(schedule={"sync": entry})))
    assert entry.is_due()[0]


STAGES = dict(
    re.findall(r"^FROM \S+(?: AS (\w+))?\n(.*?)(?=^FROM |\Z)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
)


def test_the_images_are_made_from_hashes_and_run_as_an_unprivileged_user() -> None:
    assert list(STAGES) == ["simulator", "build", "client", ""], "the last one is made where no target is named"
    assert "python install --require-hashes -r requirements.lock" in STAGES["build"]
    assert "pip install --require-hashes -r requirements-simulator.lock" in STAGES["simulator"]
    for stage in ("simulator", ""):
        assert re.findall(r"^USER (\w+)$", STAGES[stage], flags=re.MULTILINE) == ["riskadmin"]


def test_the_products_image_has_no_simulator_and_the_simulators_no_product() -> None:
    assert "RUN rm -r riskadmin/simulator " in STAGES["build"]
    assert "simulator" not in STAGES[""]
    copied = re.findall(r"^COPY (\S+)", STAGES["simulator"], flags=re.MULTILINE)
    assert copied == ["requirements-simulator.lock", "riskadmin/__init__.py", "riskadmin/simulator"]


def test_the_build_sees_what_its_commands_need() -> None:
    """`.dockerignore` lets in by name only, so a new top-level directory is forgotten easily."""
    allowed = set(re.findall(r"^!(\S+)$", (PROJECT / ".dockerignore").read_text(), flags=re.MULTILINE))
    assert allowed == {
        *("accounts", "riskadmin", "static", "templates", "manage.py", "gunicorn.conf.py"),
        *("requirements.lock", "requirements-simulator.lock"),
    }
    assert all((PROJECT / name).exists() for name in allowed)


def _after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]
