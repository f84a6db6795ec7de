"""What people do: read, choose, keep webhooks, have something sent again."""

from collections.abc import Mapping, Sequence
from uuid import uuid4

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import DUE, RETRIABLE, Message, MessageState, Preferences, Shape, Webhook
from riskadmin.notifications.queries import messages_of
from riskadmin.notifications.sealing import seal
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.notifications.webhook_request import checked_host, new_secret
from riskadmin.staff.models import Staff


def mark_read(*, actor: Staff, message_id: int | None = None) -> int:
    """Mark one of a person's own messages as read, or all of them; return how many were unread."""
    unread = messages_of(actor).filter(read_at=None)
    if message_id is not None:
        unread = unread.filter(pk=message_id)
    return unread.update(read_at=timezone.now())


def save_preferences(*, actor: Staff, origin: Origin, channels: Mapping[Topic, Sequence[Channel]], mail_digest: str) -> None:
    """Keep over which channels a person wants each topic, and write the event. Messages already written stay as they are."""
    with transaction.atomic():
        kept, _ = Preferences.objects.select_for_update().get_or_create(person=actor)
        before = kept.to_json()
        kept.channels = {topic.value: [channel.value for channel in named] for topic, named in channels.items()}
        kept.mail_digest = mail_digest
        kept.save()
        record(AuditEntry(tag=Tag.NOTIFICATIONS_CHOSEN, actor=actor.who(), origin=origin, before=before, after=kept.to_json()))


def add_webhook(
    *, actor: Staff, origin: Origin, name: str, url: str, shape: Shape, topics: Sequence[Topic]
) -> tuple[Webhook, str]:
    """Add a webhook and write the event; return it with its secret, which is not shown again.

    Raises AddressRefused, and IntegrityError if the name is taken.
    """
    host, secret = checked_host(url), new_secret()
    with transaction.atomic():
        webhook = Webhook.objects.create(
            name=name,
            shape=shape,
            topics=[topic.value for topic in topics],
            host=host,
            sealed_url=seal(url),
            sealed_secret=seal(secret),
            added_by_name=actor.display_name,
        )
        record(_about_webhook(Tag.WEBHOOK_ADDED, webhook, actor, origin))
    return webhook, secret


def remove_webhook(*, actor: Staff, origin: Origin, webhook: Webhook) -> None:
    """Stop posting to a webhook, erase its address and secret, give up what waits for it, and write the event."""
    with transaction.atomic():
        removed = Webhook.objects.filter(pk=webhook.pk, removed_at=None).update(
            removed_at=timezone.now(), sealed_url="", sealed_secret=""
        )
        if removed:
            waiting = Message.objects.filter(webhook=webhook, state__in=DUE)
            waiting.update(state=MessageState.GIVEN_UP, last_error="This webhook was removed.")
            record(_about_webhook(Tag.WEBHOOK_REMOVED, webhook, actor, origin))


def send_test(*, actor: Staff, webhook: Webhook) -> None:
    """Have a test message posted to a webhook."""
    now = timezone.now()
    Message.objects.create(
        key=f"{Topic.WEBHOOK_TEST.value}:{uuid4().hex}",
        topic=Topic.WEBHOOK_TEST,
        channel=Channel.WEBHOOK,
        webhook=webhook,
        subject=f"A test of {webhook.name}",
        text=f"{actor.display_name} sent this test from riskadmin.",
        link=reverse("notifications:webhooks"),
        created_at=now,
        next_try_at=now,
    )


def retry(*, message_id: int) -> bool:
    """Have a message that failed sent again now, with all its tries; return whether there was one."""
    failed = Message.objects.filter(pk=message_id, state__in=RETRIABLE)
    return bool(failed.update(state=MessageState.WAITING, tries=0, next_try_at=timezone.now()))


def _about_webhook(tag: Tag, webhook: Webhook, actor: Staff, origin: Origin) -> AuditEntry:
    detail = {"webhook": webhook.name, "host": webhook.host, "topics": webhook.topics}
    return AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail=detail)
