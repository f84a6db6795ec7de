"""The small record of attempts and halts from which the budget is rebuilt after Redis was wiped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from riskadmin.tradovate.vocabulary import Lane


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to call Tradovate. ``age_s`` is by the ledger's own clock, so no other clock is needed."""

    id: int
    endpoint: str
    age_s: float
    user: str
    address: str


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop that lasts for another ``left_s`` seconds. ``endpoint`` None means every call of the user.

    ``endpoint`` may end in ``@demo`` or ``@live``: then only the user's calls to that environment are stopped.
    """

    endpoint: str | None
    reason: str
    left_s: float
    user: str
    address: str


@dataclass(frozen=True, slots=True)
class LoweredLimit:
    """An hourly limit learnt from a 429 at ``counted`` calls, ``age_s`` ago, which lasts ``lasts_s`` from then."""

    calls: int
    counted: int
    age_s: float
    lasts_s: float


class Ledger(Protocol):
    """Durable storage of the budget. Every method may raise ``errors.StoreUnavailable``: then nothing is sent.

    Each write commits before it returns, in its own transaction: the budget depends on every process seeing a row once its
    attempt is admitted.
    """

    def append(self, *, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> Sequence[int]:
        """Record that this many attempts are about to be made. Return their ids, unique over all users."""

    def forget(self, attempt_ids: Sequence[int], /) -> None:
        """Delete attempts that were never sent. Unknown ids are ignored."""

    def recent(self, *, user: str, address: str, within_s: float) -> Sequence[Attempt]:
        """Every attempt of ``user``, and every one from ``address``, not older than ``within_s`` seconds."""

    def halts(self, *, user: str, address: str) -> Sequence[Halt]:
        """Every halt of ``user``, and every one of an endpoint at ``address``, still in force."""

    def save_halt(
        self, *, user: str, address: str, endpoint: str | None, reason: str, seconds: float, is_new: bool = True
    ) -> None:
        """Record a halt of ``seconds`` from now. A longer one already in force for that scope stays.

        A halt that is not ``is_new`` continues an earlier one, and is not reported to people again.
        """

    def lowered(self, user: str, /) -> LoweredLimit | None:
        """The latest learnt limit of ``user``, in force or not. None where there is none, or it is too old to matter."""

    def save_lowered(self, *, user: str, calls: int, counted: int, seconds: float) -> None:
        """Record that the limit of ``user`` is ``calls`` from now on for ``seconds``. Replaces an earlier one."""
