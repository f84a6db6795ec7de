"""Locks that end: the unlock that is requested along with a lock, and the state it depends on when it is due."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.db.models import TextField

from accounts.changes.kinds import KINDS, for_stored
from accounts.changes.kinds.admin_action import AdminActionAfter, AdminActionKind, RiskState
from accounts.changes.kinds.effects import EffectDirection, TargetEffects
from accounts.changes.kinds.kind import Done, Kind
from accounts.changes.models import Change, Item
from accounts.changes.plan import Plan, Row
from accounts.changes.states import ITEM_FAILED, ItemState
from accounts.models import Account
from accounts.models.ids import AnyOf
from riskadmin.tradovate.vocabulary import Environment


def end_plan(planned: Plan) -> Plan:
    """Return the plan that ends what another plan sets, from the state that the targets will then have.

    Since when they will have it is not known yet: `learned` fills it in.
    """
    kind = KINDS[planned.kind.spec.ended_by]
    if not isinstance(kind, AdminActionKind):
        raise TypeError(f"{kind.name} ends no lock.")
    return Plan(
        kind=kind,
        environment=planned.environment,
        parameters={},
        rows=tuple(_end_row(kind, row) for row in planned.sent),
    )


def _end_row(kind: AdminActionKind, row: Row) -> Row:
    locked = AdminActionAfter.from_json(row.after or {})
    before = replace(RiskState.from_json(row.before or {}), admin_action=locked.admin_action, admin_at=None).to_json()
    after = AdminActionAfter(admin_action=kind.action).to_json()
    # The lock leaves open positions as they are, and so does its end.
    positions = row.effects.open_positions if row.effects else None
    direction = EffectDirection.of(each.direction for each in kind.differences(before, after))
    effects = TargetEffects(direction=direction, open_positions=positions)
    return replace(row, before=before, after=after, effects=effects, warnings=(), weight=0.0)


def learned(
    kind: Kind, change: Change, items: Sequence[Item], found: Mapping[int, Account]
) -> tuple[list[Item], list[tuple[Item, str]]]:
    """Return the items of an end that are still as its lock left them, and the others, each with why it is skipped.

    `before` of the former is their current state. `found` are the mirror's rows of the targets.
    """
    locks = {lock.target: lock for lock in Item.objects.select_related("change").filter(change=change.of_change_id)}
    replaced = _locked_again(change, items)
    right: list[Item] = []
    skipped: list[tuple[Item, str]] = []
    for item in items:
        subject = found.get(item.target_id)
        lock = locks.get(item.target)
        why = replaced.get(item.target) or _why_left_alone(lock, subject, kind)
        if why or subject is None:
            skipped.append((item, why))
        else:
            item.before = dict(kind.state(subject))
            right.append(item)
    return right, skipped


def _locked_again(change: Change, items: Sequence[Item]) -> dict[str, str]:
    """Return the targets that a later lock keeps locked, with the reason for each: done, under way, or with an unknown outcome.

    It is looked for by itself, because Tradovate need not record that a locked account was locked again.
    """
    later = Item.objects.filter(
        AnyOf("target", [item.target for item in items], TextField()),
        change__kind__in=[kind.name for kind in KINDS.values() if kind.spec.ended_by],
        change_id__gt=change.of_change_id,
    ).exclude(state__in=(ItemState.WAITING, *ITEM_FAILED))
    return {
        target: f"Change {change_id} has locked the account again; it is left as it is"
        for target, change_id in later.order_by("pk").values_list("target", "change_id")
    }


def _why_left_alone(lock: Item | None, subject: Account | None, kind: Kind) -> str:
    if subject is None or kind.obstacle(subject):
        return kind.unit.gone_meanwhile
    if lock is None or lock.state != ItemState.APPLIED or lock.observed is None:
        return "What it was to end was not applied"
    done = Done(
        environment=Environment(lock.environment), before=lock.before or {}, after=lock.after or {}, observed=lock.observed
    )
    locked = for_stored(lock.change)
    if not isinstance(locked, Kind):
        return "What it was to end is of a kind that is no longer supported"
    is_unchanged = locked.unchanged_since(done, kind.state(subject))
    return "" if is_unchanged else "Somebody changed the account since; it is left as it is"
