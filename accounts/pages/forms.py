"""The filters of the accounts page, and the form for notes on an account's page."""

from uuid import uuid4

from django import forms
from django.http import QueryDict

from accounts.models import AccountNote, EnvironmentChoice
from accounts.models.status import AccountStatus
from accounts.pages.queries import Attention, Filters, categories
from riskadmin.web.fields import LinesField


class FilterForm(forms.Form):
    """The filters of the list; each field is a parameter of the page's URL."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, Tradovate id, trader or e-mail"}),
    )
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *EnvironmentChoice.choices])
    standing = forms.ChoiceField(label="Standing", required=False, choices=[("", "Any"), *AccountStatus.choices])
    category = forms.TypedChoiceField(label="Risk category", required=False, coerce=int, empty_value=None)
    attention = forms.ChoiceField(label="Needs attention", required=False, choices=[("", "All accounts"), *Attention.choices])

    def __init__(self, data: QueryDict) -> None:
        """Offer the existing risk categories; one query."""
        super().__init__(data)
        category = self.fields["category"]
        assert isinstance(category, forms.TypedChoiceField)  # noqa: S101  (declared above; for mypy)
        category.choices = [
            ("", "Any"),
            *((each.pk, f"{each.name} ({EnvironmentChoice(each.environment).label})") for each in categories()),
        ]

    def filters(self) -> Filters:
        """The filters of a valid form."""
        return Filters(
            search=self.cleaned_data["q"],
            environment=self.cleaned_data["environment"],
            standing=self.cleaned_data["standing"],
            category_id=self.cleaned_data["category"],
            attention=self.cleaned_data["attention"],
        )


class NoteForm(forms.Form):
    """A note about an account, with its one-time key."""

    text = LinesField(
        label="New note",
        max_length=AccountNote.TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="Everybody who may see the account reads it. It can't be altered or removed.",
    )
    form_key = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def fresh(cls) -> "NoteForm":
        """Return an empty form with a new one-time key."""
        return cls(initial={"form_key": uuid4()})
