"""Codes that are typed as a second factor: of an authenticator app, recovery codes and emergency codes. Each works once."""

from typing import Final

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt, encrypt

from riskadmin.staff.models import Staff
from riskadmin.staff.sign_in import recovery_codes

TYPED: Final = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


def has_app(person: Staff) -> bool:
    """Return whether a person has an authenticator app."""
    return bool(Authenticator.objects.filter(user=person, type=Authenticator.Type.TOTP).exists())


def use(person: Staff, typed: str) -> Authenticator | None:
    """Return what a code proves, and use it up; None if it proves nothing. Must be called inside a transaction.

    The rows are locked: of two requests with the same code, only one gets it.
    """
    stored: Authenticator
    for stored in Authenticator.objects.select_for_update().filter(user=person, type__in=TYPED).order_by("pk"):
        is_right = _use_app_code if stored.type == Authenticator.Type.TOTP else recovery_codes.use
        if is_right(stored, typed):
            return stored
    return None


def add_app(person: Staff, secret: str, typed: str) -> Authenticator | None:
    """Store the secret of an authenticator app if the code that it shows is right, which uses it up. None if it is not."""
    counter = _counter_of(secret, typed, after=-1)
    if counter is None:
        return None
    data = {"secret": encrypt(secret), "last_counter": counter}
    added: Authenticator = Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data=data)
    return added


def _use_app_code(stored: Authenticator, typed: str) -> bool:
    """Return whether the app shows this code now, or near enough by TOTP_TOLERANCE, and it is newer than the last."""
    counter = _counter_of(decrypt(stored.data["secret"]), typed, after=stored.data["last_counter"])
    if counter is None:
        return False
    stored.data["last_counter"] = counter
    stored.save(update_fields=["data"])
    return True


def _counter_of(secret: str, typed: str, *, after: int) -> int | None:
    for counter in yield_hotp_counters_from_time():
        if counter > after and compare_user_code(actual=typed, expected=format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None
