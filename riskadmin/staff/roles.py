"""The four roles and what each may do.

A capability is `package:verb`. Views name the one they require (`riskadmin.web.access.requires`), and the permission matrix
in the tests checks every address against every role. Roles are Django groups, so that a directory can assign them later.
PostgreSQL's guards name the roles that may decide once more (`accounts/approvals/sql/`); tests compare the two.
"""

from collections.abc import Iterable
from typing import Final

from django.db import models

from riskadmin.web.access import name_capability


class Role(models.TextChoices):
    """A job at the firm; the value is the group's name."""

    SUPPORT = "support", "Support"
    SUPERVISOR = "supervisor", "Supervisor"
    COMPLIANCE = "compliance", "Compliance"
    ADMINISTRATOR = "administrator", "Administrator"


_GRANTED: Final[dict[str, tuple[str, frozenset[Role]]]] = {
    "accounts:view": ("see accounts", frozenset(Role)),
    "accounts:note": ("write notes about accounts", frozenset({Role.SUPPORT, Role.SUPERVISOR})),
    "categories:mark": ("mark risk categories as halting", frozenset({Role.ADMINISTRATOR})),
    "changes:view": ("see changes", frozenset(Role)),
    "changes:decide": ("approve or reject changes", frozenset({Role.SUPERVISOR})),
    "changes:resolve": ("decide about unknown outcomes", frozenset({Role.SUPERVISOR})),
    "notifications:manage": (
        "manage the outbox and webhooks, with access to every account",
        frozenset({Role.ADMINISTRATOR}),
    ),
    "policy:view": ("see the policy", frozenset({Role.SUPERVISOR, Role.COMPLIANCE, Role.ADMINISTRATOR})),
    "reasons:manage": ("manage the firm's own reasons", frozenset({Role.ADMINISTRATOR})),
    "policy:edit": ("propose changes of the policy", frozenset({Role.ADMINISTRATOR})),
    "policy:decide": ("approve or reject changes of the policy", frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})),
    "audit:view": ("read the audit trail", frozenset({Role.COMPLIANCE})),
    "duty:view": ("see who is on duty", frozenset(Role)),
    "duty:keep": ("be on the duty roster", frozenset({Role.SUPERVISOR})),
    "duty:manage": ("edit everybody's duty", frozenset({Role.ADMINISTRATOR})),
    "staff:view": ("see people and what they may do", frozenset({Role.COMPLIANCE, Role.ADMINISTRATOR})),
    "staff:manage": ("manage people and their roles", frozenset({Role.ADMINISTRATOR})),
    "connections:manage": ("manage the connections to Tradovate", frozenset({Role.ADMINISTRATOR})),
    "access:manage": ("limit people's access and mark accounts of staff", frozenset({Role.ADMINISTRATOR})),
    "related:view": (
        "see which accounts belong to staff or their relatives",
        frozenset({Role.SUPERVISOR, Role.COMPLIANCE, Role.ADMINISTRATOR}),
    ),
    "system:view": ("see how the system is", frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})),
}
"""Each capability, what it allows in words ("It needs the permission to …"), and the roles that have it."""

OF_EVERY_ACCOUNT: Final = frozenset({"notifications:manage"})
"""Capabilities that no one has whose access is limited: messages of the whole firm name changes of any account."""

CAPABILITIES: Final[dict[Role, frozenset[str]]] = {
    role: frozenset(capability for capability, (_, roles) in _GRANTED.items() if role in roles) for role in Role
}
"""What each role may do: these, and what other packages grant as they start, such as requesting each kind of change."""


def grant(capability: str, roles: Iterable[Role]) -> None:
    """Give a capability to roles. A package whose capabilities derive from something else calls this once, when it starts."""
    for role in roles:
        CAPABILITIES[role] |= {capability}


def name_capabilities() -> None:
    """Say in words what each capability of the table allows, for the page that refuses someone who lacks it."""
    for capability, (words, _) in _GRANTED.items():
        name_capability(capability, words)


def all_capabilities() -> frozenset[str]:
    """Return every capability that some role has."""
    return frozenset().union(*CAPABILITIES.values())


def capabilities_of(group_names: Iterable[str]) -> frozenset[str]:
    """Return the combined capabilities of the roles in `group_names`. Names that are not roles add nothing."""
    known = set(Role.values)
    granted: frozenset[str] = frozenset()
    for name in group_names:
        if name in known:
            granted |= CAPABILITIES[Role(name)]
    return granted
