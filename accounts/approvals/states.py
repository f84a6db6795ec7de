"""The states of an approval request and of a version of the policy, with the maps of allowed transitions; the verdicts."""

from typing import Final

from django.db import models

from riskadmin.web.looks import Look


class RequestState(models.TextChoices):
    """The state of an approval request. Every state but the first is final."""

    WAITING = "waiting", "Waiting for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    EDITS_REQUESTED = "edits_requested", "Edits requested"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


REQUEST_TRANSITIONS: Final[dict[RequestState, frozenset[RequestState]]] = {
    state: frozenset(RequestState) - {RequestState.WAITING} if state == RequestState.WAITING else frozenset()
    for state in RequestState
}


REQUEST_LOOK: Final[dict[RequestState, Look]] = {
    RequestState.WAITING: Look(tone="warn", icon="hourglass", explanation="Waiting to be approved or rejected."),
    RequestState.APPROVED: Look(tone="ok", icon="circle-check", explanation="It has the approvals that it needs."),
    RequestState.REJECTED: Look(tone="danger", icon="ban", explanation="An approver rejected it."),
    RequestState.EDITS_REQUESTED: Look(tone="warn", icon="history", explanation="An approver sent it back to be edited."),
    RequestState.WITHDRAWN: Look(tone="neutral", icon="circle-x", explanation="The person who asked for it withdrew it."),
    RequestState.EXPIRED: Look(tone="neutral", icon="clock", explanation="It was not decided in time."),
}


class Verdict(models.TextChoices):
    """What one person decided about a request."""

    APPROVE = "approve", "Approved"
    REJECT = "reject", "Rejected"
    REQUEST_EDITS = "request_edits", "Requested edits"


VERDICT_LOOK: Final[dict[Verdict, Look]] = {
    Verdict.APPROVE: Look(tone="ok", icon="circle-check", explanation="This person approved it."),
    Verdict.REJECT: Look(tone="danger", icon="ban", explanation="This person rejected it."),
    Verdict.REQUEST_EDITS: Look(tone="warn", icon="history", explanation="This person sent it back to be edited."),
}


class PolicyState(models.TextChoices):
    """The state of a version of the policy."""

    PROPOSED = "proposed", "Waiting for approval"
    IN_FORCE = "in_force", "In force"
    SUPERSEDED = "superseded", "Superseded"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"


POLICY_TRANSITIONS: Final[dict[PolicyState, frozenset[PolicyState]]] = {
    PolicyState.PROPOSED: frozenset({PolicyState.IN_FORCE, PolicyState.REJECTED, PolicyState.WITHDRAWN}),
    # By the next version, which comes into force at the same moment.
    PolicyState.IN_FORCE: frozenset({PolicyState.SUPERSEDED}),
    PolicyState.SUPERSEDED: frozenset(),
    PolicyState.REJECTED: frozenset(),
    PolicyState.WITHDRAWN: frozenset(),
}

POLICY_LOOK: Final[dict[PolicyState, Look]] = {
    PolicyState.PROPOSED: Look(tone="warn", icon="hourglass", explanation="Waiting to be approved or rejected."),
    PolicyState.IN_FORCE: Look(tone="ok", icon="circle-check", explanation="New requests are judged by it."),
    PolicyState.SUPERSEDED: Look(tone="neutral", icon="history", explanation="A later version took its place."),
    PolicyState.REJECTED: Look(tone="danger", icon="ban", explanation="An approver rejected it."),
    PolicyState.WITHDRAWN: Look(tone="neutral", icon="circle-x", explanation="The person who proposed it withdrew it."),
}


class Direction(models.TextChoices):
    """What a preview found that something does to the risk that its targets may take."""

    TIGHTENING = "tightening", "Only tightens"
    LOOSENING = "loosening", "Only loosens"
    MIXED = "mixed", "Tightens and loosens"


class Hours(models.TextChoices):
    """Whether something runs while the exchange trades."""

    INSIDE = "inside", "During trading hours"
    OUTSIDE = "outside", "Outside trading hours"
