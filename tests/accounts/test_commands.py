"""`manage.py sync_mirror` and the task that beat starts."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.gateway import connection
from accounts.models import Account, SyncRun
from accounts.sync.tasks import sync_task
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.simulator.driver import Simulator


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("sync_mirror", *arguments, "--operator", "tests", stdout=out)
    return out.getvalue()


def test_the_command_reads_what_is_connected_and_prints_counts(simulator: Simulator) -> None:
    printed = run()

    done = SyncRun.objects.get()
    assert printed.startswith(f"demo: {done.rows:,} rows from {done.calls} calls in ")
    assert Account.objects.count() == 150


def test_the_command_fails_with_tradovates_reason(simulator: Simulator) -> None:
    simulator.fault("500", endpoint="/user/list")

    with pytest.raises(CommandError, match=r"^demo: "):
        run()

    assert SyncRun.objects.get().failure


def test_the_command_refuses_an_environment_without_an_address(simulator: Simulator) -> None:
    with pytest.raises(CommandError, match="TRADOVATE_LIVE_URL is not set"):
        run("live")


def test_the_command_says_that_nothing_is_connected(simulator: Simulator, settings: Settings) -> None:
    settings.TRADOVATE_URLS = {"demo": "", "live": ""}

    with pytest.raises(CommandError, match="No environment is connected"):
        run()


def test_the_task_reads_every_connected_environment(simulator: Simulator, settings: Settings) -> None:
    settings.TRADOVATE_URLS = {"demo": simulator.demo_url, "live": simulator.live_url}

    sync_task.run()

    assert set(SyncRun.objects.values_list("environment", "failure")) == {("demo", ""), ("live", "")}
    assert set(Account.objects.values_list("environment", flat=True)) == {"demo", "live"}


def test_beat_starts_the_task_in_the_bulk_lane(settings: Settings) -> None:
    assert sync_task.name == "accounts.sync"
    assert settings.CELERY_BEAT_SCHEDULE["sync"]["task"] == "accounts.sync"
    assert settings.CELERY_BEAT_SCHEDULE["sync"]["options"]["queue"] == "bulk"


def test_clients_share_budget_and_token_and_follow_the_settings(simulator: Simulator, settings: Settings) -> None:
    bulk, urgent = (connection.client(Environment.DEMO, lane) for lane in (Lane.BULK, Lane.URGENT))

    assert connection.client(Environment.DEMO, Lane.BULK) is bulk
    assert bulk._tokens is urgent._tokens
    assert connection.budget() is connection.budget()

    settings.TRADOVATE_USERNAME = "somebody-else"

    assert connection.client(Environment.DEMO, Lane.BULK) is not bulk
    assert connection.connected_environments() == [Environment.DEMO]
    assert simulator.calls() == []


def test_no_secret_shows_in_what_a_client_is_built_from(simulator: Simulator, settings: Settings) -> None:
    settings.TRADOVATE_PASSWORD, settings.TRADOVATE_SEC = "hidden-password", "hidden-secret"

    shown = repr(vars(connection.client(Environment.DEMO, Lane.BULK)))

    assert "hidden" not in shown
    assert settings.SECRET_KEY not in shown
