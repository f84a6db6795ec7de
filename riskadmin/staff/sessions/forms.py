"""The form in which people prove who they are."""

from typing import Any

from django import forms

from riskadmin.staff.sign_in.forms import PASSWORD_MAX

CODE_MAX = 32


class ProofForm(forms.Form):
    """The password and what the authenticator app shows, each only if it is asked for, and the page to go back to."""

    password = forms.CharField(
        max_length=PASSWORD_MAX,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    code = forms.CharField(
        label="Code of your authenticator app",
        max_length=CODE_MAX,
        widget=forms.TextInput({"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, asks_password: bool, asks_code: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_password:
            del self.fields["password"]
        if not asks_code:
            del self.fields["code"]
