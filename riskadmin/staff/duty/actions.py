"""Keeping the duty roster and delegations. Each is one transaction with its audit event."""

from datetime import datetime, time, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.duty.models import Delegation, DutyHours, DutySwitch, Weekday
from riskadmin.staff.models import Staff

SWITCH_LASTS: Final = timedelta(hours=12)
"""A switch that somebody forgets counts no longer than this."""

KEEPS_OWN: Final = "duty:keep"
KEEPS_ALL: Final = "duty:manage"


class NotAllowed(Exception):
    """The person may not do this; the message says why. Nothing was written."""


def may_keep(actor: Staff, person: Staff) -> bool:
    """Whether somebody may edit a person's duty: their own, or everybody's; and only of a person who is on the roster."""
    return can_be_on_roster(person) and (actor.may(KEEPS_ALL) or (actor.pk == person.pk and actor.may(KEEPS_OWN)))


def can_be_on_roster(person: Staff) -> bool:
    """Whether a person is one of those who decide, and so of those who are on duty or stand in."""
    return person.may(KEEPS_OWN)


def add_hours(*, actor: Staff, origin: Origin, person: Staff, weekday: Weekday, begins: time, ends: time) -> None:
    """Put a person on duty for hours of every week; nothing happens if they are already. Raises NotAllowed."""
    with transaction.atomic():
        _demand(actor, person)
        hours, is_new = DutyHours.objects.get_or_create(person=person, weekday=weekday, begins=begins, ends=ends)
        if is_new:
            _record_event(Tag.DUTY_HOURS_ADDED, actor, origin, person, hours=str(hours))


def remove_hours(*, actor: Staff, origin: Origin, hours: DutyHours) -> None:
    """Take hours off the roster; nothing happens if they are off it already. Raises NotAllowed."""
    with transaction.atomic():
        _demand(actor, hours.person)
        deleted, _ = DutyHours.objects.filter(pk=hours.pk).delete()
        if deleted:
            _record_event(Tag.DUTY_HOURS_REMOVED, actor, origin, hours.person, hours=str(hours))


def switch(*, actor: Staff, origin: Origin, person: Staff, is_on: bool) -> None:
    """Say that a person is on duty now, or is not, whatever their hours; for SWITCH_LASTS. Raises NotAllowed."""
    with transaction.atomic():
        _demand(actor, person)
        until = timezone.now() + SWITCH_LASTS
        DutySwitch.objects.update_or_create(person=person, defaults={"is_on": is_on, "until": until})
        _record_event(Tag.DUTY_ON if is_on else Tag.DUTY_OFF, actor, origin, person, until=until.isoformat(timespec="seconds"))


def delegate(
    *, actor: Staff, origin: Origin, person: Staff, stand_in: Staff, begins_at: datetime, ends_at: datetime, note: str
) -> Delegation:
    """Let somebody stand in for a person from one time to another. Raises NotAllowed."""
    with transaction.atomic():
        _demand(actor, person)
        if not can_be_on_roster(stand_in) or stand_in.pk == person.pk:
            raise NotAllowed(f"{stand_in.display_name} can't stand in for {person.display_name}.")
        made = Delegation.objects.create(person=person, stand_in=stand_in, begins_at=begins_at, ends_at=ends_at, note=note)
        times = {name: at.isoformat(timespec="seconds") for name, at in (("since", begins_at), ("until", ends_at))}
        _record_event(Tag.DELEGATION_MADE, actor, origin, person, **times, stand_in=stand_in.display_name, comment=note)
    return made


def end_delegation(*, actor: Staff, origin: Origin, delegation: Delegation) -> None:
    """End a delegation now, or call it off; nothing happens to one that has ended. Raises NotAllowed."""
    with transaction.atomic():
        if not (actor.may(KEEPS_ALL) or (actor.may(KEEPS_OWN) and actor.pk == delegation.person_id)):
            raise NotAllowed("Only the person who is stood in for, or an administrator, can end this.")
        now = timezone.now()
        if Delegation.objects.filter(pk=delegation.pk, ended_at=None, ends_at__gt=now).update(ended_at=now):
            stand_in = delegation.stand_in.display_name
            _record_event(Tag.DELEGATION_ENDED, actor, origin, delegation.person, stand_in=stand_in)


def _demand(actor: Staff, person: Staff) -> None:
    if not may_keep(actor, person):
        raise NotAllowed(f"You may not edit the duty of {person.display_name}.")


def _record_event(tag: Tag, actor: Staff, origin: Origin, person: Staff, **detail: Any) -> None:
    about = {"staff_id": person.pk, "on_duty": person.display_name}
    record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail={**about, **detail}))
