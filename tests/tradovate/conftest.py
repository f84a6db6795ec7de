"""A budget in a real PostgreSQL, a canned server and a client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.tokens import Credentials, TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC, Simulator
from tests.tradovate.canned import CannedServer
from tests.tradovate.hammer import PROCESSES
from tests.tradovate.names import CREDENTIALS, TOKEN
from tests.tradovate.stores import SqliteTokenStore, WatchedLedger


@pytest.fixture(scope="session")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Processes that share nothing with this one, for races."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["pytest", "tests.tradovate.hammer"])  # imported once, not eight times
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        yield pool


@pytest.fixture
def ledger(transactional_db: None) -> WatchedLedger:
    return WatchedLedger()


@pytest.fixture
def store(tmp_path: Path) -> SqliteTokenStore:
    """Holds a token that is good for an hour."""
    store = SqliteTokenStore(tmp_path / "token.sqlite")
    store.put(TOKEN, datetime.now(UTC) + timedelta(hours=1))
    return store


@pytest.fixture
def budget(ledger: WatchedLedger) -> Budget:
    return Budget(ledger, user="desk", calls_per_hour=5000, safety_margin=25, urgent_share_pct=10)


@pytest.fixture
def server() -> Iterator[CannedServer]:
    server = CannedServer()
    yield server
    server.close()


@pytest.fixture
def make_client(server: CannedServer, store: SqliteTokenStore, budget: Budget) -> Callable[..., Client]:
    def make(
        *,
        environment: Environment = Environment.DEMO,
        lane: Lane = Lane.URGENT,
        base_url: str = "",
        timeout: tuple[float, float] = (3.05, 10.0),
    ) -> Client:
        url = base_url or server.url
        tokens = TokenSource(environment=environment, base_url=url, store=store, credentials=CREDENTIALS, budget=budget)
        return Client(environment=environment, base_url=url, tokens=tokens, budget=budget, lane=lane, timeout=timeout)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.clear_faults()
    running.reset_counters()
    running.set(user_calls_per_hour=5000)
    return running


@pytest.fixture
def connect(simulator: Simulator, ledger: WatchedLedger, tmp_path: Path) -> Callable[..., Client]:
    """Make a client as its process would, with its own store per user and environment."""

    def make(
        *,
        environment: Environment = Environment.DEMO,
        user: str = ADMIN,
        calls_per_hour: int = 5000,
        safety_margin: int = 50,
    ) -> Client:
        url = simulator.url(environment)
        budget = Budget(ledger, user=user, calls_per_hour=calls_per_hour, safety_margin=safety_margin, urgent_share_pct=10)
        tokens = TokenSource(
            environment=environment,
            base_url=url,
            store=SqliteTokenStore(tmp_path / f"{user}-{environment}.sqlite"),
            credentials=Credentials(username=user, password=PASSWORD, app_id="tests", cid=CID, sec=SEC),
            budget=budget,
        )
        return Client(environment=environment, base_url=url, tokens=tokens, budget=budget, lane=Lane.URGENT)

    return make
