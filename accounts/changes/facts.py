"""What policy is asked with about a change: the facts of its plan, its requester and its time."""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from accounts.approvals import policy
from accounts.approvals.policy import Facts, Need, items_24h, requester_role
from accounts.approvals.states import Direction, Hours
from accounts.changes.approval import CHANGES
from accounts.changes.effects import ChangeEffects
from accounts.changes.plan import Plan
from accounts.changes.scheduling.hours import HoursUnknown, hours
from accounts.changes.scheduling.timing import IMMEDIATELY, Timing
from accounts.changes.states import Window
from riskadmin.staff.models import Staff
from riskadmin.web.formats import counted


def facts_of(
    actor: Staff,
    planned: Plan,
    effects: ChangeEffects,
    *,
    at: datetime | None = None,
    timing: Timing = IMMEDIATELY,
    at_least: int = 0,
) -> Facts:
    """Return the facts of a plan that somebody would ask for now; one query."""
    asked_at, items = at or timezone.now(), len(planned.sent)
    return Facts(
        subject=CHANGES.name,
        kind=planned.kind.name,
        environment=planned.environment.value,
        requester_role=requester_role(actor),
        direction=direction_of(planned, effects),
        hours=_hours_of(timing, asked_at),
        items=items,
        items_24h=items + items_24h(actor, planned.kind.name, asked_at),
        money_usd=effects.largest_money_effect_usd or Decimal(0),
        # Whether something possible happens is not known before it is sent, so policy takes it for certain.
        liquidations=effects.liquidated + effects.possibly_liquidated,
        open_positions=None if effects.positions_unknown else effects.open_positions,
        at_least=at_least,
        runs_at=timing.runs_at,
    )


def need_of(facts: Facts) -> Need:
    """Return what the policy in force wants for a change; one query. Raises `policy.PolicyMissing`."""
    return policy.need(facts.to_json(), what=f"{facts.kind} on {facts.environment} for {counted(facts.items, 'target')}")


def direction_of(planned: Plan, effects: ChangeEffects) -> Direction:
    """Return what the preview found; where it found neither, what the kind is for."""
    if effects.looser and effects.tighter:
        return Direction.MIXED
    if effects.looser or effects.tighter:
        return Direction.LOOSENING if effects.looser else Direction.TIGHTENING
    return Direction.TIGHTENING if planned.kind.is_protective else Direction.LOOSENING


def _hours_of(timing: Timing, asked_at: datetime) -> Hours | None:
    if timing.window == Window.OUTSIDE_TRADING:
        return Hours.OUTSIDE
    try:
        return Hours.OUTSIDE if hours().is_open(timing.runs_at or asked_at) else Hours.INSIDE
    except HoursUnknown:
        return None
