"""The states of a template's version, and the one map of allowed transitions."""

from typing import Final

from django.db import models

from riskadmin.web.looks import Look


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

VERSION_LOOK: Final[dict[VersionState, Look]] = {
    VersionState.PROPOSED: Look(tone="warn", icon="hourglass", explanation="Waiting to be approved or rejected."),
    VersionState.IN_FORCE: Look(tone="ok", icon="circle-check", explanation="Accounts are checked against it."),
    VersionState.SUPERSEDED: Look(tone="neutral", icon="history", explanation="A later version took its place."),
    VersionState.REJECTED: Look(tone="danger", icon="ban", explanation="An approver rejected it."),
    VersionState.WITHDRAWN: Look(
        tone="neutral", icon="circle-x", explanation="It was withdrawn by the person who proposed it."
    ),
}
