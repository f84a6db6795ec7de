"""A budget and environments in the state that a test says, for pages that tell of stops."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from riskadmin.tradovate.breaker import Outage
from riskadmin.tradovate.budget_state import BudgetState, HaltedEndpoint, Lowered
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.vocabulary import Environment, Lane

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
"""14:00 in Chicago, in which the pages' times are."""

IN_AN_HOUR = NOW + timedelta(hours=1)
AT = "2026-11-21 15:00:00"
"""The same as pages show it."""

LOCK = "accountRiskStatus/setadminautoliqaction"
CATEGORY = "accountRiskStatus/switchriskcategory"
DENIED = f"Tradovate denies access to {LOCK} (HTTP 401: Access is denied): a permission of the API key may be missing"

FREE = BudgetState(
    limit=5000,
    used=0,
    left_urgent=4975,
    left_bulk=4475,
    next_free_at=None,
    halted_until=None,
    halt_reason="",
    halted_endpoints=(),
)


@dataclass
class Stopped:
    """What is stopped; a test sets it. `finish_at` is when the budget alone would be through, None for at once."""

    state: BudgetState | None = FREE
    outages: list[Outage] = field(default_factory=list)
    finish_at: datetime | None = None

    def estimate_finish(self, calls: int, lane: Lane, **_: object) -> tuple[BudgetState, datetime | None]:
        """As the budget does."""
        return self._state(), (self.finish_at or NOW) if calls else None

    def _state(self) -> BudgetState:
        if self.state is None:
            raise NotHandled("PostgreSQL is away", reason=NotHandledReason.BUDGET_UNAVAILABLE)
        return self.state


def everything(reason: str = "too many calls in an hour (HTTP 429)") -> Stopped:
    """All calls are stopped, after a 429."""
    return Stopped(state=replace(FREE, halted_until=IN_AN_HOUR, halt_reason=reason))


def endpoint(
    name: str,
    reason: str = "Tradovate demands a captcha",
    *,
    until: datetime = IN_AN_HOUR,
    environment: Environment | None = None,
) -> Stopped:
    """One endpoint is stopped."""
    return Stopped(state=replace(FREE, halted_endpoints=(HaltedEndpoint(name, until, reason, environment),)))


def used_up(*, urgent: int = 500, urgent_free_at: datetime | None = None) -> Stopped:
    """The hour has no call left for bulk work, or for none."""
    return Stopped(
        state=replace(
            FREE, left_bulk=0, left_urgent=urgent, bulk_free_at=NOW + timedelta(minutes=25), urgent_free_at=urgent_free_at
        ),
        finish_at=NOW + timedelta(minutes=26),
    )


def lowered() -> Stopped:
    """A 429 has taught a lower limit."""
    state = replace(FREE, limit=2500, left_urgent=2475, left_bulk=2, lowered=Lowered(5000, 2501, NOW + timedelta(days=1)))
    return Stopped(state=state, finish_at=NOW + timedelta(minutes=30))


def outage(environment: Environment = Environment.DEMO) -> Stopped:
    """An environment does not answer."""
    return Stopped(outages=[Outage(environment, NOW - timedelta(minutes=3), "HTTP 503", 12.0)])


def uncounted() -> Stopped:
    """PostgreSQL is away for the budget."""
    return Stopped(state=None)


def connect(monkeypatch: pytest.MonkeyPatch, settings: Settings, stopped: Stopped) -> None:
    """Let the pages find `stopped`, with both environments connected."""
    settings.TRADOVATE_URLS = {"demo": "http://127.0.0.1:1/v1", "live": "http://127.0.0.1:1/v1"}

    class Budget:
        def state(self) -> BudgetState:
            return stopped.estimate_finish(0, Lane.URGENT)[0]

        def estimate_finish(self, *args: Any, **kwargs: Any) -> tuple[BudgetState, datetime | None]:
            return stopped.estimate_finish(*args, **kwargs)

    def outage_of(environment: Environment) -> Outage | None:
        return next((each for each in stopped.outages if each.environment == environment), None)

    monkeypatch.setattr("accounts.gateway.connection.budget", Budget)
    monkeypatch.setattr("accounts.gateway.connection.outages", lambda: stopped.outages)
    monkeypatch.setattr("accounts.gateway.connection.outage", outage_of)
