"""A year of traffic against the budget, in virtual time: the real code and the real ledger, a model of Tradovate's own counter.

What is modelled: workers of both lanes that call as fast as they may and wake up a while after they may; calls that arrive
late; competing bulk changes, bursts of urgent locks, the mirror's reads; workers killed between record and call. Nothing is
kept in a process, so that there is nothing else to lose. `docs/scale.md` has the results.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

from accounts.gateway.ledger import PostgresLedger
from accounts.models.api import ApiAttempt, ApiHalt, ApiLimit
from riskadmin.tradovate.answers import HALT_S
from riskadmin.tradovate.budget import WINDOW_S, Admission, Budget
from riskadmin.tradovate.endpoints import ACCOUNTS, SET_ADMIN_AUTO_LIQ_ACTION
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.vocabulary import Lane
from tests.bench.report import Report

HOUR, DAY = 3600.0, 86_400.0
LIMIT, MARGIN, URGENT_PCT = 5000, 25, 10
BETWEEN_CALLS_S = {Lane.URGENT: 0.0125, Lane.BULK: 0.003125}  # 8 and 32 calls at once, 100 ms each
WAKES_WITHIN_S = 5.0  # the sweeper's pace
MIRROR_EVERY_S, MIRROR_CALLS = 180.0, 9

Demand = tuple[float, Lane, int]
"""When so many calls of a lane are asked for."""


@dataclass
class Clock:
    """Seconds since 1970, moved by the simulation."""

    now: float = 1_767_225_600.0  # 2026-01-01

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=round(self.now * 1000))


@dataclass
class Tradovate:
    """What Tradovate counts: every call when it arrives, over exactly the last hour; one too many draws a 429."""

    limit: int = LIMIT
    arrivals: deque[float] = field(default_factory=deque)
    refused: int = 0
    taken: int = 0
    most: int = 0

    def pass_time(self, since: float, until: float, *, allowed: int) -> float:
        """Forget what is an hour old, step by step; return the seconds, each weighted with the share of `allowed` then counted."""
        weighted, now = 0.0, since
        while self.arrivals and self.arrivals[0] + HOUR <= until:
            then = max(now, self.arrivals[0] + HOUR)
            weighted += (then - now) * min(1.0, len(self.arrivals) / allowed)
            now = then
            self.arrivals.popleft()
        return weighted + (until - now) * min(1.0, len(self.arrivals) / allowed)

    def arrive(self, at: float) -> bool:
        """Count a call; say whether it was taken."""
        while self.arrivals and self.arrivals[0] <= at - HOUR:
            self.arrivals.popleft()
        self.arrivals.append(at)
        self.most = max(self.most, len(self.arrivals))
        if len(self.arrivals) > self.limit:
            self.refused += 1
            return False
        self.taken += 1
        return True


@dataclass
class Faults:
    """How many there are in a day, on average."""

    kills: float = 0.0


@dataclass
class Simulation:
    """One user's calls. `demands` come in order of time, from the clock's present on."""

    demands: Iterator[Demand]
    seed: int = 7
    limit: int = LIMIT
    margin: int = MARGIN
    true_limit: int = LIMIT
    window_s: float = WINDOW_S
    faults: Faults = field(default_factory=Faults)
    wakes_within_s: float = WAKES_WITHIN_S

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.clock = Clock()
        self.began = self.clock.now
        self.tradovate = Tradovate(self.true_limit)
        self.waiting = dict.fromkeys(Lane, 0)
        self.asleep = dict.fromkeys(Lane, True)
        self.held = dict.fromkeys(Lane, False)
        self.waited_s = self.used_s = 0.0
        self.lost = 0
        self.stopped_at: list[float] = []
        self.kills = 0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        for model in (ApiAttempt, ApiHalt, ApiLimit):
            model.objects.filter(api_user="year").delete()
        self.budget = Budget(
            PostgresLedger(self.clock),
            user="year",
            calls_per_hour=self.limit,
            safety_margin=self.margin,
            urgent_share_pct=URGENT_PCT,
            window_s=self.window_s,
        )
        self._next_demand()
        self._next_kill()

    def run(self, seconds: float) -> None:
        """Let time pass until so many seconds after the beginning."""
        end = self.began + seconds
        while self.events and self.events[0][0] <= end:
            at, _, act = heapq.heappop(self.events)
            if at > self.clock.now:
                self._pass_time(at)
            act()

    @property
    def share_used(self) -> float:
        """Of what the lanes that the budget held up were allowed, how much Tradovate counted, on average over that time."""
        return self.used_s / self.waited_s if self.waited_s else 1.0

    def _pass_time(self, until: float) -> None:
        now, self.clock.now = self.clock.now, until
        if any(self.held.values()):
            allowed = self.limit if self.held[Lane.URGENT] else self.limit * (100 - URGENT_PCT) // 100
            self.waited_s += until - now
            self.used_s += self.tradovate.pass_time(now, until, allowed=allowed)

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.order), act))

    def _next_demand(self) -> None:
        demand = next(self.demands, None)
        if demand:
            at, lane, calls = demand
            self._at(self.began + at, partial(self._ask, lane, calls))

    def _ask(self, lane: Lane, calls: int) -> None:
        self.waiting[lane] += calls
        if self.asleep[lane] and calls:
            self.asleep[lane] = False
            self._turn(lane)
        self._next_demand()

    def _turn(self, lane: Lane) -> None:
        """Make the next call of a lane, or come again when one may be made."""
        if not self.waiting[lane]:
            self.asleep[lane] = True
            return
        try:
            admission = self.budget.reserve(SET_ADMIN_AUTO_LIQ_ACTION, lane)
        except NotHandled as refusal:
            self.held[lane] = True
            wait_s = (refusal.retry_after_s or 0.1) + self.random.uniform(0.0, self.wakes_within_s)
            self._at(self.clock.now + wait_s, partial(self._turn, lane))
            return
        self.held[lane] = False
        self.waiting[lane] -= 1
        # A look-up of the name and a connection may take long; the budget allows for 30 s.
        late = self.random.random() < 0.01
        way_s = self.random.uniform(1.0, 25.0) if late else self.random.uniform(0.02, 0.3)
        self._at(admission.at.timestamp() + way_s, partial(self._arrive, admission))
        self._at(self.clock.now + BETWEEN_CALLS_S[lane], partial(self._turn, lane))

    def _arrive(self, admission: Admission) -> None:
        if not self.tradovate.arrive(self.clock.now):
            if not self.budget.state().halted_until:
                self.stopped_at.append(self.clock.now - self.began)
            self.budget.halt(HALT_S, "too many calls in an hour (HTTP 429)")
            self.budget.lower(admission)

    # --- Faults ---------------------------------------------------------------------------------------------------------------

    def _next_kill(self) -> None:
        if self.faults.kills:
            self._at(self.clock.now + self.random.expovariate(self.faults.kills / DAY), self._kill)

    def _kill(self) -> None:
        """Workers die with up to 32 calls recorded and not sent: they count for an hour, for nothing."""
        self.kills += 1
        try:
            died_with = self.random.randint(1, max(1, 32 * self.limit // LIMIT))
            self.lost += len(self.budget.reserve_many(ACCOUNTS, Lane.BULK, died_with))
        except NotHandled:
            pass  # nothing was to be lost
        self._next_kill()


# --- Traffic ------------------------------------------------------------------------------------------------------------------


def always(lanes: tuple[Lane, ...], hours: float, *, usable: int) -> Iterator[Demand]:
    """More work than there is budget for, in each of the lanes, once `usable` calls were made evenly over the first window.

    Evenly, because what is begun at once comes back at once, and the share used would depend on where the measuring ends.
    """
    steps = int(WINDOW_S)
    for step in range(steps):
        yield (float(step), lanes[step % len(lanes)], usable * (step + 1) // steps - usable * step // steps)
    for lane in lanes:
        yield (WINDOW_S, lane, int((hours + 2) * usable))


def of_a_firm(seconds: float, *, seed: int = 7, part: int = 1) -> Iterator[Demand]:
    """A firm's traffic: the mirror, changes asked for by day, unlocks before each session, single locks, and bad news.

    `part` makes it so many times smaller, for a limit that is.
    """
    rng = random.Random(seed)
    demands: list[Demand] = []
    at = 0.0
    while at < seconds:
        demands.append((at, Lane.BULK, MIRROR_CALLS))
        at += MIRROR_EVERY_S * part
    for day in range(int(seconds // DAY) + 1):
        opens = day * DAY
        if day % 7 in {2, 3}:  # the first of January 2026 is a Thursday
            continue
        for _ in range(rng.randint(1, 3)):
            size = rng.choice((rng.randint(20, 300), rng.randint(300, 3000), rng.randint(3000, 10_000)))
            demands.append((opens + rng.uniform(14, 22) * HOUR, Lane.BULK, size // part))
        demands.append(
            (opens + 21.5 * HOUR, Lane.BULK, rng.randint(200, 2500) // part)
        )  # before the session of 17:00 in Chicago
        demands += [
            (opens + rng.uniform(0, 24) * HOUR, Lane.URGENT, rng.randint(1, 6)) for _ in range(rng.randint(40, 160) // part)
        ]
        if rng.random() < 0.05:
            news_at = opens + rng.uniform(13, 20) * HOUR
            demands += [(news_at + rng.uniform(0, 600), Lane.URGENT, rng.randint(1, 40)) for _ in range(60 // part)]
    return iter(sorted(each for each in demands if each[0] < seconds))


# --- What is measured -----------------------------------------------------------------------------------------------------------

HOURS = {"small": (2, 14 * 24), "full": (6, 365 * 24)}
"""Hours with work always waiting, and hours of a firm's traffic."""

