"""Who set an account's current admin action, for pages of packages below this one; `{% load set_by %}`."""

from typing import Any

from django import template

from accounts.changes.queries import current_admin_action
from accounts.models import Account, MirrorMove, MoveSubject

register = template.Library()


@register.inclusion_tag("changes/_set_by.html")
def set_by(account: Account) -> dict[str, Any]:
    """Return who requested it, when and why, if it was a change made here; else what is known of it."""
    item = current_admin_action(account)
    has_moved = item is not None or MirrorMove.objects.filter(account=account, subject=MoveSubject.STATUS).exists()
    return {"item": item, "is_as_first_read": not has_moved}
