"""Switch the risk category: up to 10,000 accounts in one call to switchriskcategory.

Source: seed "Switch Risk Category". Accounts that are in the category already are skipped silently; one unknown id refuses the
whole call with HTTP 404, which does not say which one (assumed all or nothing). It exists on demo and live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Final

from django import forms
from django.db.models import QuerySet

from accounts.access.queries import visible_categories
from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip, Unread
from accounts.changes.kinds.spec import KindSpec
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.stored_form import UNSET, StoredForm, Unset
from accounts.changes.kinds.units import AccountKind, held, open_positions, reading_of, with_held
from accounts.changes.states import Direction
from accounts.models import Account, RiskCategory, Source
from accounts.sync.actions import Part
from accounts.sync.complete import Read
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import store_accounts, store_categories, unknown_categories
from riskadmin.staff.models import Staff
from riskadmin.tradovate import entities
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNTS_BY_ID, SWITCH_RISK_CATEGORY
from riskadmin.tradovate.errors import TradovateError
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment

HALTS: Final = "halts"
"""The parameter of a switch that is made at once, because the category was marked as halting when it was requested."""

HALTING: Final = "halting"
"""What an item's intended state says if it crosses the line: "into" a halting category, or "out of" one."""


@dataclass(frozen=True, kw_only=True)
class CategoryState(StoredForm):
    """Tradovate's number of the risk category that an account is in, if it is in one."""

    category_id: int | None


@dataclass(frozen=True, kw_only=True)
class HaltedState(CategoryState):
    """The same for a switch into a halting category, with the number of open positions; None if they were never read."""

    open_positions: int | None


@dataclass(frozen=True, kw_only=True)
class CategoryAfter(StoredForm):
    """The category that is sent; its name, and that of the one before, are for people."""

    category_id: int
    category: str
    was: str
    halting: str | Unset = UNSET


@dataclass(frozen=True, kw_only=True)
class CategoryParameters(StoredForm):
    """The category: Tradovate's number of it, its name and its environment."""

    id: int
    name: str
    environment: str
    halts: bool | Unset = UNSET


CATEGORY_OUTSIDE: Final = "The new risk category is not within the requester's access"


class CategoryField(forms.ModelChoiceField):  # type: ignore[type-arg]  # takes none where it runs
    """A choice of category. Names may exist in both environments: each shows its own, unless all categories are of one."""

    is_of_one_environment = False

    def label_from_instance(self, obj: RiskCategory) -> str:
        """Return a category's name in the choice."""
        return obj.label if self.is_of_one_environment else f"{obj.label} ({obj.get_environment_display()})"


class CategoryForm(forms.Form):
    """The category that the accounts are switched to."""

    category = CategoryField(
        RiskCategory.objects.order_by("name", "pk"),
        label="Risk category",
        empty_label="Choose a category",
        error_messages={
            "invalid_choice": "Choose one of these categories: accounts can only be in one of their own environment."
        },
        help_text="Tradovate's Eval Support makes categories; they are listed as they were last read.",
    )
    at_once = forms.BooleanField(
        label="If it is halting: at once, and only accounts without open positions",
        required=False,
        initial=True,
        help_text="Accounts with open positions may be liquidated: clear this to request the switch of all, with approvals.",
    )


