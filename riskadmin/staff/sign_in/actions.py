"""Signing in and out: each session begins and ends together with its event."""

import logging
from typing import Any, Final

from allauth.account.internal.flows.login import record_authentication
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.base.internal.flows import post_authentication
from django.contrib.auth import authenticate, login, logout
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff, plain_username
from riskadmin.staff.sign_in import codes, emergency, passkeys, throttle
from riskadmin.staff.sign_in.devices import device_of
from riskadmin.staff.sign_in.emergency import Stead
from riskadmin.staff.sign_in.methods import methods_in_words
from riskadmin.staff.sign_in.throttle import Outcome, Place, network_of

logger = logging.getLogger(__name__)

ATTEMPT: Final = "sign_in_attempt"
"""In the session: the attempt that is settled as the session of a person begins."""
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
UNKNOWN_RECORDED: Final = 20
"""How many failures from one network within the throttle's window leave an event when the username is unknown."""


def place_of(request: HttpRequest, person: Staff | None) -> Place:
    """Return where a request comes from, as the throttle counts it for this person."""
    return Place(network=network_of(origin_of(request).address), device=device_of(request, person))


@sensitive_variables("password")
def check_password(request: HttpRequest, *, username: str, password: str) -> Staff | None:
    """Return the person if the password is right; None otherwise, whatever the cause.

    A failure leaves an event. An attempt that the throttle refuses only writes a log line, so that outsiders can't fill the
    trail. The attempt is settled when the session begins (`open_session`).
    """
    origin = origin_of(request)
    meant = _person_called(username)
    place = place_of(request, meant)
    attempt = throttle.admit(username=username, place=place)
    if attempt is None:
        # Answered immediately: it reveals only what the attempts themselves caused, for unknown usernames too.
        logger.warning("Sign-in from %s refused: too many failures", origin.address)
        return None
    # For an unknown username Django hashes the password too, so the response time reveals nothing.
    person = authenticate(request, username=username, password=password)
    with transaction.atomic():
        if not isinstance(person, Staff):
            throttle.settle(attempt.pk, Outcome.FAILED)
            _record_refusal(username=username, meant=meant, place=place, origin=origin)
            return None
        throttle.settle(attempt.pk, Outcome.PASSED)
    start_over(request)
    request.session[ATTEMPT] = attempt.pk
    return person


@sensitive_variables("password")
def confirm_password(request: HttpRequest, *, person: Staff, password: str) -> bool:
    """Return whether this is the password of somebody who is signed in. Failures are throttled and recorded as at sign-in."""
    place = place_of(request, person)
    attempt = throttle.admit(username=person.username, place=place)
    if attempt is None:
        return False
    with transaction.atomic():
        is_right = person.check_password(password)
        throttle.settle(attempt.pk, Outcome.PASSED if is_right else Outcome.FAILED)
        if not is_right:
            origin = origin_of(request)
            _record_refusal(username=person.username, meant=person, place=place, origin=origin, step="password of the session")
    return is_right


@sensitive_variables("typed")
def check_code(request: HttpRequest, *, person: Staff, typed: str) -> bool:
    """Return whether a code proves the person's second factor, and record it in the session if so.

    Failures are throttled like passwords, and a right password in between clears none of them.
    """
    origin = origin_of(request)
    place = place_of(request, person)
    attempt = throttle.admit(username=person.username, place=place)
    if attempt is None:
        logger.warning("Second factor from %s refused: too many failures", origin.address)
        return False
    with transaction.atomic():
        proof = codes.use(person, typed)
        is_emergency = proof is None and emergency.use(person, typed, stead=Stead.SECOND_FACTOR, origin=origin)
        if proof is None and not is_emergency:
            throttle.settle(attempt.pk, Outcome.FAILED)
            _record_refusal(username=person.username, meant=person, place=place, origin=origin, step="second factor")
            return False
        throttle.settle(attempt.pk, Outcome.PASSED)
        if proof is None:
            record_authentication(request, person, "emergency")
        else:
            post_authentication(request, proof)
    request.session[ATTEMPT] = attempt.pk
    return True


@sensitive_variables("typed")
def check_emergency_code(request: HttpRequest, *, username: str, typed: str) -> Staff | None:
    """Return the person if the code stands in for their single sign-on; None otherwise, throttled as passwords are."""
    origin = origin_of(request)
    meant = _person_called(username)
    place = place_of(request, meant)
    attempt = throttle.admit(username=username, place=place)
    if attempt is None:
        return None
    with transaction.atomic():
        is_right = meant is not None and meant.is_active and emergency.use(meant, typed, stead=Stead.SIGN_IN, origin=origin)
        throttle.settle(attempt.pk, Outcome.PASSED if is_right else Outcome.FAILED)
        if meant is None or not is_right:
            _record_refusal(username=username, meant=meant, place=place, origin=origin, step="emergency code")
            return None
    start_over(request)
    request.session[ATTEMPT] = attempt.pk
    record_authentication(request, meant, "emergency_sign_in")
    return meant


