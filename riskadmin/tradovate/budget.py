"""The API budget: an exact rolling hour per Tradovate user, and per endpoint and address, shared by every process.

Tradovate answers the 5,001st call of an hour with 429 and an hour without answers for everyone, so calls are counted before
they are made. Each attempt counts: reads, token requests and failures too. Counting, deciding and recording are one step of
the ledger, committed before the call (docs/adr/0004-rate-budget.md). If a process dies in between, the count may be too high
for an hour, never too low.

Tradovate counts all calls of a user together, and those of an endpoint with its own limit by the internet address they come
from ("Rate limits", partner documentation). So the former are counted by the user's name, the latter by the address's.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

from riskadmin.tradovate.budget_rules import DENIED_FOR_S, HOUR_S
from riskadmin.tradovate.budget_state import BudgetState, scope_of
from riskadmin.tradovate.endpoints import Counts, Endpoint
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, StoreUnavailable
from riskadmin.tradovate.ledger import Ledger, Quota, Refused, Wanted
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

SEND_WITHIN_S = 5.0
"""An admission is valid for this long. A process that was delayed for longer must not send with it."""

IN_FLIGHT_S = 30.0
"""The longest time between our record of a call and Tradovate's: ``SEND_WITHIN_S``, then connecting and arriving."""

