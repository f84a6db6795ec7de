"""Reading Tradovate: some accounts, or a whole environment in few calls. Only HTTP happens here, nothing is written.

Every read reports for each id that was asked for whether it was read (`accounts.sync.complete`).
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from accounts import models
from accounts.models import LimitLevel
from accounts.models.ids import with_ids
from accounts.sync import id_proof, sources
from accounts.sync.answer_caps import AnswerCaps
from accounts.sync.complete import ASKED_BY_ID, CompleteReader, EntitySource, Read
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import RISK_CATEGORIES
from riskadmin.tradovate.entities import (
    Account,
    AccountRiskStatus,
    CashBalance,
    LossLimits,
    Position,
    RiskCategory,
    TradingPermission,
    User,
)
from riskadmin.tradovate.errors import OutcomeUnknown, Rejected, TradovateError
from riskadmin.tradovate.http_record import UnreadableRow
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter

logger = logging.getLogger(__name__)

E = TypeVar("E")

Several = type[models.Position] | type[models.PositionLimit] | type[models.RiskParameter]
"""The models of which an account, or a position limit, has several rows."""

ASKED_ALONE: Final = 20
"""Up to this many accounts that a full read left out are asked for one by one; for more, a second full read decides."""

MISSING_ASKED: Final = 500
"""This many missing accounts that another list names all the same are asked for again in each full read."""


class Reader:
    """Reads through one client. `after_call` runs after each call, and may raise to stop the reading.

    Every method raises `TradovateError` if its first call fails; a later failure is part of what it returns.
    """

    def __init__(self, client: Client, after_call: Callable[[], None] = lambda: None) -> None:
        self.client = client
        self._complete = CompleteReader(AnswerCaps(client.environment), after_call=after_call)
        self._after_call = after_call
        self._single_calls = 0
        self._accounts_listed: int | None = None

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return self._complete.calls + self._single_calls

    def accounts(self, ids: Iterable[int]) -> Read[Account]:
        """Accounts by their ids."""
        wanted = list(ids)
        return self._complete.of(sources.accounts(self.client), wanted, listed=self._listed(wanted))

    def traders(self, ids: Iterable[int]) -> Read[User]:
        """Traders by their ids."""
        return self._complete.by_ids(sources.traders(self.client), ids)

    def categories(self) -> Read[RiskCategory]:
        """The risk categories."""
        return self._complete.listed(self.client.risk_categories, RISK_CATEGORIES.name)

    def risk_statuses(self, ids: Iterable[int]) -> Read[AccountRiskStatus]:
        """The risk statuses of accounts."""
        return self._by_account(sources.risk_statuses(self.client), id_proof.RISK_STATUS, list(ids))

    def limits(self, level: LimitLevel, ids: Iterable[int]) -> Read[LossLimits]:
        """One level's auto-liquidation limits of accounts."""
        return self._by_account(sources.limits(self.client, level), _limits_entity(level), list(ids))

    def cash(self, ids: Iterable[int]) -> Read[CashBalance]:
        """The cash of accounts."""
        wanted = list(ids)
        return self._complete.of(sources.cash_balances(self.client), wanted, listed=self._listed(wanted))

    def positions(self, ids: Iterable[int]) -> Read[Position]:
        """The positions of accounts."""
        wanted = list(ids)
        source, listed = sources.positions(self.client), self._listed(wanted)
        read = self._complete.of(source, wanted, listed=listed, doubtful=self._without_their_positions)
        return self._with_absent(source, read, models.Position, "account")

    def position_limits(self, ids: Iterable[int]) -> Read[UserAccountPositionLimit]:
        """The position limits of accounts."""
        source = sources.position_limits(self.client)
        return self._with_absent(source, self._complete.by_ids(source, ids), models.PositionLimit, "account")

    def risk_parameters(self, position_limit_ids: Iterable[int]) -> Read[UserAccountRiskParameter]:
        """The risk parameters of position limits."""
        source = sources.risk_parameters(self.client)
        read = self._complete.by_ids(source, position_limit_ids)
        return self._with_absent(source, read, models.RiskParameter, "position_limit")

    def _with_absent(self, source: EntitySource[E], read: Read[E], model: Several, owner: str) -> Read[E]:
        """Never infer absence from a read: rows that the mirror has and the read lacks are asked for by their own ids."""
        account = "account" if owner == "account" else f"{owner}__account"
        of_these = with_ids(self.client.environment, read.reported, column=f"{owner}__tradovate_id", owner=account)
        mirrored = model.objects.filter(of_these)
        self._complete.ask_for_absent(source, read, dict(mirrored.values_list("tradovate_id", f"{owner}__tradovate_id")))
        return read

    def alone(self, account_ids: Sequence[int]) -> "Alone":
        """Ask for accounts one by one; an error with one of them does not affect the others.

        Raises `NotHandled`: that is no response about an account, and the next call would end the same way.
        """
        found = Alone()
        for account_id in account_ids:
            try:
                reply = self.client.account(account_id)
            except (OutcomeUnknown, Rejected) as error:
                logger.warning("Whether Tradovate has account %s is not known: %s", account_id, error.message)
                found.unanswered.add(account_id)
            else:
                if reply.unreadable:
                    found.unreadable[account_id] = replace(reply.unreadable[0], id=account_id)
                elif not reply.value:
                    found.gone.add(account_id)
            self._count_single()
        return found

    def _without_their_positions(self, found: Sequence[Position]) -> set[int]:
        """Return the accounts with a position in the mirror that a list does not include."""
        mirrored = models.Position.objects.filter(account__environment=self.client.environment.value)
        return _owners_unnamed(dict(mirrored.values_list("tradovate_id", "account__tradovate_id")), found)

    def _count_single(self) -> None:
        self._single_calls += 1
        self._after_call()

    def environment(self, known: "Known") -> "EnvironmentRead":
        """Read everything, in about a dozen calls if lists come whole. Raises `TradovateError`; then nothing may be stored.

        An account is expected in the list if the mirror has it, or if another list names it. Archived accounts are expected
        only if another list names them and the mirror does not know why: whether Tradovate lists them is not documented.
        """
        client, complete = self.client, self._complete
        categories = self.categories()
        permissions = complete.everything(sources.permissions(client), known.permissions)
        named = {each.account_id for each in permissions.found}
        accounts = complete.everything(sources.accounts(client), known.open_accounts | (named - known.archived_accounts))
        open_ = sorted(each.id for each in accounts.found if not (each.closed or each.archived or each.active is False))
        statuses = self._all_statuses(open_)
        named |= {each.id for each in statuses.found} if statuses else set()
        unheard = named - known.archived_accounts - known.open_accounts - accounts.reported - accounts.left_out
        more = [*unheard, *sorted(known.missing_accounts & named - accounts.reported)[:MISSING_ASKED]]
        if more:
            accounts.merge(complete.by_ids(sources.accounts(client), more))
        alone = sorted(accounts.left_out & known.open_accounts)[:ASKED_ALONE]
        asked = self.alone(alone)
        accounts.unreadable |= asked.unreadable
        accounts.left_out -= asked.unreadable.keys()
        return EnvironmentRead(
            categories=categories,
            users=complete.everything(sources.traders(client), known.traders | {each.user_id for each in permissions.found}),
            accounts=accounts,
            gone=asked.gone,
            existing=set(alone) - asked.gone,
            permissions=permissions,
            risk_statuses=statuses,
            firm_limits=self._all_limits(LimitLevel.FIRM, open_),
            trader_limits=self._all_limits(LimitLevel.TRADER, open_),
            positions=complete.everything(
                sources.positions(client), open_, doubtful=known.doubtful_positions, also=accounts.reported
            ),
            cash_balances=complete.everything(sources.cash_balances(client), open_, also=accounts.reported),
        )

    def _all_statuses(self, accounts: Sequence[int]) -> Read[AccountRiskStatus] | None:
        return self._all_by_account(sources.risk_statuses(self.client), id_proof.RISK_STATUS, accounts, sample=False)

    def _all_limits(self, level: LimitLevel, accounts: Sequence[int]) -> Read[LossLimits] | None:
        return self._all_by_account(sources.limits(self.client, level), _limits_entity(level), accounts, sample=True)

    def _all_by_account(self, source: EntitySource[E], entity: str, accounts: Sequence[int], *, sample: bool) -> Read[E] | None:
        """Read the list of records that name no account; None unless they are known to carry its id."""
        has_ids = self._has_account_ids(entity, accounts)
        if has_ids:
            read = self._complete.everything(source, accounts, sample=sample)
            return read if self._do_ids_hold(entity, read) else None
        if has_ids is False:
            return None
        comparison = id_proof.Comparison(self.client, entity, accounts, self._count_single)
        compared = sources.compared(source, id_proof.by_account(self.client, entity), comparison)
        try:
            read = self._complete.everything(compared, accounts, sample=sample)
        except id_proof.Refuted:
            self._count_single()  # the call that returned what was compared
            return None
        return read if comparison.is_proven or not read.found else None

    def _by_account(self, source: EntitySource[E], entity: str, ids: Sequence[int]) -> Read[E]:
        """Read records that name no account: by list or batch if they carry the account's id, else one by one.

        While neither is known: by list, or in batches by account; while no account has a record, none can be mistaken for
        another's.
        """
        has_ids = self._has_account_ids(entity, ids)
        by_account = id_proof.by_account(self.client, entity)
        if has_ids:
            read = self._complete.of(source, ids, listed=self._listed(ids))
            if self._do_ids_hold(entity, read):
                return read
        if has_ids is None:
            comparison = id_proof.Comparison(self.client, entity, ids, self._count_single)
            try:
                return self._complete.of(sources.compared(source, by_account, comparison), ids, listed=self._listed(ids))
            except id_proof.Refuted:
                self._count_single()  # the call that returned what was compared
        return self._complete.by_ids(sources.one_by_one(source, by_account), ids)

    def _do_ids_hold(self, entity: str, read: Read[Any]) -> bool:
        """Say whether a read through the accounts' ids may be used: nothing shows that records have ids of their own.

        Some accounts that it left out and that should have a record are asked for individually, different ones each time.
        Records that come with their account's id are added.
        """
        if read.failure is not None:
            return True
        holders = self._holders(entity, read.left_out | read.not_asked)
        turn = read.read_at.microsecond % len(holders) if holders else 0
        for account_id in (holders[turn:] + holders[:turn])[: id_proof.DOUBTED]:
            try:
                reply = id_proof.look_for(self.client, entity, account_id, self._count_single)
            except id_proof.Refuted:
                return False
            except TradovateError as error:
                logger.warning("Whether the %s of account %s has its id is not known: %s", entity, account_id, error.message)
                break
            read.add_reported(account_id, reply)
        return True

    def _holders(self, entity: str, account_ids: Collection[int]) -> list[int]:
        """Return which of the accounts have such a record according to the mirror: for risk statuses, any open account."""
        accounts = models.Account.objects.filter(with_ids(self.client.environment, account_ids), archived=False)
        for level in LimitLevel:
            if entity == _limits_entity(level):
                accounts = accounts.filter(limits__level=level)
        return list(accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True))

    def _has_account_ids(self, entity: str, ids: Sequence[int]) -> bool | None:
        return id_proof.has_account_ids(self.client, entity, ids, self._count_single)

    def _listed(self, wanted: Sequence[int]) -> int | None:
        """Return how many accounts a whole list has, if one may be worth reading."""
        if len(wanted) <= ASKED_BY_ID:
            return None
        if self._accounts_listed is None:
            mirrored = models.Account.objects.filter(environment=self.client.environment.value)
            self._accounts_listed = mirrored.count()
        return self._accounts_listed


