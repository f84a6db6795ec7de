"""Forms of what people decide about calls."""

from typing import Any

from django import forms

from accounts.execution.resolve import Resolution
from riskadmin.web.fields import LinesField


class ResolveForm(forms.Form):
    """What a person says of an item that nobody knows of, why, and the last call that they were shown.

    `name` is the target's, where sending it again wants it typed.
    """

    comment = LinesField(
        label="How do you know?",
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text="The trail keeps it with your name, beside what Tradovate said.",
    )
    name = forms.CharField(
        required=False, max_length=64, widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"})
    )
    resolution = forms.ChoiceField(choices=Resolution.choices, widget=forms.HiddenInput)
    seen_call = forms.IntegerField(min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)

    def __init__(self, *args: Any, name: str, name_asked: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = f"To send it again, type {name}"
        self.fields["name"].help_text = "Sent a second time it may do harm."
        if not name_asked:
            del self.fields["name"]
