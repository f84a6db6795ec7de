"""The outbox as a list."""

from collections.abc import Sequence

from django.db.models import prefetch_related_objects

from riskadmin.notifications.filters import MessageFilters
from riskadmin.notifications.models import Message
from riskadmin.web.lists.spec import Column, ListSpec


def _with_recipients(messages: Sequence[Message]) -> Sequence[Message]:
    prefetch_related_objects(messages, "person", "webhook")
    return messages


MESSAGES: ListSpec[Message] = ListSpec(
    name="messages",
    noun="message",
    filters=MessageFilters,
    order="-message",
    row_template="notifications/_row.html",
    rows=_with_recipients,
    columns=(
        Column(name="message", label="Message", sort=("id",), css="num", is_optional=False),
        Column(name="what", label="What", is_optional=False),
        Column(name="recipient", label="To", is_optional=False),
        Column(name="channel", label="Channel", css="nowrap"),
        Column(name="state", label="State", is_optional=False),
        Column(name="tries", label="Tries", css="num"),
        Column(name="next", label="Next try", css="nowrap", is_shown_at_first=False),
        Column(name="written", label="Written", css="nowrap"),
        Column(name="retry", label="Retry", css="nowrap"),
    ),
)
