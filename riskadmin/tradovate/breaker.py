"""The circuit breaker: when Tradovate does not answer, nothing more is sent until a single probe is answered.

Shared by every process through Redis, one per environment. It opens after several calls in a row without an answer (no
connection, none in time, 5xx, not JSON). While it is open every call fails immediately as not handled, so that no more
writes end with an unknown outcome and no budget is used up. One process at a time probes with one read, 5 s after it
opened, then after 10, 20, 40 and every 60 s; the first answer closes it. Its state is only in Redis: after a wipe it is
closed, and a few calls fail before it opens again.
"""

import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from redis.exceptions import RedisError

from riskadmin.tradovate.errors import NotHandled, NotHandledReason, TradovateError
from riskadmin.tradovate.vocabulary import Environment

logger = logging.getLogger(__name__)

FAILURES = 5
"""This many calls in a row without an answer, in any process, open the breaker."""

FIRST_PROBE_S = 5.0
LAST_PROBE_S = 60.0

PROBE_S = 75.0
"""How long to wait for a probe before another process makes one: longer than a read can take."""

FORGOTTEN_S = 300.0
"""If an open breaker was not probed for this long after a probe was due, no process is probing, so it counts as closed."""

_NOW = """
local function milliseconds(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
"""

# KEYS breaker; ARGV now in ms or ''. Answers {failures in a row, ms until the next probe or -1 when closed, since, reason}.
_LOOK = (
    _NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'failures', 'since', 'probe_at', 'reason')
if not found[2] then return {tonumber(found[1] or 0), -1} end
return {tonumber(found[1]), math.max(0, tonumber(found[3]) - milliseconds(ARGV[1])), found[2], found[4]}
"""
)

# KEYS breaker; ARGV now in ms or '', reason, 1 for a probe, failures that open it, first and last wait and the time until
# it expires in ms. Answers the wait in ms when this opened it, else 0.
_FAILED = (
    _NOW
    + """
local now, first, last, forgotten = milliseconds(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local wait = tonumber(redis.call('HGET', KEYS[1], 'wait'))
if wait and ARGV[3] ~= '1' then return 0 end
if wait then
  wait = math.min(2 * wait, last)
elseif redis.call('HINCRBY', KEYS[1], 'failures', 1) >= tonumber(ARGV[4]) then
  wait = first
  redis.call('HSET', KEYS[1], 'since', string.format('%.0f', now))
else
  redis.call('PEXPIRE', KEYS[1], forgotten)
  return 0
end
redis.call('HSET', KEYS[1], 'wait', wait, 'probe_at', string.format('%.0f', now + wait), 'reason', ARGV[2])
redis.call('HDEL', KEYS[1], 'probing_until')
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', wait + forgotten))
return wait
"""
)

# KEYS breaker; ARGV 1 for a probe. The answer to a call that was in flight when the breaker opened does not close it.
_ANSWERED = """
if ARGV[1] ~= '1' and redis.call('HEXISTS', KEYS[1], 'since') == 1 then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS breaker; ARGV now in ms or '', ms that a probe may take. Answers 1 to the one caller that may probe now.
_BEGIN_PROBE = (
    _NOW
    + """
local found = redis.call('HMGET', KEYS[1], 'probe_at', 'probing_until')
local now = milliseconds(ARGV[1])
if not found[1] or tonumber(found[1]) > now or tonumber(found[2] or 0) > now then return 0 end
redis.call('HSET', KEYS[1], 'probing_until', string.format('%.0f', now + tonumber(ARGV[2])))
return 1
"""
)

# KEYS breaker; ARGV now in ms or ''. The probe was not made (no budget): the next one after the same wait.
_NOT_PROBED = (
    _NOW
    + """
local wait = tonumber(redis.call('HGET', KEYS[1], 'wait'))
if not wait or redis.call('HDEL', KEYS[1], 'probing_until') == 0 then return 0 end
redis.call('HSET', KEYS[1], 'probe_at', string.format('%.0f', milliseconds(ARGV[1]) + wait))
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when Tradovate has not answered in an environment, how the last try ended, and when the next one is."""

    environment: Environment
    since: datetime
    reason: str
    next_try_s: float


_probes: ContextVar[bool] = ContextVar("probes", default=False)


class Breaker:
    """The breaker of one environment. Safe for threads. ``clock`` (seconds since 1970) replaces Redis' clock in tests."""

    def __init__(
        self,
        redis: "redis.Redis",
        *,
        environment: Environment,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._environment = environment
        self._key = f"tradovate:outage:{environment}"
        self._clock = clock
        self._look = redis.register_script(_LOOK)
        self._failed = redis.register_script(_FAILED)
        self._answered = redis.register_script(_ANSWERED)
        self._begin_probe = redis.register_script(_BEGIN_PROBE)
        self._not_probed = redis.register_script(_NOT_PROBED)

    def check(self) -> int:
        """Return how many calls in a row were not answered. Raise ``NotHandled`` (``outage``) while the breaker is open.

        A probe passes. Without Redis it is closed: an urgent call should not depend on it.
        """
        try:
            failures, wait_ms, *rest = self._ask(self._look)
        except RedisError:
            return 0
        if wait_ms < 0 or _probes.get():
            return int(failures)
        wait_s = wait_ms / 1000
        raise NotHandled(
            f"Tradovate's {self._environment} environment does not answer ({_text(rest[1])}); it is tried again on its own,"
            " and nothing is sent there until it answers",
            reason=NotHandledReason.OUTAGE,
            retry_after_s=wait_s + 1.0,
        )

    def failed(self, reason: str) -> None:
        """Record that a call got no answer. ``reason`` is for people. Opens the breaker when the limit is reached."""
        spans = (round(span * 1000) for span in (FIRST_PROBE_S, LAST_PROBE_S, FORGOTTEN_S))
        try:
            wait_ms = self._ask(self._failed, reason, int(_probes.get()), FAILURES, *spans)
        except RedisError:
            return  # once Redis is back, a few more calls open it
        if wait_ms:
            logger.warning("%s does not answer (%s): next try in %.0f s", self._environment, reason, wait_ms / 1000)

    def answered(self, failures: int) -> None:
        """Record that Tradovate answered a call in any way. ``failures`` is what ``check`` returned before that call."""
        if not failures:
            return
        try:
            closed = self._answered(args=[int(_probes.get())], keys=[self._key])
        except RedisError:
            return  # the next call records it again soon
        if closed and failures >= FAILURES:
            logger.warning("%s answers again", self._environment)

    def probe(self, read: Callable[[], object]) -> bool:
        """Make ``read``, one call that changes nothing, if the breaker is open, a probe is due, and no one else probes.

        Return whether it was made. Raises nothing of ``errors``: the result of the read is already recorded in the breaker.
        """
        try:
            if not self._ask(self._begin_probe, round(PROBE_S * 1000)):
                return False
            token = _probes.set(True)
            try:
                read()
            except TradovateError as error:
                logger.info("the probe of %s: %s", self._environment, error.message)
            finally:
                _probes.reset(token)
                self._ask(self._not_probed)
        except RedisError:
            return False
        return True

    def outage(self) -> Outage | None:
        """The state to show to people, None while the breaker is closed. Raises ``redis.RedisError``."""
        _, wait_ms, *rest = self._ask(self._look)
        if wait_ms < 0:
            return None
        since = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(rest[0]))
        return Outage(self._environment, since, _text(rest[1]), wait_ms / 1000)

    def _ask(self, script: Any, *args: object) -> Any:
        now = "" if self._clock is None else str(round(self._clock() * 1000))
        return script(keys=[self._key], args=[now, *args])


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
