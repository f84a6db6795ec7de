"""Requesting changes with parameters for tests, as the application does."""

from collections.abc import Sequence
from uuid import uuid4

from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.stored import State
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.scheduling.timing import AT_ONCE, Timing
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, ReasonCode
from tests.changes.mirror import ORIGIN


def request_change(
    person: Staff,
    kind_name: str,
    target_ids: Sequence[int],
    parameters: State | None = None,
    *,
    digest: str = "",
    timing: Timing = AT_ONCE,
) -> Change:
    """Request a change of demo targets as it is planned now, or as the plan of a digest was shown before."""
    kind = KINDS[kind_name]
    now = plan(kind, environment=Environment.DEMO, target_ids=target_ids, parameters=parameters)
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=kind,
        environment=Environment.DEMO,
        target_ids=target_ids,
        parameters=parameters,
        reason_code=ReasonCode.OTHER,
        reason_text="A test",
        form_key=uuid4(),
        shown_digest=digest or now.digest,
        confirmed_count=len(now.sent),
        timing=timing,
    )
