"""The API budget: an exact rolling hour per Tradovate user, and per endpoint and address, shared by every process.

Tradovate answers the 5,001st call of an hour with 429 and an hour without answers for everyone, so calls are counted before
they are made. Each attempt counts: reads, token requests and failures too. The order keeps the count safe
(docs/adr/0004-rate-budget.md): ledger row, committed; then admission in Redis under that row's id; then the call. If a
process dies or Redis is wiped in between, the count may be too high for an hour, never too low.

Tradovate counts all calls of a user together, and those of an endpoint with its own limit by the internet address they come
from ("Rate limits", partner documentation). So the former are stored under the user's name, the latter under the address's.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from redis.exceptions import NoScriptError, RedisError

from riskadmin.tradovate.budget_scripts import (
    ABANDON_REBUILD,
    ADMIT,
    BEGIN_REBUILD,
    DENY,
    HALT,
    LOWER,
    READY,
    RESTORE,
    STATE,
)
from riskadmin.tradovate.budget_state import EVERYTHING, IN, BudgetState, instant, scope_of, state_of, text_of
from riskadmin.tradovate.endpoints import ENDPOINTS, Counts, Endpoint
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, StoreUnavailable
from riskadmin.tradovate.ledger import Ledger
from riskadmin.tradovate.vocabulary import Environment, Lane

logger = logging.getLogger(__name__)

HOUR_S = 3600.0

SEND_WITHIN_S = 5.0
"""An admission is valid for this long. A process that was delayed for longer must not send with it."""

IN_FLIGHT_S = 30.0
"""The longest time between our record of a call and Tradovate's: ``SEND_WITHIN_S``, then connecting and arriving."""

WINDOW_S = HOUR_S + IN_FLIGHT_S
"""How long an attempt counts. Tradovate counts it when it arrives, after we did: ours must not expire before theirs."""

LOWERED_FOR_S = 24 * 3600.0
"""How long a limit learnt from a 429 lasts. The next one lasts twice as long, unless as long has passed without one."""

LOWERED_FOR_MAX_S = 32 * LOWERED_FOR_S
"""The longest time it lasts: after a month without a 429, the limit in the settings is tried again."""

DENIED_FOR_S = 60.0
"""How long an endpoint that denies access is stopped the first time. Each further time in a row it is twice as long."""

DENIED_FOR_MAX_S = 900.0

DENIAL_FORGOTTEN_S = HOUR_S
"""A denial this long after the last stop's end starts a new sequence."""

