"""Forms for what people decide about calls, and the filters of the unknown outcomes."""

import re
from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.core import signing
from django.core.exceptions import BadRequest

from accounts.changes.kinds import KINDS
from accounts.execution.resolving import Resolution, Seen
from accounts.execution.unknown_items import Filters, Group
from accounts.models import EnvironmentChoice
from accounts.models.ids import BIGGEST_ID
from riskadmin.web.fields import CountField, LinesField
from riskadmin.web.visible import isolated

NAMED_MAX: Final = 200
"""Items that one form or URL may name; more are selected by filters."""

ITEM_NUMBER: Final = re.compile("[0-9]{1,18}")
SEEN_SALT: Final = "execution.seen"


class CommentField(LinesField):
    """How a person knows what happened to an item."""

    def __init__(self, **kwargs: Any) -> None:
        defaults = {
            "label": "How do you know?",
            "max_length": 2000,
            "widget": forms.Textarea({"rows": 3}),
            "help_text": "The audit trail keeps it with your name, next to what Tradovate said.",
        }
        super().__init__(**{**defaults, **kwargs})


class ResolveForm(forms.Form):
    """How a person resolves an item whose outcome is unknown, why, and the last call that they were shown.

    `name` is the target's name, if it has to be typed to send the item again.
    """

    comment = CommentField()
    name = forms.CharField(
        required=False, max_length=64, widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"})
    )
    resolution = forms.ChoiceField(choices=Resolution.choices, widget=forms.HiddenInput)
    seen_call = forms.IntegerField(min_value=0, max_value=BIGGEST_ID, widget=forms.HiddenInput)

    def __init__(self, *args: Any, name: str, name_asked: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = f"To send it again, type {isolated(name)}"
        self.fields["name"].help_text = "Sent a second time it may do harm."
        if not name_asked:
            del self.fields["name"]


class SeenField(forms.CharField):
    """The items that a person was shown, their last calls and their evidence, signed so that a form can't name others."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        """Return what was shown."""
        text = super().to_python(value)
        if not text:
            return text
        try:
            key, calls = signing.loads(text, salt=SEEN_SALT)
        except signing.BadSignature as error:
            raise forms.ValidationError("The list of items is damaged. Choose them again.") from error
        return Seen(evidence_key=key, calls=dict(calls))

    @staticmethod
    def signed(seen: Seen) -> str:
        """Return the field's value for what is shown."""
        return signing.dumps([seen.evidence_key, sorted(seen.calls.items())], salt=SEEN_SALT, compress=True)


class ResolveManyForm(forms.Form):
    """How a person resolves many items with the same evidence, and why; and their number, if it has to be typed."""

    resolution = forms.ChoiceField(choices=Resolution.choices, widget=forms.HiddenInput)
    seen = SeenField()
    comment = CommentField()
    count = CountField(
        required=False,
        min_value=0,
        help_text="What this does can't be taken back.",
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )

    def ask_for_count(self, count: int) -> None:
        """Say which number is to be typed; `resolve_many` compares it."""
        self.fields["count"].label = f"Type {count:,}, the number of items, to continue"


class UnknownFilterForm(forms.Form):
    """The filters of the unknown outcomes; each field is a parameter of the page's URL."""

    change = forms.IntegerField(
        label="Change",
        required=False,
        min_value=1,
        max_value=BIGGEST_ID,
        widget=forms.TextInput({"inputmode": "numeric", "placeholder": "Number"}),
    )
    kind = forms.ChoiceField(
        label="Kind", required=False, choices=[("", "Any"), *((kind.name, kind.action_label) for kind in KINDS.values())]
    )
    environment = forms.ChoiceField(label="Environment", required=False, choices=[("", "Any"), *EnvironmentChoice.choices])
    # Not a choice: evidence that no item has any more is no mistake of the person who follows a link to it.
    evidence = forms.CharField(label="Evidence", required=False, max_length=128, widget=forms.Select)

    def offer(self, groups: list[Group]) -> None:
        """Offer the evidence that exists."""
        offered = [(group.evidence.key, f"{group.evidence.words} ({group.count:,})") for group in groups]
        wanted = str(self["evidence"].value() or "")
        if wanted and wanted not in dict(offered):
            offered.append((wanted, "No longer among them"))
        widget = self.fields["evidence"].widget
        assert isinstance(widget, forms.Select)  # noqa: S101  (declared above; for mypy)
        widget.choices = [("", "Any"), *offered]

    def filters(self) -> Filters:
        """The filters of a valid form."""
        return Filters(
            change_id=self.cleaned_data["change"],
            kind_name=self.cleaned_data["kind"],
            environment=self.cleaned_data["environment"],
            evidence=self.cleaned_data["evidence"],
        )


def named_items(values: Sequence[str]) -> list[int]:
    """Return the item numbers of a form or URL. Raises BadRequest if there are none, too many, or one is not a number."""
    if not values:
        raise BadRequest("No item is chosen. Choose items in the list first.")
    if len(values) > NAMED_MAX:
        raise BadRequest(f"{len(values):,} items are named; at most {NAMED_MAX} can be. Choose all that match instead.")
    numbers = [int(value) for value in values if ITEM_NUMBER.fullmatch(value)]
    if len(numbers) < len(values):
        raise BadRequest("One of the items is not named by its number.")
    return list(dict.fromkeys(numbers))
