"""A real simulator for this folder's tests, and the settings that lead to it."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
import redis
from pytest_django import Settings

from riskadmin.simulator.settings import Settings as SimulatorSettings
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC, Simulator


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for this folder, kept running."""
    with Simulator(tmp_path_factory.mktemp("simulator"), traders=60, accounts=150) as simulator:
        yield simulator


@pytest.fixture
def simulator(
    simulator_process: Simulator, transactional_db: None, settings: Settings, redis_client: redis.Redis
) -> Iterator[Simulator]:
    """The simulator without faults, counted calls or changed settings; riskadmin leads to it, on demo only."""
    settings.TRADOVATE_URLS = {"demo": simulator_process.demo_url, "live": ""}
    settings.TRADOVATE_USERNAME, settings.TRADOVATE_PASSWORD = ADMIN, PASSWORD
    settings.TRADOVATE_CID, settings.TRADOVATE_SEC = CID, SEC
    defaults = SimulatorSettings()
    simulator_process.set(**{field.name: getattr(defaults, field.name) for field in fields(defaults)})
    simulator_process.set(sessions_per_user=10)  # tests sign in beside riskadmin
    simulator_process.clear_faults()
    simulator_process.reset_counters()
    yield simulator_process
    simulator_process.clear_faults()


@pytest.fixture(scope="session")
def upstream(simulator_process: Simulator) -> Callable[[str], list[dict[str, Any]]]:
    """Tradovate's own lists, asked for without any of the project's code."""
    token = simulator_process.token()

    def listed(kind: str) -> list[dict[str, Any]]:
        answer = simulator_process.call("GET", f"/{kind}/list", token=token)
        assert answer.status_code == 200
        found: list[dict[str, Any]] = answer.json()
        return found

    return listed