PART = 10
"""The firm is that many times smaller, and so is the hour: a year at full size takes a quarter of an hour of CPU."""


def saturated(lanes: tuple[Lane, ...], hours: float, *, limit: int = LIMIT, margin: int = MARGIN) -> Simulation:
    """Run with work always waiting, and look at what comes once the first window is over."""
    usable = (limit - margin) * (100 if Lane.URGENT in lanes else 100 - URGENT_PCT) // 100
    demands = always(lanes, hours, usable=usable)
    simulation = Simulation(demands, limit=limit, margin=margin, true_limit=limit)
    simulation.run(WINDOW_S)
    simulation.waited_s = simulation.used_s = 0.0
    simulation.run(WINDOW_S + hours * HOUR)
    return simulation


def measure(report: Report, *, scale: str) -> None:
    """Measure the share of the budget that is used while work waits, and that nothing draws a 429."""
    waiting_hours, firm_hours = HOURS[scale]
    for lanes, name in (((Lane.URGENT, Lane.BULK), "in both lanes"), ((Lane.BULK,), "in the bulk lane")):
        _report_run(report, f"{waiting_hours} virtual hours with work waiting {name}", saturated(lanes, waiting_hours))
    seconds = firm_hours * HOUR
    limit, faults = LIMIT // PART, Faults(kills=0.5)
    firm = Simulation(of_a_firm(seconds, part=PART), limit=limit, margin=3, true_limit=limit, faults=faults)
    firm.run(seconds)
    _report_run(report, f"{firm_hours // 24} virtual days of a firm, {limit} calls an hour", firm)


def _report_run(report: Report, name: str, run: Simulation) -> None:
    report.at_most(
        f"{name}: 429",
        run.tradovate.refused,
        "answers",
        goal=0,
        compared_with=f"{run.tradovate.taken:,} calls, most in any hour {run.tradovate.most:,} of {run.limit:,}; {run.kills:,} kills",
    )
    report.at_least(
        "  budget used while it holds work up",
        run.share_used,
        "of the allowed",
        goal=0.98,
        compared_with=f"{run.waited_s / HOUR:,.1f} h held up; {run.lost:,} calls lost to kills",
    )
