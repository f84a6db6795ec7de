"""The plan: for every target what would happen, or why nothing would. Read from the mirror; nothing is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from django.db.models import Q, TextField

from accounts.access.queries import access_of, conflicts, within
from accounts.changes.kinds.effects import TargetEffects
from accounts.changes.kinds.kind import Kind, Planned, Skip
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import State
from accounts.changes.lock_history import locked_by
from accounts.changes.models import Item
from accounts.changes.odd_records import unreadable_for
from accounts.changes.states import CHANGE_AHEAD, ITEM_OPEN, ITEM_UNDER_WAY, ChangeState, Direction, ItemState, Relation
from accounts.models import Account, Trader
from accounts.models.digests import digest_of
from accounts.models.ids import AnyOf
from accounts.sync import not_reported
from accounts.sync.unreadable import attach
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import in_firm_zone, listed, moment

UNCOUNTED_MAX: Final = 100
"""A change with more targets is submitted only with their number typed."""


UNKNOWN: Final = "Unknown: no such {unit} was read from Tradovate"
UNKNOWN_TO: Final = "Unknown: no such {unit} is within the requester's access"
CONFLICT: Final = "{words}: somebody else has to request this"
"""Why a target is skipped because of who asks. Those who see it are the requester and the approvers."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One target of a plan; `skip_reason` is empty for what would be sent."""

    target: str
    target_id: int  # Tradovate's id
    subject: Account | Trader | None
    name: str
    before: State | None
    after: State | None
    skip_reason: str
    effects: TargetEffects | None  # None for skipped targets
    warnings: tuple[str, ...]
    weight: float

    @property
    def account(self) -> Account | None:
        """The target's account, if it is one that the mirror knows."""
        return self.subject if isinstance(self.subject, Account) else None

    @property
    def is_sent(self) -> bool:
        """Whether a call would be made for it."""
        return not self.skip_reason


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a change of this kind would do to these targets, according to the mirror."""

    kind: Kind
    environment: Environment
    parameters: State
    rows: tuple[Row, ...]

    @cached_property
    def sent(self) -> tuple[Row, ...]:
        """The rows that a call would be made for."""
        return tuple(row for row in self.rows if row.is_sent)

    @cached_property
    def skipped(self) -> tuple[Row, ...]:
        """The rows without an effect."""
        return tuple(row for row in self.rows if not row.is_sent)

    @cached_property
    def calls_needed(self) -> int:
        """How many calls to Tradovate it takes, not counting read-backs."""
        return self.kind.calls_for(len(self.sent))

    @property
    def lane(self) -> Lane:
        """The lane that a change with this many targets takes."""
        return Lane.URGENT if len(self.sent) <= self.kind.urgent_up_to else Lane.BULK

    @cached_property
    def asks_for_count(self) -> bool:
        """Whether it is so large that the number of targets has to be typed before it is submitted."""
        return len(self.sent) > UNCOUNTED_MAX or (bool(self.sent) and self.kind.direction == Direction.DESTRUCTIVE)

    @cached_property
    def oldest_read_at(self) -> datetime | None:
        """When the oldest row that the plan depends on was read from Tradovate; None if it depends on none."""
        read = (self.kind.read_at(row.subject) for row in self.rows if row.subject)
        return min((at for at in read if at), default=None)

    @cached_property
    def digest(self) -> str:
        """The SHA-256, in hex, over what would be sent: each target in order, with its before, after or skip.

        Additional information (names, open positions) is left out: it moves all the time and affects no call.
        """
        return digest_of(
            {
                "kind": self.kind.name,
                "environment": self.environment.value,
                "parameters": self.parameters,
                "items": [[row.target, row.before, row.after, row.skip_reason] for row in self.rows],
            },
        )


def target_of(environment: str, target_id: int, unit: Unit = Unit.ACCOUNT) -> str:
    """Return the name of a target: `demo:account:123`."""
    return f"{environment}:{unit.value}:{target_id}"


def plan(
    kind: Kind,
    *,
    environment: Environment,
    target_ids: Sequence[int],
    parameters: State | None = None,
    per_target: Mapping[int, State] | None = None,
    skip_reasons: Mapping[int, str] | None = None,
    requested_as: int | None = None,
    requester: Staff | None = None,
) -> Plan:
    """Return the plan for targets by Tradovate's ids, in the order given, each once.

    `per_target` holds parameters of single targets, which override those of all; `skip_reasons` says why some are skipped.
    `requested_as` is the change that has requested this already: other changes of its targets then add a warning, and no target
    is skipped because of them, since approving it would send it all the same. Of `requester`, targets that belong to them or to
    a relative are skipped, and so is what would take one out of their access; those outside it are unknown. Costs a fixed
    number of queries, whatever the number of targets.
    """
    common, own, left_alone = parameters or {}, per_target or {}, skip_reasons or {}
    kind = kind.of(common)
    wanted = list(dict.fromkeys(target_ids))
    found = within(kind.subjects(environment, wanted), requester)
    theirs = conflicts(requester, found)
    left_alone = {**left_alone, **{target: CONFLICT.format(words=words) for target, words in theirs.items()}}
    if requester and access_of(requester):
        left_alone = {
            **_out_of_reach(kind, requester, environment=environment, wanted=wanted, common=common, own=own),
            **left_alone,
        }
    accounts = [subject for subject in found.values() if isinstance(subject, Account)]
    attach(accounts)
    not_reported.attach(accounts)
    targets = [target_of(environment, target_id, kind.unit) for target_id in wanted]
    pending = _open_items(targets)
    ends = _ends_ahead(targets) if kind.spec.ended_by else {}
    locked = locked_by(accounts) if kind.shows_who_locked else {}
    rows = (
        _row(
            kind,
            environment,
            target_id,
            subject=found.get(target_id),
            pending=pending.get(target_of(environment, target_id, kind.unit), ()),
            parameters={**common, **own.get(target_id, {})},
            skip_reason=left_alone.get(target_id, ""),
            requested_as=requested_as,
            replaces=ends.get(target_of(environment, target_id, kind.unit), ""),
            locked=locked,
            unknown=UNKNOWN_TO if requester and access_of(requester) else UNKNOWN,
        )
        for target_id in wanted
    )
    return Plan(kind=kind, environment=environment, parameters=common, rows=tuple(rows))


def _out_of_reach(
    kind: Kind, requester: Staff, *, environment: Environment, wanted: Sequence[int], common: State, own: Mapping[int, State]
) -> dict[int, str]:
    """Return which targets are skipped because of what their parameters name. One query for each parameters that differ."""
    for_all = kind.out_of_reach(environment, common, requester)
    reasons = {
        target: kind.out_of_reach(environment, {**common, **own[target]}, requester) if target in own else for_all
        for target in wanted
    }
    return {target: why for target, why in reasons.items() if why}


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """An open item of an account, as far as the plan of another change needs it."""

    kind_name: str
    parameters: State
    change_id: int
    state: str
    lane: str
    change_state: str
    runs_at: datetime | None

    @property
    def is_running(self) -> bool:
        """Whether its change is sending."""
        return self.change_state == ChangeState.RUNNING

    def words(self, what: str) -> str:
        """Return why another change of the same target is refused."""
        if self.change_state in CHANGE_AHEAD and self.runs_at:
            return f"Change {self.change_id} is to run for this {what} at {in_firm_zone(self.runs_at)}"
        return f"Change {self.change_id} is already on its way for this {what}"


def _open_items(targets: Sequence[str]) -> dict[str, list[_Pending]]:
    """Return every open item, oldest first, by target.

    Except the end of a lock that is still to come: it skips itself if anything was done meanwhile. And except those of a
    suspended change: it never begins.
    """
    by_target: dict[str, list[_Pending]] = {}
    items = Item.objects.filter(AnyOf("target", targets, TextField()), state__in=ITEM_OPEN).order_by("id")
    ends = Q(change__relation=Relation.ENDS, change__state__in=CHANGE_AHEAD)
    for target, kind_name, parameters, change_id, state, lane, change_state, runs_at in (
        items.exclude(ends)
        .filter(change__suspended_at=None)
        .values_list(
            "target",
            "change__kind",
            "change__parameters",
            "change_id",
            "state",
            "change__lane",
            "change__state",
            "change__runs_at",
        )
    ):
        pending = _Pending(
            kind_name=kind_name,
            parameters=parameters,
            change_id=change_id,
            state=state,
            lane=lane,
            change_state=change_state,
            runs_at=runs_at,
        )
        by_target.setdefault(target, []).append(pending)
    return by_target


def _ends_ahead(targets: Sequence[str]) -> dict[str, str]:
    """Return which planned end a lock of each target replaces, in words: otherwise that end would unlock it meanwhile."""
    ends = Item.objects.filter(
        AnyOf("target", targets, TextField()),
        state=ItemState.WAITING,
        change__relation=Relation.ENDS,
        change__state__in=CHANGE_AHEAD,
        change__suspended_at=None,
    )
    return {
        target: f"It is locked until {moment(at, display_zone(), seconds=False)} by change {lock}: this lock replaces that end"
        for target, lock, at in ends.order_by("id").values_list("target", "change__of_change_id", "change__runs_at")
        if at  # an end always has its time
    }


def _row(
    kind: Kind,
    environment: Environment,
    target_id: int,
    *,
    subject: Account | Trader | None,
    pending: Sequence[_Pending],
    parameters: State,
    skip_reason: str,
    requested_as: int | None,
    replaces: str,
    locked: Mapping[int, str],
    unknown: str,
) -> Row:
    others = [item for item in pending if item.change_id != requested_as]
    blocks = _blocking(kind, others, parameters)
    if skip_reason:
        outcome: Planned | Skip = Skip(reason=skip_reason)
    else:
        skipped_for = blocks if requested_as is None else ""
        outcome = _outcome(
            kind,
            environment,
            subject,
            others,
            parameters=parameters,
            blocks=skipped_for,
            is_replaced=bool(replaces),
            unknown=unknown.format(unit=kind.unit.value),
        )
    planned = outcome if isinstance(outcome, Planned) else None
    warnings = planned.warnings if planned else ()
    if planned and blocks:
        warnings += (blocks,)
    if planned and subject and subject.pk in locked:
        warnings = (locked[subject.pk], *warnings)
    if planned and replaces:
        warnings += (replaces,)
    not_reported_since = _not_reported_since(subject)
    if planned and not_reported_since:
        at = moment(not_reported_since, display_zone())
        warnings += (
            f"Tradovate's last answers did not include its risk status: what is shown is from {at} and may have changed",
        )
    return Row(
        target=target_of(environment, target_id, kind.unit),
        target_id=target_id,
        subject=subject,
        name=subject.name if subject else str(target_id),
        before=outcome.before,
        after=planned.after if planned else None,
        skip_reason=outcome.reason if isinstance(outcome, Skip) else "",
        effects=planned.effects if planned else None,
        warnings=warnings,
        weight=planned.weight if planned else 0.0,
    )


def _not_reported_since(subject: Account | Trader | None) -> datetime | None:
    return subject.not_reported_since if isinstance(subject, Account) else None


def _outcome(
    kind: Kind,
    environment: Environment,
    subject: Account | Trader | None,
    pending: Sequence[_Pending],
    *,
    parameters: State,
    blocks: str,
    is_replaced: bool,
    unknown: str,
) -> Planned | Skip:
    if environment not in kind.environments:
        where = listed(sorted(each.value for each in kind.environments))
        return Skip(reason=f"Tradovate takes this on {where} only; the {kind.unit.value} is on {environment.value}")
    if subject is None:
        return Skip(reason=unknown)
    obstacle = kind.obstacle(subject)
    if obstacle:
        return Skip(reason=obstacle)
    if blocks:
        return Skip(reason=blocks)
    unreadable = unreadable_for(kind, subject)
    if unreadable and not kind.is_protective:
        return Skip(reason=f"Tradovate sent something unreadable. {unreadable.words}")
    # A protective call is made all the same, even if the state that was read before shows that it is not needed.
    # So is one that replaces the planned end of a lock: its state does not last.
    differs = any(item.kind_name != kind.name or item.parameters != parameters for item in pending)
    contested = is_replaced or bool(unreadable or _not_reported_since(subject)) or differs
    outcome: Planned | Skip = kind.plan(subject, parameters=parameters, contested=contested)
    return outcome


def _blocking(kind: Kind, pending: Sequence[_Pending], parameters: State) -> str:
    """Return which open item blocks another change of the same target, or ""."""
    blocking = next((item for item in pending if _blocks(kind, item, parameters)), None)
    return blocking.words(kind.unit.value) if blocking else ""


def _blocks(kind: Kind, item: _Pending, parameters: State) -> bool:
    """Say whether an open item blocks a change: for protective kinds, only one that does the same and will be sent soon.

    An item that waits for approval, is paused, is in the bulk lane or has no known outcome must not hold up an emergency.
    """
    if not kind.is_protective:
        return True
    is_next = item.state == ItemState.QUEUED and item.lane == Lane.URGENT and item.is_running
    does_the_same = item.kind_name == kind.name and item.parameters == parameters
    return does_the_same and (is_next or item.state in ITEM_UNDER_WAY)


def own_parameters(items: Iterable[Item]) -> dict[int, State]:
    """Return the parameters of single items by their target's id, as `plan` and a request take them."""
    return {item.target_id: item.own_parameters for item in items if item.own_parameters}


def moved_since(
    kind: Kind, items: Sequence[Item], found: Mapping[int, Account | Trader]
) -> list[tuple[Item, dict[str, Any] | None]]:
    """Return the items whose target has changed since it was shown, each with its current state (None: gone or closed).

    `found` are the mirror's rows of their targets, as `kind.subjects` returns them.
    """
    moved: list[tuple[Item, dict[str, Any] | None]] = []
    for item in items:
        subject = found.get(item.target_id)
        if subject is None or kind.obstacle(subject):
            moved.append((item, None))
            continue
        now = dict(kind.state(subject))
        if item.before is None or not kind.is_same(item.before, now):
            moved.append((item, now))
    return moved
