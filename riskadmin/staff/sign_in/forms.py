"""The forms of signing in, and of one's own ways to sign in."""

import json
from typing import Any, Final

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError

from riskadmin.staff.models import USERNAME_MAX, Staff
from riskadmin.staff.sign_in.passkeys import NAME_MAX

# Django's limit, against denial of service by hashing very long passwords.
PASSWORD_MAX: Final = 4096
CODE_MAX: Final = 40
CREDENTIAL_MAX: Final = 64 * 1024


def _password_field(label: str, autocomplete: str, help_text: str = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete, "data-password": True})
    return forms.CharField(label=label, max_length=PASSWORD_MAX, strip=False, widget=widget, help_text=help_text)


def _code_field(label: str) -> forms.CharField:
    attrs = {"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false", "autofocus": True}
    return forms.CharField(label=label, max_length=CODE_MAX, widget=forms.TextInput(attrs=attrs))


class SignInForm(forms.Form):
    """Username and password, as typed."""

    username = forms.CharField(
        max_length=USERNAME_MAX,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = _password_field("Password", "current-password")
    next = forms.CharField(required=False, widget=forms.HiddenInput)


class CodeForm(forms.Form):
    """A code of an authenticator app, a recovery code or an emergency code."""

    code = _code_field("Code")

    def clean_code(self) -> str:
        """Return the code without the spaces that apps show in it."""
        return "".join(str(self.cleaned_data["code"]).split())


class EmergencyForm(CodeForm):
    """A username, and an emergency code that stands in for single sign-on."""

    field_order = ("username", "code")
    username = forms.CharField(
        max_length=USERNAME_MAX,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )


class PasskeyForm(forms.Form):
    """What a browser answered when it was asked for a passkey."""

    credential = forms.CharField(max_length=CREDENTIAL_MAX, widget=forms.HiddenInput)
    next = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_credential(self) -> dict[str, Any]:
        """Return the answer; a text that no browser sends is an error."""
        try:
            answer = json.loads(self.cleaned_data["credential"])
        except ValueError as error:
            raise ValidationError("Your browser's answer can't be read. Try again.") from error
        if not isinstance(answer, dict):
            raise ValidationError("Your browser's answer can't be read. Try again.")
        return answer


class NewPasskeyForm(PasskeyForm):
    """A new passkey and its name."""

    name = forms.CharField(
        label="Name",
        max_length=NAME_MAX,
        help_text="Where it is kept, such as Laptop or Security key.",
    )


class PasskeyNameForm(forms.Form):
    """Another name for a passkey."""

    name = forms.CharField(label="Name", max_length=NAME_MAX)


class PasswordForm(forms.Form):
    """One's own new password. `matches` checks the current one."""

    current = _password_field("Current password", "current-password")
    new = _password_field("New password", "new-password", " ".join(password_validators_help_texts()))

    def __init__(self, *args: Any, person: Staff, **kwargs: Any) -> None:
        """`person` is whose password it is: it must not be like their names."""
        super().__init__(*args, **kwargs)
        self._person = person

    def clean_new(self) -> str:
        """Return the new password, if it is good enough for this person."""
        new = str(self.cleaned_data["new"])
        validate_password(new, self._person)
        return new
