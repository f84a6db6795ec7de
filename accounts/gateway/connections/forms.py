"""The form that replaces what we log in with."""

from typing import Any

from django import forms
from django.conf import settings

from riskadmin.tradovate.tokens import Credentials

MAX = 200


def _secret(label: str, *, help_text: str = "", required: bool = False) -> forms.CharField:
    widget = forms.PasswordInput({"autocomplete": "off", "spellcheck": "false"})
    return forms.CharField(label=label, max_length=MAX, strip=False, required=required, widget=widget, help_text=help_text)


class CredentialsForm(forms.Form):
    """The password of our user, and the application's registration. What is left empty is not sent."""

    password = _secret("Password", required=True)
    app_id = forms.CharField(label="App id", max_length=MAX, required=False)
    app_version = forms.CharField(label="App version", max_length=MAX, required=False)
    cid = forms.CharField(label="Client id (cid)", max_length=MAX, required=False)
    sec = _secret("API key (sec)", help_text="Type it again: it is never shown.")
    device_id = forms.CharField(label="Device id", max_length=MAX, required=False)

    def __init__(self, *args: Any, in_use: Credentials | None = None, **kwargs: Any) -> None:
        """Propose what is in use and no secret."""
        if in_use is not None:
            kwargs["initial"] = {name: getattr(in_use, name) for name in ("app_id", "app_version", "cid", "device_id")}
        super().__init__(*args, **kwargs)

    @property
    def credentials(self) -> Credentials:
        """What a valid form says, for the user in the settings."""
        return Credentials(username=settings.TRADOVATE_USERNAME, **self.cleaned_data)
