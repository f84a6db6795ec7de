"""docker-compose.yml and the Dockerfile, as far as they can be held to the rest without an engine to run them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from celery.bin.celery import celery
from django.core.management import get_commands
from django.utils.module_loading import import_string
from gunicorn.config import Config
from pytest_django import Settings

from riskadmin.celery import app
from riskadmin.local.places import PROJECT
from riskadmin.local.stack import THREADS
from tests.servers import setting_names

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service.get("image") in {"riskadmin", "riskadmin-simulator"}}
WORKERS = {name: service for name, service in OURS.items() if "worker" in service["command"]}
OF_POSTGRES_IMAGE = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}


def test_the_services_are_the_whole_product() -> None:
    assert set(SERVICES) == {
        *("postgres", "redis", "roles", "migrate", "web", "worker-urgent", "worker-bulk", "beat"),
        "simulator",
    }
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["simulator"]


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
    program, *arguments = SERVICES["web"]["command"]
    assert program == "gunicorn"
    options = Config().parser().parse_args(arguments)
    assert (options.worker_class, options.threads) == ("gthread", 8)
    assert callable(import_string(options.args[0].replace(":", ".")))


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
    for name in known:
        # Set to nothing, so that `.env` does not give them either.
        empty = {each for each, value in OURS[name]["environment"].items() if value == ""}
        assert empty >= others | admins | {"POSTGRES_PASSWORD"}, name


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
    assert set(images) == {"roles", "migrate", "web", "worker-urgent", "worker-bulk", "beat"}
    assert [each for each in images.values() if each != ("riskadmin", ".")] == []


def test_every_setting_named_is_a_setting() -> None:
    text = (PROJECT / "docker-compose.yml").read_text()
    substituted = set(re.findall(r"\$\{([A-Z_]+)", text))
    given = {name for service in OURS.values() for name in service["environment"]}
    assert (substituted | given) - OF_POSTGRES_IMAGE <= setting_names()


def test_only_loopback_is_published() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published == ["127.0.0.1:${PORT:-8000}:8000"]


STAGES = dict(
    re.findall(r"^FROM \S+(?: AS (\w+))?\n(.*?)(?=^FROM |\Z)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
)


def test_the_images_are_made_from_hashes_and_run_as_an_unprivileged_user() -> None:
    assert list(STAGES) == ["simulator", "build", ""], "the last one is made where no target is named"
    assert "pip install --require-hashes -r requirements.lock" in STAGES["build"]
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
