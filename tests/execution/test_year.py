"""A year of sessions in virtual time, with clocks put on and back, holidays and early closes, while workers die at random.

No call of a change that keeps to windows leaves outside of one, and every lock that ends has ended a minute after its time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.scheduling import timing
from accounts.changes.scheduling.hours import Hours, hours
from accounts.changes.scheduling.start import start_due
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import CHANGE_STARTED, ChangeState, ItemState, Relation, Window
from accounts.execution.models import Call, Purpose
from accounts.models import Account, RiskCategory
from riskadmin.staff.models import Staff
from tests.changes.world import approve, ask
from tests.execution.present import Present, present_from
from tests.execution.worker import ORIGIN, claims_of, run, send_batch, sweep, the_item
from tests.simulator.driver import Simulator

CHICAGO: Final = ZoneInfo("America/Chicago")
BEGINS: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DAYS: Final = (
    date(2026, 11, 25),  # before Thanksgiving
    date(2026, 11, 26),  # early close
    date(2026, 11, 27),  # early close, then a weekend
    date(2026, 12, 24),  # early close
    date(2026, 12, 25),  # no session
    date(2027, 1, 1),
    date(2027, 3, 12),  # the clocks are put on during this weekend
    date(2027, 3, 14),
    date(2027, 3, 26),  # Good Friday
    date(2027, 8, 11),  # an ordinary Wednesday
    date(2027, 11, 5),  # the clocks are put back during this weekend
    date(2027, 11, 7),
)
TICK: Final = timedelta(seconds=5)
AT_THE_LATEST: Final = timedelta(seconds=60)


@dataclass
class Firm:
    """A firm that asks for a lock with an end and for a switch on each of those days, and its clock."""

    hours: Hours
    present: Present
    support: Staff
    supervisor: Staff
    chance: Random
    accounts: list[int]
    deaths: int = 0
    late: list[str] = field(default_factory=list)

    def ask(self, day: date) -> None:
        """Ask for a lock that ends, and for a switch in a window; support's lock goes out at once."""
        self.present.move_to(datetime(day.year, day.month, day.day, 0, 10, tzinfo=CHICAGO).astimezone(UTC))
        now = timezone.now()
        ends_at = self.chance.choice(
            [self.hours.session_end(now), self.hours.next_session(now), now + timedelta(minutes=self.chance.randint(1, 3000))]
        )
        lock = ask(self.support, "lock", self.accounts.pop(), timing=Timing(ends_at=ends_at))
        approve(self.supervisor, Change.objects.get(of_change=lock))
        assert run(the_item(lock)).state == ItemState.APPLIED
        target = self.accounts.pop()
        others = RiskCategory.objects.filter(environment="demo").exclude(accounts__tradovate_id=target)
        category = others.order_by("pk")[0]
        switch = ask(
            self.support,
            "risk_category",
            target,
            parameters=KINDS["risk_category"].parameters({"category": category}),
            timing=Timing(
                runs_at=now + timedelta(minutes=self.chance.randint(1, 1440)), window=Window.OUTSIDE_TRADING, goes_on=True
            ),
        )
        approve(self.supervisor, switch)

    def next_due(self) -> datetime | None:
        """When the first of what is scheduled is to begin."""
        times = []
        for change in Change.objects.filter(state=ChangeState.SCHEDULED):
            assert change.runs_at is not None
            times.append(max(change.runs_at, self.hours.window(change.runs_at).begins_at) if change.window else change.runs_at)
        return min(times, default=None)

    def live_through(self, due: datetime) -> None:
        """Let what is due at a time be done: clock and workers look every five seconds, and workers die."""
        self.present.move_to(due - timedelta(seconds=2))
        assert start_due(origin=ORIGIN) == 0
        self.present.move_to(due)
        at = due + self.chance.random() * TICK
        while at <= due + AT_THE_LATEST and self._is_under_way():
            self.present.move_to(at)
            start_due(origin=ORIGIN)
            for change in Change.objects.filter(state__in=CHANGE_STARTED):
                if self.deaths < 3 * len(DAYS) and self.chance.random() < 0.4 and self._dies(change):
                    continue
                while send_batch(change.pk, origin=ORIGIN):
                    pass
            sweep(origin=ORIGIN)
            at += TICK
        self.late += [f"{change} of {due}" for change in Change.objects.filter(state__in=CHANGE_STARTED)]

    @staticmethod
    def _is_under_way() -> bool:
        come = Change.objects.filter(state=ChangeState.SCHEDULED, runs_at__lte=timezone.now())
        return come.exists() or Change.objects.filter(state__in=CHANGE_STARTED).exists()

    def _dies(self, change: Change) -> bool:
        """Let a worker claim what is next and die with it, once for an item: only its lease and a read-back can tell."""
        if Item.objects.filter(change=change, attempts__gt=0).exists():
            return False
        died = bool(claims_of(change, origin=ORIGIN))
        self.deaths += died
        return died


@pytest.fixture
def here() -> Iterator[time_machine.Traveller]:
    """This process's clock, from before the mirror is filled."""
    with time_machine.travel(BEGINS, tick=False) as traveller:
        yield traveller


@pytest.fixture
def simulator_process(here: time_machine.Traveller, tmp_path: Path) -> Iterator[Simulator]:
    """A simulator of this test alone: its clock begins with the year."""
    with Simulator(tmp_path / "simulator", now=BEGINS.isoformat(), stopped=True) as simulator:
        yield simulator


@pytest.fixture
def present(here: time_machine.Traveller, mirror: Simulator) -> Iterator[Present]:
    """The present, at the year's beginning."""
    with present_from(here, mirror, BEGINS) as present:
        yield present


@pytest.mark.parametrize("seed", [7])
def test_a_year(present: Present, support: Staff, supervisor: Staff, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    free = Account.objects.filter(
        environment="demo", archived=False, risk_status__admin_action="Normal", risk_status__admin_at=None
    )
    accounts = list(
        free.exclude(risk_status__liquidate_only_at__isnull=False).values_list("tradovate_id", flat=True)[: 2 * len(DAYS)]
    )
    known = hours()  # all of the year, once: it is made again every day otherwise
    monkeypatch.setattr(timing, "hours", lambda: known)
    firm = Firm(known, present, support, supervisor, Random(seed), accounts)
    for day in DAYS:
        begins = datetime(day.year, day.month, day.day, 0, 10, tzinfo=CHICAGO)
        while (due := firm.next_due()) and due + AT_THE_LATEST < begins:
            firm.live_through(due)
        firm.ask(day)
    while due := firm.next_due():
        firm.live_through(due)

    assert firm.late == []
    assert firm.deaths > 3
    ends = Item.objects.filter(change__relation=Relation.ENDS).select_related("change")
    assert {item.state for item in ends} == {ItemState.APPLIED}
    assert len(ends) == len(DAYS)
    for item in ends:
        assert item.change.runs_at is not None
        call = Call.objects.filter(items=item, purpose=Purpose.WRITE, status=200).get()
        assert timedelta(0) <= call.started_at - item.change.runs_at <= AT_THE_LATEST
    switches = Call.objects.filter(items__change__kind="risk_category", purpose=Purpose.WRITE)
    assert switches.count() >= len(DAYS)
    for call in switches:
        assert known.is_open(call.started_at)
        assert not known.is_trading(call.started_at)
        assert not known.is_trading(call.ended_at or call.started_at)
    assert set(Item.objects.filter(change__kind="risk_category").values_list("state", flat=True)) == {ItemState.APPLIED}
