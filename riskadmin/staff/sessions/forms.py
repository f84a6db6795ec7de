"""The form in which people prove who they are."""

from django import forms

from riskadmin.staff.sign_in.forms import PASSWORD_MAX


class ProofForm(forms.Form):
    """The password, and the page to go back to."""

    password = forms.CharField(
        max_length=PASSWORD_MAX,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)
