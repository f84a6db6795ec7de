"""The budget's state: the calls left, and what is stopped, as read from Redis."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.vocabulary import Environment, Lane

EVERYTHING = "*"
"""The name of a stop of all calls of the user."""

IN = "@"
"""Separates the endpoint and the environment in a stop that concerns both."""


@dataclass(frozen=True, slots=True)
class HaltedEndpoint:
    """An endpoint stopped for a while; in one environment only, or None for both."""

    endpoint: str
    until: datetime
    reason: str
    environment: Environment | None = None

    @property
    def is_denial(self) -> bool:
        """Whether access is denied: this concerns one environment, and ends when access is given, not at ``until``."""
        return self.environment is not None


@dataclass(frozen=True, slots=True)
class Lowered:
    """A limit below the settings' one, because Tradovate answered 429 when only ``counted`` calls were counted."""

    configured: int
    counted: int
    until: datetime


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What is left of the rolling hour. ``limit`` is the one in force, ``used`` counts every lane.

    ``next_free_at`` is when the oldest counted attempt stops counting, None when none counts. ``halted_until`` is a stop of
    every call of the user; stops of single endpoints are listed separately. ``lowered`` says why ``limit`` is less than the
    settings say. ``urgent_free_at`` and ``bulk_free_at`` are when the hour has room for the lane's next call, None if it
    has room now, or never will.
    """

    limit: int
    used: int
    left_urgent: int
    left_bulk: int
    next_free_at: datetime | None
    halted_until: datetime | None
    halt_reason: str
    halted_endpoints: tuple[HaltedEndpoint, ...]
    lowered: Lowered | None = None
    urgent_free_at: datetime | None = None
    bulk_free_at: datetime | None = None

    def free_at(self, lane: Lane) -> datetime | None:
        """When the hour has room for the lane's next call. None if it has room now, or never will."""
        return self.urgent_free_at if lane == Lane.URGENT else self.bulk_free_at

    def left(self, lane: Lane) -> int:
        """How many calls the lane may make now."""
        return self.left_urgent if lane == Lane.URGENT else self.left_bulk


def scope_of(endpoint: Endpoint, environment: Environment | None) -> str:
    """Return the name of a stop of an endpoint in one environment. "" without one, which is the name of no stop."""
    return f"{endpoint.name}{IN}{environment}" if environment else ""


def state_of(answer: Any, *, configured: int, window_s: float) -> BudgetState:
    """Return the state in the script's answer (``budget_scripts.STATE``)."""
    now_ms, used, oldest_ms = (int(each) for each in answer[1:4])
    limit, left_urgent, left_bulk, learnt_until_ms, counted = (int(each) for each in answer[6:11])
    longest: dict[str, tuple[int, str]] = {}
    for flat in answer[4:6]:
        for scope, halt in zip(map(text_of, flat[::2]), map(text_of, flat[1::2]), strict=True):
            until_ms, _, reason = halt.partition(":")
            if int(until_ms) > max(now_ms, longest.get(scope, (0, ""))[0]):
                longest[scope] = (int(until_ms), reason)
    everything = longest.pop(EVERYTHING, None)
    urgent_free_at, bulk_free_at = (instant(int(each)) if int(each) > now_ms else None for each in answer[12:14])
    return BudgetState(
        limit=limit,
        used=used,
        left_urgent=left_urgent,
        left_bulk=left_bulk,
        next_free_at=instant(oldest_ms) + timedelta(seconds=window_s) if oldest_ms else None,
        halted_until=instant(everything[0]) if everything else None,
        halt_reason=everything[1] if everything else "",
        halted_endpoints=tuple(_halted(scope, instant(end), why) for scope, (end, why) in sorted(longest.items())),
        lowered=Lowered(configured, counted, instant(learnt_until_ms)) if learnt_until_ms else None,
        urgent_free_at=urgent_free_at,
        bulk_free_at=bulk_free_at,
    )


def _halted(scope: str, until: datetime, reason: str) -> HaltedEndpoint:
    name, _, environment = scope.partition(IN)
    return HaltedEndpoint(name, until, reason, Environment(environment) if environment else None)


def instant(milliseconds: int) -> datetime:
    """Return a time by its milliseconds since 1970."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def text_of(value: bytes | str) -> str:
    """Return Redis' answer as text, whether or not the client decodes answers."""
    return value.decode() if isinstance(value, bytes) else value
