"""The filters of the accounts page."""

from django import forms
from django.http import QueryDict

from accounts.models import EnvironmentChoice
from accounts.queries import Attention, Filters, categories
from accounts.states import Standing


class FilterForm(forms.Form):
    """What the list is narrowed to; each field is a parameter of the page's address."""

    q = forms.CharField(
        label="Search",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Name, Tradovate id, trader or e-mail"}),
    )
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *EnvironmentChoice.choices])
    standing = forms.ChoiceField(label="Standing", required=False, choices=[("", "Any"), *Standing.choices])
    category = forms.TypedChoiceField(label="Risk category", required=False, coerce=int, empty_value=None)
    attention = forms.ChoiceField(label="Needs attention", required=False, choices=[("", "All accounts"), *Attention.choices])

    def __init__(self, data: QueryDict) -> None:
        """Offer the risk categories there are; one query."""
        super().__init__(data)
        category = self.fields["category"]
        assert isinstance(category, forms.TypedChoiceField)  # noqa: S101  (declared above; for mypy)
        category.choices = [
            ("", "Any"),
            *((each.pk, f"{each.name} ({EnvironmentChoice(each.environment).label})") for each in categories()),
        ]

    def filters(self) -> Filters:
        """What a valid form says."""
        return Filters(
            search=self.cleaned_data["q"],
            environment=self.cleaned_data["environment"],
            standing=self.cleaned_data["standing"],
            category_id=self.cleaned_data["category"],
            attention=self.cleaned_data["attention"],
        )
