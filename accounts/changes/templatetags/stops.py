"""What is stopped now, on pages of packages that don't depend on changes; `{% load stops %}`."""

from typing import Any

from django import template

from accounts.changes.stop_views import notices_for_account
from accounts.models import Account
from riskadmin.tradovate.vocabulary import Environment

register = template.Library()


@register.inclusion_tag("changes/_stops.html", takes_context=True)
def stops_of_account(context: template.Context, account: Account) -> dict[str, Any]:
    """Return what is stopped in the account's environment, and the alternatives for it."""
    stops = notices_for_account(context["request"], Environment(account.environment), account.tradovate_id)
    return {"stops": stops}
