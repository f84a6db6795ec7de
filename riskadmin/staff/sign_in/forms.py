"""The forms of signing in."""

from typing import Final

from django import forms

from riskadmin.staff.models import USERNAME_MAX

# Django's limit, against denial of service by hashing very long passwords.
PASSWORD_MAX: Final = 4096


class SignInForm(forms.Form):
    """Username and password, as typed."""

    username = forms.CharField(
        max_length=USERNAME_MAX,
        widget=forms.TextInput(
            attrs={"autocomplete": "username webauthn", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = forms.CharField(
        max_length=PASSWORD_MAX, strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)
