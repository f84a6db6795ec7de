"""Ending sessions and proving who one is, each with its event in the same transaction."""

from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, Who, origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.staff.sessions.proof import note_proof
from riskadmin.staff.sessions.queries import open_sessions
from riskadmin.staff.sign_in import codes, throttle
from riskadmin.staff.sign_in.actions import place_of
from riskadmin.staff.sign_in.codes import has_app
from riskadmin.staff.sign_in.passkeys import passkeys_of
from riskadmin.staff.sign_in.throttle import Outcome


def end_sessions(actor: Staff | Who | None, *, origin: Origin, person: Staff, keep: str | None = None) -> int:
    """End every session of a person, all but the one with the key `keep`; return how many were open.

    What is sent with one of them afterwards is refused like that of somebody signed out.
    """
    rows = StaffSession.objects.filter(person=person)
    return _end(actor, origin, person, [row for row in rows if row.session_key != keep])


def end_session(actor: Staff | None, *, origin: Origin, person: Staff, key: str) -> bool:
    """End the session of a person that pages name `key`; return whether there was such a session."""
    return _end(actor, origin, person, [row for row in open_sessions(person) if row.public_key == key]) > 0


def _end(actor: Staff | Who | None, origin: Origin, person: Staff, ended: list[StaffSession]) -> int:
    with transaction.atomic():
        deleted = StaffSession.objects.filter(pk__in=[row.pk for row in ended], person=person).delete()[0]
        if deleted:
            entry = AuditEntry(
                tag=Tag.STAFF_SESSIONS_ENDED,
                actor=actor.who() if isinstance(actor, Staff) else actor or SYSTEM,
                origin=origin,
                detail={"username": person.username, "staff_id": person.pk, "sessions": deleted},
            )
            record(entry)
    return deleted


def _has_given_factor(person: Staff, code: str) -> bool:
    """Return whether a code is what a person's app shows, which uses it up; without an app, whether they have no factor."""
    if has_app(person):
        used = codes.use(person, code)
        return used is not None
    return not passkeys_of(person).exists()


@sensitive_variables("password", "code")
def prove_by_password(request: HttpRequest, *, actor: Staff, password: str, code: str = "") -> bool:
    """Note a proof if the password is the person's, and the code their app's; return whether they are.

    A proof is as strong as a sign-in: who has a second factor needs it here too, and with passkeys alone a password proves
    nothing. Tries are counted and limited with sign-ins. The session goes on under a new key; the earlier one ends.
    """
    origin = origin_of(request)
    attempt = throttle.admit(username=actor.username, place=place_of(request, actor))
    if attempt is None:
        return False
    is_right = actor.check_password(password)
    with transaction.atomic():
        is_right = is_right and _has_given_factor(actor, code)
        throttle.settle(attempt.pk, Outcome.SUCCEEDED if is_right else Outcome.FAILED)
        tag = Tag.STAFF_PROVED if is_right else Tag.STAFF_PROOF_REFUSED
        record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail={"username": actor.username}))
        if is_right:
            request.session.cycle_key()  # a key that somebody has learned before opens nothing more
            note_proof(request)
            request.session.save()  # now, not after the response: proof and event are committed together or not at all
    return is_right
