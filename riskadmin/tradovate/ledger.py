"""Where the API budget is stored: the contract that a database fulfils.

The store decides and records in one step, because between the two another process could take the last call. It has the one
clock that all processes share.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from riskadmin.tradovate.budget_rules import Denied
from riskadmin.tradovate.budget_state import BudgetState
from riskadmin.tradovate.vocabulary import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Whose calls are counted, and how many of them any window may hold.

    ``urgent_share_pct`` of ``calls_per_hour - safety_margin`` is reserved for urgent work.
    """

    user: str
    address: str
    calls_per_hour: int
    safety_margin: int
    urgent_share_pct: int
    window: timedelta

    def share_pct(self, lane: Lane) -> int:
        """Return how much of the hour a lane may use, in per cent."""
        return 100 - self.urgent_share_pct if lane == Lane.BULK else 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Calls to count. ``own_limit`` is how many of the endpoint any window may hold at the address, None without a limit.

    ``scope`` names the endpoint in the environment that the calls go to, "" if that is not known.
    """

    endpoint: str
    lane: Lane
    calls: int
    own_limit: int | None
    scope: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """Counted attempts by their ids, unique over all users: at least one. ``is_denied``: access was denied the last time."""

    at: datetime
    ids: Sequence[int]
    is_denied: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was counted, and when to ask again. ``stopped_by`` is the reason of a stop, None if the hour is used up."""

    wait_s: float
    stopped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Lowering:
    """A limit lowered to ``calls`` for another ``left_s`` seconds, because a 429 came when ``counted`` calls were counted."""

    calls: int
    counted: int
    left_s: float


class Ledger(Protocol):
    """Storage of the budget. Every method may raise ``errors.StoreUnavailable``: then nothing is sent.

    Each write commits before it returns, in its own transaction: the budget depends on every process seeing an attempt once
    it is admitted.
    """

    def admit(self, quota: Quota, wanted: Wanted, /) -> Admitted | Refused:
        """Count as many of the calls as there is room for, or none while one of their stops is in force.

        No two admissions of a user, or of an endpoint with its own limit at an address, may decide at the same time.
        """

    def withdraw(self, attempt_ids: Sequence[int], /) -> None:
        """Delete attempts that were never sent. Unknown ids are ignored."""

    def release(self, attempt_id: int, /) -> None:
        """Count an attempt no longer towards its endpoint's own limit; the user's hour still counts it."""

    def halt(self, quota: Quota, /, *, endpoint: str, reason: str, seconds: float) -> None:
        """Stop every call of the user ("") or one endpoint, from now on. A longer stop already in force stays."""

    def deny(self, quota: Quota, /, *, scope: str, reason: str) -> Denied:
        """Stop an endpoint in one environment because it denies access, as ``budget_rules.denied_after`` says."""

    def end_denial(self, quota: Quota, /, *, scope: str) -> None:
        """Record that a call succeeded there: the next denial starts a new sequence."""

    def lower(self, quota: Quota, /, *, refused_at: datetime) -> Lowering | None:
        """Lower the user's limit as ``budget_rules.lowered_after`` says; None if it stays.

        ``refused_at`` is when the call that got the 429 was admitted.
        """

    def state(self, quota: Quota, /, *, calls: int, lane: Lane, scopes: Collection[str]) -> tuple[BudgetState, datetime | None]:
        """Return what is left, and when the last of so many calls can be sent: not before the stops of ``scopes`` are over.

        The time is None for no calls, or for a lane without any.
        """
