"""A database of 2026-11-29 is upgraded by the migrations: nothing stored is rewritten, and what was open goes on."""

import json
import subprocess
import sys
from typing import Any

import pytest

from accounts.changes.kinds import KINDS
from riskadmin.local.places import PROJECT
from tests import servers
from tests.servers import Servers, new_database, with_database, with_redis_number, worker_index

WITHOUT_APPROVAL = {"lock", "liquidate_only"}
"""Kinds that needed no one's approval."""


@pytest.fixture(scope="module")
def upgraded(servers: Servers) -> dict[str, Any]:
    """What the upgraded database holds and does."""
    database_url = with_database(servers.database_url, f"riskadmin_upgraded_{worker_index()}")
    new_database(database_url)
    redis_url = with_redis_number(servers.redis_url, 2 * worker_index() + 1)
    finished = subprocess.run(
        [sys.executable, "-m", "tests.upgrade.look"],
        cwd=PROJECT,
        env=environment(database_url=database_url, redis_url=redis_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def environment(*, database_url: str, redis_url: str) -> dict[str, str]:
    return servers.environment(database_url=database_url, redis_url=redis_url)


def test_nothing_stored_is_rewritten_and_approvals_and_policy_are_kept(upgraded: dict[str, Any]) -> None:
    assert all(upgraded["before"].values())
    for name, rows in upgraded["before"].items():
        assert upgraded["after"][name] == rows, name


def test_every_page_about_stored_changes_opens(upgraded: dict[str, Any]) -> None:
    assert len(upgraded["pages"]) > 39 * 5
    assert {path: status for path, status in upgraded["pages"].items() if status != 200} == {}


def test_running_changes_of_every_kind_are_sent(upgraded: dict[str, Any]) -> None:
    assert upgraded["claimed"].keys() == set(KINDS)
    assert {kind for kind, items in upgraded["claimed"].items() if not items} == set()


def test_pending_changes_are_approved_as_they_were_shown(upgraded: dict[str, Any]) -> None:
    assert upgraded["decided"] == dict.fromkeys(set(KINDS) - WITHOUT_APPROVAL, "running")


def test_scheduled_changes_of_every_kind_stay_scheduled(upgraded: dict[str, Any]) -> None:
    assert upgraded["scheduled"] == sorted(KINDS)