WINDOW_S = HOUR_S + IN_FLIGHT_S
"""How long an attempt counts. Tradovate counts it when it arrives, after we did: ours must not expire before theirs."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Admission:
    """Permission to make one attempt. ``at`` is the budget's clock, ``lapses`` this process's monotonic one.

    ``stops`` is how many stops this process had received before it asked. ``denial`` names the denial of access that a
    success of this attempt ends, "" where there is none.
    """

    id: int
    endpoint: Endpoint
    at: datetime
    lapses: float
    stops: int
    denial: str = ""


class Budget:
    """Counts and refuses attempts of one Tradovate user, over both environments. Safe for threads.

    ``urgent_share_pct`` of ``calls_per_hour - safety_margin`` is reserved for urgent work: bulk is admitted only while the
    calls of all lanes leave that share free. ``riskadmin.env`` has the defaults and bounds of all three. ``address`` names
    the internet address that calls leave from: all users of an address share the limits of single endpoints. ``window_s``
    replaces the hour in tests.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        user: str,
        address: str = "",
        calls_per_hour: int,
        safety_margin: int,
        urgent_share_pct: int,
        window_s: float = WINDOW_S,
    ) -> None:
        self._quota = Quota(
            user=user,
            address=address,
            calls_per_hour=calls_per_hour,
            safety_margin=safety_margin,
            urgent_share_pct=urgent_share_pct,
            window=timedelta(seconds=window_s),
        )
        self._ledger = ledger
        self._stops = 0
        self._unwritten: deque[Callable[[], object]] = deque()
        self._writing = Lock()

    def reserve(
        self, endpoint: Endpoint, lane: Lane, *, keep_free: int = 0, environment: Environment | None = None
    ) -> Admission:
        """Count one attempt, or refuse it.

        ``keep_free`` leaves that many of the endpoint's own hourly calls unused; ``environment`` is where the call goes. Writes
        the ledger. Raises ``NotHandled`` with reason ``no_budget`` (``retry_after_s`` exact), ``halted`` or
        ``budget_unavailable``.
        """
        return self.reserve_many(endpoint, lane, 1, keep_free=keep_free, environment=environment)[0]

    def reserve_many(
        self, endpoint: Endpoint, lane: Lane, calls: int, *, keep_free: int = 0, environment: Environment | None = None
    ) -> list[Admission]:
        """Count as many attempts as there is room for, at most ``calls`` and at least one. Raises as ``reserve``.

        It takes no more steps than counting one. Unused attempts must be returned with ``withdraw``.
        """
        started, stops = time.monotonic(), self._stops
        scope = scope_of(endpoint, environment)
        wanted = Wanted(
            endpoint=endpoint.name,
            lane=lane,
            calls=calls,
            own_limit=None if endpoint.hourly_limit is None else endpoint.hourly_limit - keep_free,
            scope=scope,
        )
        try:
            self._write_what_is_left()
            answer = self._ledger.admit(self._quota, wanted)
        except StoreUnavailable as error:
            raise _unavailable() from error
        if isinstance(answer, Refused):
            is_stop = answer.stopped_by is not None
            raise NotHandled(
                f"calls are stopped: {answer.stopped_by}" if is_stop else "the calls of this hour are used up",
                reason=NotHandledReason.HALTED if is_stop else NotHandledReason.NO_BUDGET,
                retry_after_s=answer.wait_s,
            )
        lapses, denial = started + SEND_WITHIN_S, scope if answer.is_denied else ""
        return [Admission(attempt_id, endpoint, answer.at, lapses, stops, denial) for attempt_id in answer.ids]

    def overtaken(self, admission: Admission) -> bool:
        """Return whether this process received a stop, for any call, since it asked for an attempt. Makes no request."""
        return admission.stops != self._stops

    def succeeded(self, admission: Admission) -> None:
        """Record that the attempt did not fail: an endpoint that counts only failures releases it, and a denial ends."""
        try:
            if admission.endpoint.counts is Counts.FAILED:
                self._ledger.release(admission.id)
            if admission.denial:
                self._ledger.end_denial(self._quota, scope=admission.denial)
        except StoreUnavailable:
            return  # it counts for an hour more than necessary: too high, never too low

    def withdraw(self, *admissions: Admission) -> None:
        """Return attempts for which nothing was sent, so that an outage does not use up the hour."""
        try:
            self._ledger.withdraw([admission.id for admission in admissions])
        except StoreUnavailable:
            return  # the same

    def halt(self, seconds: float, reason: str, endpoint: Endpoint | None = None) -> None:
        """Stop every call of the user, or of one endpoint, for ``seconds``. A longer stop in force stays.

        Writes the ledger. Raises nothing: the answer that required the stop must reach the caller. A stop that can't be
        written now is written before this process is admitted again.
        """
        scope = endpoint.name if endpoint else ""
        logger.warning("calls to Tradovate stopped for %.0f s (%s): %s", seconds, scope or "all", reason)
        try:
            self._write(lambda: self._ledger.halt(self._quota, endpoint=scope, reason=reason, seconds=seconds))
        except StoreUnavailable:
            logger.exception("the stop could not be written yet")
        self._stops += 1  # last: a caller that sees it and asks again gets the stop

    def deny(self, endpoint: Endpoint, environment: Environment, reason: str) -> float:
        """Stop an endpoint that denies access in one environment, longer each time in a row. Return the seconds.

        A success ends the sequence. Only the first stop of a sequence is written to the trail. Raises nothing, like ``halt``.
        """
        scope, lasts_s = scope_of(endpoint, environment), DENIED_FOR_S
        try:
            denied = self._write(lambda: self._ledger.deny(self._quota, scope=scope, reason=reason))
        except StoreUnavailable:
            logger.exception("the denial could not be written yet")
        else:
            lasts_s = denied.lasts_s
            if denied.is_set:
                logger.warning("calls to Tradovate stopped for %.0f s (%s): %s", lasts_s, scope, reason)
        self._stops += 1
        return lasts_s

    def lower(self, refused: Admission) -> None:
        """Lower the limit after a 429 that came before the known limit was used up, for a limited time.

        The true limit is less than the calls counted up to that one. Writes the ledger. Raises nothing, like ``halt``. The
        rule is ``budget_rules.lowered_after``.
        """
        try:
            lowering = self._write(lambda: self._ledger.lower(self._quota, refused_at=refused.at))
        except StoreUnavailable:
            logger.exception("the lower limit could not be written yet")
            return
        if lowering:
            hours = lowering.left_s / HOUR_S
            logger.warning("429 at %d calls counted: the limit is %d for %.0f h", lowering.counted, lowering.calls, hours)

    def state(self) -> BudgetState:
        """What is left now, for a gauge. One round trip. Raises ``NotHandled`` (``budget_unavailable``)."""
        return self.estimate_finish(0, Lane.URGENT)[0]

    def estimate_finish(
        self,
        calls: int,
        lane: Lane,
        *,
        endpoints: Collection[Endpoint] = (),
        environment: Environment | None = None,
    ) -> tuple[BudgetState, datetime | None]:
        """``state``, and when the last of this many calls of a lane can be sent if no one else calls, in the same round trip.

        ``endpoints`` are those that the calls, made in ``environment``, use: none is sent before their stops are over. The
        time is None for no calls, or for a lane without any. It is exact: each counted call frees its place at its own
        time, and the call that took the place frees it again one window later. Raises as ``state``.
        """
        scopes = [scope for each in endpoints for scope in (each.name, scope_of(each, environment)) if scope]
        try:
            return self._ledger.state(self._quota, calls=calls, lane=lane, scopes=scopes)
        except StoreUnavailable as error:
            raise _unavailable() from error

    def _write(self, write: Callable[[], T]) -> T:
        """Write what an answer of Tradovate requires; keep it for later if that fails. Raises ``StoreUnavailable``."""
        try:
            return write()
        except StoreUnavailable:
            self._unwritten.append(write)
            raise

    def _write_what_is_left(self) -> None:
        """Write what could not be written when it came. Raises ``StoreUnavailable`` if it still can't be."""
        if not self._unwritten:
            return
        with self._writing:
            while self._unwritten:
                self._unwritten[0]()
                self._unwritten.popleft()  # only now: another thread must not be admitted before it is written


def _unavailable() -> NotHandled:
    return NotHandled("the rate budget can't be counted just now", reason=NotHandledReason.BUDGET_UNAVAILABLE)
