"""Rolling-hour limits, the hour of silence after 429, and penalty tickets.

Two limits apply together: per user (429 with an empty body, then no answers for an hour) and per address and endpoint (a
200 whose body is a penalty ticket; the request was not handled).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import deque
from dataclasses import asdict, dataclass
from typing import Final

from riskadmin.simulator.json_text import encode
from riskadmin.simulator.settings import Settings
from riskadmin.simulator.store import DROP_TICKET, PUT_BLOCK, PUT_TICKET, Store
from riskadmin.simulator.vocabulary import Entity

HOUR_MS: Final = 3_600_000
SECOND_MS: Final = 1000
TICKET_KEYS: Final = frozenset({"p-ticket", "p-time", "p-captcha"})


@dataclass(frozen=True, slots=True)
class EndpointLimit:
    """One row of the rate-limit page: calls an hour per address, penalty, and which calls count."""

    per_hour: int
    penalty_s: int
    only_failed: bool
    captcha: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """A penalty. The same address can redeem it with the same request from ``ready_ms`` on."""

    id: str
    ip: str
    endpoint: str
    digest: str
    ready_ms: int
    captcha: bool


def request_digest(parameters: Entity) -> str:
    """Return what a ticket is bound to in a request: its parameters without the ticket itself."""
    rest = {key: value for key, value in sorted(parameters.items()) if key not in TICKET_KEYS}
    return hashlib.sha256(encode(rest)).hexdigest()


class Limits:
    """All counters. They are rebuilt from the stored calls at start."""

    def __init__(self, store: Store, now_ms: int) -> None:
        self._store = store
        self._subjects: dict[str, deque[int]] = {}
        self._endpoints: dict[tuple[str, str], deque[int]] = {}
        self._violations: dict[tuple[str, str], deque[int]] = {}
        self._blocks: dict[str, int] = {}
        self._tickets: dict[str, Ticket] = {}
        query = "SELECT at_ms, subject, ip, endpoint, outcome, counted FROM call WHERE at_ms > ? ORDER BY id"
        for row in store.rows(query, (now_ms - HOUR_MS,)):
            key = (row["ip"], row["endpoint"])
            if row["outcome"] != "silenced":
                self._subjects.setdefault(row["subject"], deque()).append(row["at_ms"])
            if row["counted"]:
                self._endpoints.setdefault(key, deque()).append(row["at_ms"])
            if row["outcome"] == "penalty":
                self._violations.setdefault(key, deque()).append(row["at_ms"])
        for row in store.rows("SELECT subject, until_ms FROM block"):
            self._blocks[row["subject"]] = row["until_ms"]
        for body in store.bodies("ticket"):
            self._tickets[body["id"]] = Ticket(**body)

    def admit(self, subject: str, now_ms: int, settings: Settings) -> bool:
        """Count one call of a user (``user:ID``) or of an unidentified caller (``ip:ADDRESS``). False means 429."""
        if self._blocks.get(subject, 0) > now_ms:
            return False
        window = self._subjects.setdefault(subject, deque())
        _expire(window, now_ms - HOUR_MS)
        if subject.startswith("user:"):
            over = len(window) >= settings.user_calls_per_hour
        else:
            burst = settings.anonymous_calls_per_second
            over = len(window) >= settings.anonymous_calls_per_hour or (
                len(window) >= burst > 0 and window[-burst] > now_ms - SECOND_MS
            )
        if over:
            self._blocks[subject] = now_ms + settings.block_s * 1000
            self._store.later(PUT_BLOCK, (subject, self._blocks[subject]))
            return False
        window.append(now_ms)
        return True

    def over(self, ip: str, endpoint: str, limit: EndpointLimit, now_ms: int, settings: Settings) -> bool:
        """Return whether an endpoint's own limit is used up. A violation is recorded."""
        per_hour = settings.endpoint_calls_per_hour.get(endpoint.lower(), limit.per_hour)
        window = self._endpoints.setdefault((ip, endpoint), deque())
        _expire(window, now_ms - HOUR_MS)
        if not per_hour or len(window) < per_hour:
            return False
        self._violations.setdefault((ip, endpoint), deque()).append(now_ms)
        return True

    def count(self, ip: str, endpoint: str, now_ms: int) -> None:
        """Count one call in an endpoint's own limit."""
        self._endpoints.setdefault((ip, endpoint), deque()).append(now_ms)

    def penalty_s(self, ip: str, endpoint: str, base_s: int, now_ms: int, settings: Settings) -> int:
        """Return p-time, longer for repeated violations when the settings say so."""
        repeats = self._violations.setdefault((ip, endpoint), deque())
        _expire(repeats, now_ms - HOUR_MS)
        return base_s * int(settings.penalty_growth ** max(0, len(repeats) - 1))

    def issue(self, *, ip: str, endpoint: str, parameters: Entity, ready_ms: int, captcha: bool) -> Ticket:
        """Create a penalty ticket."""
        ticket = Ticket(secrets.token_hex(16), ip, endpoint, request_digest(parameters), ready_ms, captcha)
        self._tickets[ticket.id] = ticket
        self._store.later(PUT_TICKET, (ticket.id, encode(asdict(ticket)).decode()))
        return ticket

    def redeem(self, *, ip: str, endpoint: str, parameters: Entity, now_ms: int) -> bool:
        """Redeem the ticket in a request. False when it is unknown, too early, another address's or needs a captcha."""
        ticket = self._tickets.get(str(parameters.get("p-ticket")))
        if ticket is None or ticket.captcha or ticket.ready_ms > now_ms:
            return False
        if (ticket.ip, ticket.endpoint, ticket.digest) != (ip, endpoint, request_digest(parameters)):
            return False
        del self._tickets[ticket.id]
        self._store.later(DROP_TICKET, (ticket.id,))
        return True

    def reset(self) -> None:
        """Delete every counter, block and ticket."""
        for memory in (self._subjects, self._endpoints, self._violations, self._blocks, self._tickets):
            memory.clear()
        for table in ("call", "block", "ticket"):
            self._store.later(f"DELETE FROM {table}", ())  # noqa: S608 - three literals

    def report(self, now_ms: int) -> dict[str, object]:
        """Return the calls within the last hour by subject, by address and endpoint, and who is silenced."""
        for window in (*self._subjects.values(), *self._endpoints.values()):
            _expire(window, now_ms - HOUR_MS)
        return {
            "subjects": {name: len(window) for name, window in self._subjects.items() if window},
            "endpoints": {f"{ip} {path}": len(window) for (ip, path), window in self._endpoints.items() if window},
            "silenced_for_s": {name: (until - now_ms + 999) // 1000 for name, until in self._blocks.items() if until > now_ms},
        }


def _expire(window: deque[int], until_ms: int) -> None:
    while window and window[0] <= until_ms:
        window.popleft()
