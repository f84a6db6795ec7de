"""How versions of the policy and trials of rules look on every page; `{% load policy %}`."""

from django import template
from django.utils.safestring import SafeString

from accounts.approvals.policy_trial import DIFFERENCE_LOOK, Difference
from accounts.approvals.states import POLICY_LOOK, PolicyState
from riskadmin.web.templatetags.face import drawn

register = template.Library()


@register.simple_tag
def policy_state(value: str) -> SafeString:
    """Draw the state of a version."""
    known = PolicyState(value)
    return drawn(known.label, POLICY_LOOK[known])


@register.simple_tag
def difference(value: str) -> SafeString:
    """Draw how a request would need something else."""
    known = Difference(value)
    return drawn(known.label, DIFFERENCE_LOOK[known])
