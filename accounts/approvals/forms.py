"""Forms of decisions, comments, incidents and reviews. Input is checked here, before anything is read or written."""

import re
from typing import Any, Final

from django import forms

from accounts.approvals.actions import SAY_WHY
from accounts.approvals.mentions import UnknownMention, mentioned
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import Verdict
from riskadmin.web.fields import CountField, LinesField, VisibleTextField

TEXT_MAX: Final = 2000
DIGEST: Final = r"^[0-9a-f]{64}$"
_ASKED: Final = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")


class KeysField(forms.Field):
    """Keys of rows that were chosen on a page."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> list[str]:
        """Return the keys, each once."""
        keys = list(dict.fromkeys(value or ()))
        if not all(key.isascii() and key.isdigit() for key in keys):
            raise forms.ValidationError("What was chosen is not on this page. Reload it.")
        return keys


class DecideForm(forms.Form):
    """One person's verdict, with the digest of what they were shown, and the keys of items that an approval leaves out."""

    verdict = forms.ChoiceField(choices=Verdict.choices, widget=forms.HiddenInput)
    comment = LinesField(label="Comment", required=False, max_length=TEXT_MAX, widget=forms.Textarea({"rows": 2}))
    digest = forms.RegexField(DIGEST, widget=forms.HiddenInput)
    shown = forms.CharField(required=False, max_length=100_000, widget=forms.HiddenInput)
    excluded = KeysField(required=False)
    confirm_count = CountField(
        label="The number to confirm",
        required=False,
        min_value=0,
        error_messages={"invalid": "Write the number in digits."},
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """Require a reason of those who don't approve."""
        cleaned = super().clean() or self.cleaned_data
        verdict = Verdict(cleaned["verdict"]) if "verdict" in cleaned else Verdict.APPROVE
        if verdict in SAY_WHY and not cleaned.get("comment") and "comment" not in self.errors:
            self.add_error("comment", SAY_WHY[verdict])
        return cleaned


class TogetherForm(forms.Form):
    """Requests to be approved together, each as `key:digest` of what the person was shown, and one comment for all."""

    asked = forms.Field(required=False, widget=forms.MultipleHiddenInput)
    comment = LinesField(
        label="Comment", required=False, max_length=TEXT_MAX, widget=forms.TextInput({"class": "form-control"})
    )

    @property
    def picked(self) -> frozenset[str]:
        """What was chosen, as it was sent."""
        return frozenset(self["asked"].value() or ()) if self.is_bound else frozenset()

    @property
    def chosen(self) -> list[tuple[int, str]]:
        """The keys and digests of a valid form."""
        return [(int(key), digest) for key, _, digest in (each.partition(":") for each in self.cleaned_data["asked"])]

    def clean_asked(self) -> list[str]:
        """Refuse what is not from the page."""
        asked = list(dict.fromkeys(self.cleaned_data["asked"] or ()))
        if not asked:
            raise forms.ValidationError("Choose at least one request.")
        if not all(_ASKED.fullmatch(each) for each in asked):
            raise forms.ValidationError("What was chosen is not on this page. Reload it.")
        return asked


class CommentForm(forms.Form):
    """A comment about a request."""

    text = LinesField(
        label="Comment",
        max_length=TEXT_MAX,
        widget=forms.Textarea({"rows": 2}),
        help_text="Mention people by the name they sign in with: @supervisor. A comment stays as it is written.",
    )

    def clean_text(self) -> str:
        """Refuse a mention that would reach no one."""
        text: str = self.cleaned_data["text"]
        try:
            mentioned(text)
        except UnknownMention as error:
            raise forms.ValidationError(str(error)) from error
        return text


class AloneForm(forms.Form):
    """Why somebody acts alone, and the number of the incident."""

    incident = VisibleTextField(
        label="Incident number",
        max_length=ApprovalRequest._meta.get_field("incident").max_length,
        help_text="Such as INC-1042.",
    )
    comment = LinesField(
        label="Why it can't wait",
        max_length=TEXT_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="The reviewer reads it.",
    )


class ReviewForm(forms.Form):
    """What somebody found who reviewed what ran first; of what ran because of an incident, they have to say it."""

    comment = LinesField(label="What you found", required=False, max_length=TEXT_MAX, widget=forms.Textarea({"rows": 3}))

    def __init__(self, *args: Any, is_incident: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["comment"].required = is_incident
