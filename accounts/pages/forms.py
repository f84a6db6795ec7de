"""The form for notes on an account's page."""

from uuid import uuid4

from django import forms

from accounts.models import AccountNote
from riskadmin.web.fields import LinesField


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
