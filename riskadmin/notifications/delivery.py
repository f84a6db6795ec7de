"""Delivering what is due: claimed in one transaction, sent without one, settled in another.

A try is counted, and its lease written, before anything is sent. A worker that is killed in between loses nothing: the message
is due again when the lease ends. It may then arrive twice, under the same id.
"""

import time
from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from riskadmin.notifications import mail, webhook_request
from riskadmin.notifications.access import seen_by
from riskadmin.notifications.models import DUE, Message, MessageState, Webhook
from riskadmin.notifications.people import with_link
from riskadmin.notifications.sealing import unseal
from riskadmin.notifications.security_notices import address_of
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.notifications.undelivered import NotDelivered
from riskadmin.sealing import CannotOpen

LEASE: Final = timedelta(minutes=2)
"""Longer than any try takes."""

RETRY_AFTER: Final = tuple(timedelta(minutes=minutes) for minutes in (0.5, 2, 10, 30, 60, 120, 240, 480))
"""The wait after each failed try. After the last one a message is given up; all take 16 hours."""

DIGEST_MAX: Final = 200
"""Messages in one e-mail."""

RUN_S: Final = 45.0
"""When a run stops taking further messages. Another one follows a few seconds later."""


def deliver_due() -> int:
    """Send the messages that are due, first things first; return how many were tried."""
    ends, tried = time.monotonic() + RUN_S, 0
    # What ended its worker at every try ends no further one.
    _due().filter(tries__gt=len(RETRY_AFTER)).update(
        state=MessageState.GIVEN_UP, last_error="Each try ended before its result was known."
    )
    while time.monotonic() < ends and (claimed := _claim()):
        tried += len(claimed)
        _try(claimed)
    return tried


def _due() -> QuerySet[Message]:
    return Message.objects.filter(state__in=DUE, next_try_at__lte=timezone.now())


def _claim() -> list[Message]:
    """Return the next message that is due, or a person's digest, with its try counted; nothing if none is due."""
    with transaction.atomic():
        free = _due().select_for_update(skip_locked=True, of=("self",)).order_by("next_try_at", "pk")
        claimed = list(free[:1])
        if claimed and claimed[0].in_digest:
            claimed = list(free.filter(person=claimed[0].person, in_digest=True)[:DIGEST_MAX])
        ids = [message.pk for message in claimed]
        Message.objects.filter(pk__in=ids).update(tries=F("tries") + 1, next_try_at=timezone.now() + LEASE)
    return list(Message.objects.filter(pk__in=ids).select_related("person", "webhook").order_by("pk"))


def _try(claimed: list[Message]) -> None:
    """Send what was claimed, and write how that ended."""
    hidden = _outside_access(claimed)
    _settle_failure(hidden, NotDelivered("It is about something outside this person's access.", is_final=True))
    claimed = [message for message in claimed if message not in hidden]
    if not claimed:
        return
    try:
        _send(claimed)
    except NotDelivered as failure:
        _settle_failure(claimed, failure)
        return
    now = timezone.now()
    for message in claimed:
        _still_claimed(message).update(state=MessageState.SENT, sent_at=now, last_error="")


def _outside_access(claimed: list[Message]) -> list[Message]:
    """Return which of a person's messages are about what they may not see: their access was limited since."""
    person = claimed[0].person
    if person is None:
        return []
    visible = set(seen_by(person, Message.objects.filter(pk__in=[each.pk for each in claimed])).values_list("pk", flat=True))
    return [message for message in claimed if message.pk not in visible]


def _send(claimed: list[Message]) -> None:
    """Send one message, or a digest. Raises NotDelivered."""
    first = claimed[0]
    if first.person is not None:
        if not first.person.is_active:
            raise NotDelivered("This person is switched off.", is_final=True)
        address = address_of(first) if first.topic == Topic.ADDRESS_CHANGED else first.person.email
        mail.send(first.person, [with_link(first)] if first.topic == Topic.SIGN_IN_LINK else claimed, address=address)
    elif first.webhook is not None:
        _post(first, first.webhook)


def _post(message: Message, webhook: Webhook) -> None:
    if webhook.removed_at is not None:
        raise NotDelivered("This webhook was removed.", is_final=True)
    try:
        url, secret = unseal(webhook.sealed_url), unseal(webhook.sealed_secret)
    except CannotOpen as error:
        why = "It was stored under another key. Remove this webhook and add it again."
        raise NotDelivered(why, is_final=True) from error
    webhook_request.post(message, url=url, secret=secret, shape=webhook.shape)


def _settle_failure(claimed: list[Message], failure: NotDelivered) -> None:
    for message in claimed:
        if failure.is_final or message.tries > len(RETRY_AFTER):
            _still_claimed(message).update(state=MessageState.GIVEN_UP, last_error=failure.why)
            continue
        next_try_at = timezone.now() + RETRY_AFTER[message.tries - 1]
        _still_claimed(message).update(state=MessageState.FAILED, last_error=failure.why, next_try_at=next_try_at)
        if message.channel == Channel.WEBHOOK:
            # The others would only wait for the same dead receiver.
            others = Message.objects.filter(webhook=message.webhook, state__in=DUE, next_try_at__lt=next_try_at)
            others.update(next_try_at=next_try_at)


def _still_claimed(message: Message) -> QuerySet[Message]:
    """Return the message unless another worker has claimed it since, because this one took longer than its lease."""
    return Message.objects.filter(pk=message.pk, tries=message.tries, state__in=DUE)
