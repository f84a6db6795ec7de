"""How templates look on every page; `{% load limit_templates %}`."""

from django import template
from django.utils.safestring import SafeString

from accounts.changes.kinds.limit_form import LEVEL_CHOICES
from accounts.limit_templates.models import Assignment
from accounts.limit_templates.states import VERSION_LOOK, VersionState
from accounts.models import EnvironmentChoice
from riskadmin.web.formats import money
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def version_state(value: str) -> SafeString:
    """Draw a version's state."""
    known = VersionState(value)
    return drawn(known.label, VERSION_LOOK[known])


@register.filter
def whose(level: str) -> str:
    """Return whose limits a level's are: "The firm's"."""
    return dict(LEVEL_CHOICES)[level]


@register.simple_tag
def assigned_to(assignment: Assignment) -> str:
    """Describe an assignment in one line: "Demo: category Evaluation", "Live: size $50,000.00"."""
    environment = EnvironmentChoice(assignment.environment).label
    if assignment.risk_category:
        return f"{environment}: category {assignment.risk_category.label}"
    size = assignment.evaluation_size_usd
    return f"{environment}: size {money(size) if size is not None else '—'}"
