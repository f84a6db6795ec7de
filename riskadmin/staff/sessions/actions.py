"""Ending sessions, each time with its event in the same transaction."""

from django.db import transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.staff.sessions.queries import open_sessions


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
