"""Reading the mirror for the pages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import and_
from typing import Final

from django.db import models
from django.db.models import Count, Exists, F, Func, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.access.queries import visible_accounts, visible_categories
from accounts.gateway.connection import connected_environments
from accounts.models import (
    Account,
    AccountNote,
    AutoLiqLimits,
    EnvironmentChoice,
    MirrorMove,
    MoveSubject,
    Position,
    RiskCategory,
    SyncRun,
    Trader,
    TradingPermission,
    UnreadableRecord,
)
from accounts.models.ids import BIGGEST_ID
from accounts.models.status import AccountStatus, account_status_q
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import AdminAction, Environment
from riskadmin.web.paging import Page, keyset

IN_ORDER = ("name", "id")
COUNTED_TO = 1_000
TRADERS_AT_MOST = 200
TRIGRAM = 3
"""Letters that a trigram index needs; fewer are looked up at the beginning of a name only."""

_WITH_ADDRESS: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
"""A name and an address as mail programs write them: "Ana Garcia <ana@firm.example>"."""
_BETWEEN_WORDS: Final = re.compile(r"[\s,;\"'()]+")

OTHERS_AT_MOST = 50
OUTSIDE_AT_MOST = 5
NOTES_AT_MOST = 20
NEAR = Decimal("0.8")
"""The part of a daily loss limit that must be used up for an account to be near it."""


class Attention(models.TextChoices):
    """Why someone should look at an account."""

    ANY = "any", "Anything below"
    HOLDING = "holding", "Stopped, but holds positions"
    STAYS = "stays", "Stopped by a limit until unlocked"
    LOCKED = "locked", "Locked by an admin"
    NEAR = "near", "Near its daily loss limit"
    UNUSUAL = "unusual", "Auto-liquidation altered"
    UNREADABLE = "unreadable", "Tradovate sent something unreadable"


@dataclass(frozen=True, kw_only=True)
class BoundedCount:
    """A count up to a limit."""

    number: int
    is_more: bool

    def __str__(self) -> str:
        return f"{self.number:,}+" if self.is_more else f"{self.number:,}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of accounts, and how many there are."""

    page: Page[Account]
    count: BoundedCount

    @property
    def words(self) -> str:
        """The count in words."""
        return f"{self.count} account{'' if self.count.number == 1 and not self.count.is_more else 's'}"


