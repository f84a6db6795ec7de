"""A firm of a given size: a simulator, and a database with its mirror, its people and its policy."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_test_environment

from accounts.models import Account
from accounts.sync.actions import sync
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests import servers
from tests.simulator.driver import ADMIN, CID, PASSWORD, SEC, Simulator
from tests.staff.people import make_person


class Firm:
    """The firm while it is open; `simulator` is its Tradovate."""

    support: Staff
    supervisor: Staff

    def __init__(self, directory: Path, *, accounts: int, superuser_url: str) -> None:
        self._superuser_url = superuser_url
        self.simulator = Simulator(directory, accounts=accounts, traders=max(accounts * 2 // 5, 1))
        self.size = accounts

    def __enter__(self) -> Self:
        """Make the database, start the simulator and read all of it."""
        setup_test_environment()
        servers.new_database(servers.with_database(self._superuser_url, servers.own_database()))
        servers.sign_in_as_superuser(self._superuser_url)
        connection.creation.create_test_db(verbosity=0, keepdb=True, serialize=False)
        self.simulator.start()
        settings.TRADOVATE_URLS = {"demo": self.simulator.demo_url, "live": self.simulator.live_url}
        settings.TRADOVATE_USERNAME, settings.TRADOVATE_PASSWORD = ADMIN, PASSWORD
        settings.TRADOVATE_CID, settings.TRADOVATE_SEC = CID, SEC
        settings.BUDGET_CALLS_PER_HOUR = 1_000_000  # of what this process itself reads; the workers have their own
        self.support, self.supervisor = make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)
        self.second_supervisor = make_person(Role.SUPERVISOR, "supervisor2")
        run = sync(Environment.DEMO)
        assert run is not None
        assert run.failure == "", run.failure
        call_command("migrate", check_unapplied=True, verbosity=0)
        self.simulator.reset_counters()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the simulator; the database ends with its server."""
        connection.close()
        self.simulator.stop()

    def open_accounts(self) -> list[int]:
        """Tradovate's ids of the open demo accounts, at most 10,000."""
        accounts = Account.objects.filter(environment="demo", archived=False).order_by("tradovate_id")
        return list(accounts.values_list("tradovate_id", flat=True)[:10_000])
