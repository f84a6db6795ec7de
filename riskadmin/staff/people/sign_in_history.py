"""What was done lately to a person's sign-in: who gives them rights has to know, since somebody else could have it now.

It is read from the audit trail, which no administrator can change. `PEOPLE_LOOKBACK_DAYS` says how far back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff

_BY_OTHERS: Final = (
    Tag.STAFF_RESET,
    Tag.STAFF_FACTORS_RESET,
    Tag.STAFF_LINK_MADE,
    Tag.STAFF_LINK_USED,
    Tag.STAFF_ROLE_REMOVED,
    Tag.STAFF_SWITCHED_OFF,
    Tag.STAFF_EMERGENCY_GIVEN,
)
"""With each of these, or after it, somebody else may have the person's password or second factor."""

_ROLES_LOST: Final = (Tag.STAFF_ROLE_REMOVED, Tag.STAFF_ROLES_FROM_SSO)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that was done to a person's sign-in, in words. `event` is the number of its event."""

    event: int
    at: datetime
    words: str


def facts_about(person: Staff) -> Sequence[Fact]:
    """Return what was done lately to a person's sign-in, oldest first: resets, links, addresses, factors and lost roles."""
    moved = Q(before__has_key="email") & ~Q(before__email=F("after__email"))
    tagged = _lately(person, *_BY_OTHERS, Tag.STAFF_DETAILS_SET)
    found = tagged.filter(~Q(tag=Tag.STAFF_DETAILS_SET) | moved).order_by("pk")
    return [Fact(event=event.pk, at=event.occurred_at, words=_words(event)) for event in found]


def newest_fact(person: Staff) -> int:
    """Return the number of the newest event of `facts_about`, by which who confirms says what they have read; 0 if none."""
    return max((fact.event for fact in facts_about(person)), default=0)


def roles_held_lately(person: Staff) -> set[str]:
    """Return the roles that a person has, and those that they have lost lately."""
    lost = _lately(person, *_ROLES_LOST).values_list("before__roles", flat=True)
    return {*person.role_names, *(role for roles in lost for role in roles or ())}


def _lately(person: Staff, *tags: Tag) -> QuerySet[Event]:
    """Return the recent events of some tags about a person. Found by their tags: `detail` has no index."""
    since = timezone.now() - timedelta(days=settings.PEOPLE_LOOKBACK_DAYS)
    return Event.objects.filter(tag__in=tags, detail__staff_id=person.pk, occurred_at__gte=since)


def _words(event: Event) -> str:
    said = EventLine(event).sentence
    if event.tag == Tag.STAFF_DETAILS_SET:
        before, after = event.before or {}, event.after or {}
        return f"{said}: the address was {before.get('email') or 'none'}, and is {after.get('email') or 'none'}"
    if event.tag == Tag.STAFF_LINK_MADE:
        return f"{said}; {'it went by e-mail' if event.detail.get('by_email') else 'who made it saw it'}"
    if event.tag == Tag.STAFF_LINK_USED and event.address:
        return f"{said}, from {event.address}"
    return said
