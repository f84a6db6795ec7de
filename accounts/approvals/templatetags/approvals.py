"""How requests look on every page; `{% load approvals %}`."""

from django import template
from django.utils.safestring import SafeString

from accounts.approvals.states import REQUEST_LOOK, RequestState
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def request_state(value: str) -> SafeString:
    """Draw a request's state."""
    known = RequestState(value)
    return drawn(known.label, REQUEST_LOOK[known])
