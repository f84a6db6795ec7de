"""Confirming who one is, in a session that is open: by password, passkey, or at the identity provider.

A proof is as strong as a sign-in, and it is always the person of the session who gives it: somebody else's password, passkey
or identity proves nothing here, and signs no one in. Each try is an event in the transaction of what it does.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.keys import PROVIDER_PROVED_AT
from riskadmin.staff.sessions.proof import note_proof
from riskadmin.staff.sign_in import codes, passkeys, sso, throttle
from riskadmin.staff.sign_in.actions import place_of
from riskadmin.staff.sign_in.codes import has_app
from riskadmin.staff.sign_in.passkeys import passkeys_of
from riskadmin.staff.sign_in.requirement import has_second_factor
from riskadmin.staff.sign_in.sso import Claims
from riskadmin.staff.sign_in.throttle import Outcome

CLOCKS_DIFFER: Final = timedelta(seconds=10)
"""How far the provider's clock may be off: a sign-in there that is older than the request by less than this counts, too."""
CODE_WITHIN: Final = timedelta(minutes=5)
"""How long the code of the authenticator app may follow the proof at the identity provider."""

WRONG_PASSKEY: Final = "This passkey doesn't confirm that it's you. Try again, or use another way."
OTHERS_PASSKEY: Final = (
    "This passkey is somebody else's. You are still signed in as yourself; confirm it with a passkey of your own."
)
OTHERS_IDENTITY: Final = (
    "You signed in there as somebody else. You are still signed in here as yourself; confirm it with your own identity."
)
NOT_ASKED: Final = (
    "The identity provider didn't ask you again who you are, so this confirms nothing. Try again, or use another way."
)
NO_SECOND_FACTOR: Final = "The identity provider didn't ask for a second factor. Confirm it with your passkey instead."


class NotProven(Exception):
    """Nothing was proven, and the session is as it was. The text is for the person and for the trail."""


@sensitive_variables("password", "code")
def prove_by_password(request: HttpRequest, *, actor: Staff, password: str, code: str = "") -> bool:
    """Note a proof if the password is the person's, and the code their app's; return whether they are.

    Who has a second factor needs it here too, and with passkeys alone a password proves nothing. Tries are counted and
    limited with sign-ins.
    """
    attempt = throttle.admit(username=actor.username, place=place_of(request, actor))
    if attempt is None:
        return False
    is_right = actor.check_password(password)
    with transaction.atomic():
        is_right = is_right and _has_given_factor(actor, code)
        throttle.settle(attempt.pk, Outcome.SUCCEEDED if is_right else Outcome.FAILED)
        if is_right:
            _prove(request, actor, "password, authenticator app" if has_app(actor) else "password")
        else:
            _refuse(request, actor, "the password or the code was wrong")
    return is_right


def prove_by_passkey(request: HttpRequest, *, actor: Staff, credential: Any) -> None:
    """Note a proof if a passkey is the person's. Raises NotProven; failures count as failed sign-ins of the person."""
    claimed, passkey = passkeys.find(credential, asked=actor)
    if passkey is not None and claimed == actor:
        with transaction.atomic():
            passkey.record_usage()
            _prove(request, actor, "passkey")
        return
    others = claimed if passkey is not None and claimed is not None else None
    attempt = throttle.admit(username=actor.username, place=place_of(request, actor))
    if attempt is not None:
        with transaction.atomic():
            throttle.settle(attempt.pk, Outcome.FAILED)
            _refuse(request, actor, "the passkey was somebody else's" if others else "the passkey was wrong", others)
    raise NotProven(OTHERS_PASSKEY if others else WRONG_PASSKEY)


def prove_by_provider(
    request: HttpRequest, *, actor: Staff, account: SocialAccount, linked: Staff | None, begun_at: datetime
) -> bool:
    """Note a proof if the identity is the person's and the provider has asked who they are after `begun_at`.

    Returns False if a code of their authenticator app has still to follow (`prove_by_code`). Raises NotProven, and
    `sso.Refused` if they may no longer enter at all.
    """
    claims = sso.read_claims(account.extra_data["id_token"])
    why, others = _refusal(actor, claims, linked, begun_at)
    if why:
        with transaction.atomic():
            _refuse(request, actor, why, others)
        raise NotProven(why)
    sso.admit(request, account, linked=actor)
    with transaction.atomic():
        if has_second_factor(actor) and not sso.proves_second_factor(claims):
            request.session[PROVIDER_PROVED_AT] = timezone.now().timestamp()
            return False
        _prove(request, actor, "single sign-on")
    return True


def awaits_code(request: HttpRequest) -> bool:
    """Return whether the person has proved at the identity provider who they are, and the code of their app has to follow."""
    at = request.session.get(PROVIDER_PROVED_AT)
    return at is not None and timezone.now() - datetime.fromtimestamp(at, tz=UTC) < CODE_WITHIN


@sensitive_variables("code")
def prove_by_code(request: HttpRequest, *, actor: Staff, code: str) -> bool:
    """Note a proof if the identity provider's came before and the code is the app's; return whether it did and is."""
    if not awaits_code(request):
        return False
    attempt = throttle.admit(username=actor.username, place=place_of(request, actor))
    if attempt is None:
        return False
    with transaction.atomic():
        is_right = codes.use(actor, code) is not None
        throttle.settle(attempt.pk, Outcome.SUCCEEDED if is_right else Outcome.FAILED)
        if is_right:
            _prove(request, actor, "single sign-on, authenticator app")
        else:
            _refuse(request, actor, "the code was wrong")
    return is_right


def _refusal(actor: Staff, claims: Claims, linked: Staff | None, begun_at: datetime) -> tuple[str, Staff | None]:
    """Return why what the identity provider says is no proof, and whose identity it was if another person's."""
    if linked != actor:
        return OTHERS_IDENTITY, linked
    asked_at = claims.authenticated_at
    if asked_at is None or asked_at < begun_at - CLOCKS_DIFFER or asked_at > timezone.now() + CLOCKS_DIFFER:
        return NOT_ASKED, None
    if has_second_factor(actor) and not has_app(actor) and not sso.proves_second_factor(claims):
        return NO_SECOND_FACTOR, None
    return "", None


def _has_given_factor(person: Staff, code: str) -> bool:
    """Return whether a code is what a person's app shows, which uses it up; without an app, whether they have no factor."""
    if has_app(person):
        return codes.use(person, code) is not None
    return not passkeys_of(person).exists()


def _prove(request: HttpRequest, actor: Staff, proven_by: str) -> None:
    """Write the event and note the proof. The session goes on as it is, under a new key; the earlier key opens nothing."""
    detail = {"username": actor.username, "proven_by": proven_by}
    record(AuditEntry(tag=Tag.STAFF_PROVED, actor=actor.who(), origin=origin_of(request), detail=detail))
    request.session.pop(PROVIDER_PROVED_AT, None)
    request.session.cycle_key()  # a key that somebody has learned before opens nothing more
    note_proof(request)
    request.session.save()  # now, not after the response: proof and event are committed together or not at all


def _refuse(request: HttpRequest, actor: Staff, why: str, others: Staff | None = None) -> None:
    detail = {"username": actor.username, "why": why}
    if others is not None:
        detail["whose"] = others.username
    record(AuditEntry(tag=Tag.STAFF_PROOF_REFUSED, actor=actor.who(), origin=origin_of(request), detail=detail))
