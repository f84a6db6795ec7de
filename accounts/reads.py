"""Reading Tradovate: some accounts, or a whole environment in few calls. Only HTTP happens here, nothing is written.

Every read says of each id that was asked for whether it was told (`accounts.complete`).
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from accounts import id_proof, models, sources
from accounts.answer_caps import AnswerCaps
from accounts.complete import ASKED_BY_ID, CompleteReader, Read, Source
from accounts.models import LimitLevel
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
from riskadmin.tradovate.exchange import UnreadableRow
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter

logger = logging.getLogger(__name__)

E = TypeVar("E")

ASKED_ALONE: Final = 20
"""Accounts that a full read left out are asked for one by one, up to so many; of more, a second full read has to tell."""

MISSING_ASKED: Final = 500
"""So many accounts that are missing, and that another list names all the same, are asked for again in each full read."""


class Reader:
    """Reads through one client. `after_call` runs after each call, and may raise to stop the reading.

    Every method raises `TradovateError` when its first call fails; a later failure is told by what it returns.
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
        return self._complete.of(source, wanted, listed=listed, doubtful=self._without_their_positions)

    def position_limits(self, ids: Iterable[int]) -> Read[UserAccountPositionLimit]:
        """The position limits of accounts."""
        return self._complete.by_ids(sources.position_limits(self.client), ids)

    def risk_parameters(self, position_limit_ids: Iterable[int]) -> Read[UserAccountRiskParameter]:
        """The risk parameters of position limits."""
        return self._complete.by_ids(sources.risk_parameters(self.client), position_limit_ids)

    def without(self, account_ids: Sequence[int]) -> set[int]:
        """Return which of the accounts Tradovate does not have: those to whose own id it answers 404.

        Asks for each by itself. Raises `TradovateError` where it can't be told of one, when all have been asked for.
        """
        alone = self.alone(account_ids)
        if alone.failure is not None:
            raise alone.failure
        return alone.gone

    def alone(self, account_ids: Sequence[int]) -> "Alone":
        """Ask for accounts one by one; what is wrong with one of them says nothing of the others.

        Raises `NotHandled`: that is no answer about an account, and the next call would end the same.
        """
        found = Alone()
        for account_id in account_ids:
            try:
                reply = self.client.account(account_id)
            except (OutcomeUnknown, Rejected) as error:
                logger.warning("Whether Tradovate has account %s can't be told: %s", account_id, error.message)
                found.failure = error
            else:
                if reply is None:
                    found.gone.add(account_id)
                elif reply.unreadable:
                    found.unreadable[account_id] = replace(reply.unreadable[0], id=account_id)
            self._count_single()
        return found

    def _without_their_positions(self, found: Sequence[Position]) -> set[int]:
        """Return the accounts with a position in the mirror that a list does not name."""
        mirrored = models.Position.objects.filter(account__environment=self.client.environment.value)
        return _owners_unnamed(dict(mirrored.values_list("tradovate_id", "account__tradovate_id")), found)

    def _count_single(self) -> None:
        self._single_calls += 1
        self._after_call()

    def environment(self, known: "Known") -> "EnvironmentRead":
        """Read everything, in about a dozen calls where lists come whole. Raises `TradovateError`; then nothing may be stored.

        An account is expected in the list when the mirror has it, or when another list names it. Archived ones are expected
        only where another list names them and the mirror does not know why: whether Tradovate lists them is not documented.
        """
        client, complete = self.client, self._complete
        categories = self.categories()
        permissions = complete.everything(sources.permissions(client), known.permissions)
        named = {each.account_id for each in permissions.found}
        accounts = complete.everything(sources.accounts(client), known.open_accounts | (named - known.archived_accounts))
        open_ = sorted(each.id for each in accounts.found if not (each.closed or each.archived or each.active is False))
        statuses = self._all_statuses(open_)
        named |= {each.id for each in statuses.found} if statuses else set()
        unheard = named - known.archived_accounts - known.open_accounts - accounts.told - accounts.left_out
        more = [*unheard, *sorted(known.missing_accounts & named - accounts.told)[:MISSING_ASKED]]
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
                sources.positions(client), open_, doubtful=known.doubtful_positions, also=accounts.told
            ),
            cash_balances=complete.everything(sources.cash_balances(client), open_, also=accounts.told),
        )

    def _all_statuses(self, accounts: Sequence[int]) -> Read[AccountRiskStatus] | None:
        return self._all_by_account(sources.risk_statuses(self.client), id_proof.RISK_STATUS, accounts, sample=False)

    def _all_limits(self, level: LimitLevel, accounts: Sequence[int]) -> Read[LossLimits] | None:
        return self._all_by_account(sources.limits(self.client, level), _limits_entity(level), accounts, sample=True)

    def _all_by_account(self, source: Source[E], entity: str, accounts: Sequence[int], *, sample: bool) -> Read[E] | None:
        """Read the list of records that name no account; None where they don't carry its id, or nothing shows that they do."""
        has_ids = self._has_account_ids(entity, accounts)
        if has_ids:
            return self._complete.everything(source, accounts, sample=sample)
        if has_ids is False:
            return None
        comparison = id_proof.Comparison(self.client, entity, accounts, self._count_single)
        compared = sources.compared(source, *id_proof.by_account(self.client, entity), comparison)
        try:
            read = self._complete.everything(compared, accounts, sample=sample)
        except id_proof.Refuted:
            self._count_single()  # the call that brought what was compared
            return None
        return read if comparison.is_proven or not read.found else None

    def _by_account(self, source: Source[E], entity: str, ids: Sequence[int]) -> Read[E]:
        """Read records of accounts that name no account: by list or batch where they carry its id, else one by one.

        While nothing shows either, by list or in batches by account: where nobody has a record there is nothing to mistake.
        """
        has_ids = self._has_account_ids(entity, ids)
        if has_ids:
            return self._complete.of(source, ids, listed=self._listed(ids))
        by_account = id_proof.by_account(self.client, entity)
        if has_ids is None:
            comparison = id_proof.Comparison(self.client, entity, ids, self._count_single)
            try:
                return self._complete.of(sources.compared(source, *by_account, comparison), ids, listed=self._listed(ids))
            except id_proof.Refuted:
                self._count_single()  # the call that brought what was compared
        return self._complete.by_ids(sources.one_by_one(source, *by_account), ids)

    def _has_account_ids(self, entity: str, ids: Sequence[int]) -> bool | None:
        return id_proof.has_account_ids(self.client, entity, ids, self._count_single)

    def _listed(self, wanted: Sequence[int]) -> int | None:
        """Return how many accounts a whole list has, where one may be worth it."""
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
    """What asking for accounts one by one told: `gone` drew a 404, `unreadable` have an answer that can't be read.

    `failure` is the last one after which it is not known of an account whether Tradovate has it.
    """

    gone: set[int] = field(default_factory=set)
    unreadable: dict[int, UnreadableRow] = field(default_factory=dict)
    failure: TradovateError | None = None


