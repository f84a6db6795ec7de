"""How somebody has proven who they are in a session: read from the record that allauth keeps in it."""

from typing import Any, Final

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest

from riskadmin.staff.models import Staff

WORDS: Final = {
    "password": "password",
    "totp": "authenticator app",
    "webauthn": "passkey",
    "recovery_codes": "recovery code",
    "socialaccount": "single sign-on",
    "emergency": "emergency code",
    "emergency_sign_in": "emergency code for single sign-on",
}
"""Each method in words, by its name, or by its type if it is a second factor."""


def methods_in_words(request: HttpRequest, person: Staff) -> str:
    """Return how a person has signed in, such as "password, authenticator app"."""
    names = (_name(record) for record in get_authentication_records(request, person) if not record.get("reauthenticated"))
    return ", ".join(dict.fromkeys(WORDS.get(name, name) for name in names))


def _name(record: dict[str, Any]) -> str:
    return str(record.get("type") or record["method"])
