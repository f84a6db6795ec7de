"""People are told when their password or second factors change, and administrators when an emergency code is given."""

from collections.abc import Sequence
from typing import Final

from django.urls import reverse

from riskadmin.audit.actions import AuditEntry, listen
from riskadmin.audit.tags import Tag
from riskadmin.notifications.outbox import notify
from riskadmin.notifications.topics import Topic
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role

SUBJECTS: Final = {
    Tag.STAFF_PASSWORD_SET: "Your password was changed",
    Tag.STAFF_FACTOR_ADDED: "A second factor was added to your account",
    Tag.STAFF_FACTOR_REMOVED: "A second factor was removed from your account",
    Tag.STAFF_RECOVERY_CODES_MADE: "New recovery codes were made for your account",
    Tag.STAFF_SSO_LINKED: "Your account was linked to single sign-on",
    Tag.STAFF_EMERGENCY_GIVEN: "An emergency code was made for your account",
}
IF_NOT_YOU: Final = "If it was not you, inform an administrator at once."


def listen_to_sign_in() -> None:
    """Write these messages with the events that they are about."""
    for tag in SUBJECTS:
        listen(tag, _to_person)
    listen(Tag.STAFF_EMERGENCY_GIVEN, _to_administrators)


def _to_person(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        person = Staff.objects.filter(pk=entry.detail["staff_id"])
        text = f"{entry.detail.get('factor', '')} {IF_NOT_YOU}".strip()
        notify(Topic.SIGN_IN_CHANGED, person, subject=SUBJECTS[entry.tag], text=text, link=reverse("sign_in:security"))


def _to_administrators(entries: Sequence[AuditEntry]) -> None:
    for entry in entries:
        detail = entry.detail
        administrators = Staff.objects.filter(is_active=True, groups__name=Role.ADMINISTRATOR)
        subject = f"{detail['operator']} made an emergency code for {detail['username']}"
        text = f"It stands in for {detail['stead']}. Reason: {entry.reason_text}"
        notify(Topic.EMERGENCY_ACCESS, administrators, subject=subject, text=text, link=reverse("people:list"))
