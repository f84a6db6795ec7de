"""What every kind of change answers; one file in this folder for each kind."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from django.db.models import QuerySet

from accounts.changes.states import Direction
from accounts.models import Account
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.exchange import Exchange
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import Environment, ReasonCode

State = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What would happen to one target: its state before, the part of it that is meant after, and what to know about it."""

    before: State
    after: State
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Why nothing would happen to one target."""

    reason: str
    before: State | None = None


class Finding(StrEnum):
    """What a read-back says of a call."""

    APPLIED = "applied"  # the intended state, reached after the call
    UNCHANGED = "unchanged"  # the intended state, which it had before
    NOT_APPLIED = "not_applied"  # exactly the state before the call
    ELSEWHERE = "elsewhere"  # neither: somebody or something else has changed it


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target as a kind sends it."""

    account_id: int
    before: State
    after: State


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that a change alters, in words; `direction` is "looser", "tighter", or "" where neither is meant."""

    label: str
    before: str
    after: str
    direction: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What Tradovate said when it was read back: a state for each account it named, the evidence, and the mirror's part.

    `keep` writes what was read into the mirror; it is called inside the transaction that settles the items.
    """

    observed: Mapping[int, State]
    exchange: Exchange
    keep: Callable[[], object]


class Kind(ABC):
    """One sort of change. Instances hold nothing; the classes are registered in `kinds/__init__.py`."""

    name: ClassVar[str]
    verb: ClassVar[str]  # on buttons: "Lock"
    action_label: ClassVar[str]  # on the account's own page: "Lock"
    effect: ClassVar[str]  # what it does, one sentence for the form
    direction: ClassVar[Direction]
    environments: ClassVar[frozenset[Environment]]
    icon: ClassVar[str]
    batch_size: ClassVar[int] = 1
    urgent_up_to: ClassVar[int] = 0  # changes of so many items at most take the urgent lane
    resend_safe: ClassVar[bool] = False
    rests_on_before: ClassVar[bool] = True  # it is only right while the account stands as it was shown

    @property
    def capability(self) -> str:
        """What a person must hold to ask for it."""
        return f"changes:request:{self.name}"

    @property
    def is_protective(self) -> bool:
        """Whether it only ever takes risk away, so that nothing pending may stand in its way."""
        return self.direction == Direction.PROTECTIVE

    def words(self, count: int) -> str:
        """Return what the button says: "Lock 1 account"."""
        return f"{self.verb} {count:,} account{'' if count == 1 else 's'}"

    @abstractmethod
    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        """Return the accounts with everything that `plan` reads selected."""

    @abstractmethod
    def state(self, account: Account) -> State:
        """Return the account's present state as far as this kind changes or rests on it: an item's `before`. Pure."""

    @abstractmethod
    def plan(self, account: Account, *, contested: bool) -> Planned | Skip:
        """Return what would happen to an account that is open and in a fitting environment. Pure: no query, no clock.

        `contested` says that a change of another kind is on its way for the account, so that its present state may not last.
        """

    @abstractmethod
    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        """Return in words what is altered between two states. Pure."""

    @abstractmethod
    def send(
        self,
        client: Client,
        *,
        permit: WritePermit,
        targets: Sequence[Target],
        reason_code: ReasonCode,
        reason_text: str,
        ticket: str,
    ) -> Exchange:
        """Make the one call for `targets` (at most `batch_size`); raises TradovateError as the client does."""

    @abstractmethod
    def read(self, client: Client, account_ids: Sequence[int]) -> Reading:
        """Read in one call what Tradovate now says of the accounts, in the terms of `before`; raises TradovateError."""

    @abstractmethod
    def judge(self, *, before: State, observed: State) -> Finding:
        """Say what a read-back tells about a call that was meant to change the account from `before`. Pure."""
