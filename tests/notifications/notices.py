"""Messages for tests, written as the application writes them."""

from django.db import transaction
from django.utils import timezone

from riskadmin.audit.origin import Origin
from riskadmin.notifications.actions import add_webhook
from riskadmin.notifications.models import Message, MessageState, Shape, Webhook
from riskadmin.notifications.outbox import notify
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.staff.models import Staff

LINK = "/changes/7/"


def send_notice(topic: Topic, *people: Staff, subject: str = "Change 7 was rejected", text: str = "Why", key: str = "") -> None:
    """Tell people something."""
    with transaction.atomic():
        notify(topic, people, subject=subject, text=text, link=LINK, key=key)


def hook(actor: Staff, url: str, *topics: Topic, name: str = "desk", shape: Shape = Shape.JSON) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret."""
    return add_webhook(
        actor=actor, origin=Origin(job="tests"), name=name, url=url, shape=shape, topics=topics or (Topic.DECIDED,)
    )


def make_due() -> None:
    """Let the time of every next try have come."""
    Message.objects.update(next_try_at=timezone.now())


def make_messages(person: Staff, count: int) -> list[int]:
    """Messages about two topics, to a person and to a webhook."""
    webhook, _ = hook(person, "https://hooks.example.com/x")
    now = timezone.now()
    made = Message.objects.bulk_create(
        Message(
            key=str(number),
            topic=(Topic.DECIDED, Topic.EXPIRING)[number % 2],
            subject=f"Message {number}",
            link="/",
            created_at=now,
            next_try_at=now,
            **(
                {"channel": Channel.WEBHOOK, "webhook": webhook, "state": MessageState.FAILED}
                if number % 3 == 0
                else {"channel": Channel.EMAIL, "person": person}
            ),
        )
        for number in range(count)
    )
    return [message.pk for message in made]
