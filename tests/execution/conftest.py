"""The engine in this process, against a real simulator over HTTP, with the mirror filled from it."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from pytest_django import Settings

from accounts.approvals.actions import decide
from accounts.approvals.states import Verdict
from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.scheduling.timing import AT_ONCE, Timing
from accounts.execution import claim
from accounts.models import Account
from accounts.sync.actions import sync
from riskadmin.audit.origin import Origin
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.execution import mirror_copy
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC, Simulator
from tests.staff.people import make_person

ORIGIN = Origin(request_id="0" * 32, job="tests")


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
    if not mirror_copy.restore(simulator):
        run = sync(Environment.DEMO)
        assert run is not None
        assert run.failure == ""
        mirror_copy.keep(simulator)
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


def ask(
    person: Staff,
    kind_name: str,
    *target_ids: int,
    reason: str = "A test",
    parameters: State | None = None,
    timing: Timing = AT_ONCE,
) -> Change:
    """Ask for a change of demo accounts or traders exactly as it is planned now."""
    kind = KINDS[kind_name]
    planned = plan(kind, environment=Environment.DEMO, target_ids=target_ids, parameters=parameters)
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=kind,
        environment=Environment.DEMO,
        target_ids=target_ids,
        parameters=parameters,
        reason_code=ReasonCode.OTHER,
        reason_text=reason,
        form_key=uuid4(),
        shown_digest=planned.digest,
        confirmed_count=len(planned.sent),
        timing=timing,
    )


def approve(person: Staff, change: Change) -> Change:
    """Approve a change as it stands."""
    request, digest = change.approval_id, change.digest
    decide(actor=person, origin=ORIGIN, request_id=request, verdict=Verdict.APPROVE, digest=digest, comment="")
    return Change.objects.get(pk=change.pk)


def the_item(change: Change) -> Item:
    """Return the only item of a change, as it now is."""
    return Item.objects.select_related("change").get(change=change)


def active_account(number: int = 0) -> int:
    """Return Tradovate's id of an open demo account on which nobody acted; another one for another number."""
    accounts = Account.objects.filter(
        environment="demo",
        archived=False,
        closed=False,
        risk_status__admin_action="Normal",
        risk_status__admin_at=None,
        risk_status__liquidate_only_at=None,
    )
    return accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[number]


@pytest.fixture
def person() -> Staff:
    """A supervisor."""
    return make_person(Role.SUPERVISOR)
