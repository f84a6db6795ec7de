"""The audit page's filters: parameters of its address, so that each view of the trail has its own."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, cast

import django_filters
from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact
from django.utils import timezone

from riskadmin.audit import queries
from riskadmin.audit.folding import FOLDED, UNFOLDED
from riskadmin.audit.models import OUTCOME, TICKET, Event
from riskadmin.audit.tags import Tag
from riskadmin.audit.touched import AT_MOST, Subject, Touched, touched
from riskadmin.audit.wording import ENVIRONMENT_WORDS, REASON_WORDS, states_of
from riskadmin.tradovate.reading import INTEGER_MAX
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment
from riskadmin.web.lists.filters import CheckFilter, Choices, ListFilters, NumberFilter, SelectFilter
from riskadmin.web.local_time import LocalTimeField
from riskadmin.web.visible import isolated

Events = QuerySet[Event]

# The first part of a tag, in words. Filtering by it selects all tags that begin with it.
SUBJECT_WORDS: Final[dict[str, str]] = {
    "change": "Changes",
    "preview": "Previews of changes",
    "item": "Accounts in a change",
    "account": "Notes about accounts",
    "outside": "Changes outside riskadmin",
    "reason": "Reasons of the firm",
    "template": "Limit templates",
    "category": "Risk category",
    "policy": "Policy",
    "mirror": "Mirror of Tradovate",
    "staff": "People and sign-in",
    "duty": "Duty and stand-ins",
    "command": "Commands on the server",
    "notification": "Notifications",
    "api": "Connection to Tradovate",
    "proof": "Proof and exports of the trail",
    "operations": "Backups and starts",
}
SYSTEM: Final = "system"
BIGGEST_ID: Final = INTEGER_MAX

PERIODS: Final = {"7": "Last 7 days", "30": "Last 30 days"}
TEXT_DAYS: Final = 93
"""The longest time that is searched for a text: no index finds one within texts."""

REQUESTED: Final = (Tag.CHANGE_SUBMITTED.value, Tag.TEMPLATE_PROPOSED.value, Tag.POLICY_PROPOSED.value)
DECIDED: Final = (
    *(Tag.CHANGE_APPROVED.value, Tag.CHANGE_REJECTED.value, Tag.CHANGE_EDITS_REQUESTED.value, Tag.CHANGE_RUN_ALONE.value),
    *(Tag.TEMPLATE_APPROVED.value, Tag.TEMPLATE_REJECTED.value, Tag.POLICY_APPROVED.value, Tag.POLICY_REJECTED.value),
)
PARTS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "": ("Did it", ()),
    "requester": ("Requested the change", REQUESTED),
    "approver": ("Decided about the change", DECIDED),
}
"""What a person has to do with an event: the words, and the tags of the events that make them that of a change."""


def subject_of(tag: str) -> str:
    """Return the first part of a tag."""
    return tag.partition(":")[0]


class MomentFilter(django_filters.Filter):
    """A time, compared with an event's."""

    field_class = LocalTimeField


