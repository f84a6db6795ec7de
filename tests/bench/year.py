"""A year of traffic against the budget, in virtual time: the real code and the real Lua, a model of Tradovate's own counter.

What is modelled: workers of both lanes that call as fast as they may and wake up a while after they may; calls that arrive
late; competing bulk changes, bursts of urgent locks, the mirror's reads; workers killed between record and call, Redis wiped,
restarted without the last second, and processes started anew. The ledger is in memory. `docs/scale.md` has the results.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import redis

from riskadmin.tradovate.answers import HALT_S
from riskadmin.tradovate.budget import WINDOW_S, Admission, Budget
from riskadmin.tradovate.budget_scripts import READY
from riskadmin.tradovate.endpoints import ACCOUNTS, SET_ADMIN_AUTO_LIQ_ACTION
from riskadmin.tradovate.errors import NotHandled
from riskadmin.tradovate.ledger import Attempt, Halt, LoweredLimit
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

    def __call__(self) -> float:
        return self.now


class MemoryLedger:
    """`ledger.Ledger` in this process; keeps no more than the budget looks back to."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.attempts: dict[int, tuple[float, str, str, str]] = {}
        self.stops: list[tuple[float, str, str, str | None, str]] = []
        self.learned: tuple[int, int, float, float] | None = None
        self.ids = count(1)

    def append(self, *, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> list[int]:
        ids = [next(self.ids) for _ in range(attempts)]
        for attempt_id in ids:
            self.attempts[attempt_id] = (self.clock.now, user, address, endpoint)
        if any(attempt_id % 5000 == 0 for attempt_id in ids):
            old = [each for each, row in self.attempts.items() if row[0] < self.clock.now - 2 * HOUR]
            for each in old:
                del self.attempts[each]
        self.clock.now += 0.001  # the commit, and the way to Redis
        return ids

    def forget(self, attempt_ids: Sequence[int], /) -> None:
        for attempt_id in attempt_ids:
            self.attempts.pop(attempt_id, None)

    def recent(self, *, user: str, address: str, within_s: float) -> list[Attempt]:
        now = self.clock.now
        return [
            Attempt(each, endpoint, now - at, of, there)
            for each, (at, of, there, endpoint) in self.attempts.items()
            if (of == user or there == address) and now - at <= within_s
        ]

    def halts(self, *, user: str, address: str) -> list[Halt]:
        now = self.clock.now
        return [
            Halt(endpoint, reason, until - now, of, there)
            for until, of, there, endpoint, reason in self.stops
            if until > now and (of == user or (there == address and endpoint))
        ]

    def save_halt(
        self, *, user: str, address: str, endpoint: str | None, reason: str, seconds: float, is_new: bool = True
    ) -> None:
        self.stops.append((self.clock.now + seconds, user, address, endpoint, reason))

    def lowered(self, user: str, /) -> LoweredLimit | None:
        if self.learned is None:
            return None
        calls, counted, at, lasts_s = self.learned
        return LoweredLimit(calls, counted, self.clock.now - at, lasts_s)

    def save_lowered(self, *, user: str, calls: int, counted: int, seconds: float) -> None:
        self.learned = (calls, counted, self.clock.now, seconds)


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
    """How many of each there are in a day, on average."""

    wipes: float = 0.0
    restarts: float = 0.0
    kills: float = 0.0


@dataclass
class Simulation:
    """One user's calls. `demands` come in order of time, from the clock's present on."""

    client: redis.Redis
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
        self.ledger = MemoryLedger(self.clock)
        self.tradovate = Tradovate(self.true_limit)
        self.waiting = dict.fromkeys(Lane, 0)
        self.asleep = dict.fromkeys(Lane, True)
        self.held = dict.fromkeys(Lane, False)
        self.waited_s = self.used_s = 0.0
        self.lost = 0
        self.stopped_at: list[float] = []
        self.happened = {"wipes": 0, "restarts": 0, "kills": 0}
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.client.flushdb()
        self.start_processes()
        self._next_demand()
        for name in self.happened:
            self._next_fault(name)

    def start_processes(self) -> None:
        """As after a deployment: nothing is known in the processes' memory."""
        self.budget = Budget(
            self.client,
            self.ledger,
            user="year",
            calls_per_hour=self.limit,
            safety_margin=self.margin,
            urgent_share_pct=URGENT_PCT,
            window_s=self.window_s,
            clock=self.clock,
        )

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

    def _next_fault(self, name: str) -> None:
        a_day = getattr(self.faults, name)
        if a_day:
            self._at(self.clock.now + self.random.expovariate(a_day / DAY), partial(self._fail, name))

    def _fail(self, name: str) -> None:
        self.happened[name] += 1
        getattr(self, f"_{name}")()
        self._next_fault(name)

    def _wipes(self) -> None:
        self.client.flushdb()

    def _restarts(self) -> None:
        """Redis comes back without what it was told in the last second; our processes are started anew."""
        key = "tradovate:budget:{year}:calls"
        since = (self.clock.now - 1.0) * 1000
        self.client.zremrangebyscore(key, since, "+inf")
        self.client.script_flush()
        assert self.client.zscore(key, READY) in {None, 0.0}
        self.start_processes()

    def _kills(self) -> None:
        """Workers die with up to 32 calls recorded and not sent: they count for an hour, for nothing."""
        for _ in range(self.random.randint(1, max(1, 32 * self.limit // LIMIT))):
            try:
                self.budget.reserve(ACCOUNTS, Lane.BULK)
                self.lost += 1
            except NotHandled:
                self.ledger.append(user="year", address="", endpoint=ACCOUNTS.name, lane=Lane.BULK, attempts=1)


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


def saturated(
    client: redis.Redis, lanes: tuple[Lane, ...], hours: float, *, limit: int = LIMIT, margin: int = MARGIN
) -> Simulation:
    """Run with work always waiting, and look at what comes once the first window is over."""
    usable = (limit - margin) * (100 if Lane.URGENT in lanes else 100 - URGENT_PCT) // 100
    demands = always(lanes, hours, usable=usable)
    simulation = Simulation(client, demands, limit=limit, margin=margin, true_limit=limit)
    simulation.run(WINDOW_S)
    simulation.waited_s = simulation.used_s = 0.0
    simulation.run(WINDOW_S + hours * HOUR)
    return simulation


def measure(report: Report, *, redis_url: str, scale: str) -> None:
    """Measure the share of the budget that is used while work waits, and that nothing draws a 429."""
    waiting_hours, firm_hours = HOURS[scale]
    with redis.Redis.from_url(redis_url, single_connection_client=True) as client:
        for lanes, name in (((Lane.URGENT, Lane.BULK), "in both lanes"), ((Lane.BULK,), "in the bulk lane")):
            _tell(report, f"{waiting_hours} virtual hours with work waiting {name}", saturated(client, lanes, waiting_hours))
        seconds = firm_hours * HOUR
        limit, faults = LIMIT // PART, Faults(wipes=0.5, restarts=1.0, kills=0.5)
        firm = Simulation(client, of_a_firm(seconds, part=PART), limit=limit, margin=3, true_limit=limit, faults=faults)
        firm.run(seconds)
        _tell(report, f"{firm_hours // 24} virtual days of a firm, {limit} calls an hour", firm)


def _tell(report: Report, name: str, run: Simulation) -> None:
    happened = ", ".join(f"{times:,} {fault}" for fault, times in run.happened.items() if times)
    report.at_most(
        f"{name}: 429",
        run.tradovate.refused,
        "answers",
        goal=0,
        compared_with=f"{run.tradovate.taken:,} calls, most in any hour {run.tradovate.most:,} of {run.limit:,}; {happened or 'no faults'}",
    )
    report.at_least(
        "  budget used while it holds work up",
        run.share_used,
        "of the allowed",
        goal=0.98,
        compared_with=f"{run.waited_s / HOUR:,.1f} h held up; {run.lost:,} calls lost to kills",
    )
