"""The outbox, the webhooks it delivers to, and what each person wants to be told how."""

from typing import Any, Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from riskadmin.database.privileges import hidden_from_auditor
from riskadmin.notifications.topics import Channel, topic_label
from riskadmin.web.looks import Look


class Shape(models.TextChoices):
    """What the body of a webhook looks like."""

    JSON = "json", "JSON"
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"


@hidden_from_auditor("sealed_url", "sealed_secret")
class Webhook(models.Model):
    """An address that messages are posted to. Address and secret are stored encrypted, and erased when it is removed."""

    name = models.CharField(max_length=80)
    shape = models.CharField(max_length=8, choices=Shape)
    # Each is a Topic; without `choices`, so that a new topic needs no migration.
    topics = ArrayField(models.CharField(max_length=32))
    # The only part of the address that is shown: the rest may be a credential, as it is at Slack and Teams.
    host = models.CharField(max_length=255)
    sealed_url = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    added_by_name = models.CharField(max_length=150)
    added_at = models.DateTimeField(db_default=Now())
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(removed_at=None), name="webhook_name_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def topic_labels(self) -> list[str]:
        """Its topics in words."""
        return [topic_label(name) for name in self.topics]


class MessageState(models.TextChoices):
    """How far the delivery of a message is."""

    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed, will be retried"
    GIVEN_UP = "given_up", "Given up"


DUE: Final = (MessageState.WAITING, MessageState.FAILED)
"""States from which a message is sent. In this order, since an index condition repeats it."""

RETRIABLE: Final = (MessageState.FAILED, MessageState.GIVEN_UP)
"""States in which a person may have a message sent again."""

MESSAGE_LOOK: Final[dict[MessageState, Look]] = {
    MessageState.WAITING: Look(tone="info", icon="hourglass", explanation="It is sent when its time comes."),
    MessageState.SENT: Look(tone="ok", icon="check", explanation="The recipient's server took it, or the page shows it."),
    MessageState.FAILED: Look(tone="warn", icon="refresh", explanation="The last try failed; the next one follows."),
    MessageState.GIVEN_UP: Look(tone="danger", icon="circle-x", explanation="It is not tried again by itself."),
}


class Message(models.Model):
    """One message to one person or webhook over one channel, and how far its delivery is.

    Written in the transaction of what it reports. `key` names what it reports, its channel and its recipient: the same message
    is written once, however often it is asked for.
    """

    SUBJECT_MAX: Final = 200
    TEXT_MAX: Final = 4000

    key = models.CharField(max_length=200, unique=True)
    topic = models.CharField(max_length=32)  # a Topic, likewise
    channel = models.CharField(max_length=8, choices=Channel)
    # Without a constraint in PostgreSQL, whose check would wait while another transaction has the person's row locked.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    webhook = models.ForeignKey(Webhook, null=True, on_delete=models.PROTECT, related_name="messages")
    subject = models.CharField(max_length=SUBJECT_MAX)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=300)  # a path on this site
    in_digest = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    state = models.CharField(max_length=8, choices=MessageState, default=MessageState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    # When the next try is due. While one runs, the end of its lease: a worker that is killed loses nothing.
    next_try_at = models.DateTimeField()
    last_error = models.TextField(blank=True)
    sent_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=MessageState.values), name="message_state_known"),
            models.CheckConstraint(
                condition=Q(channel=Channel.WEBHOOK, person=None, webhook__isnull=False)
                | Q(channel__in=[Channel.PAGE, Channel.EMAIL], person__isnull=False, webhook=None),
                name="message_has_one_recipient",
            ),
        ]
        indexes = [
            # The delivery: what is due, first things first.
            models.Index(fields=["next_try_at", "id"], condition=Q(state__in=DUE), name="message_due"),
            # A person's own list, newest first, and how many of it are unread.
            models.Index(fields=["person", "-id"], condition=Q(channel=Channel.PAGE), name="message_on_page"),
            models.Index(fields=["person"], condition=Q(channel=Channel.PAGE, read_at=None), name="message_unread"),
            # The outbox, by state.
            models.Index(fields=["state", "-id"], name="message_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} ({self.key})"

    @property
    def topic_label(self) -> str:
        """Its topic in words."""
        return topic_label(self.topic)

    @property
    def url(self) -> str:
        """The address of the page that it is about, for readers outside of the pages."""
        return f"{settings.PUBLIC_URL}{self.link}"

    @property
    def may_be_retried(self) -> bool:
        """Whether a person may have it sent again now."""
        return self.state in RETRIABLE


class MailDigest(models.TextChoices):
    """How often e-mail that is not urgent is sent."""

    NONE = "", "As it happens"
    HOURLY = "hourly", "Every hour, in one e-mail"
    DAILY = "daily", "Every morning at 8, in one e-mail"


class Preferences(models.Model):
    """What one person chose. Topics that are not in `channels` have their own channels."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    channels = models.JSONField(default=dict)  # topic: list of channels
    mail_digest = models.CharField(max_length=8, choices=MailDigest, blank=True)

    def __str__(self) -> str:
        return f"Preferences of person {self.person_id}"

    def to_json(self) -> dict[str, Any]:
        """Return what the trail records of them."""
        return {"channels": self.channels, "mail_digest": self.mail_digest}
