"""The form for one of the firm's reasons."""

from typing import Any

from django import forms

from accounts.changes.reasons.choices import CODE_CHOICES
from accounts.changes.reasons.models import NAME_MAX, FirmReason
from riskadmin.tradovate.vocabulary import REASON_TEXT_MAX, ReasonCode
from riskadmin.web.fields import LinesField


class FirmReasonForm(forms.Form):
    """A reason's name, and what choosing it fills in."""

    name = forms.CharField(
        label="Name", max_length=NAME_MAX, help_text="What people choose, such as “Reviewed with the trader”."
    )
    code = forms.ChoiceField(
        label="Tradovate's code",
        choices=CODE_CHOICES,
        initial=ReasonCode.OTHER.value,
        help_text="Most firms use Other, with a text. The codes for brokerage account management are Tradovate's own.",
    )
    text = LinesField(
        label="Text",
        required=False,
        max_length=REASON_TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="Put what each request has to fill in into square brackets: “Agreed with the trader: [what was agreed]”.",
    )

    @classmethod
    def of(cls, reason: FirmReason) -> "FirmReasonForm":
        """Return a form with what a reason says now."""
        return cls(initial={"name": reason.name, "code": reason.code, "text": reason.text})

    def clean(self) -> dict[str, Any]:
        """Require a text with Other: Tradovate does."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("code") == ReasonCode.OTHER and not cleaned.get("text") and "text" not in self.errors:
            self.add_error("text", "Write a text: with the code Other, Tradovate asks for one.")
        return cleaned
