"""The slim record of attempts and halts from which the budget is rebuilt when Redis was wiped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from riskadmin.tradovate.vocabulary import Lane


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to call Tradovate; ``age_s`` by the ledger's own clock, so no other clock is trusted."""

    id: int
    endpoint: str
    age_s: float
    user: str
    address: str


@dataclass(frozen=True, slots=True)
class Halt:
    """A stop that is still in force for ``left_s`` seconds; ``endpoint`` None means every call of the user.

    ``endpoint`` may end in ``@demo`` or ``@live``: then only calls of the user to that environment are stopped.
    """

    endpoint: str | None
    reason: str
    left_s: float
    user: str
    address: str


@dataclass(frozen=True, slots=True)
class LoweredLimit:
    """An hourly limit that a 429 taught when ``counted`` calls were counted, ``age_s`` ago, for ``lasts_s`` from then on."""

    calls: int
    counted: int
    age_s: float
    lasts_s: float


class Ledger(Protocol):
    """Durable memory of the budget. Every method may raise ``errors.StoreUnavailable``, and nothing is sent then.

    Each write commits before it returns, in a transaction of its own: the budget relies on a row being visible
    to every process once its attempt is admitted.
    """

    def append(self, *, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> Sequence[int]:
        """Record that so many attempts are about to be made; return their ids, unique over all users."""

    def forget(self, attempt_ids: Sequence[int], /) -> None:
        """Delete attempts that were never sent. Unknown ids are no error."""

    def recent(self, *, user: str, address: str, within_s: float) -> Sequence[Attempt]:
        """Every attempt of ``user``, and every one from ``address``, not older than ``within_s`` seconds."""

    def halts(self, *, user: str, address: str) -> Sequence[Halt]:
        """Every halt of ``user``, and every one of an endpoint at ``address``, still in force."""

    def save_halt(
        self, *, user: str, address: str, endpoint: str | None, reason: str, seconds: float, is_new: bool = True
    ) -> None:
        """Record a halt from now on for ``seconds``; a longer one already in force for that scope wins.

        One that is not ``is_new`` continues an earlier one, and is not told to people again.
        """

    def lowered(self, user: str, /) -> LoweredLimit | None:
        """The limit of ``user`` learnt last, in force or not; None where none was, or it is too long ago to matter."""

    def save_lowered(self, *, user: str, calls: int, counted: int, seconds: float) -> None:
        """Record that the limit of ``user`` is ``calls`` from now on for ``seconds``; it replaces an earlier one."""
