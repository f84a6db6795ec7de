"""Writes to people and their sessions, each with its event in the same transaction."""

import logging

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, origin_of
from riskadmin.audit.tags import Tag
from riskadmin.staff import lockout
from riskadmin.staff.models import Staff, plain_username
from riskadmin.staff.roles import Role

logger = logging.getLogger(__name__)


@sensitive_variables("password")
def sign_in(request: HttpRequest, *, username: str, password: str) -> Staff | None:
    """Start a session under a new key if the password is right. Return None otherwise, whatever the cause.

    Writes the event with the session, or with the failure. An attempt during a lock-out only writes a log line, so that
    outsiders can't fill the trail. Raises DatabaseError, and starts no session, when the trail can't be written.
    """
    origin = origin_of(request)
    attempt = lockout.admit(username=username, address=origin.address)
    if attempt is None:
        # Answered immediately: it reveals only a lock-out that the attempts themselves caused, for unknown usernames too.
        logger.warning("Sign-in from %s refused: locked out", origin.address)
        return None
    # For an unknown username Django hashes the password too, so the response time reveals nothing.
    person = authenticate(request, username=username, password=password)
    with transaction.atomic():
        lockout.settle(attempt, succeeded=person is not None)
        if not isinstance(person, Staff):
            _record_refusal(username=username, origin=origin)
            return None
        login(request, person)
        request.session.save()  # now, not after the response: session and event are committed together or not at all
        record(AuditEntry(tag=Tag.STAFF_SIGNED_IN, actor=person.who(), origin=origin, detail={"username": person.username}))
    return person


def sign_out(request: HttpRequest, *, actor: Staff) -> None:
    """End the session and write the event. The key is invalid from then on."""
    with transaction.atomic():
        entry = AuditEntry(
            tag=Tag.STAFF_SIGNED_OUT, actor=actor.who(), origin=origin_of(request), detail={"username": actor.username}
        )
        record(entry)
        logout(request)


@sensitive_variables("password")
def create_person(
    actor: Staff | None,
    *,
    origin: Origin,
    username: str,
    password: str,
    role: Role,
    first_name: str = "",
    last_name: str = "",
    email: str = "",
) -> Staff:
    """Add a person with one role and write the event.

    The caller has checked the password. Raises IntegrityError when the username is taken.
    """
    with transaction.atomic():
        person = Staff.objects.create_user(username, email, password, first_name=first_name, last_name=last_name)
        # Roles are code. Migration 0002 creates their groups, and a group that was deleted is created again here.
        group, _ = Group.objects.get_or_create(name=role.value)
        person.groups.add(group)
        entry = AuditEntry(
            tag=Tag.STAFF_CREATED,
            actor=actor.who() if actor else SYSTEM,
            origin=origin,
            after={"username": person.username, "name": person.get_full_name(), "roles": [role.value]},
            detail={"staff_id": person.pk},
        )
        record(entry)
    return person


@sensitive_variables("password")
def set_password(actor: Staff | None, *, origin: Origin, person: Staff, password: str) -> None:
    """Set a person's password, which ends their sessions, and write the event. The caller has checked the password."""
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        entry = AuditEntry(
            tag=Tag.STAFF_PASSWORD_SET,
            actor=actor.who() if actor else SYSTEM,
            origin=origin,
            detail={"username": person.username, "staff_id": person.pk},
        )
        record(entry)


def _record_refusal(*, username: str, origin: Origin) -> None:
    """Write that an attempt failed. An unknown username is left out: people type their password there by mistake."""
    detail: dict[str, object] = {}
    meant = Staff.objects.filter(username=plain_username(username)).first()
    if meant is not None:
        detail |= {"username": meant.username, "staff_id": meant.pk, "active": meant.is_active}
    locked = lockout.remaining(username=username, address=origin.address)
    if locked is not None:
        detail["locked_until"] = (timezone.now() + locked).isoformat(timespec="seconds")
    # The person's identity was not proven, so the event has no actor.
    record(AuditEntry(tag=Tag.STAFF_SIGN_IN_REFUSED, actor=SYSTEM, origin=origin, detail=detail))
