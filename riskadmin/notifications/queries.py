"""Reading messages, for pages."""

from typing import Final

from django.db.models import QuerySet

from riskadmin.notifications.access import seen_by
from riskadmin.notifications.models import Message, Preferences, Webhook
from riskadmin.notifications.topics import Channel
from riskadmin.staff.models import Staff

COUNTED_MAX: Final = 99


def messages_of(person: Staff) -> QuerySet[Message]:
    """Return the messages that a person's own page shows: none about what is outside their access by now."""
    return seen_by(person, Message.objects.filter(person=person, channel=Channel.PAGE))


def unread_words(person: Staff) -> str:
    """Return how many of them are unread: "" for none, "99+" for more than that. Every open page asks for it."""
    count = messages_of(person).filter(read_at=None)[: COUNTED_MAX + 1].count()
    return f"{COUNTED_MAX}+" if count > COUNTED_MAX else str(count or "")


def preferences_of(person: Staff) -> Preferences | None:
    """Return what a person chose; None if that is nothing."""
    return Preferences.objects.filter(person=person).first()


def webhooks() -> QuerySet[Webhook]:
    """Return the webhooks that messages are posted to, by name."""
    return Webhook.objects.filter(removed_at=None).order_by("name")
