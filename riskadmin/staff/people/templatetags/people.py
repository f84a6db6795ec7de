"""The look of a request for rights."""

from django import template
from django.utils.safestring import SafeString

from riskadmin.staff.people.models import RIGHTS_LOOK, RightsState
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def rights_state(state: str) -> SafeString:
    """Show the state of a request for rights."""
    return drawn(RightsState(state).label, RIGHTS_LOOK[RightsState(state)])
