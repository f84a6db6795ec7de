"""Change the cash of a simulation account: one account per call to changedemobalance.

Source: the partner documentation's "Change Demo Balance". What is sent is a difference, so a call sent twice counts twice: no
call is repeated automatically, whatever a read-back shows. It exists on demo only, and returns the account's new balance.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.db.models import QuerySet

from accounts.changes.kinds.caps import beyond_cap, hold_against_caps
from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Planned, Reading, Skip
from accounts.changes.kinds.money import (
    CENT,
    USD_MAX,
    UsdField,
    to_cents,
    to_cents_if_set,
    usd,
    usd_parameters,
    usd_text,
    usd_words,
)
from accounts.changes.kinds.peak import position_warnings, size_warnings
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import AccountKind, open_positions, reading_of, with_held
from accounts.changes.states import Direction
from accounts.models import Account, Cash, Source
from accounts.sync.actions import Part
from accounts.sync.mapping import USD, ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import account_keys, store_cash
from riskadmin.tradovate.account_writes import CASH_CHANGE_BOUND_USD, COMMENT_MAX
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import CASH_BALANCES_BY_ACCOUNT, CHANGE_DEMO_BALANCE
from riskadmin.tradovate.entities import CashBalance
from riskadmin.tradovate.http_record import HttpRecord, UnreadableRow
from riskadmin.tradovate.vocabulary import Environment

CASH_CHANGE_MOST_USD: Final = CASH_CHANGE_BOUND_USD - CENT

REFUSED_ABOVE_USD: Final = Decimal(50_000)
"""Tradovate refuses larger balances to some users; the documents don't say whether to an organisation's admins too."""


@dataclass(frozen=True, kw_only=True)
class CashState(StoredForm):
    """An account's cash: the balance, and what trading has moved in it this week."""

    amount_usd: Decimal
    week_realized_pnl_usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class CashAfter(StoredForm):
    """The intended balance, and what is sent for it."""

    amount_usd: Decimal
    cash_change_usd: Decimal
    comment: str | Unset = UNSET


@dataclass(frozen=True, kw_only=True)
class DemoBalanceParameters(StoredForm):
    """One of the two amounts, as texts that `money.usd` reads."""

    cash_change_usd: str | Unset = UNSET
    amount_usd: str | Unset = UNSET
    comment: str | Unset = UNSET


class CommentField(forms.CharField):
    """The comment that Tradovate stores with the change of a balance."""

    def __init__(self, **options: Any) -> None:
        help_text = f"Goes to Tradovate; at most {COMMENT_MAX} characters."
        super().__init__(max_length=COMMENT_MAX, required=False, label="Comment", help_text=help_text, **options)


class DemoBalanceForm(forms.Form):
    """The amount by which the balance changes, or its new value."""

    cash_change_usd = UsdField(
        label="Change by",
        required=False,
        min_value=-CASH_CHANGE_MOST_USD,
        max_value=CASH_CHANGE_MOST_USD,
        help_text="Added to the balance; with a minus, taken from it.",
    )
    amount_usd = UsdField(label="Or set to", required=False, help_text="The balance afterwards; what is added follows from it.")
    comment = CommentField()

    def clean(self) -> dict[str, Any]:
        """Require exactly one of the two amounts."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and (cleaned["cash_change_usd"] is None) == (cleaned["amount_usd"] is None):
            self.add_error("cash_change_usd", "Say by how much the balance changes, or what it becomes: one of the two.")
        elif not self.errors and cleaned["cash_change_usd"] == 0:
            self.add_error("cash_change_usd", "A change by nothing is none.")
        hold_against_caps(self)
        return cleaned


def cash_effects(subject: Account, change_usd: Decimal, differences: Iterable[Difference]) -> TargetEffects:
    """Return the effects of changing an account's cash. Less cash with open positions may cause a liquidation. Pure."""
    positions = open_positions(subject)
    is_possible = change_usd < 0 and positions != 0
    return TargetEffects(
        direction=EffectDirection.of(each.direction for each in differences),
        liquidation=Liquidation.POSSIBLE if is_possible else Liquidation.NO,
        open_positions=positions,
        money_effect_usd=abs(change_usd),
    )


