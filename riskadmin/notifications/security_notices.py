"""People are told when their sign-in or roles change, and administrators of emergency codes and of roles withheld."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, listen
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.notifications.outbox import notify
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role

SUBJECTS: Final = {
    Tag.STAFF_PASSWORD_SET: "Your password was changed",
    Tag.STAFF_FACTOR_ADDED: "A second factor was added to your account",
    Tag.STAFF_FACTOR_REMOVED: "A second factor was removed from your account",
    Tag.STAFF_RECOVERY_CODES_MADE: "New recovery codes were made for your account",
    Tag.STAFF_RESET: "An administrator reset your sign-in",
    Tag.STAFF_LINK_USED: "A one-time link was used to set your password",
    Tag.STAFF_FACTORS_RESET: "An administrator removed a second factor from your account",
    Tag.STAFF_DETAILS_SET: "An administrator changed your e-mail address",
    Tag.STAFF_ROLE_ADDED: "You were given a role",
    Tag.STAFF_ROLE_REMOVED: "A role was taken from you",
    Tag.STAFF_ROLES_FROM_SSO: "Single sign-on changed your roles",
    Tag.STAFF_ROLES_WITHHELD: "You were not given the roles of your groups",
    Tag.STAFF_SSO_LINKED: "Your account was linked to single sign-on",
    Tag.STAFF_EMERGENCY_GIVEN: "An emergency code was made for your account",
}
IF_NOT_YOU: Final = "If it was not you, inform an administrator at once."


def listen_to_sign_in() -> None:
    """Write these messages with the events that they are about."""
    for tag in SUBJECTS:
        listen(tag, _to_person)
    listen(Tag.STAFF_EMERGENCY_GIVEN, _to_administrators)
    listen(Tag.STAFF_ROLES_WITHHELD, _roles_withheld)


def _to_person(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        if entry.tag == Tag.STAFF_DETAILS_SET and (entry.before or {}).get("email") == (entry.after or {}).get("email"):
            continue  # the name alone
        staff_id = entry.detail["staff_id"]
        by = "" if entry.actor.id == staff_id else f"By {entry.actor.name}."
        text = " ".join(filter(None, (str(entry.detail.get("factor") or entry.detail.get("role") or ""), by, IF_NOT_YOU)))
        person, link = Staff.objects.filter(pk=staff_id), reverse("sign_in:security")
        notify(Topic.SIGN_IN_CHANGED, person, subject=SUBJECTS[entry.tag], text=text, link=link)
        if entry.tag == Tag.STAFF_DETAILS_SET and old_address(entry.before, entry.after):
            _to_old_address(staff_id, text, link)


def old_address(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return the e-mail address that an event replaced or removed, or ""."""
    old, new = (before or {}).get("email", ""), (after or {}).get("email", "")
    return old if old != new else ""


def address_of(message: Message) -> str:
    """Return where a message about another address goes: to the one before, which its event in the trail has."""
    event = Event.objects.get(pk=message.key.split(":")[1])
    return old_address(event.before, event.after)


def _to_old_address(staff_id: int, text: str, link: str) -> None:
    """Tell the address that a person had: what goes to the new one alone might not reach them."""
    event = Event.objects.filter(tag=Tag.STAFF_DETAILS_SET, detail__staff_id=staff_id).latest("pk")
    now = timezone.now()
    Message.objects.create(
        key=f"{Topic.ADDRESS_CHANGED.value}:{event.pk}",
        topic=Topic.ADDRESS_CHANGED,
        channel=Channel.EMAIL,
        person_id=staff_id,
        subject="The e-mail address of your account was changed",
        text=f"Messages no longer come here. {text}",
        link=link,
        created_at=now,
        next_try_at=now,
    )


def _to_administrators(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        detail = entry.detail
        administrators = Staff.objects.filter(is_active=True, groups__name=Role.ADMINISTRATOR)
        subject = f"{detail['operator']} made an emergency code for {detail['username']}"
        text = f"It stands in for {detail['stead']}. Reason: {entry.reason_text}"
        notify(Topic.EMERGENCY_ACCESS, administrators, subject=subject, text=text, link=reverse("people:list"))


def _roles_withheld(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        detail = entry.detail
        administrators = Staff.objects.filter(is_active=True, groups__name=Role.ADMINISTRATOR).exclude(pk=detail["staff_id"])
        subject = f"Single sign-on did not give {detail['username']} what their groups would: {detail['role']}"
        text = "Their sign-in was changed lately. Two administrators can give the role; who confirms reads what was done."
        link = reverse("people:detail", args=[detail["staff_id"]])
        notify(Topic.RIGHTS_REQUESTED, administrators, subject=subject, text=text, link=link)
