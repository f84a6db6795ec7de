"""The audit page's filters: parameters of its address, so that each view of the trail has its own."""

from typing import Any, Final

import django_filters
from django import forms
from django.core.validators import RegexValidator
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact

from riskadmin.audit import queries
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ENVIRONMENT_WORDS
from riskadmin.tradovate.reading import INTEGER_MAX
from riskadmin.web.lists.filters import Choices, ListFilters, NumberFilter, SelectFilter
from riskadmin.web.local_time import LocalTimeField
from riskadmin.web.visible import isolated

Events = QuerySet[Event]

# The first part of a tag, in words. Filtering by it selects all tags that begin with it.
SUBJECT_WORDS: Final[dict[str, str]] = {
    "change": "Changes",
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
    "operations": "Backups",
}
SYSTEM: Final = "system"
BIGGEST_ID: Final = INTEGER_MAX


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
        return cleaned


def _people() -> Choices:
    named = ((str(staff_id), isolated(name)) for staff_id, name in queries.people())
    return [("", "Everyone"), *named, (SYSTEM, "riskadmin, or not signed in")]


class EventFilters(ListFilters):
    """Each is a parameter of the page's address. From is included in the time range, Before is not."""

    what = SelectFilter(label="What", method="of_tags", choices=lambda: [("", "Everything"), *_kinds()])
    person = SelectFilter(label="Who", method="of_person")
    account = django_filters.CharFilter(
        label="Account",
        method="of_account",
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
    environment = SelectFilter(label="Environment", choices=[("", "Both"), *ENVIRONMENT_WORDS.items()])
    since = MomentFilter(label="From", field_name="occurred_at", lookup_expr="gte", has_seconds=True)
    before = MomentFilter(label="Before", field_name="occurred_at", lookup_expr="lt", has_seconds=True)
    request = django_filters.CharFilter(  # type: ignore[assignment]  # not an attribute: the metaclass takes filters out
        label="Request",
        field_name="request_id",
        validators=[RegexValidator(r"\A[0-9a-f]{32}\Z", "A request id has 32 digits from 0 to f.")],
        widget=forms.TextInput(attrs={"size": 12}),
    )

    choices_read = {"person": _people}

    class Meta:
        model = Event
        fields: list[str] = []
        form = EventFilterForm

    def of_tags(self, events: Events, _: str, what: str) -> Events:
        """Return the events of one tag, or of all tags of a subject."""
        tags = [tag.value for tag in Tag if what in {tag.value, subject_of(tag)}]
        # An equality keeps the index's order, a list of one may not.
        return events.filter(tag=tags[0]) if len(tags) == 1 else events.filter(tag__in=tags)

    def of_person(self, events: Events, _: str, person: str) -> Events:
        """Return what one person did, or what riskadmin itself or someone not signed in did."""
        return events.filter(staff_id=None) if person == SYSTEM else events.filter(staff_id=int(person))

    def of_account(self, events: Events, _: str, account: str) -> Events:
        """Return the events of the account with this number or whole name. A live account's name may be a number too."""
        named = Q(Exact(Upper("account_name"), Upper(Value(account))))
        is_number = account.isdecimal() and int(account) <= BIGGEST_ID
        return events.filter(named | Q(account_id=int(account)) if is_number else named)


def _kinds() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of tags. Each begins with the choice of the whole group."""
    return [
        (
            words,
            [(subject, f"{words}: all"), *((tag.value, tag.label) for tag in Tag if subject_of(tag) == subject)],
        )
        for subject, words in SUBJECT_WORDS.items()
    ]