class SwitchRiskCategory(AccountKind):
    """The pre-trade profile (lots, allowed products) that applies to an account's orders."""

    spec = KindSpec(
        name="risk_category",
        verb="Switch the risk category of",
        action_label="Risk category",
        effect="Moves the accounts into another risk category: other lots and products are allowed, at once.",
        warning=(
            "Tradovate checks open positions again when the category changes, and may liquidate them: switch outside of "
            "trading hours, or accounts without open positions."
        ),
        direction=Direction.LOOSENING,
        environments=frozenset({Environment.DEMO, Environment.LIVE}),
        icon="switch-horizontal",
        permission="ask to switch risk categories",
        alternative="lock",
        recorded={HALTING: "Halting category"},
    )
    endpoints = (SWITCH_RISK_CATEGORY,)
    reads = (ACCOUNTS_BY_ID,)
    batch_size = 10_000
    parts = frozenset({Part.ACCOUNT, Part.POSITIONS})
    parameters_form = CategoryForm
    parameters_type = CategoryParameters
    state_type: ClassVar[type[CategoryState]] = CategoryState
    after_type = CategoryAfter
    takes_own_parameters = False  # a call names one category

    def form(self, environment: Environment, *, viewer: Staff | None = None, **given: Any) -> CategoryForm:
        form = CategoryForm(**given)
        category = form.fields["category"]
        assert isinstance(category, CategoryField)  # noqa: S101  (declared above; for mypy)
        category.is_of_one_environment = True
        found = RiskCategory.objects.filter(environment=environment.value).order_by("name", "pk")
        category.queryset = visible_categories(found, viewer)
        return form

    def out_of_reach(self, environment: Environment, parameters: State, requester: Staff) -> str:
        named = RiskCategory.objects.filter(environment=environment.value, tradovate_id=parameters.get("id", 0))
        return "" if visible_categories(named, requester).exists() else CATEGORY_OUTSIDE

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        category: RiskCategory = cleaned["category"]
        chosen = CategoryParameters(id=category.tradovate_id, name=category.name, environment=category.environment)
        halts = category.is_halting and bool(cleaned.get("at_once"))
        return (replace(chosen, halts=True) if halts else chosen).to_json()

    def as_typed(self, parameters: State) -> dict[str, Any]:
        given = CategoryParameters.from_json(parameters)
        category = RiskCategory.objects.filter(environment=given.environment, tradovate_id=given.id).first()
        return {"category": category.pk if category else "", "at_once": "on" if given.halts is True else ""}

    def of(self, parameters: State) -> "SwitchRiskCategory":
        return self._to_halting if parameters.get(HALTS) else self

    @cached_property
    def _to_halting(self) -> "SwitchRiskCategory":
        return SwitchToHalting()

    def subjects(self, environment: Environment, ids: Sequence[int]) -> dict[int, Account]:
        found = super().subjects(environment, ids)
        marked = RiskCategory.objects.filter(environment=environment.value, is_halting=True)
        halting = frozenset(marked.values_list("tradovate_id", flat=True))
        for account in found.values():
            account.halting_categories = halting  # type: ignore[attr-defined]  # for `plan`, which asks nothing
        return found

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        wanted = CategoryParameters.from_json(parameters)
        return (("Risk category", f"{wanted.name} (halting)" if wanted.halts else wanted.name),)

    def is_resend_safe(self, step: int) -> bool:
        return True

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        # In a separate query: the categories are few, and each is read once.
        return with_held(super().mirrored(accounts).prefetch_related("risk_category"))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return subject.fresh_at, subject.positions_read_at

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.fresh_at

    def mirrored_state(self, subject: Account) -> CategoryState:
        category = subject.risk_category
        return CategoryState(category_id=category.tradovate_id if category else None)

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.mirrored_state(subject)
        wanted = CategoryParameters.from_json(parameters) if CategoryParameters.fits(parameters) else None
        if wanted is None or wanted.environment != subject.environment:
            return Skip(reason="The category is one of the other environment", before=before.to_json())
        if before.category_id == wanted.id and not (contested and self.is_protective):
            return Skip(reason="Already in this category", before=before.to_json())
        positions = len(held(subject))
        warnings = (f"{positions} open position{'' if positions == 1 else 's'}: may be liquidated",) if positions else ()
        was = subject.risk_category.name if subject.risk_category else ""
        after = CategoryAfter(category_id=wanted.id, category=wanted.name, was=was)
        halting = _halting(subject)
        goes_in, comes_out = wanted.id in halting, before.category_id in halting
        if goes_in != comes_out:
            after = replace(after, halting="into" if goes_in else "out of")
        effects = TargetEffects(
            direction=EffectDirection.of((_direction(after),)),
            liquidation=Liquidation.NO if open_positions(subject) == 0 else Liquidation.POSSIBLE,
            open_positions=open_positions(subject),
        )
        return Planned(
            before=before.to_json(), after=after.to_json(), effects=effects, warnings=warnings, weight=float(positions)
        )

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        was, becomes = (_number(CategoryState.from_json(state).category_id) for state in (before, after))
        direction = ""
        if CategoryAfter.fits(after):
            named = CategoryAfter.from_json(after)
            was, becomes = named.was or was, named.category or becomes
            direction = _direction(named)
        return (Difference(label="Risk category", before=was, after=becomes, direction=direction),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        reply = client.switch_risk_category(
            permit=order.permit,
            account_ids=[target.id for target in order.targets],
            risk_category_id=CategoryAfter.from_json(order.targets[0].after).category_id,
            ticket=order.ticket,
        )
        return reply.http_record

    def read(self, client: Client, ids: Sequence[int]) -> Reading:
        reader = Reader(client)
        read = reader.accounts(ids)
        categories, unread = _new_categories(reader, read)

        def keep() -> None:
            if categories is not None:
                at = ReadStamp(client.environment, categories.read_at, Source.CONFIRM)
                store_categories(categories.found, at, unreadable=categories.odd)
            at = ReadStamp(client.environment, read.read_at, Source.CONFIRM)
            store_accounts(read.found, at, unreadable=read.odd)

        observed = {account.id: CategoryState(category_id=account.risk_category_id) for account in read.found}
        reading = reading_of(client, read, observed=observed, keep=keep)
        return replace(reading, unread={**reading.unread, **unread})

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        # Only the number is compared: the names next to it are for people.
        was, intended, now = (CategoryState.from_json(state).category_id for state in (before, after, observed))
        if now == intended:
            return Finding.UNCHANGED if now == was else Finding.APPLIED
        return Finding.NOT_APPLIED if now == was else Finding.ELSEWHERE

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = CategoryState.from_json(done.before).category_id
        if was is None:
            return Irreversible(reason="It was in no risk category before, and a switch always leads into one")
        name = CategoryAfter.from_json(done.after).was or _number(was)
        back = CategoryParameters(id=was, name=name, environment=done.environment)
        return Inverse(kind_name=self.name, parameters=back.to_json())

    def unchanged_since(self, done: Done, now: State) -> bool:
        return CategoryState.from_json(now).category_id == CategoryAfter.from_json(done.after).category_id


class SwitchToHalting(SwitchRiskCategory):
    """A switch of accounts without open positions into a halting category: like a lock, at once, held up by nothing pending.

    Accounts with open positions are left out, because they may be liquidated: their switch needs its own request and approvals.
    So is every account once the category is no longer marked as halting.
    """

    spec = replace(
        SwitchRiskCategory.spec,
        effect="Moves accounts without open positions into a halting category: every order is refused, at once.",
        warning="",
        direction=Direction.PROTECTIVE,
    )
    urgent_up_to = 20_000
    state_type: ClassVar[type[CategoryState]] = HaltedState

    def of(self, parameters: State) -> SwitchRiskCategory:
        return self

    def mirrored_state(self, subject: Account) -> HaltedState:
        # One that is scheduled is set aside if the account has opened a position since.
        return HaltedState(category_id=super().mirrored_state(subject).category_id, open_positions=open_positions(subject))

    def requires_unchanged_state(self, step: int) -> bool:
        return False  # it is wanted, whatever category the account is in meanwhile

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before, wanted = self.mirrored_state(subject), CategoryParameters.from_json(parameters)
        reason = ""
        if wanted.id not in _halting(subject):
            reason = "The category is no longer marked as halting: request the switch again"
        elif before.open_positions is None:
            reason = "Its positions were never read: read the account first"
        elif before.open_positions:
            reason = "Holds open positions and may be liquidated: request its switch by itself, with approvals"
        if reason:
            return Skip(reason=reason, before=before.to_json())
        return super().plan(subject, parameters=parameters, contested=contested)


def _direction(after: CategoryAfter) -> str:
    """Return "tighter" into a halting category, "looser" out of one; of two that allow orders, it is not known here."""
    return {"into": "tighter", "out of": "looser"}.get(after.halting or "", "")


def _halting(subject: Account) -> frozenset[int]:
    """Return the halting categories of an account's environment, as `subjects` has read them."""
    marked: frozenset[int] = getattr(subject, "halting_categories", frozenset())
    return marked


def _new_categories(
    reader: Reader, read: Read[entities.Account]
) -> tuple[Read[entities.RiskCategory] | None, dict[int, Unread]]:
    """Read the categories if an account has one new to the mirror; otherwise it would be stored without a category.

    If that fails, none of these accounts counts as read, and the mirror keeps what it had: return why, by account.
    """
    unknown = unknown_categories(reader.client.environment, read.found)
    if not unknown:
        return None, {}
    try:
        return reader.categories(), {}
    except TradovateError as error:
        why = Unread(why=f"It is in a new risk category, and the categories could not be read: {error.message}")
    unread = {account.id: why for account in read.found if account.risk_category_id in unknown}
    read.found = [account for account in read.found if account.id not in unread]
    read.reported -= unread.keys()
    return None, unread


def _number(category_id: object) -> str:
    return "none" if category_id is None else f"number {category_id}"
