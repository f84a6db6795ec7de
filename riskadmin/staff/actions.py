"""Writes to people, each with its event in the same transaction."""

from django.contrib.auth.models import Group
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.actions import end_sessions


@sensitive_variables("password")
def create_person(
    actor: Who,
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
            actor=actor,
            origin=origin,
            after={"username": person.username, "name": person.get_full_name(), "roles": [role.value]},
            detail={"staff_id": person.pk},
        )
        record(entry)
    return person


@sensitive_variables("password")
def set_password(actor: Who, *, origin: Origin, person: Staff, password: str, keep: str | None = None) -> None:
    """Set a person's password and write the event. The caller has checked the password.

    It ends the person's sessions, all but the one with the key `keep`.
    """
    with transaction.atomic():
        person.set_password(password)
        person.save(update_fields=["password"])
        end_sessions(actor, origin=origin, person=person, keep=keep)
        entry = AuditEntry(
            tag=Tag.STAFF_PASSWORD_SET,
            actor=actor,
            origin=origin,
            detail={"username": person.username, "staff_id": person.pk},
        )
        record(entry)
