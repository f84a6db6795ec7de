"""The audit page's filters: a GET form, so that each view of the trail has its own address."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator

from riskadmin.audit.queries import Filters
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ENVIRONMENT_WORDS
from riskadmin.web.clock import display_zone

# The first part of a tag, in words. Filtering by it selects all tags that begin with it.
SUBJECT_WORDS: Final[dict[str, str]] = {
    "change": "Changes",
    "item": "Accounts in a change",
    "account": "Notes about accounts",
    "outside": "Changes outside riskadmin",
    "template": "Limit templates",
    "mirror": "Mirror of Tradovate",
    "staff": "People and sign-in",
    "api": "Connection to Tradovate",
}
SYSTEM: Final = "system"
BIGGEST_ID: Final = 2**63 - 1


def subject_of(tag: str) -> str:
    """Return the first part of a tag."""
    return tag.partition(":")[0]


class MomentField(forms.DateTimeField):
    """A time without a zone, interpreted in the zone in which pages show times."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S")
    default_error_messages = {"invalid": "Enter a date and a time, such as 2026-11-21 14:03."}

    def to_python(self, value: Any) -> datetime | None:
        """Return the aware time."""
        at = super().to_python(value)
        return None if at is None else at.replace(tzinfo=display_zone())


class FilterForm(forms.Form):
    """Every field may be empty. `people` are the (id, name) pairs of the people named in the trail."""

    what = forms.ChoiceField(label="What", required=False, choices=lambda: [("", "Everything"), *_kinds()])
    person = forms.ChoiceField(label="Who", required=False)
    account = forms.CharField(
        label="Account",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "Number or whole name", "size": 18}),
    )
    change = forms.IntegerField(
        label="Change",
        required=False,
        min_value=1,
        max_value=BIGGEST_ID,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "size": 8}),
    )
    environment = forms.ChoiceField(
        label="Environment", required=False, choices=[("", "Both"), *((key, word) for key, word in ENVIRONMENT_WORDS.items())]
    )
    since = MomentField(label="From", required=False)
    before = MomentField(label="Before", required=False)
    request = forms.CharField(
        label="Request",
        required=False,
        validators=[RegexValidator(r"\A[0-9a-f]{32}\Z", "A request id has 32 digits from 0 to f.")],
    )

    def __init__(self, *args: Any, people: list[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        person = self.fields["person"]
        if isinstance(person, forms.ChoiceField):
            named = [(str(staff_id), name) for staff_id, name in people]
            person.choices = [("", "Everyone"), *named, (SYSTEM, "riskadmin, or not signed in")]
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
            if name in self.errors:
                field.widget.attrs["aria-describedby"] = f"{self[name].auto_id}_error"

    def clean(self) -> dict[str, Any]:
        """Refuse an empty time range."""
        cleaned: dict[str, Any] = super().clean() or {}
        since, before = cleaned.get("since"), cleaned.get("before")
        if since and before and since >= before:
            self.add_error("before", "This must be later than the time in From.")
        return cleaned

    def filters(self) -> Filters:
        """Return the filters of a valid form."""
        chosen = self.cleaned_data
        person = chosen["person"]
        return Filters(
            tags=_tags(chosen["what"]),
            staff_id=int(person) if person and person != SYSTEM else None,
            by_system=person == SYSTEM,
            account=chosen["account"],
            change_id=chosen["change"],
            environment=chosen["environment"],
            since=chosen["since"],
            before=chosen["before"],
            request_id=chosen["request"],
        )


def _kinds() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the groups of tags. Each begins with the choice of the whole group."""
    return [
        (
            words,
            [(subject, f"{words}: all"), *((tag.value, tag.label) for tag in Tag if subject_of(tag) == subject)],
        )
        for subject, words in SUBJECT_WORDS.items()
    ]


def _tags(what: str) -> tuple[str, ...]:
    """Return the tags that a choice selects: one tag, or all tags of a subject."""
    return tuple(tag.value for tag in Tag if what in {tag.value, subject_of(tag)})
