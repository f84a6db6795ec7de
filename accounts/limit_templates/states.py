"""The states of a template's version, and the one map of allowed transitions."""

from typing import Final

from django.db import models


class VersionState(models.TextChoices):
    """The state of a template's version."""

    PROPOSED = "proposed", "Waiting for a decision"
    IN_FORCE = "in_force", "In force"
    SUPERSEDED = "superseded", "Superseded"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


VERSION_TRANSITIONS: Final[dict[VersionState, frozenset[VersionState]]] = {
    VersionState.PROPOSED: frozenset({VersionState.IN_FORCE, VersionState.REJECTED, VersionState.WITHDRAWN}),
    # By the next version, which comes into force at the same moment.
    VersionState.IN_FORCE: frozenset({VersionState.SUPERSEDED}),
    VersionState.SUPERSEDED: frozenset(),
    VersionState.REJECTED: frozenset(),
    VersionState.WITHDRAWN: frozenset(),
}

VERSION_LOOK: Final[dict[VersionState, tuple[str, str]]] = {
    VersionState.PROPOSED: ("warn", "hourglass"),
    VersionState.IN_FORCE: ("ok", "circle-check"),
    VersionState.SUPERSEDED: ("neutral", "history"),
    VersionState.REJECTED: ("danger", "ban"),
    VersionState.WITHDRAWN: ("neutral", "circle-x"),
}