class DemoBalance(AccountKind):
    """The dollar balance of a simulation account, changed by an amount."""

    spec = KindSpec(
        name="demo_balance",
        verb="Change the balance of",
        action_label="Balance",
        effect="Adds to the cash of simulation accounts, or takes from it, at once.",
        warning=(
            "Tradovate is said to move the peak of a trailing drawdown (max net liq) by the same amount. A call whose outcome "
            "stays unknown is never made again by itself: it would count twice."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO}),
        icon="coin",
        permission="ask to change the balance of accounts",
        recorded={
            "amount_usd": "Balance in USD",
            "cash_change_usd": "Change of the balance in USD",
            "week_realized_pnl_usd": "Realised this week in USD",
        },
    )
    endpoints = (CHANGE_DEMO_BALANCE,)
    reads = (CASH_BALANCES_BY_ACCOUNT,)
    parts = frozenset({Part.CASH, Part.POSITIONS})
    parameters_form = DemoBalanceForm
    parameters_type = DemoBalanceParameters
    state_type = CashState
    after_type = CashAfter

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        return usd_parameters(cleaned)

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        given = DemoBalanceParameters.from_json(parameters)
        words = (
            ("Change by", given.cash_change_usd and usd_words(usd(given.cash_change_usd), always_signed=True)),
            ("Set to", given.amount_usd and usd_words(usd(given.amount_usd))),
            ("Comment", given.comment),
        )
        return tuple((label, text) for label, text in words if text)

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        return with_held(super().mirrored(accounts).select_related("cash"))

    def obstacle(self, subject: Account) -> str:
        return super().obstacle(subject) or no_cash(subject)

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return *super().readings(subject), *(cash_read(subject) or (None,))

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.cash.fresh_at if hasattr(subject, "cash") else None

    def mirrored_state(self, subject: Account) -> CashState:
        return cash_state(subject.cash)

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        given, before = DemoBalanceParameters.from_json(parameters), self.mirrored_state(subject)
        change, target = usd(given.cash_change_usd), usd(given.amount_usd)
        if (change is None) == (target is None):
            return Skip(
                reason="Neither a change nor a new balance is given that Tradovate could take, or both are",
                before=before.to_json(),
            )
        if change is None:
            change = (target or Decimal(0)) - before.amount_usd
        after = cash_after(before, change, given.comment)
        if isinstance(after, str):
            return Skip(reason=after, before=before.to_json())
        reason = beyond_cap(subject, to_be_set(after, is_set=target is not None))
        if reason:
            return Skip(reason=reason, before=before.to_json())
        size = size_warnings(subject, "Balance", after.amount_usd)
        return Planned(
            before=before.to_json(),
            after=after.to_json(),
            effects=cash_effects(subject, change, cash_differences(before, after)),
            warnings=balance_warnings(after) + size + position_warnings(subject),
            weight=float(abs(change)),
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        becomes = CashAfter.from_json(after) if CashAfter.fits(after) else CashState.from_json(after)
        return cash_differences(CashState.from_json(before), becomes)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        return send_cash_change(client, order)

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        return read_cash(client, ids)

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        return interpret_cash(before=before, after=after, observed=observed)

    def doubt(self, *, before: State, after: State, observed: State, step: int) -> str:
        return cash_doubt(before=before, after=after, observed=observed)

    def inverse(self, done: Done) -> Inverse:
        # The amount, not the previous balance: what was won or lost since belongs to the trader.
        back = usd_text(-CashAfter.from_json(done.after).cash_change_usd)
        own = DemoBalanceParameters(cash_change_usd=back)
        return Inverse(kind_name=self.name, own=own.to_json(), remark="What was traded since stays")

    def unchanged_since(self, done: Done, now: State) -> bool:
        if done.observed is None:
            left = replace(CashState.from_json(done.before), amount_usd=CashAfter.from_json(done.after).amount_usd)
        else:
            left = CashState.from_json(done.observed)
        present = CashState.from_json(now)
        moved = present.amount_usd - left.amount_usd
        return not moved or moved == _traded(left, present)


def cash_read(account: Account) -> tuple[datetime, ...]:
    """Return when an account's balance was read, if it has one."""
    return (account.cash.fresh_at,) if hasattr(account, "cash") else ()


def no_cash(account: Account) -> str:
    """Return why an account's balance can't be used for planning, or ""."""
    return "" if hasattr(account, "cash") else "Its balance was never read; read the account first"


def cash_state(cash: Cash | CashBalance) -> CashState:
    """Return an account's cash, from the mirror or as read, to the cent."""
    if isinstance(cash, Cash):
        amount, traded = cash.amount_usd, cash.week_realized_pnl_usd
    else:
        amount, traded = cash.amount, cash.week_realized_pnl
    return CashState(amount_usd=to_cents(amount), week_realized_pnl_usd=to_cents_if_set(traded))


def cash_after(before: CashState, change: Decimal, comment: object) -> CashAfter | str:
    """Return what is intended and sent for a change of the balance, or why Tradovate would refuse it."""
    if not change:
        return "Has this balance already"
    if abs(change) >= CASH_CHANGE_BOUND_USD:
        return f"Would change by {usd_words(change, always_signed=True)}: Tradovate takes less than $1,000,000"
    amount = before.amount_usd + change
    if abs(amount) > USD_MAX:
        return "The balance would be larger than Tradovate can hold"
    if not comment:
        return CashAfter(amount_usd=to_cents(amount), cash_change_usd=change)
    if not (isinstance(comment, str) and len(comment) <= COMMENT_MAX):
        return f"The comment is no text of at most {COMMENT_MAX} characters"
    return CashAfter(amount_usd=to_cents(amount), cash_change_usd=change, comment=comment)


def to_be_set(after: CashAfter, *, is_set: bool) -> dict[str, Decimal]:
    """Return the amounts that the firm's caps apply to: the change, and the balance if it is set, or raised."""
    change = after.cash_change_usd
    # Removing money from an account above the cap brings it closer to the cap.
    return {"cash_change_usd": change} | ({"amount_usd": after.amount_usd} if is_set or change > 0 else {})


def balance_warnings(after: CashAfter) -> tuple[str, ...]:
    """Return what a person should know about a new balance."""
    if after.amount_usd < 0:
        return (f"The balance would be negative: {usd_words(after.amount_usd)}",)
    if after.amount_usd > REFUSED_ABOVE_USD and after.cash_change_usd > 0:
        return (
            "Above $50,000, Tradovate may refuse it: whether that rule holds for an organisation's admins is not documented",
        )
    return ()


def cash_differences(was: CashState, becomes: CashState | CashAfter) -> tuple[Difference, ...]:
    """Describe how the balance moves, and what was traded meanwhile if that is the reason."""
    words = usd_words(becomes.amount_usd)
    if isinstance(becomes, CashAfter):
        words += f" ({usd_words(becomes.cash_change_usd, always_signed=True)})"
    balance = Difference(label="Balance", before=usd_words(was.amount_usd), after=words)
    if isinstance(becomes, CashAfter) or becomes.week_realized_pnl_usd == was.week_realized_pnl_usd:
        return (balance,)
    traded = usd_words(was.week_realized_pnl_usd), usd_words(becomes.week_realized_pnl_usd)
    return balance, Difference(label="Realised this week", before=traded[0], after=traded[1])


def send_cash_change(client: Client, order: CallSpec) -> HttpRecord:
    """Change the balance of the one account in the order."""
    (target,) = order.targets
    after = CashAfter.from_json(target.after)
    reply = client.change_demo_balance(
        permit=order.permit,
        account_id=target.id,
        cash_change_usd=after.cash_change_usd,
        comment=after.comment or "",
        ticket=order.ticket,
    )
    return reply.http_record


def read_cash(client: Client, ids: Sequence[int]) -> Reading:
    """Read the cash of accounts."""
    read = Reader(client).cash(ids)
    by_account: dict[int, list[CashBalance]] = defaultdict(list)
    for each in read.found:
        if each.currency_id in {USD, None}:
            by_account[each.account_id].append(each)
    for account_id, balances in by_account.items():
        if len({each.amount for each in balances}) > 1:
            amounts = ", ".join(str(each.amount) for each in balances)
            read.unreadable[account_id] = UnreadableRow(
                id=balances[0].id, account_id=account_id, field="amount", value=f"[{amounts}]"
            )
    dollars = [balances[-1] for account_id, balances in by_account.items() if account_id not in read.unreadable]

    def keep() -> object:
        keys = account_keys(client.environment, ids)
        reading = ReadStamp(client.environment, read.read_at, Source.CONFIRM)
        return store_cash(keys, dollars, reading, unreadable=read.odd)

    observed = {each.account_id: cash_state(each) for each in dollars}
    return reading_of(client, read, observed=observed, keep=keep)


def interpret_cash(*, before: State, after: State, observed: State) -> Finding:
    """Say by a balance whether a call that was to change it by `cash_change_usd` had its effect.

    Trading moves it too, and the week's realised profit by the same amount. It is not documented that a changed balance leaves
    that profit as it is [?]: if trading and the call each explain the figures on their own, neither is proven.
    """
    was, now, change = CashState.from_json(before), CashState.from_json(observed), CashAfter.from_json(after).cash_change_usd
    moved, traded = now.amount_usd - was.amount_usd, _traded(was, now)
    if traded is None and was.week_realized_pnl_usd is not None:
        return Finding.ELSEWHERE if moved else Finding.NOT_APPLIED  # whether it was traded is no longer known
    if not traded:
        return Finding.APPLIED if moved == change else Finding.ELSEWHERE if moved else Finding.NOT_APPLIED
    unexplained = moved - traded
    if moved in {change, Decimal(0)} and unexplained in {change, Decimal(0)}:
        # Trading alone explains the balance as well as the call does, to the cent: these figures don't show which it was.
        return Finding.ELSEWHERE
    if change == unexplained:
        return Finding.APPLIED
    return Finding.ELSEWHERE if moved and unexplained else Finding.NOT_APPLIED


def cash_doubt(*, before: State, after: State, observed: State) -> str:
    """Return in words why a balance proves neither that a call changed it nor that it did not."""
    was, now = CashState.from_json(before), CashState.from_json(observed)
    called = usd_words(CashAfter.from_json(after).cash_change_usd, always_signed=True)
    moved = usd_words(now.amount_usd - was.amount_usd, always_signed=True)
    traded = usd_words(_traded(was, now), always_signed=True)
    return (
        f"The call was for {called}, the balance moved by {moved}, and trading realised {traded} meanwhile: "
        "these figures don't prove whether it was carried out"
    )


def _traded(was: CashState, now: CashState) -> Decimal | None:
    """Return what trading has realised in between; None if that is not known."""
    before, after = was.week_realized_pnl_usd, now.week_realized_pnl_usd
    return None if before is None or after is None else after - before
