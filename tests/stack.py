"""The whole product as real processes on the test's own servers, and a person at it, for end-to-end and fault tests.

PostgreSQL and Redis are those of the test process; database and Redis number are the stack's own. Its rows are read
with SQL, not with Django's models, whose connection leads to another database.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import psycopg
import redis
import requests

from riskadmin.local.places import Places
from riskadmin.local.program import Process, Program
from riskadmin.local.stack import LOOPBACK, SimulatorPorts, Stack, free_ports
from tests import servers
from tests.simulator.driver import Simulator
from tests.waiting import PATIENCE_S, wait_until

T = TypeVar("T")

PROCESSES = ("web", "worker-urgent", "worker-bulk", "beat")
PASSWORD = "demo"
BY: Final = ("--operator", "tests")
TRADERS, ACCOUNTS = 200, 600
"""Enough for every test to have accounts of its own."""


def run(program: Program) -> None:
    """Run a program that ends by itself. Raises CannotStart when it fails; nothing of it is left then either."""
    process = Process(program)
    process.start()
    try:
        process.finish()
    finally:
        process.stop()


class LiveStack:
    """What runs, where it is, and the ways to hurt it."""

    def __init__(self, places: Places, *, database_url: str, redis_url: str) -> None:
        """Start the simulator, nothing else yet; the database must be empty, and its address a superuser's."""
        (port,) = free_ports(1)
        self.base_url = f"http://{LOOPBACK}:{port}"
        self.database_url = database_url
        self.redis = redis.Redis.from_url(redis_url)
        self.simulator = Simulator(places.run / "simulator", traders=TRADERS, accounts=ACCOUNTS).start()
        simulated = SimulatorPorts(**self.simulator.ports)
        env = {
            **servers.environment(database_url=database_url, redis_url=redis_url),
            **simulated.settings,
            "STATIC_ROOT": str(places.run / "static"),
            "DEMO_PASSWORD": PASSWORD,
            "RISKADMIN_DEMO": "true",
            "PYTHONUNBUFFERED": "1",
        }
        self._stack = Stack(places, env)
        programs = (
            self._stack.web(port),
            self._stack.worker("urgent"),
            self._stack.worker("bulk"),
            self._stack.beat(),
        )
        self._processes = {program.name: Process(program) for program in programs}

    def prepare(self) -> None:
        """Make tables, people and static files, fill the mirror, start everything; return when /readyz says so."""
        made = (["migrate", "--no-input"], ["create_demo_people", *BY], ["sync_mirror", *BY], ["collectstatic", "--no-input"])
        run(self._stack.commands("manage", *made, as_owner=True))
        self.restore()

    def manage(self, *commands: Sequence[str]) -> None:
        """Run some of `manage.py`'s commands in the stack's environment. Raises CannotStart when one fails."""
        run(self._stack.commands("manage", *commands))

    def restore(self) -> None:
        """Lift every fault and start whatever does not run; return when /readyz says that all is well."""
        self.simulator.clear_faults()
        for name, process in self._processes.items():
            if not process.running:
                self.start(name)
        wait_until(self.ready, every=0.2)

    def ready(self) -> bool:
        """Whether /readyz says that all is well."""
        with requests.Session() as session:
            session.trust_env = False
            try:
                return bool(session.get(f"{self.base_url}/readyz", timeout=10).status_code == requests.codes.ok)
            except (requests.ConnectionError, requests.Timeout):  # not there, or busy for longer than that
                return False

    def start(self, name: str) -> None:
        """Start one of PROCESSES (again); web accepts connections on return. The simulator has its own `start`."""
        self._processes[name].start()
        self._processes[name].wait_ready()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one of PROCESSES; return when it has ended (SIGSTOP and SIGCONT: at once)."""
        os.kill(self.pid(name), number)
        if number not in {signal.SIGSTOP, signal.SIGCONT}:
            wait_until(lambda: not self.running(name))

    def running(self, name: str) -> bool:
        """Whether one of PROCESSES runs."""
        return self._processes[name].running

    def pid(self, name: str) -> int:
        """The process id of one of PROCESSES, as last started."""
        pid = self._processes[name].pid
        assert pid is not None
        return pid

    def stop(self) -> None:
        """End all of it."""
        for process in reversed(self._processes.values()):
            process.stop()
        self.simulator.stop()
        self.redis.close()

    def wipe_redis(self) -> None:
        """Lose everything in Redis: the queues, and whether Tradovate answers."""
        self.redis.flushdb()

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one SQL statement in a transaction of its own; return its rows, if it has any."""
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def wait_until(self, condition: Callable[[], T], timeout: float = PATIENCE_S) -> T:
        """As `tests.waiting.wait_until`, asking less often: others need the machine meanwhile."""
        return wait_until(condition, timeout, every=0.05)

    def log(self, name: str) -> str:
        """Everything a process has logged."""
        return self._processes[name].program.log.read_text(errors="replace")


FREE = """
    SELECT account.tradovate_id, account.name
    FROM accounts_account account JOIN accounts_riskstatus status ON status.account_id = account.id
    WHERE account.environment = 'demo' AND NOT account.archived AND NOT account.closed
      AND status.admin_action IN ('', 'Normal') AND status.admin_at IS NULL AND status.liquidate_only_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM changes_item item WHERE item.account_id = account.id)
    ORDER BY account.tradovate_id LIMIT %s
"""


def free_accounts(stack: LiveStack, count: int) -> list[tuple[int, str]]:
    """Return Tradovate's id and the name of open demo accounts that no test has asked anything for."""
    found = [(int(account_id), str(name)) for account_id, name in stack.rows(FREE, count)]
    assert len(found) == count
    return found


HIDDEN: Final = re.compile(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"')


class PeopleClient:
    """One signed-in person at the web pages without a browser, who fills in forms as a page without scripts does."""

    def __init__(self, base_url: str, username: str, password: str = PASSWORD) -> None:
        self.base_url = base_url
        self.session = requests.Session()
        self.session.trust_env = False
        page = self.get("/sign-in/")
        answer = self.post("/sign-in/", page, username=username, password=password)
        assert "sessionid" in self.session.cookies, answer.text[:2000]

    def get(self, path: str) -> requests.Response:
        """Open a page."""
        return self.session.get(self.base_url + path, timeout=120)

    def post(self, path: str, page: requests.Response, **fields: object) -> requests.Response:
        """Send the form of a page with its hidden fields and these."""
        hidden: dict[str, list[str]] = {}
        for name, value in HIDDEN.findall(page.text):
            hidden.setdefault(name, []).append(value)
        data = {**hidden, **{name: [str(value)] for name, value in fields.items()}}
        data["csrfmiddlewaretoken"] = data["csrfmiddlewaretoken"][:1]
        return self.session.post(self.base_url + path, data=data, timeout=120, headers={"Referer": self.base_url + path})

    def ask(self, kind: str, account_id: int, *, reason: str) -> int:
        """Ask for a change of one demo account and return its number."""
        path = f"/changes/new/{kind}/?account=demo:{account_id}"
        answer = self.post(path, self.get(path), reason_code="Other", reason_text=reason)
        found = re.search(r"/changes/(\d+)/$", answer.url)
        assert found, f"{answer.status_code} {answer.url}: {answer.text[:3000]}"
        return int(found[1])
