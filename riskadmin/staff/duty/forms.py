"""The forms of the duty page."""

from datetime import timedelta
from typing import Any, Final, cast

from django import forms
from django.utils import timezone

from riskadmin.staff.duty.models import Delegation, Weekday
from riskadmin.staff.models import Staff
from riskadmin.web.local_time import LocalTimeField

LONGEST: Final = timedelta(days=90)


class _ClockField(forms.TimeField):
    """A time of day."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TimeInput({"type": "time"}, format="%H:%M"), **kwargs)


class PersonField(forms.ModelChoiceField):  # type: ignore[type-arg]  # it has no parameters when the module is run
    """A choice of people, by name."""

    def label_from_instance(self, obj: Staff) -> str:
        """Return the name that pages show."""
        return obj.display_name


class HoursForm(forms.Form):
    """Hours of every week in which a person is on duty."""

    person = PersonField(label="Person", queryset=Staff.objects.none())
    weekdays = forms.TypedMultipleChoiceField(
        label="Days", choices=Weekday.choices, coerce=int, widget=forms.CheckboxSelectMultiple
    )
    begins = _ClockField(label="From")
    ends = _ClockField(label="To", help_text="At or before “From”: on the next day.")

    def __init__(self, *args: Any, people: list[Staff], **kwargs: Any) -> None:
        """Take the people whose hours may be edited."""
        super().__init__(*args, **kwargs)
        _offer(self, "person", people)


class DelegationForm(forms.Form):
    """Who stands in for whom, and how long."""

    person = PersonField(label="For", queryset=Staff.objects.none())
    stand_in = PersonField(label="Stands in", queryset=Staff.objects.none())
    begins_at = LocalTimeField(label="Since", required=False, help_text="Left empty: now.")
    ends_at = LocalTimeField(label="Until")
    note = forms.CharField(label="Why", required=False, max_length=Delegation.NOTE_MAX)

    def __init__(self, *args: Any, people: list[Staff], alternatives: list[Staff], **kwargs: Any) -> None:
        """Take the people whose delegations may be edited, and those who can stand in."""
        super().__init__(*args, **kwargs)
        _offer(self, "person", people)
        own = people[0] if len(people) == 1 else None
        _offer(self, "stand_in", [each for each in alternatives if each != own])

    def clean(self) -> dict[str, Any]:
        """Refuse times that are over or far ahead, and a person who stands in for themselves."""
        cleaned, now = super().clean() or self.cleaned_data, timezone.now()
        if "begins_at" in self.errors:
            return cleaned
        begins_at, ends_at = cleaned.get("begins_at") or now, cleaned.get("ends_at")
        cleaned["begins_at"] = begins_at
        if ends_at and ends_at <= max(begins_at, now):
            self.add_error("ends_at", "That is over already." if ends_at <= now else "That is before it begins.")
        elif ends_at and ends_at > max(begins_at, now) + LONGEST:
            self.add_error("ends_at", f"That is more than {LONGEST.days} days. Make another one when this one ends.")
        if cleaned.get("person") and cleaned.get("person") == cleaned.get("stand_in"):
            self.add_error("stand_in", "Choose another person.")
        return cleaned


def _offer(form: forms.Form, name: str, people: list[Staff]) -> None:
    field = cast(PersonField, form.fields[name])
    field.queryset = Staff.objects.filter(pk__in=[person.pk for person in people]).order_by("username")
    if len(people) == 1 and name == "person":
        field.initial, field.widget = people[0].pk, forms.HiddenInput()
