"""What a token's scope allows. Nothing, unless a package names it here; so no scope can allow to approve by mistake."""

from collections import defaultdict
from typing import Final

from riskadmin.staff.tokens.models import Scope

_ALLOWED: Final[dict[Scope, set[str]]] = defaultdict(set)


def allow(scope: Scope, capability: str) -> None:
    """Let tokens of a scope do what their person may. A package that the API serves calls this once, when it starts."""
    _ALLOWED[scope].add(capability)


def allowed(scope: str) -> frozenset[str]:
    """Return the capabilities of a stored scope. One that requests changes also reads."""
    reads = frozenset(_ALLOWED[Scope.READ])
    return reads | _ALLOWED[Scope.REQUEST] if scope == Scope.REQUEST else reads