def check_passkey(request: HttpRequest, *, credential: Any) -> Staff | None:
    """Return whom a passkey proves, and record it in the session; None otherwise.

    A right one is never refused: there is no secret to guess. Wrong ones count as failures, so that they can't fill the trail.
    """
    claimed, passkey = passkeys.find(credential)
    if claimed is None or passkey is None:
        logger.warning("Sign-in from %s refused: wrong passkey", origin_of(request).address)
        if claimed is not None:
            _refuse_passkey(request, claimed)
        return None
    passkey.user = claimed  # the same person, not asked for once more
    start_over(request)
    post_authentication(request, passkey, passwordless=True)
    return claimed


def start_over(request: HttpRequest) -> None:
    """Forget what an earlier sign-in in this browser has proven, and end its session if it has got one."""
    if isinstance(request.user, Staff):
        sign_out(request, actor=request.user)
    clear_login(request)
    request.session.pop(ATTEMPT, None)


def open_session(request: HttpRequest, *, person: Staff) -> None:
    """Begin a person's session, under a new key, once all that is asked of them has been proven.

    Writes the event in the same transaction. Raises DatabaseError, and begins no session, when the trail can't be written.
    """
    detail = {"username": person.username, "proven_by": methods_in_words(request, person)}
    with transaction.atomic():
        attempt_id = request.session.pop(ATTEMPT, None)
        if attempt_id is not None:
            throttle.settle(attempt_id, Outcome.SUCCEEDED)
        if isinstance(request.user, Staff):  # signed in meanwhile in another tab: Django would keep the key then
            request.session.cycle_key()
        login(request, person, backend=BACKEND)
        request.session.save()  # now, not after the response: session and event are committed together or not at all
        record(AuditEntry(tag=Tag.STAFF_SIGNED_IN, actor=person.who(), origin=origin_of(request), detail=detail))


def sign_out(request: HttpRequest, *, actor: Staff) -> None:
    """End the session and write the event. The key is invalid from then on."""
    with transaction.atomic():
        entry = AuditEntry(
            tag=Tag.STAFF_SIGNED_OUT, actor=actor.who(), origin=origin_of(request), detail={"username": actor.username}
        )
        record(entry)
        logout(request)


def lift_throttle(actor: Staff, *, origin: Origin, person: Staff) -> None:
    """Let a person try to sign in again at once, from every place, and write the event."""
    with transaction.atomic():
        forgotten = throttle.lift(username=person.username)
        detail = {"username": person.username, "staff_id": person.pk, "failures": forgotten}
        record(AuditEntry(tag=Tag.STAFF_THROTTLE_LIFTED, actor=actor.who(), origin=origin, detail=detail))


def _person_called(username: str) -> Staff | None:
    return Staff.objects.filter(username=plain_username(username)).first()


def _refuse_passkey(request: HttpRequest, claimed: Staff) -> None:
    place = place_of(request, claimed)
    attempt = throttle.admit(username=claimed.username, place=place)
    if attempt is None:
        return
    with transaction.atomic():
        throttle.settle(attempt.pk, Outcome.FAILED)
        _record_refusal(username=claimed.username, meant=claimed, place=place, origin=origin_of(request), step="passkey")


def _record_refusal(*, username: str, meant: Staff | None, place: Place, origin: Origin, step: str = "") -> None:
    """Write that an attempt failed. An unknown username is left out: people type their password there by mistake."""
    if meant is None and throttle.failures_from(place.network) > UNKNOWN_RECORDED:
        logger.warning("Sign-in from %s refused: unknown username, one of many", origin.address)
        return
    detail: dict[str, object] = {}
    if meant is not None:
        detail |= {"username": meant.username, "staff_id": meant.pk, "active": meant.is_active}
    if step:
        detail["step"] = step
    wait = throttle.remaining(username=username, place=place)
    if wait is not None:
        detail["locked_until"] = (timezone.now() + wait).isoformat(timespec="seconds")
    # The person's identity was not proven, so the event has no actor.
    record(AuditEntry(tag=Tag.STAFF_SIGN_IN_REFUSED, actor=SYSTEM, origin=origin, detail=detail))