def _limits_entity(level: LimitLevel) -> str:
    return id_proof.FIRM_LIMITS if level == LimitLevel.FIRM else id_proof.TRADER_LIMITS


@dataclass(slots=True, kw_only=True)
class Alone:
    """The result of asking for accounts one by one: `gone` returned 404, `unreadable` a response that can't be read.

    For `unanswered`, no response shows whether Tradovate has them.
    """

    gone: set[int] = field(default_factory=set)
    unreadable: dict[int, UnreadableRow] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)


def _owners_unnamed(owners: Mapping[int, int], found: Sequence[Position]) -> set[int]:
    """Return the accounts of positions that are not among those found; `owners` maps positions to accounts."""
    named = {each.id for each in found}
    return {owner for position, owner in owners.items() if position not in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Tradovate's ids of what the mirror holds.

    `archived_accounts` are those that Tradovate itself reported closed or archived, `missing_accounts` those that it no longer
    had. `position_owners` are the accounts of the open positions, by the positions' ids.
    """

    open_accounts: frozenset[int]
    archived_accounts: frozenset[int]
    missing_accounts: frozenset[int]
    traders: frozenset[int]
    permissions: frozenset[int]
    position_owners: Mapping[int, int]

    def doubtful_positions(self, found: Sequence[Position]) -> set[int]:
        """Return the accounts with a position in the mirror that a list lacks: Tradovate keeps even flat positions."""
        return _owners_unnamed(self.position_owners, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRead:
    """Everything the mirror keeps of one environment, except that archived accounts may be left out.

    Of the accounts that the list left out and that were asked for by their own id, `gone` are those for which Tradovate
    returned 404, `existing` all others: nothing else shows that an account is gone. Risk statuses and limits are None if their
    records do not carry their account's id, because a list of them is then useless.
    """

    categories: Read[RiskCategory]
    users: Read[User]
    accounts: Read[Account]
    gone: set[int]
    existing: set[int]
    permissions: Read[TradingPermission]
    risk_statuses: Read[AccountRiskStatus] | None
    firm_limits: Read[LossLimits] | None
    trader_limits: Read[LossLimits] | None
    positions: Read[Position]
    cash_balances: Read[CashBalance]

    @property
    def parts(self) -> list[Read[Any]]:
        """Every read, in the order they were made."""
        made = (
            self.categories,
            self.permissions,
            self.accounts,
            self.risk_statuses,
            self.users,
            self.firm_limits,
            self.trader_limits,
            self.positions,
            self.cash_balances,
        )
        return [part for part in made if part is not None]
