"""Messages about people: requests for rights to other administrators, and one-time links to the people themselves.

They follow from events of the trail, since `riskadmin.staff` knows nothing of messages.
"""

from collections.abc import Sequence

from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, listen
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.notifications.outbox import no_longer_needed, notify
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.notifications.undelivered import NotDelivered
from riskadmin.staff.people.links import LinkEnded, code_for_email, link_path
from riskadmin.staff.people.models import RightsRequest
from riskadmin.staff.people.rights import others_who_may_confirm


def register_notices() -> None:
    """Have messages follow the events about people. Called once, when the package starts."""
    listen(Tag.STAFF_LINK_MADE, _link_made)
    listen(Tag.STAFF_RIGHTS_REQUESTED, _rights_requested)
    for tag in (Tag.STAFF_RIGHTS_CONFIRMED, Tag.STAFF_RIGHTS_DECLINED, Tag.STAFF_RIGHTS_WITHDRAWN):
        listen(tag, _rights_settled)


def with_link(message: Message) -> Message:
    """Give the message of a one-time link its link, for the e-mail that is sent now; it is stored nowhere.

    Raises NotDelivered.
    """
    try:
        code = code_for_email(int(message.key.split(":")[1]))
    except LinkEnded as error:
        raise NotDelivered("This link was used, withdrawn or replaced, or it has run out.", is_final=True) from error
    message.link = link_path(code)
    return message


def _link_made(entries: Sequence[AuditEntry]) -> None:
    now = timezone.now()
    for entry in entries:
        if not entry.detail["by_email"]:
            continue
        Message.objects.create(
            key=f"{Topic.SIGN_IN_LINK.value}:{entry.detail['link']}",
            topic=Topic.SIGN_IN_LINK,
            channel=Channel.EMAIL,
            person_id=entry.detail["staff_id"],
            subject="Set your password",
            text=f"{entry.actor.name} made this link for you. It works once, within 72 hours. With it you set the password "
            f"of {entry.detail['username']}. If you did not expect it, tell an administrator and don't open it.",
            link=reverse("people:welcome"),
            created_at=now,
            next_try_at=now,
        )


def _rights_requested(entries: Sequence[AuditEntry]) -> None:
    for request in _requests(entries):
        notify(
            Topic.RIGHTS_REQUESTED,
            others_who_may_confirm(request),
            subject=f"{request.requested_by_name} requests for {request.person.display_name}: {request.what}",
            text=request.reason,
            link=reverse("people:requests"),
            key=_key(request),
        )


def _rights_settled(entries: Sequence[AuditEntry]) -> None:
    for request in _requests(entries):
        no_longer_needed(Topic.RIGHTS_REQUESTED, _key(request))


def _requests(entries: Sequence[AuditEntry]) -> list[RightsRequest]:
    ids = [entry.detail["rights_request"] for entry in entries]
    return list(RightsRequest.objects.filter(pk__in=ids).select_related("person"))


def _key(request: RightsRequest) -> str:
    return f"rights:{request.pk}"
