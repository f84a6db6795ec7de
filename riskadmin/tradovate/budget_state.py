"""The budget's state: the calls left, and what is stopped."""

from dataclasses import dataclass
from datetime import datetime

from riskadmin.tradovate.endpoints import Endpoint
from riskadmin.tradovate.vocabulary import Environment, Lane

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


def halted(scope: str, until: datetime, reason: str) -> HaltedEndpoint:
    """Return the stop of an endpoint by its stored name, which may name an environment."""
    name, _, environment = scope.partition(IN)
    return HaltedEndpoint(name, until, reason, Environment(environment) if environment else None)
