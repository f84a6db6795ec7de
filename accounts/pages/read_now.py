"""Reading one account on "Read now": everything that its page shows, and what of it could not be read."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils import timezone

from accounts.models import Account, Cash, MirroredEntity, RiskStatus, Trader
from accounts.sync.actions import Part, refresh, refresh_traders
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, StoreUnavailable, TradovateError
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.formats import listed

_ONE_EACH: Final = frozenset({MirroredEntity.ACCOUNT, MirroredEntity.RISK_STATUS, MirroredEntity.TRADER, MirroredEntity.CASH})
"""Of these an account has one record."""
_OF_ONE_ENDPOINT: Final = frozenset(
    {NotHandledReason.PENALTY, NotHandledReason.CAPTCHA, NotHandledReason.UNAUTHORISED, NotHandledReason.HALTED}
)
"""After these, calls of other endpoints may get a response; after any other reason why a call is not handled, none would."""
UNANSWERED_AT_MOST: Final = 2
"""This many calls may end without a response before no other part is tried: a person waits for each."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of reading an account: what was not read, in words, and why, if known.

    `is_nothing`: nothing at all was read.
    """

    not_read: tuple[str, ...] = ()
    why: str = ""
    is_nothing: bool = False

    @property
    def words(self) -> str:
        """The result in words."""
        if not self.not_read:
            return "Read from Tradovate just now."
        if self.is_nothing and self.why:
            return f"Tradovate can't be read now: {self.why}. What you see is what was known last."
        why = self.why or "Tradovate did not include it, or not in a way that can be read"
        return f"Read from Tradovate just now, except {listed(self.not_read)}: {why}. What you see of that was read before."


def read_now(account: Account) -> Outcome:
    """Read everything an account's page shows, about ten calls. A part that can't be read does not stop the others.

    Raises `connection.NotConnected`.
    """
    began_at, done = timezone.now(), set[Part]()
    failures: list[TradovateError | StoreUnavailable] = []
    _read(account, set(Part), done, failures)
    # The parts are read one after the other, and the first failure ends it: the remaining parts are then tried one by one.
    for part in set(Part) - _read_since(account, began_at, done):
        if failures and _can_continue(failures):
            _read(account, {part}, done, failures)
    found = _read_since(account, began_at, done)
    not_read = [] if _is_status_read(account, began_at) else [MirroredEntity.RISK_STATUS]
    not_read += [entity for part in Part if part not in found for entity in part.entities]
    if account.trader and not _is_trader_read(account.trader, failures):
        not_read.append(MirroredEntity.TRADER)
    return Outcome(
        not_read=tuple(f"the {each.label.lower()}" if each in _ONE_EACH else each.plural for each in not_read),
        why=str(failures[0]).rstrip(".") if failures else "",
        is_nothing=not found and MirroredEntity.RISK_STATUS in not_read,
    )


def _read(account: Account, parts: set[Part], done: set[Part], failures: list[TradovateError | StoreUnavailable]) -> None:
    try:
        refresh(Environment(account.environment), [account.tradovate_id], lane=Lane.BULK, parts=frozenset(parts))
    except (TradovateError, StoreUnavailable) as error:
        failures.append(error)
    else:
        done |= parts


def _is_trader_read(trader: Trader, failures: list[TradovateError | StoreUnavailable]) -> bool:
    if not _can_continue(failures):
        return False
    began_at = timezone.now()
    try:
        refresh_traders(Environment(trader.environment), [trader.tradovate_id], lane=Lane.BULK)
    except (TradovateError, StoreUnavailable) as error:
        failures.append(error)
    return Trader.objects.filter(pk=trader.pk, fresh_at__gte=began_at).exists()


def _can_continue(failures: Collection[TradovateError | StoreUnavailable]) -> bool:
    """Say whether other calls may get a response although these did not."""
    if any(isinstance(each, StoreUnavailable) for each in failures):
        return False
    if any(isinstance(each, NotHandled) and each.reason not in _OF_ONE_ENDPOINT for each in failures):
        return False
    return sum(isinstance(each, OutcomeUnknown) for each in failures) < UNANSWERED_AT_MOST


def _is_status_read(account: Account, since: datetime) -> bool:
    return RiskStatus.objects.filter(account=account, fresh_at__gte=since).exists()


def _read_since(account: Account, since: datetime, done: Collection[Part]) -> set[Part]:
    """Return the parts that were read: the mirror's data is from then, or there is nothing to have."""
    now = Account.objects.select_related("cash").prefetch_related("limits").get(pk=account.pk)
    cash: Cash | None = getattr(now, "cash", None)
    ages: dict[Part, list[datetime | None]] = {
        Part.ACCOUNT: [now.fresh_at],
        Part.POSITIONS: [now.positions_read_at],
        Part.CASH: [cash.fresh_at] if cash else [],
        Part.LIMITS: [each.fresh_at for each in now.limits.all()],
        Part.PRE_TRADE: [now.position_limits_read_at, now.risk_parameters_read_at],
    }
    return {part for part, read in ages.items() if (read or part in done) and all(at and at >= since for at in read)}
