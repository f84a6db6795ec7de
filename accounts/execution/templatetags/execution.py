"""How calls and readings look on every page; `{% load execution %}`."""

from django import template
from django.utils.safestring import SafeString

from accounts.execution.models import CALL_LOOK, CallState
from accounts.execution.unknown_item import SHOWN_LOOK, Shown
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def call_state(value: str) -> SafeString:
    """Draw a call's state."""
    known = CallState(value)
    return drawn(known.label, CALL_LOOK[known])


@register.simple_tag
def last_reading(value: Shown) -> SafeString:
    """Draw what the last reading showed about an unknown item."""
    return drawn(value.label, SHOWN_LOOK[value])
