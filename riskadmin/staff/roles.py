"""The four roles and what each may do.

A capability is `package:verb`. Views name the one they require (`riskadmin.web.access.requires`), and the permission matrix
in the tests checks every address against every role. Roles are Django groups, so that a directory can assign them later.
PostgreSQL's guards name the roles that may decide once more (`accounts/approvals/sql/`); tests compare the two.
"""

from collections.abc import Iterable
from typing import Final

from django.db import models


class Role(models.TextChoices):
    """A job at the firm; the value is the group's name."""

    SUPPORT = "support", "Support"
    SUPERVISOR = "supervisor", "Supervisor"
    COMPLIANCE = "compliance", "Compliance"
    ADMINISTRATOR = "administrator", "Administrator"


_READ: Final = frozenset({"accounts:view", "changes:view"})

CAPABILITIES: Final[dict[Role, frozenset[str]]] = {
    Role.SUPPORT: _READ | {"accounts:note"},
    Role.SUPERVISOR: _READ
    | {"accounts:note", "changes:decide", "changes:resolve", "policy:view", "policy:decide", "system:view"},
    Role.COMPLIANCE: _READ | {"audit:view", "policy:view"},
    Role.ADMINISTRATOR: _READ | {"staff:manage", "policy:view", "policy:edit", "policy:decide", "system:view"},
}
"""What each role may do: these, and what other packages grant as they start, such as requesting each kind of change."""


def grant(capability: str, roles: Iterable[Role]) -> None:
    """Give a capability to roles. A package whose capabilities derive from something else calls this once, when it starts."""
    for role in roles:
        CAPABILITIES[role] |= {capability}


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
