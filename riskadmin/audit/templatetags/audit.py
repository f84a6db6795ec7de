"""How exports of the trail look; `{% load audit %}`."""

from django import template
from django.utils.safestring import SafeString

from riskadmin.audit.proof.models import EXPORT_LOOK, ExportState
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def export_state(value: str) -> SafeString:
    """Draw an export's state."""
    known = ExportState(value)
    return drawn(known.label, EXPORT_LOOK[known])
