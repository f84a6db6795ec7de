"""Saving what a person prefers, with its event in the same transaction."""

from django.db import transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff


def save_preferences(actor: Staff, *, origin: Origin, time_zone: str, start_page: str) -> None:
    """Save a person's own time zone (a key of the IANA database, "" for the firm's) and start page ("" for Home).

    Writes the event if that changes anything.
    """
    chosen = {"time_zone": time_zone, "start_page": start_page}
    with transaction.atomic():
        person = Staff.objects.select_for_update().get(pk=actor.pk)
        before = {name: getattr(person, name) for name in chosen}
        if before == chosen:
            return
        for name, value in chosen.items():
            setattr(person, name, value)
        person.save(update_fields=list(chosen))
        record(AuditEntry(tag=Tag.STAFF_PREFERENCES_SAVED, actor=actor.who(), origin=origin, before=before, after=chosen))