def _owners_unnamed(owners: Mapping[int, int], found: Sequence[Position]) -> set[int]:
    """Return the accounts of the positions that are not among those found; `owners` are accounts, by position."""
    named = {each.id for each in found}
    return {owner for position, owner in owners.items() if position not in named}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Tradovate's ids of what the mirror holds.

    `archived_accounts` are those that Tradovate itself called closed or archived, `missing_accounts` those that it no longer
    had. `position_owners` are the accounts of the open positions, by the positions' ids.
    """

    open_accounts: frozenset[int]
    archived_accounts: frozenset[int]
    missing_accounts: frozenset[int]
    traders: frozenset[int]
    permissions: frozenset[int]
    position_owners: Mapping[int, int]

    def doubtful_positions(self, found: Sequence[Position]) -> set[int]:
        """Return the accounts with a position in the mirror that a list does not name: Tradovate keeps even flat ones."""
        return _owners_unnamed(self.position_owners, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRead:
    """Everything the mirror keeps of one environment, except that archived accounts may be left out.

    Of accounts that the list left out and that were asked for by their own id, `gone` are those that Tradovate answered 404
    to, `existing` all others: nothing else says that an account is gone. Risk statuses and limits are None where their records
    do not carry their account's id, so that a list of them says nothing.
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
        """Every read, in the order in which they were made."""
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