def with_what_lists_show(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Return accounts with all that a row of the list shows."""
    positions = Position.objects.filter(account=OuterRef("pk")).order_by().values("account").annotate(n=Count("pk")).values("n")
    return accounts.select_related("risk_status", "risk_category", "trader", "cash").annotate(
        open_positions=Coalesce(Subquery(positions), 0)
    )


def accounts_page(accounts: QuerySet[Account], cursor: str | None, *, order: Sequence[str] = IN_ORDER, size: int = 50) -> Found:
    """Return a page of accounts; at most three queries. Raises `BadCursor`."""
    number = accounts.values("pk")[: COUNTED_TO + 1].count()
    return Found(
        page=keyset(with_what_lists_show(accounts), order, cursor, size=size),
        count=BoundedCount(number=min(number, COUNTED_TO), is_more=number > COUNTED_TO),
    )


@dataclass(frozen=True, kw_only=True)
class Names:
    """Accounts by environment and Tradovate's id, in the order of their names. `is_more`: there are more than that."""

    accounts: list[tuple[str, int]]
    is_more: bool


def names_of(accounts: QuerySet[Account], *, at_most: int) -> Names:
    """Return all of these accounts, not just a page of them; one query."""
    found = list(accounts.order_by(*IN_ORDER).values_list("environment", "tradovate_id")[: at_most + 1])
    return Names(accounts=found[:at_most], is_more=len(found) > at_most)


def account_detail(environment: Environment, tradovate_id: int, viewer: Staff) -> Account | None:
    """Return an account with everything that its page shows, in six queries.

    None if the mirror doesn't know it, or if it is outside the viewer's access.
    """
    return (
        visible_accounts(Account.objects.filter(environment=environment, tradovate_id=tradovate_id), viewer)
        .select_related("risk_status", "risk_category", "trader", "cash")
        .prefetch_related(
            "limits",
            "position_limits__risk_parameters",
            models.Prefetch("positions", Position.objects.order_by("contract_id")),
            models.Prefetch("permissions", TradingPermission.objects.select_related("trader").order_by("-tradovate_id")),
        )
        .first()
    )


def other_accounts(account: Account, viewer: Staff) -> list[Account]:
    """Return the trader's other accounts that a person has access to, open ones first.

    One more than `OTHERS_AT_MOST` means that there are more.
    """
    if account.trader_id is None:
        return []
    rows = visible_accounts(Account.objects.filter(trader=account.trader_id), viewer).exclude(pk=account.pk)
    return list(rows.select_related("risk_status", "cash").order_by("archived", "name", "pk")[: OTHERS_AT_MOST + 1])


def notes_of(account: Account) -> list[AccountNote]:
    """Return staff's notes about an account, newest first; one more than `NOTES_AT_MOST` means that there are more."""
    return list(AccountNote.objects.filter(account=account).order_by("-pk")[: NOTES_AT_MOST + 1])


def categories(viewer: Staff | None = None) -> list[RiskCategory]:
    """Return every risk category that a person has access to, for the filter."""
    return list(visible_categories(RiskCategory.objects.all(), viewer).order_by("environment", "name", "pk"))


def category_label(category_id: int) -> str:
    """Return the label of a risk category."""
    return RiskCategory.objects.get(pk=category_id).label


def counted_categories(viewer: Staff) -> QuerySet[RiskCategory]:
    """Return the risk categories that a person has access to, with how many open accounts each has (`open_accounts`)."""
    is_open = Q(accounts__archived=False, accounts__closed=False)
    counted = visible_categories(RiskCategory.objects.all(), viewer).annotate(open_accounts=Count("accounts", filter=is_open))
    return counted.order_by("environment", "name", "pk")


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """The state of an environment's full reads."""

    environment: EnvironmentChoice
    is_connected: bool
    read_at: datetime | None
    failure: str
    failed_at: datetime | None


def freshness() -> list[Freshness]:
    """Return when each environment was last read in full, and why the latest attempt failed if it did. Two queries each."""
    return [_freshness(environment) for environment in EnvironmentChoice]


def _freshness(environment: EnvironmentChoice) -> Freshness:
    ended = SyncRun.objects.filter(environment=environment, ended_at__isnull=False).order_by("-started_at")
    newest = ended.first()
    good = newest if newest is None or not newest.failure else ended.filter(failure="").first()
    failed = newest if newest is not None and newest.failure else None
    return Freshness(
        environment=environment,
        is_connected=Environment(environment) in connected_environments(),
        read_at=good.started_at if good else None,
        failure=failed.failure if failed else "",
        failed_at=failed.started_at if failed else None,
    )


class ILike(Func):
    """`column ILIKE '%text%'`, which can use a trigram index; `icontains` wraps the column in UPPER, which can't."""

    template = "%(expressions)s"
    arg_joiner = " ILIKE "
    output_field = models.BooleanField()

    def __init__(self, column: str, text: str) -> None:
        """Look for `text` anywhere in the column, literally, with its wildcards escaped."""
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        super().__init__(F(column), models.Value(f"%{escaped}%", output_field=models.TextField()))


def search_q(text: str) -> tuple[Q | Func, bool]:
    """Return the condition for a search, and whether it had to leave out traders.

    It finds accounts whose name contains the text (begins with it, if it is short), whose Tradovate id it is, or whose trader's
    name or e-mail contains it, or has each of its words in any order.
    """
    text = text.strip()
    if not text:
        return Q(), False
    matches = Q(name__startswith=text.upper()) | Q(name__startswith=text)
    if text.isascii() and text.isdigit() and int(text) <= BIGGEST_ID:
        matches |= Q(environment__in=EnvironmentChoice.values, tradovate_id=int(text))
    if len(text) < TRIGRAM:
        return matches, False
    by_trader = Trader.objects.filter(trader_q(text)).order_by("name", "pk")
    traders = list(by_trader.values_list("pk", flat=True)[: TRADERS_AT_MOST + 1])
    matches |= Q(ILike("name", text)) | Q(trader__in=traders[:TRADERS_AT_MOST])
    return matches, len(traders) > TRADERS_AT_MOST


def trader_q(text: str) -> Q:
    """Return the condition on traders for a search text of at least `TRIGRAM` letters; the trigram index serves it.

    A trader "ana.garcia" is also found as people write the name: "Ana Garcia", "Garcia, Ana", "Ana Garcia <ana@firm.example>".
    """
    found = _named(text)
    written = _WITH_ADDRESS.fullmatch(text)
    address = written["address"].strip() if written else ""
    if len(address) >= TRIGRAM:
        found |= Q(ILike("email", address))
    words = [word for word in _BETWEEN_WORDS.split(written["name"] if written else text) if word]
    # Without one word that the index can look up, each trader would have to be read.
    if words != [text] and any(len(word) >= TRIGRAM for word in words):
        found |= reduce(and_, map(_named, words))
    return found


def _named(text: str) -> Q:
    return Q(ILike("name", text)) | Q(ILike("email", text))


def attention_q(attention: Attention) -> Q:
    """Return the condition on open accounts that someone should look at."""
    stopped_by_limit = Q(risk_status__liquidate_only_at__isnull=False)
    acted = Q(risk_status__admin_action__in=[AdminAction.LOCK, AdminAction.LIQUIDATE, AdminAction.LIQUIDATE_ONLY])
    of_account = {"account": OuterRef("pk")}
    nearly_lost = OuterRef("cash__realized_pnl_usd") * models.Value(-1 / NEAR)
    near = AutoLiqLimits.objects.filter(**of_account, daily_loss_auto_liq_usd__gt=0, daily_loss_auto_liq_usd__lte=nearly_lost)
    conditions: dict[Attention, Q] = {
        Attention.HOLDING: (acted | stopped_by_limit) & Q(Exists(Position.objects.filter(**of_account))),
        # Kept apart: unlocking all that a limit stopped must not unlock what somebody has locked.
        Attention.LOCKED: acted,
        Attention.STAYS: ~acted & stopped_by_limit & Q(Exists(AutoLiqLimits.objects.filter(**of_account, do_not_unlock=True))),
        Attention.NEAR: ~acted & ~stopped_by_limit & Q(Exists(near)),
        Attention.UNUSUAL: account_status_q(AccountStatus.UNUSUAL),
        Attention.UNREADABLE: Q(Exists(UnreadableRecord.objects.filter(**of_account)))
        | account_status_q(AccountStatus.UNKNOWN),
    }
    open_ = Q(archived=False)
    if attention is not Attention.ANY:
        return open_ & conditions[attention]
    either = Q()
    for condition in conditions.values():
        either |= condition
    return open_ & either


def outside_moves(account: Account) -> list[MirrorMove]:
    """Return the latest changes that someone made to an account outside riskadmin, newest first."""
    moves = MirrorMove.objects.filter(account=account).exclude(outside_kind="")
    return list(moves.order_by("-read_at", "-pk")[:OUTSIDE_AT_MOST])


def outside_status(account: Account) -> MirrorMove | None:
    """Return the change outside riskadmin that set the account's current status; None if none did, or if not known.

    Reads `risk_status`: select it with the account.
    """
    status = getattr(account, "risk_status", None)
    moves = MirrorMove.objects.filter(account=account, subject=MoveSubject.STATUS).exclude(outside_kind="")
    is_somebodys = account.status.is_asked_for or account.status == AccountStatus.UNKNOWN
    move = moves.order_by("-read_at", "-pk").first() if status and is_somebodys else None
    if status is None or move is None:
        return None
    action, acted_at = (move.fields[name][1] for name in ("admin_action", "admin_at"))
    return move if action == status.admin_action and _is_at(acted_at, status.admin_at) else None


def _is_at(kept: str | None, at: datetime | None) -> bool:
    """Say whether a time in a move, kept to the millisecond, is equal to this one."""
    if kept is None or at is None:
        return kept is None and at is None
    return datetime.fromisoformat(kept) == at.replace(microsecond=at.microsecond // 1000 * 1000)
