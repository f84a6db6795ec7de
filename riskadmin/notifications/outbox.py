"""Writing messages: `notify` is what other packages call, inside the transaction of what they report."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from riskadmin.audit.actions import NoTransaction
from riskadmin.notifications.models import MailDigest, Message, MessageState, Preferences, Webhook
from riskadmin.notifications.topics import TOPICS, Channel, Topic
from riskadmin.staff.duty.queries import stand_ins_for
from riskadmin.staff.models import Staff
from riskadmin.web.clock import firm_zone

DAILY_AT: Final = 8
"""The hour of the daily digest, in the zone of the pages."""


def notify(
    topic: Topic,
    recipients: Iterable[Staff],
    *,
    subject: str,
    link: str,
    text: str = "",
    key: str = "",
    never_to: Collection[int] = (),
) -> None:
    """Write a message to each recipient, over the channels that they chose, and to each webhook of the topic.

    Those who stand in for a recipient get it too, even while that person is switched off; people whose id is in `never_to`
    don't. `subject` is one line for any reader, and `link` the path of the page it is about. `key` names what is reported, in
    up to 120 characters: a second message with the same topic, key and recipient is left out. Nothing is sent here, that is
    done by `delivery`. Raises NoTransaction outside of the transaction of what is reported, and ValueError for a link to
    elsewhere.
    """
    if not transaction.get_connection().in_atomic_block:
        raise NoTransaction("A message must be written inside the transaction of what it reports.")
    if not link.startswith("/") or link.startswith("//"):
        raise ValueError(f"A message links to a page of this site, not to {link!r}.")
    now = timezone.now()
    name = f"{topic.value}:{key or uuid4().hex}"
    content = {
        "topic": topic,
        "subject": " ".join(subject.split())[: Message.SUBJECT_MAX],
        "text": text[: Message.TEXT_MAX],
        "link": link,
        "created_at": now,
    }
    asked = {person.pk: person for person in recipients}
    texts = {person: content["text"] for person in asked.values() if person.is_active}
    for person, stand_in in stand_ins_for(asked.values(), now):
        if stand_in.pk not in never_to:
            texts.setdefault(stand_in, f"You stand in for {person.display_name}. {text}".strip()[: Message.TEXT_MAX])
    chosen = {each.person_id: each for each in Preferences.objects.filter(person__in=texts)}
    to_people = (
        {**each, "text": own_text}
        for person, own_text in texts.items()
        for each in _to_person(person, topic, chosen.get(person.pk), now)
    )
    to_webhooks = ({"channel": Channel.WEBHOOK, "webhook": webhook, "next_try_at": now} for webhook in webhooks_of(topic))
    Message.objects.bulk_create(
        [Message(**{**content, **each}, key=_key(name, each)) for each in (*to_people, *to_webhooks)], ignore_conflicts=True
    )


def messages_about(topic: Topic, key: str) -> QuerySet[Message]:
    """Return the messages to people about something, whose key is or begins with `key`."""
    return Message.objects.filter(key__startswith=f"{topic.value}:{key}:", person__isnull=False)


def no_longer_needed(topic: Topic, key: str) -> None:
    """Mark what people were told about something as read: it is settled, and nothing waits for them any more."""
    messages_about(topic, key).filter(channel=Channel.PAGE, read_at=None).update(read_at=timezone.now())


def webhooks_of(topic: Topic) -> QuerySet[Webhook]:
    """Return the webhooks that get a topic."""
    return Webhook.objects.filter(removed_at=None, topics__contains=[topic.value])


def channels_of(topic: Topic, chosen: Preferences | None) -> set[Channel]:
    """Return the channels over which a person gets a topic."""
    spec = TOPICS[topic]
    named = chosen.channels.get(topic.value, spec.channels) if chosen else spec.channels
    return {Channel(name) for name in named} | ({Channel.PAGE} if spec.is_urgent else set())


def next_digest(mail_digest: str, now: datetime) -> datetime:
    """Return when the next digest of a kind is sent: at the full hour, or in the morning."""
    if mail_digest == MailDigest.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    here = now.astimezone(firm_zone())
    morning = here.replace(hour=DAILY_AT, minute=0, second=0, microsecond=0)
    return morning if morning > here else morning + timedelta(days=1)  # the same hour by the clock, whatever summer time does


def _to_person(person: Staff, topic: Topic, chosen: Preferences | None, now: datetime) -> Iterator[dict[str, Any]]:
    """Return the columns of a person's messages that depend on the channel."""
    channels = channels_of(topic, chosen)
    if Channel.PAGE in channels:
        sent = {"state": MessageState.SENT, "sent_at": now, "next_try_at": now}
        yield {"channel": Channel.PAGE, "person": person, **sent}
    if Channel.EMAIL in channels and settings.EMAIL_IS_ON and person.email:
        digest = "" if TOPICS[topic].is_urgent or chosen is None else chosen.mail_digest
        due_at = next_digest(digest, now) if digest else now
        yield {"channel": Channel.EMAIL, "person": person, "in_digest": bool(digest), "next_try_at": due_at}


def _key(name: str, columns: Mapping[str, Any]) -> str:
    recipient = columns.get("person") or columns["webhook"]
    return f"{name}:{columns['channel'].value}:{recipient.pk}"
