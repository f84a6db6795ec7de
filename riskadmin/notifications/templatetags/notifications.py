"""How messages look on every page; `{% load notifications %}`."""

from django import template
from django.utils.safestring import SafeString

from riskadmin.notifications.models import MESSAGE_LOOK, MessageState
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def message_state(value: str) -> SafeString:
    """Draw how far the delivery of a message is."""
    known = MessageState(value)
    return drawn(known.label, MESSAGE_LOOK[known])
