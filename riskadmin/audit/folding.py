"""Which events the audit page folds into their change: what is written for each item of it, or for each call.

A bulk change of 1,400 accounts writes thousands of them. Whatever a person did is never folded.
"""

from typing import Final

from django.db.models import Q

from riskadmin.audit.tags import Tag

FOLDED: Final = (
    Tag.ITEM_CLAIMED.value,
    Tag.ITEM_STEP_DONE.value,
    Tag.ITEM_SENT.value,
    Tag.ITEM_DEFERRED.value,
    Tag.ITEM_SETTLED.value,
    Tag.ITEM_UNKNOWN.value,
)

POSITION: Final = "position"
"""The detail of a request's events that only those after its first item have: they fold into the first."""

UNFOLDED: Final = ~Q(tag__in=FOLDED) & ~Q(detail__has_key=POSITION)
"""The condition on all others. Indexes have it too: another one needs a migration."""
