"""Passkeys: what the browser is asked for, and whether what it answers proves who somebody is.

Every passkey is one that signs in alone: it is kept on the device, which checks the person itself (`userVerification`).
"""

from typing import Any, Final

from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from riskadmin.staff.models import Staff

BAD_ANSWERS: Final = (ValidationError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError)
"""What the parsers raise for an answer that no browser gives, or that belongs to another question."""
NAME_MAX: Final = 60


def passkeys_of(person: Staff) -> QuerySet[Authenticator]:
    """Return a person's passkeys, the oldest first."""
    return Authenticator.objects.filter(user=person, type=Authenticator.Type.WEBAUTHN).order_by("pk")


def options_for_new(person: Staff) -> dict[str, Any]:
    """Return what a browser is asked to make a passkey with. The question is kept in the session."""
    return auth.begin_registration(person, passwordless=True)


def options_for_sign_in() -> dict[str, Any]:
    """Return what a browser is asked to sign in with. The question is kept in the session."""
    return auth.begin_authentication(None)


def add(person: Staff, *, name: str, credential: Any) -> Authenticator | None:
    """Store a new passkey, in the caller's transaction. None if the answer is not to the question that was asked."""
    try:
        auth.parse_registration_response(credential)
        binding = auth.complete_registration(credential)
    except BAD_ANSWERS:
        return None
    if not binding.is_user_verified():
        return None
    added: Authenticator = auth.WebAuthn.add(person, name, credential).instance
    return added


def options_for_proof(person: Staff) -> dict[str, Any]:
    """Return what a browser is asked to confirm with that it is this person. The question is kept in the session."""
    return auth.begin_authentication(person)


def find(credential: Any, *, asked: Staff | None = None) -> tuple[Staff | None, Authenticator | None]:
    """Return whom an answer claims to be, and their passkey if it proves that. Each question is answered once.

    `asked` is whose passkeys were asked for: then an answer need not name the person.
    """
    claimed: Staff | None = None
    try:
        response = auth.parse_authentication_response(credential)
        is_named = bool(credential.get("response", {}).get("userHandle"))
        someone = auth.extract_user_from_response(credential) if is_named or asked is None else asked
        claimed = someone if isinstance(someone, Staff) else None
        found = auth.complete_authentication(someone, credential)
    except BAD_ANSWERS:
        return claimed, None
    finally:
        auth.clear_state()
    if claimed is None or not claimed.is_active or not response.response.authenticator_data.is_user_verified():
        return claimed, None
    return claimed, found
