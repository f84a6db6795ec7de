"""The engine in this process, against a real simulator over HTTP, with the mirror filled from it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.db import connection
from pytest_django import Settings

from accounts.execution import claim
from accounts.sync.actions import sync
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests import kept_tables
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC, Simulator
from tests.staff.people import make_person

MIRROR = "tablename LIKE 'accounts\\_%' AND tablename NOT IN ('accounts_apitoken', 'accounts_apiattempt')"
KEPT_AT = "CREATE TABLE {schema}.kept_at AS SELECT clock_timestamp() AS at"
RESTORE_MIRROR = """
DO $$
DECLARE
    kept record;
BEGIN
    SET LOCAL session_replication_role = replica;  -- rows come in any order
    FOR kept IN
        SELECT table_name AS name,
               string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS columns,
               string_agg(
                   CASE WHEN column_name IN ('fresh_at', 'positions_read_at', 'checked_at', 'started_at', 'seen_at', 'ended_at')
                        THEN format('%I + (SELECT clock_timestamp() - at FROM {schema}.kept_at)', column_name)
                        ELSE quote_ident(column_name) END, ', ' ORDER BY ordinal_position) AS now_read
        FROM information_schema.columns WHERE table_schema = '{schema}' AND table_name <> 'kept_at'
        GROUP BY table_name
    LOOP
        EXECUTE format('INSERT INTO public.%I (%s) SELECT %s FROM {schema}.%1$I', kept.name, kept.columns, kept.now_read);
    END LOOP;
END;
$$
"""

_kept: set[str] = set()
"""The schemas of this process' database."""


def keep_mirror(simulator: Simulator) -> None:
    """Keep the mirror as the first full read wrote it, for later tests: a simulator at its start would be read alike."""
    kept_tables.keep(_schema(simulator), which=MIRROR)
    _run(KEPT_AT, simulator)
    _kept.add(_schema(simulator))


def restore_mirror(simulator: Simulator) -> bool:
    """Put the kept rows into the empty mirror, as if they had been read now; False if there are none."""
    if _schema(simulator) not in _kept:
        return False
    _run(RESTORE_MIRROR, simulator)
    return True


def _schema(simulator: Simulator) -> str:
    return f"mirror_of_{simulator.pid}"


def _run(statement: str, simulator: Simulator) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.format(schema=_schema(simulator)))


@pytest.fixture(autouse=True)
def nothing_lapses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither a call's permit nor what was read before it lapse because the machine is busy.

    What a permit that has lapsed means is tested in tests/tradovate. The tests here call a minute ago long ago.
    """
    monkeypatch.setattr(claim, "PERMIT_GOOD_FOR_S", 3600.0)
    for module in ("accounts.execution.lane", "accounts.execution.send", "tests.execution.worker"):
        monkeypatch.setattr(f"{module}.JUST_READ", timedelta(seconds=50))


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for this folder's tests, kept running: a firm with more than 300 open accounts."""
    with Simulator(tmp_path_factory.mktemp("simulator"), traders=120, accounts=400) as simulator:
        simulator.set(sessions_per_user=1000)  # each test signs in, some beside the token that this process keeps
        yield simulator


@pytest.fixture
def simulator(simulator_process: Simulator, settings: Settings, redis_client: redis.Redis) -> Iterator[Simulator]:
    """The simulator as it started, without faults and with empty counters; riskadmin's settings lead to it."""
    settings.TRADOVATE_URLS = {"demo": simulator_process.demo_url, "live": simulator_process.live_url}
    settings.TRADOVATE_USERNAME, settings.TRADOVATE_PASSWORD = ADMIN, PASSWORD
    settings.TRADOVATE_CID, settings.TRADOVATE_SEC = CID, SEC
    simulator_process.clear_faults()
    simulator_process.return_to_start()
    simulator_process.reset_counters()
    yield simulator_process
    simulator_process.clear_faults()


@pytest.fixture
def mirror(transactional_db: None, real_broker: redis.Redis, simulator: Simulator) -> Simulator:
    """The simulator with its demo environment read into the mirror, in the first test of each process by a full read."""
    if not restore_mirror(simulator):
        run = sync(Environment.DEMO)
        assert run is not None
        assert run.failure == ""
        keep_mirror(simulator)
    simulator.reset_counters()
    return simulator


@pytest.fixture
def support(mirror: Simulator) -> Staff:
    """A person who asks."""
    return make_person(Role.SUPPORT)


@pytest.fixture
def supervisor(mirror: Simulator) -> Staff:
    """A person who decides."""
    return make_person(Role.SUPERVISOR)


@pytest.fixture
def person() -> Staff:
    """A supervisor."""
    return make_person(Role.SUPERVISOR)
