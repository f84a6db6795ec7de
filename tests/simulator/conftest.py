"""One simulator for all tests of this directory, put back in order before each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
import requests

from riskadmin.simulator.settings import Settings
from tests.schemas import response_errors, schema_name
from tests.simulator.driver import Simulator

Post = Callable[..., requests.Response]


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("simulator"), traders=100, accounts=400, stopped=True) as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    """The shared process as it started, without faults, calls, sessions or changed settings; its clock goes on."""
    process.clear_faults()
    process.return_to_start()
    process.reset_counters()
    process.control("DELETE", "/sessions")
    defaults = Settings()
    process.set(**{field.name: getattr(defaults, field.name) for field in fields(defaults)})
    return process


@pytest.fixture
def token(simulator: Simulator) -> str:
    return simulator.token()


@pytest.fixture
def untouched(simulator: Simulator) -> Iterator[int]:
    """Accounts of the demo host that may trade, one after the other."""
    return (each for each in simulator.account_ids("active") if not simulator.account(each)["restrictions"])


@pytest.fixture
def account(untouched: Iterator[int]) -> int:
    """One of them."""
    return next(untouched)


@pytest.fixture
def post(simulator: Simulator, token: str) -> Post:
    """Post to a writing endpoint as an organization admin; each 200 is held against its schema."""

    def send(path: str, body: object, *, host: str = "demo", token: str = token, **options: Any) -> requests.Response:
        answer = simulator.call("POST", path, host=host, token=token, body=body, **options)
        if answer.status_code == 200:
            assert response_errors(schema_name(path), answer.json()) == []
        return answer

    return send
