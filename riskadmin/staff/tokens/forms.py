"""The form that makes a token."""

from datetime import timedelta
from typing import Final

from django import forms

from riskadmin.staff.tokens.models import AccessToken, Scope

DAYS: Final = (1, 7, 30, 90)


class TokenForm(forms.Form):
    """What a token is for, what it allows, and how long it lasts."""

    name = forms.CharField(
        label="What it is for", max_length=AccessToken.NAME_MAX, help_text="Such as “on-call laptop” or “nightly report”."
    )
    scope = forms.ChoiceField(label="It may", choices=Scope.choices, initial=Scope.READ)
    days = forms.TypedChoiceField(
        label="It expires after",
        choices=[(days, f"{days} day{'' if days == 1 else 's'}") for days in DAYS],
        coerce=int,
        initial=30,
    )

    @property
    def lasts(self) -> timedelta:
        """How long a valid form's token lasts."""
        return timedelta(days=self.cleaned_data["days"])
