"""Reading people, for their pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from django.db.models import QuerySet

from riskadmin.audit.access import seen_by
from riskadmin.audit.models import NEWEST_FIRST, Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role
from riskadmin.web.access import capability_words

HISTORY_MAX: Final = 50

ABOUT_PEOPLE: Final = tuple(tag for tag in Tag if tag.startswith("staff:") and not tag.startswith("staff:session:"))
"""Events about a person. They are few, also where the trail is long: sign-ins are the person's own events."""

_GROUPS: Final = {
    "accounts": "Accounts",
    "audit": "Audit",
    "categories": "Risk categories",
    "changes": "Changes",
    "duty": "Duty",
    "notifications": "Notifications",
    "policy": "Policy",
    "reasons": "Reasons",
    "request": "Requests",
    "staff": "People",
    "system": "System",
    "templates": "Limit templates",
}


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What a capability allows, in words, and which roles have it."""

    name: str
    words: str
    roles: frozenset[Role]

    @property
    def group(self) -> str:
        """The part of the product that it is about."""
        prefix, _, rest = self.name.partition(":")
        prefix = "request" if prefix == "changes" and rest.startswith("request") else prefix
        return _GROUPS.get(prefix, prefix.replace("_", " ").capitalize())

    @property
    def by_role(self) -> list[tuple[Role, bool]]:
        """Every role, and whether it has this."""
        return [(role, role in self.roles) for role in Role]


Grouped = list[tuple[str, list[Permission]]]


def permissions() -> Grouped:
    """Return everything that some role may do, in groups."""
    words = capability_words()
    found = [
        Permission(
            name=name,
            words=_sentence(words.get(name, name)),
            roles=frozenset(role for role, names in CAPABILITIES.items() if name in names),
        )
        for name in frozenset().union(*CAPABILITIES.values())
    ]
    found.sort(key=lambda each: (each.group, each.words))
    return [(group, list(same)) for group, same in groupby(found, key=lambda each: each.group)]


def permissions_of(person: Staff) -> Grouped:
    """Return what a person may do now, in groups; nothing while they are switched off."""
    mine = [(group, [each for each in same if person.may(each.name)]) for group, same in permissions()]
    return [(group, same) for group, same in mine if same]


def events_about(person: Staff, viewer: Staff) -> Sequence[Event]:
    """Return the newest events about a person that a viewer may see: what administrators did, and their one-time links."""
    found: QuerySet[Event] = Event.objects.filter(tag__in=ABOUT_PEOPLE, detail__staff_id=person.pk)
    return list(seen_by(viewer, found).order_by(*NEWEST_FIRST)[:HISTORY_MAX])


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