REBUILD_LOCK_MS = 15_000
REBUILD_WAIT_S = 5.0
_TRIES = 5


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
    """Counts and refuses attempts of one Tradovate user, over both environments.

    ``redis`` must not evict (``noeviction``). ``urgent_share_pct`` of ``calls_per_hour - safety_margin`` is reserved for
    urgent work: bulk is admitted only while the calls of all lanes leave that share free. ``address`` names the internet
    address that calls leave from: all users of an address share the limits of single endpoints. ``clock`` (seconds since
    1970) and ``window_s`` replace Redis' clock and the hour in tests.
    """

    def __init__(
        self,
        redis: "redis.Redis",
        ledger: Ledger,
        *,
        user: str,
        address: str = "",
        calls_per_hour: int = 5000,
        safety_margin: int = 25,
        urgent_share_pct: int = 10,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not 0 <= safety_margin < calls_per_hour:
            raise ValueError("the safety margin must leave calls to make")
        if not 0 <= urgent_share_pct <= 100:  # noqa: PLR2004  per cent
            raise ValueError("the urgent share is a percentage")
        self._limit = calls_per_hour
        self._margin = safety_margin
        self._share_pct = {Lane.URGENT: 100, Lane.BULK: 100 - urgent_share_pct}
        self._redis = redis
        self._ledger = ledger
        self._user = user
        self._address = address
        self._window_s = window_s
        self._window_ms = round(window_s * 1000)
        self._clock = clock
        prefix = f"tradovate:budget:{{{user}}}"
        self._calls = f"{prefix}:calls"
        self._halts = f"{prefix}:halts"
        self._learnt = f"{prefix}:limit"
        self._denials = f"{prefix}:denials"
        self._lock = f"{prefix}:rebuild"
        self._at_address = f"tradovate:budget:at:{{{address}}}"
        self._address_halts = f"{self._at_address}:halts"
        # Redis loses loaded scripts when it restarts or fails over, and only then may it have lost the latest calls while
        # it still has ``ready``. So the script that admits calls contains the user's name: it is loaded only in a server
        # that was checked since it started.
        self._admit = f"-- {self._calls}\n{ADMIT}"
        self._admit_sha = ""
        self._stops = 0

    def reserve(self, endpoint: Endpoint, lane: Lane, *, spare: int = 0, environment: Environment | None = None) -> Admission:
        """Count one attempt, or refuse it.

        ``spare`` leaves that many of the endpoint's own hourly calls unused; ``environment`` is where the call goes. Writes
        a ledger row and Redis. Raises ``NotHandled`` with reason ``no_budget`` (``retry_after_s`` exact), ``halted`` or
        ``budget_unavailable``.
        """
        return self.reserve_many(endpoint, lane, 1, spare=spare, environment=environment)[0]

    def reserve_many(
        self, endpoint: Endpoint, lane: Lane, calls: int, *, spare: int = 0, environment: Environment | None = None
    ) -> list[Admission]:
        """Count as many attempts as there is room for, at most ``calls`` and at least one. Raises as ``reserve``.

        It costs no more than counting one. Unused attempts must be returned with ``withdraw``.
        """
        started, stops = time.monotonic(), self._stops
        scope = scope_of(endpoint, environment)
        try:
            # Check first, so that a used-up budget does not write and delete ledger rows for each refusal.
            _, room, _ = self._ask("peek", calls, (), endpoint, lane, spare, scope)
            ids = self._ledger.append(user=self._user, address=self._address, endpoint=endpoint.name, lane=lane, attempts=room)
            try:
                now_ms, room, is_denied = self._ask("take", len(ids), ids, endpoint, lane, spare, scope)
            except (NotHandled, RedisError):
                self._ledger.forget(ids)
                raise
            if room < len(ids):
                self._ledger.forget(ids[room:])
        except (RedisError, StoreUnavailable) as error:
            raise _unavailable() from error
        at, lapses = instant(now_ms), started + SEND_WITHIN_S
        denial = scope if is_denied else ""
        return [Admission(attempt_id, endpoint, at, lapses, stops, denial) for attempt_id in ids[:room]]

    def overtaken(self, admission: Admission) -> bool:
        """Return whether this process received a stop, for any call, since it asked for an attempt. Makes no request."""
        return admission.stops != self._stops

    def succeeded(self, admission: Admission) -> None:
        """Record that the attempt did not fail: an endpoint that counts only failures releases it, and a denial ends."""
        try:
            if admission.endpoint.counts is Counts.FAILED:
                self._redis.zrem(self._calls_of(admission.endpoint.name), admission.id)
            if admission.denial:
                self._redis.hdel(self._denials, admission.denial)
        except RedisError:
            return  # it counts for an hour more than necessary: too high, never too low

    def withdraw(self, *admissions: Admission) -> None:
        """Return attempts for which nothing was sent, so that an outage does not use up the hour."""
        ids = [admission.id for admission in admissions]
        try:
            for key in {self._calls, *(self._calls_of(admission.endpoint.name) for admission in admissions)}:
                self._redis.zrem(key, *ids)
            self._ledger.forget(ids)
        except (RedisError, StoreUnavailable):
            return  # the same

    def halt(self, seconds: float, reason: str, endpoint: Endpoint | None = None) -> None:
        """Stop every call of the user, or of one endpoint, for ``seconds``. A longer stop in force stays.

        Writes the ledger, then Redis, so that a wipe in between loses nothing. Raises nothing: the answer that required the
        stop must reach the caller, and while a store is unavailable nothing is admitted anyway.
        """
        scope = endpoint.name if endpoint else None
        logger.warning("calls to Tradovate stopped for %.0f s (%s): %s", seconds, scope or "all", reason)
        try:
            self._ledger.save_halt(user=self._user, address=self._address, endpoint=scope, reason=reason, seconds=seconds)
        except StoreUnavailable:
            logger.exception("the stop could not be written to the ledger")
        try:
            for key in (self._halts, self._address_halts) if scope else (self._halts,):
                self._redis.eval(HALT, 1, key, scope or EVERYTHING, round(seconds * 1000), reason, self._now())
        except RedisError:
            logger.exception("the stop could not be written to Redis")
        self._stops += 1  # last: a caller that sees it and asks again gets the stop

    def deny(self, endpoint: Endpoint, environment: Environment, reason: str) -> float:
        """Stop an endpoint that denies access in one environment, longer each time in a row. Return the seconds.

        A success ends the sequence. Only the first stop of a sequence is written to the trail. Writes Redis, which stores
        the length of the last stop, then the ledger. Raises nothing, like ``halt``.
        """
        scope, lasts_s, is_set, is_new = scope_of(endpoint, environment), DENIED_FOR_S, True, True
        spans = (round(span * 1000) for span in (DENIED_FOR_S, DENIED_FOR_MAX_S, DENIAL_FORGOTTEN_S))
        try:
            keys = (self._halts, self._denials)
            answer: Any = self._redis.eval(DENY, len(keys), *keys, scope, reason, *spans, self._now())
            lasts_s, is_set, is_new = int(answer[0]) / 1000, bool(answer[1]), bool(answer[2])
        except RedisError:
            logger.exception("the denial could not be written to Redis")
        self._stops += 1
        if not is_set:
            return lasts_s
        logger.warning("calls to Tradovate stopped for %.0f s (%s): %s", lasts_s, scope, reason)
        try:
            self._ledger.save_halt(
                user=self._user, address=self._address, endpoint=scope, reason=reason, seconds=lasts_s, is_new=is_new
            )
        except StoreUnavailable:
            logger.exception("the denial could not be written to the ledger")
        return lasts_s

    def lower(self, refused: Admission) -> None:
        """Lower the limit after a 429 that came before the known limit was used up, for a limited time.

        The true limit is less than the calls counted up to that one. Writes Redis first, so that calls in flight at the
        same time find it recorded, then the ledger. Raises nothing, like ``halt``. The rule is in
        docs/adr/0004-rate-budget.md.
        """
        spans = (HOUR_S, LOWERED_FOR_S, LOWERED_FOR_MAX_S)
        hour_ms, first_ms, longest_ms = (round(span * 1000) for span in spans)
        try:
            learned: Any = self._redis.eval(
                LOWER,
                2,
                self._calls,
                self._learnt,
                hour_ms,
                self._limit,
                first_ms,
                longest_ms,
                self._now(),
                round(refused.at.timestamp() * 1000),
            )
            if not learned:
                return
            calls, counted, lasts_s = int(learned[0]), int(learned[1]), int(learned[2]) / 1000
            logger.warning("429 at %d calls counted: the limit is %d for %.0f h", counted, calls, lasts_s / HOUR_S)
            self._ledger.save_lowered(user=self._user, calls=calls, counted=counted, seconds=lasts_s)
        except RedisError:
            logger.exception("the lower limit could not be written to Redis")
        except StoreUnavailable:
            logger.exception("the lower limit could not be written to the ledger")

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
        keys = (self._calls, self._halts, self._learnt, self._address_halts)
        bulk = self._share_pct[Lane.BULK]
        try:
            for _ in range(_TRIES):
                args = (self._window_ms, self._limit, self._margin, bulk, self._now(), calls, self._share_pct[lane])
                answer: Any = self._redis.eval(STATE, len(keys), *keys, *args, *scopes)
                if text_of(answer[0]) == "state":
                    last_ms = int(answer[11])
                    return state_of(answer, configured=self._limit, window_s=self._window_s), None if last_ms < 0 else instant(
                        last_ms
                    )
                self._rebuild()
        except (RedisError, StoreUnavailable) as error:
            raise _unavailable() from error
        raise _unavailable()

    def _ask(  # noqa: PLR0917  (the script's)
        self, mode: str, calls: int, ids: Sequence[int], endpoint: Endpoint, lane: Lane, spare: int, scope: str
    ) -> tuple[int, int, bool]:
        """Run the admission script, or raise ``NotHandled``.

        Return Redis' time in ms, for how many there is room, and whether the endpoint denied us access the last time.
        """
        own_limit = -1 if endpoint.hourly_limit is None else endpoint.hourly_limit - spare
        own_calls = self._calls_of(endpoint.name)
        keys = (self._calls, self._halts, self._learnt, own_calls, self._address_halts, self._denials)
        own = (self._limit, self._margin, self._share_pct[lane])
        for _ in range(_TRIES):
            args = (mode, calls, self._window_ms, *own, endpoint.name, own_limit, self._now(), scope, *ids)
            answer = self._evaluate(keys, args)
            match text_of(answer[0]):
                case "admitted":
                    return int(answer[1]), int(answer[2]), bool(answer[3])
                case "halted":
                    raise NotHandled(
                        f"calls are stopped: {text_of(answer[2])}",
                        reason=NotHandledReason.HALTED,
                        retry_after_s=int(answer[1]) / 1000,
                    )
                case "full":
                    raise NotHandled(
                        "the calls of this hour are used up",
                        reason=NotHandledReason.NO_BUDGET,
                        retry_after_s=int(answer[1]) / 1000,
                    )
                case _:
                    self._rebuild()
        raise _unavailable()

    def _evaluate(self, keys: tuple[str, ...], args: tuple[object, ...]) -> Any:
        if self._admit_sha:
            try:
                return self._redis.evalsha(self._admit_sha, len(keys), *keys, *map(str, args))
            except NoScriptError:
                pass
        return self._load_and_evaluate(keys, args)

    def _load_and_evaluate(self, keys: tuple[str, ...], args: tuple[object, ...]) -> Any:
        """Load the script. A server without it may have lost calls, so it must be rebuilt before it admits any."""
        sha = hashlib.sha1(self._admit.encode(), usedforsecurity=False).hexdigest()  # Redis identifies scripts by this hash
        known: Any = self._redis.script_exists(sha)
        if not known[0]:
            self._redis.zrem(self._calls, READY)
            self._redis.script_load(self._admit)
        self._admit_sha = sha
        return self._redis.evalsha(sha, len(keys), *keys, *map(str, args))

    def _rebuild(self) -> None:
        """Make Redis count the ledger's rows, or wait until another process has done so."""
        me = secrets.token_hex(8)
        deadline = time.monotonic() + REBUILD_WAIT_S
        while True:
            answer: Any = self._redis.eval(BEGIN_REBUILD, 2, self._calls, self._lock, me, REBUILD_LOCK_MS)
            if text_of(answer) == "whole":
                return
            if text_of(answer) == "yours":
                break
            if time.monotonic() > deadline:
                raise _unavailable()
            time.sleep(0.02)
        try:
            self._restore(me)
        except StoreUnavailable:
            self._redis.eval(ABANDON_REBUILD, 1, self._lock, me)
            raise

    def _restore(self, me: str) -> None:
        """Rebuild while holding the lock. Another wipe removes the lock: then this does nothing, and the caller retries."""
        attempts = self._ledger.recent(user=self._user, address=self._address, within_s=self._window_s)
        halts = self._ledger.halts(user=self._user, address=self._address)
        lowered = self._ledger.lowered(self._user)
        limited = [name for name, endpoint in ENDPOINTS.items() if endpoint.hourly_limit is not None]
        own_key = {name: index for index, name in enumerate(limited, start=1)}
        args: list[str | int] = [me, self._now(), len(attempts), len(halts)]
        for attempt in attempts:
            index = own_key.get(attempt.endpoint, 0) if attempt.address == self._address else 0
            args += [attempt.id, round(attempt.age_s * 1000), int(attempt.user == self._user), index]
        for halt in halts:
            scope = halt.endpoint or EVERYTHING
            # A denial of access concerns only the user, and its scope names an environment.
            is_at_address = halt.address == self._address and halt.endpoint is not None and IN not in scope
            args += [scope, round(halt.left_s * 1000), halt.reason, int(halt.user == self._user), int(is_at_address)]
        if lowered:
            args += [lowered.calls, lowered.counted, round(lowered.age_s * 1000), round(lowered.lasts_s * 1000)]
        keys = [self._calls, self._halts, self._learnt, self._lock, self._address_halts, *map(self._calls_of, limited)]
        self._redis.eval(RESTORE, len(keys), *keys, *args)

    def _calls_of(self, name: str) -> str:
        return f"{self._at_address}:calls:{name}"

    def _now(self) -> str:
        return "" if self._clock is None else str(round(self._clock() * 1000))


def _unavailable() -> NotHandled:
    return NotHandled("the rate budget can't be counted just now", reason=NotHandledReason.BUDGET_UNAVAILABLE)
