"""What people are told about: every topic, who gets it, and whether it may wait for a digest."""

from dataclasses import dataclass
from typing import Final

from django.db import models


class Channel(models.TextChoices):
    """A way in which a message reaches somebody."""

    PAGE = "page", "On the page"
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"


class Topic(models.TextChoices):
    """What a message is about. Stored with messages and settings, so a name is never changed."""

    APPROVAL_NEEDED = "approval_needed", "Approval needed"
    DECIDED = "decided", "Decided"
    COMMENT_MENTION = "comment_mention", "Mentioned in a comment"
    EXPIRING = "expiring", "Expiring or expired"
    CHANGE_FINISHED = "change_finished", "Finished with failures"
    SUSPENDED = "suspended", "Suspended"
    REVIEW_DUE = "review_due", "Review due"
    BREAK_GLASS = "break_glass", "Break-glass"
    CHANGE_STEP = "change_step", "Every step of a change"
    RIGHTS_REQUESTED = "rights_requested", "Rights requested"
    SIGN_IN_LINK = "sign_in_link", "One-time link"
    SIGN_IN_CHANGED = "sign_in_changed", "Sign-in or roles changed"
    ADDRESS_CHANGED = "address_changed", "E-mail address changed"
    EMERGENCY_ACCESS = "emergency_access", "Emergency code made"
    WEBHOOK_TEST = "webhook_test", "Test of a webhook"


def topic_label(name: str) -> str:
    """Return a stored topic in words; its name if there is no such topic any more."""
    return Topic(name).label if name in Topic.values else name


@dataclass(frozen=True, kw_only=True)
class TopicSpec:
    """A topic in words.

    `sentence` says when a message is sent. An urgent one is always shown on the page and never waits for a digest. `channels`
    are those of people who have chosen nothing. Who gets it is decided where it is written.
    """

    sentence: str
    is_urgent: bool = False
    channels: tuple[Channel, ...] = (Channel.PAGE, Channel.EMAIL)


TOPICS: Final[dict[Topic, TopicSpec]] = {
    Topic.APPROVAL_NEEDED: TopicSpec(sentence="A change waits, and you may approve it.", is_urgent=True),
    Topic.DECIDED: TopicSpec(sentence="A change that you requested was approved or rejected, or edits were asked for."),
    Topic.COMMENT_MENTION: TopicSpec(sentence="A comment mentions you."),
    Topic.EXPIRING: TopicSpec(
        sentence="A change is about to expire without a decision, or has expired.",
        is_urgent=True,
    ),
    Topic.CHANGE_FINISHED: TopicSpec(sentence="A change that you requested has finished, and not every item was applied."),
    Topic.SUSPENDED: TopicSpec(
        sentence="A change was suspended, before it ran or because what is stored is not what was approved.",
        is_urgent=True,
    ),
    Topic.REVIEW_DUE: TopicSpec(sentence="The review of a change that ran without approval is overdue."),
    Topic.SIGN_IN_CHANGED: TopicSpec(
        sentence="Your password, second factors, recovery codes, e-mail address or roles were changed.",
        is_urgent=True,
    ),
    Topic.EMERGENCY_ACCESS: TopicSpec(
        sentence="Somebody with a shell on the server made an emergency code for a person.",
        is_urgent=True,
    ),
    Topic.BREAK_GLASS: TopicSpec(
        sentence="Somebody ran a change alone because of an incident.",
        is_urgent=True,
    ),
    Topic.RIGHTS_REQUESTED: TopicSpec(
        sentence="Another administrator requests rights for somebody, and you may confirm it.",
        is_urgent=True,
    ),
}
"""The topics that people choose channels for. A one-time link, and a message to an address that was replaced, always
go by e-mail; a test of a webhook reaches no person."""

WEBHOOK_TOPICS: Final = (*TOPICS, Topic.CHANGE_STEP)
"""The topics that a webhook may have. Every step of every change is for programs alone."""
