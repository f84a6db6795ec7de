"""The filters of the outbox."""

from riskadmin.notifications.models import Message, MessageState
from riskadmin.notifications.topics import Channel, Topic
from riskadmin.web.lists.filters import ListFilters, SelectFilter


class MessageFilters(ListFilters):
    """Each is a parameter of the page's address."""

    state = SelectFilter(label="State", choices=[("", "Any"), *MessageState.choices])
    channel = SelectFilter(label="Channel", choices=[("", "Any"), *Channel.choices])
    topic = SelectFilter(label="Topic", choices=[("", "Any"), *Topic.choices])

    class Meta:
        model = Message
        fields: list[str] = []