class EventFilterForm(forms.Form):
    """The filters together."""

    def clean(self) -> dict[str, Any]:
        """Refuse an empty time range."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, before = cleaned.get("since"), cleaned.get("before")
        if since and before and since >= before:
            self.add_error("before", "This must be later than the time in From.")
        if cleaned.get("part") and not (cleaned.get("person") or "").isdecimal():
            self.add_error("person", "Choose a person, whose changes are then listed.")
        if cleaned.get("text") and not self._is_short(cleaned):
            self.add_error("text", f"A text is searched for in {TEXT_DAYS} days at most. Choose a period, or From and Before.")
        return cleaned

    @staticmethod
    def _is_short(cleaned: dict[str, Any]) -> bool:
        since, before = cleaned.get("since"), cleaned.get("before") or timezone.now()
        return bool(cleaned.get("last")) or bool(since and before - since <= timedelta(days=TEXT_DAYS))


def _people() -> Choices:
    named = ((str(staff_id), isolated(name)) for staff_id, name in queries.people())
    return [("", "Everyone"), *named, (SYSTEM, "riskadmin, or not signed in")]


class EventFilters(ListFilters):
    """Each is a parameter of the page's address. From is included in the time range, Before is not.

    Unless the filters ask for something that only they say, events of single items are folded into their change.
    """

    last = SelectFilter(label="Period", method="of_period", choices=[("", "Any"), *PERIODS.items()])
    what = SelectFilter(label="What", method="of_tags", choices=lambda: [("", "Everything"), *_kinds()])
    person = SelectFilter(label="Who", method="of_person")
    part = SelectFilter(label="As", method="as_is", choices=[(part, words) for part, (words, _) in PARTS.items()])
    account = django_filters.CharFilter(
        label="Account",
        method="of_account",
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "Number or whole name", "size": 18}),
    )
    trader = django_filters.CharFilter(
        label="Trader",
        method="of_trader",
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "Number or whole name", "size": 18}),
    )
    change = NumberFilter(
        label="Change",
        field_name="change_id",
        min_value=1,
        max_value=BIGGEST_ID,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "size": 8}),
    )
    reason = SelectFilter(label="Reason", field_name="reason_code", choices=[("", "Any"), *REASON_WORDS.items()])
    ticket = django_filters.CharFilter(
        label="Ticket", method="of_ticket", max_length=64, widget=forms.TextInput(attrs={"size": 10})
    )
    outcome = SelectFilter(label="Outcome", method="of_outcome", choices=lambda: [("", "Any"), *states_of("item")])
    text = django_filters.CharFilter(
        label="Text",
        method="with_text",
        min_length=3,
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "In reasons and comments", "size": 18}),
    )
    environment = SelectFilter(label="Environment", choices=[("", "Both"), *ENVIRONMENT_WORDS.items()])
    since = MomentFilter(label="From", field_name="occurred_at", lookup_expr="gte", has_seconds=True)
    before = MomentFilter(label="Before", field_name="occurred_at", lookup_expr="lt", has_seconds=True)
    request = django_filters.CharFilter(  # type: ignore[assignment]  # not an attribute: the metaclass takes filters out
        label="Request",
        field_name="request_id",
        validators=[RegexValidator(r"\A[0-9a-f]{32}\Z", "A request id has 32 digits from 0 to f.")],
        widget=forms.TextInput(attrs={"size": 12}),
    )
    every = CheckFilter(label="Every event", method="as_is")

    choices_read = {"person": _people}

    is_cut = False
    """Whether a filter considered the newest changes only, as there are too many."""

    class Meta:
        model = Event
        fields: list[str] = []
        form = EventFilterForm

    def filter_queryset(self, queryset: Events) -> Events:
        """Return the events that match, folded."""
        found: Events = super().filter_queryset(queryset)
        return found.filter(UNFOLDED) if self.is_valid() and self.folds else found

    @property
    def folds(self) -> bool:
        """Whether events of single items are left out. Valid filters only."""
        said = self.form.cleaned_data
        unfolding = ("every", "account", "trader", "request", "outcome")
        is_of_items = said.get("what") == "item" or said.get("what") in FOLDED
        return not is_of_items and not any(said.get(name) for name in unfolding)

    def in_words(self) -> str:
        """Return what a valid form filters by, in words."""
        said = []
        for name, field in self.form.fields.items():
            value = self.form.cleaned_data.get(name)
            if value in (None, "", False):
                continue
            words = (
                dict(_flat(cast(Iterable[Any], field.choices))).get(value, value)
                if isinstance(field, forms.ChoiceField)
                else value
            )
            said.append(f"{field.label}: {_in_words(words)}")
        return "; ".join(said) or "none"

    def as_is(self, events: Events, _: str, __: object) -> Events:
        """Return the same events: another filter reads this one."""
        return events

    def of_period(self, events: Events, _: str, days: str) -> Events:
        """Return the events of the last days."""
        return events.filter(occurred_at__gte=timezone.now() - timedelta(days=int(days)))

    def of_tags(self, events: Events, _: str, what: str) -> Events:
        """Return the events of one tag, or of all tags of a subject."""
        tags = [tag.value for tag in Tag if what in {tag.value, subject_of(tag)}]
        # An equality keeps the index's order, a list of one may not.
        return events.filter(tag=tags[0]) if len(tags) == 1 else events.filter(tag__in=tags)

    def of_person(self, events: Events, _: str, person: str) -> Events:
        """Return what one person did, or what happened to the changes that they requested or decided about."""
        part = self.form.cleaned_data.get("part")
        if not part:
            return events.filter(staff_id=None) if person == SYSTEM else events.filter(staff_id=int(person))
        of_part = Event.objects.filter(UNFOLDED, staff_id=int(person), tag__in=PARTS[part][1])
        changes = of_part.filter(change_id__isnull=False).order_by("-occurred_at", "-id").values_list("change_id", flat=True)
        return events.filter(Q(change_id__in=self._newest(changes)) | Q(pk__in=of_part.filter(change_id=None).values("pk")))

    def of_account(self, events: Events, _: str, account: str) -> Events:
        """Return the events of the account with this number or whole name, and of the changes that it is part of.

        A live account's name may be a number too.
        """
        named = Q(Exact(Upper("account_name"), Upper(Value(account))))
        is_number = account.isdecimal() and int(account) <= BIGGEST_ID
        return events.filter((named | Q(account_id=int(account)) if is_number else named) | self._of("account", account))

    def of_trader(self, events: Events, _: str, trader: str) -> Events:
        """Return the events of a trader, of the trader's accounts, and of the changes that they are part of."""
        named = Q(Exact(Upper("account_name"), Upper(Value(trader))), account_id=None)
        return events.filter(named | self._of("trader", trader))

    def of_ticket(self, events: Events, _: str, ticket: str) -> Events:
        """Return the events of the changes that name a ticket."""
        naming = Event.objects.filter(UNFOLDED, Exact(TICKET, Upper(Value(ticket))), tag=Tag.CHANGE_SUBMITTED)
        return events.filter(change_id__in=self._newest(naming.order_by("-change_id").values_list("change_id", flat=True)))

    def of_outcome(self, events: Events, _: str, outcome: str) -> Events:
        """Return the events that settled an item's outcome as this one."""
        return events.filter(Exact(OUTCOME, Value(outcome)), tag=Tag.ITEM_SETTLED)

    def with_text(self, events: Events, _: str, text: str) -> Events:
        """Return the events whose reason or comment contains a text."""
        fields = ("reason_text", "detail__comment", "detail__firm_reason", "detail__text")
        either = Q()
        for field in fields:
            either |= Q(**{f"{field}__icontains": text})
        return events.filter(either)

    def _of(self, subject: Subject, text: str) -> Q:
        """Return the condition on events of the changes that an account or trader is part of, and of the trader's accounts."""
        found: Touched = touched(subject, text)
        self.is_cut = self.is_cut or found.is_cut
        condition = Q(change_id__in=found.changes, item_id=None) & (Q(call_id=None) | Q(call_id__in=found.calls))
        if subject == "trader":
            for environment in ENVIRONMENT_WORDS:
                numbers = [number for where, number in found.accounts if where == environment]
                condition |= Q(environment=environment, account_id__in=numbers)
        return condition

    def _newest(self, changes: "QuerySet[Event, Any]") -> list[int]:
        found = list(dict.fromkeys(changes[: AT_MOST + 1]))
        self.is_cut = self.is_cut or len(found) > AT_MOST
        return found[:AT_MOST]


def _flat(choices: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Return choices without their groups."""
    for value, words in choices:
        if isinstance(words, list | tuple):
            yield from _flat(words)
        else:
            yield value, words


def _in_words(value: object) -> str:
    if isinstance(value, datetime):
        return moment(value, display_zone())
    return "yes" if value is True else str(value)


def _kinds() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of tags. Each begins with the choice of the whole group."""
    return [
        (
            words,
            [(subject, f"{words}: all"), *((tag.value, tag.label) for tag in Tag if subject_of(tag) == subject)],
        )
        for subject, words in SUBJECT_WORDS.items()
    ]
