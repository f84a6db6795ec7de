"""The four roles and what each may do.

A capability is `package:verb`. Views name the one they require (`riskadmin.web.access.requires`), and the permission matrix
in the tests checks every address against every role. Roles are Django groups, so that a directory can assign them later.
PostgreSQL's guards name the roles that have `changes:decide` once more (`accounts/changes/sql/`); tests compare the two.
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
_REQUEST: Final = frozenset(
    {
        "changes:request:lock",
        "changes:request:liquidate_only",
        "changes:request:unlock",
        "changes:request:risk_category",
        "changes:request:auto_liq_limits",
        "changes:request:position_limit",
        "changes:request:risk_parameter",
        "changes:request:user_lockout",
        "changes:request:reset_auto_liq_status",
        "changes:request:max_net_liq",
        "changes:request:demo_balance",
        "changes:request:remediation",
    },
)

CAPABILITIES: Final[dict[Role, frozenset[str]]] = {
    Role.SUPPORT: _READ | _REQUEST | {"accounts:note"},
    Role.SUPERVISOR: _READ
    | _REQUEST
    | {"accounts:note", "changes:request:liquidate", "changes:decide", "changes:resolve", "policy:view", "system:view"},
    Role.COMPLIANCE: _READ | {"audit:view", "policy:view"},
    Role.ADMINISTRATOR: _READ | {"staff:manage", "policy:view", "system:view"},
}
ALL_CAPABILITIES: Final = frozenset().union(*CAPABILITIES.values())


def capabilities_of(group_names: Iterable[str]) -> frozenset[str]:
    """Return the combined capabilities of the roles in `group_names`. Names that are not roles add nothing."""
    known = set(Role.values)
    granted: frozenset[str] = frozenset()
    for name in group_names:
        if name in known:
            granted |= CAPABILITIES[Role(name)]
    return granted
