"""Switch the risk category: up to 10,000 accounts in one call to switchriskcategory.

Source: seed "Switch Risk Category". Accounts that are in the category already are skipped silently; one unknown id refuses the
whole call with HTTP 404, which does not say which one (assumed all or nothing). It exists on demo and live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet

from accounts.changes.kinds.effects import EffectDirection, Liquidation, TargetEffects
from accounts.changes.kinds.kind import CallSpec, Done, Finding, Inverse, Irreversible, Planned, Reading, Skip, Unread
from accounts.changes.kinds.spec import KindSpec, supervised
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.units import AccountKind, held, open_positions, reading_of, with_held
from accounts.changes.states import Direction
from accounts.models import Account, RiskCategory, Source
from accounts.sync.actions import Part
from accounts.sync.complete import Read
from accounts.sync.mapping import ReadStamp
from accounts.sync.reads import Reader
from accounts.sync.store import store_accounts, store_categories, unknown_categories
from riskadmin.tradovate import entities
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ACCOUNTS_BY_ID, SWITCH_RISK_CATEGORY
from riskadmin.tradovate.errors import TradovateError
from riskadmin.tradovate.http_record import HttpRecord
from riskadmin.tradovate.vocabulary import Environment


class CategoryField(forms.ModelChoiceField):  # type: ignore[type-arg]  # takes none where it runs
    """A choice of category. Names may exist in both environments: each shows its own, unless all categories are of one."""

    is_of_one_environment = False

    def label_from_instance(self, obj: RiskCategory) -> str:
        """Return a category's name in the choice."""
        return obj.name if self.is_of_one_environment else f"{obj.name} ({obj.get_environment_display()})"


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
        policy=(
            supervised("Other lots and products; open positions may be liquidated."),
            supervised("So many at once need two supervisors.", at_least_items=1001, decisions_needed=2),
        ),
        alternative="lock",
    )
    endpoints = (SWITCH_RISK_CATEGORY,)
    reads = (ACCOUNTS_BY_ID,)
    batch_size = 10_000
    parts = frozenset({Part.ACCOUNT, Part.POSITIONS})
    parameters_form = CategoryForm
    takes_own_parameters = False  # a call names one category

    def form(self, environment: Environment, **given: Any) -> CategoryForm:
        form = CategoryForm(**given)
        category = form.fields["category"]
        assert isinstance(category, CategoryField)  # noqa: S101  (declared above; for mypy)
        category.is_of_one_environment = True
        category.queryset = RiskCategory.objects.filter(environment=environment.value).order_by("name", "pk")
        return form

    def parameters(self, cleaned: Mapping[str, Any]) -> State:
        category: RiskCategory = cleaned["category"]
        return {"id": category.tradovate_id, "name": category.name, "environment": category.environment}

    def parameter_words(self, parameters: State) -> tuple[tuple[str, str], ...]:
        return (("Risk category", parameters["name"]),)

    def is_resend_safe(self, step: int) -> bool:
        return True

    def mirrored(self, accounts: QuerySet[Account]) -> QuerySet[Account]:
        # In a separate query: the categories are few, and each is read once.
        return with_held(super().mirrored(accounts).prefetch_related("risk_category"))

    def readings(self, subject: Account) -> tuple[datetime | None, ...]:
        return subject.fresh_at, subject.positions_read_at

    def compared_at(self, subject: Account) -> datetime | None:
        return subject.fresh_at

    def state(self, subject: Account) -> State:
        category = subject.risk_category
        return {"category_id": category.tradovate_id if category else None}

    def plan(self, subject: Account, *, parameters: State, contested: bool) -> Planned | Skip:
        before = self.state(subject)
        if parameters.get("environment") != subject.environment:
            return Skip(reason="The category is one of the other environment", before=before)
        if before["category_id"] == parameters["id"]:
            return Skip(reason="Already in this category", before=before)
        positions = len(held(subject))
        warnings = (f"{positions} open position{'' if positions == 1 else 's'}: may be liquidated",) if positions else ()
        was = subject.risk_category.name if subject.risk_category else ""
        after = {"category_id": parameters["id"], "category": parameters["name"], "was": was}
        effects = TargetEffects(
            # It is not known here which of two categories allows more.
            direction=EffectDirection.NEITHER,
            liquidation=Liquidation.NO if open_positions(subject) == 0 else Liquidation.POSSIBLE,
            open_positions=open_positions(subject),
        )
        return Planned(before=before, after=after, effects=effects, warnings=warnings, weight=float(positions))

    def differences(self, before: State, after: State) -> tuple[Difference, ...]:
        was = after.get("was") or _number(before.get("category_id"))
        becomes = after.get("category") or _number(after.get("category_id"))
        return (Difference(label="Risk category", before=was, after=becomes),)

    def send(self, client: Client, order: CallSpec) -> HttpRecord:
        reply = client.switch_risk_category(
            permit=order.permit,
            account_ids=[target.id for target in order.targets],
            risk_category_id=order.targets[0].after["category_id"],
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

        observed = {account.id: {"category_id": account.risk_category_id} for account in read.found}
        reading = reading_of(client, read, observed=observed, keep=keep)
        return replace(reading, unread={**reading.unread, **unread})

    def interpret_read_back(self, *, before: State, after: State, observed: State, step: int) -> Finding:
        # Only the number is compared: the names next to it are for people.
        if observed["category_id"] == after["category_id"]:
            return Finding.UNCHANGED if observed["category_id"] == before["category_id"] else Finding.APPLIED
        return Finding.NOT_APPLIED if observed["category_id"] == before["category_id"] else Finding.ELSEWHERE

    def inverse(self, done: Done) -> Inverse | Irreversible:
        was = done.before["category_id"]
        if was is None:
            return Irreversible(reason="It was in no risk category before, and a switch always leads into one")
        name = done.after.get("was") or _number(was)
        return Inverse(kind_name=self.name, parameters={"id": was, "name": name, "environment": done.environment.value})

    def unchanged_since(self, done: Done, now: State) -> bool:
        return bool(now["category_id"] == done.after["category_id"])


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
