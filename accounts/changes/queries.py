"""Reading changes, for pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Min, OuterRef, Q, QuerySet, Sum, prefetch_related_objects
from django.db.models.functions import JSONObject
from django.utils import timezone

from accounts.approvals import queries as approvals
from accounts.approvals.actions import refusal
from accounts.approvals.models import Approval
from accounts.approvals.queries import ApprovalProgress, approval_progress
from accounts.changes.access import of_visible_changes, visible_changes
from accounts.changes.approval import CHANGES, prefetch_exclusions
from accounts.changes.kinds import KINDS, for_stored
from accounts.changes.kinds.admin_action import AdminActionKind, RiskState, risk_state
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.models import Change, Item
from accounts.changes.plan import target_of
from accounts.changes.states import (
    CHANGE_OPEN,
    ITEM_AS_INTENDED,
    ITEM_FAILED,
    ITEM_FINAL,
    ITEM_OPEN,
    ITEM_UNDER_WAY,
    ChangeState,
    ItemState,
    Relation,
)
from accounts.changes.targeting.source import Link
from accounts.changes.tracking.waiting import Wait, waits
from accounts.models import Account
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.duty.queries import Approver, approvers
from riskadmin.staff.models import Staff


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The items of a change in one state: how many, how many calls were made for them, and what they wait for.

    `lately` counts those that a call settled within RATE_OVER; `due_at` is when the first of them that waits is due.
    """

    count: int
    steps: int = 0
    lately: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a change: the change, its items by state, and its approvals. One query."""

    change: Change
    kind: StoredKind
    tallies: Mapping[ItemState, Tally]
    approvals: list[Approval]

    @cached_property
    def counts(self) -> dict[ItemState, int]:
        """How many items are in each state."""
        return {state: tally.count for state, tally in self.tallies.items()}

    @property
    def approval(self) -> ApprovalProgress:
        """How far its approval has come."""
        return approval_progress(self.change.approval, self.approvals)

    @property
    def title(self) -> str:
        """The browser tab's title, which shows a change's end while the person does something else."""
        so_far = f", {self.settled:,} of {self.total:,}" if self.is_open and self.total > 1 else ""
        return f"Change {self.change.pk} {self.change.state_label.lower()}{so_far}"

    @property
    def total(self) -> int:
        """How many items it has."""
        return sum(self.counts.values())

    @property
    def settled(self) -> int:
        """How many items have their final outcome."""
        return sum(count for state, count in self.counts.items() if state in ITEM_FINAL)

    @property
    def unknown(self) -> int:
        """How many items have an unknown outcome."""
        return self.counts.get(ItemState.UNKNOWN, 0)

    @property
    def failed(self) -> int:
        """How many items may be requested again, since nothing was done for them."""
        return sum(self.counts.get(state, 0) for state in ITEM_FAILED)

    @property
    def moves(self) -> bool:
        """Whether any item is in progress or about to be: those are no reason to request again yet."""
        return any(self.counts.get(state) for state in (ItemState.WAITING, ItemState.QUEUED, *ITEM_UNDER_WAY))

    @property
    def is_open(self) -> bool:
        """Whether anything can still happen to it."""
        return self.change.state in CHANGE_OPEN

    @property
    def shown_counts(self) -> list[tuple[ItemState, int]]:
        """The states that items are in, in the order of their progress."""
        return [(state, self.counts[state]) for state in ItemState if self.counts.get(state)]

    @property
    def shares(self) -> list[tuple[ItemState, int, float, float]]:
        """The same for a bar: state, count, and in percent where its part begins and how wide it is."""
        parts, begins = [], 0.0
        for state, count in self.shown_counts:
            width = 100 * count / self.total
            parts.append((state, count, begins, width))
            begins += width
        return parts


RATE_OVER: Final = timedelta(minutes=5)
_BY_A_CALL: Final = (*ITEM_AS_INTENDED, ItemState.REJECTED)


def progress(change_id: int) -> Progress:
    """Return the progress of a change; raises Change.DoesNotExist. One query, since every open page polls it every second."""
    lately = Q(state__in=_BY_A_CALL, settled_at__gte=timezone.now() - RATE_OVER)
    by_state = (
        Item.objects.filter(change=OuterRef("pk"))
        .order_by()
        .values("state")
        .annotate(items=Count("pk"), taken=Sum("step"), lately=Count("pk", filter=lately), due_at=Min("not_before"))
    )
    given = Approval.objects.filter(request=OuterRef("approval")).order_by("pk")
    change = (
        Change.objects.select_related("approval", "background")
        .annotate(
            tallied=ArraySubquery(
                by_state.values(
                    json=JSONObject(state="state", items="items", taken="taken", lately="lately", due_at="due_at"),
                )
            ),
            given=ArraySubquery(
                given.values(
                    json=JSONObject(
                        staff_name="staff_name",
                        verdict="verdict",
                        version="version",
                        comment="comment",
                        shown="shown",
                        made_at="made_at",
                    ),
                )
            ),
        )
        .get(pk=change_id)
    )
    return Progress(
        change=change,
        kind=for_stored(change),
        tallies={
            ItemState(row["state"]): Tally(
                count=row["items"], steps=row["taken"], lately=row["lately"], due_at=_instant(row["due_at"])
            )
            for row in change.tallied
        },
        approvals=[Approval(**{**row, "made_at": _instant(row["made_at"])}) for row in change.given],
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def items_of(change: Change, *, state: str = "", search: str = "") -> QuerySet[Item]:
    """Return a change's items in one state, or that a search finds: by part of the name, or by Tradovate's id."""
    items = Item.objects.filter(change=change).select_related("account")
    if state:
        items = items.filter(state=state)
    if search:
        named = Q(target_name__icontains=search)
        if search.isascii() and search.isdecimal():
            named |= Q(target__endswith=f":{search}")
        items = items.filter(named)
    return items


def waiting_for(person: Staff) -> QuerySet[Change]:
    """Return the pending changes that this person could approve, oldest first."""
    return Change.objects.filter(approval__in=approvals.waiting_for(person).order_by()).order_by("pk")


def approvers_of(change: Change) -> list[Approver]:
    """Return who could approve a pending change now: those to whom nothing of it would be refused; those on duty first."""
    request = change.approval
    prefetch_related_objects([request], "approvals")
    barred = CHANGES.barred([request])
    return approvers(
        timezone.now(),
        capability=CHANGES.capability,
        may_act=lambda person: refusal(request, person, request.digest, barred=barred) is None,
    )


def waiting_for_others(person: Staff) -> QuerySet[Change]:
    """Return the pending changes that this person requested, oldest first."""
    return visible_changes(Change.objects.filter(state=ChangeState.PENDING, requested_by=person), person).order_by("pk")


def trader_of(environment: str, account_id: int) -> int | None:
    """Return Tradovate's id of the trader of an account; None if it has none, or the mirror doesn't know it."""
    accounts = Account.objects.filter(environment=environment, tradovate_id=account_id, trader__missing_since=None)
    return accounts.values_list("trader__tradovate_id", flat=True).first()


def open_items_of(environment: str, account_id: int, viewer: Staff | None = None) -> QuerySet[Item]:
    """Return the items under way or waiting for one account or for its trader, as far as somebody sees them, oldest first."""
    targets = [target_of(environment, account_id)]
    trader_id = trader_of(environment, account_id)
    if trader_id is not None:
        targets.append(target_of(environment, trader_id, Unit.TRADER))
    found = Item.objects.select_related("change").filter(target__in=targets, state__in=ITEM_OPEN)
    return of_visible_changes(found, viewer).order_by("pk")


@dataclass(frozen=True, kw_only=True)
class CurrentLock:
    """A lock set here that is still in force: its item, and the change that ends it, if it has an end."""

    item: Item
    end: Change | None


def current_lock(environment: str, account_id: int) -> CurrentLock | None:
    """Return the lock of an account, if it was set here and not overridden since; two queries."""
    locks = [kind.name for kind in KINDS.values() if kind.spec.ended_by]
    # Unchanged: a lock over one that was to end, where Tradovate did not record that it was locked again.
    states = (ItemState.APPLIED, ItemState.UNCHANGED)
    items = Item.objects.filter(target=target_of(environment, account_id), state__in=states, change__kind__in=locks)
    item = items.select_related("change", "account__risk_status").order_by("-pk").first()
    if item is None or item.account is None or not item.observed or not _is_in_force(item.account, item.observed):
        return None
    end = item.change.followers.filter(relation=Relation.ENDS, state__in=CHANGE_OPEN).first()
    return CurrentLock(item=item, end=end)


def current_admin_action(account: Account) -> Item | None:
    """Return the item that set an account's current admin action, if that was done here; one query.

    Reads `risk_status`: select it with the account.
    """
    acts = [kind.name for kind in KINDS.values() if isinstance(kind, AdminActionKind)]
    target = target_of(account.environment, account.tradovate_id)
    items = Item.objects.filter(target=target, state=ItemState.APPLIED, change__kind__in=acts)
    item = items.select_related("change").order_by("-pk").first()
    return item if item and item.observed and _is_in_force(account, item.observed) else None


def _is_in_force(account: Account, left: Mapping[str, Any]) -> bool:
    return RiskState.fits(left) and not risk_state(account.risk_status).is_acted_on_since(RiskState.from_json(left))


def earlier_items(link: Link | None, targets: Sequence[str]) -> dict[str, Item]:
    """Return the outcomes of targets in the change that is to be repeated for them, by target; empty if there is none."""
    if link is None or link.relation != Relation.REPEATS:
        return {}
    return {item.target: item for item in Item.objects.filter(change_id=link.change_id, target__in=targets)}


def followers(change: Change, viewer: Staff | None = None) -> QuerySet[Change]:
    """Return the changes that came from an earlier one, as far as somebody sees them, oldest first."""
    return visible_changes(change.followers.select_related("approval"), viewer).order_by("pk")


def why_not_carried_on(change: Change) -> str:
    """Return why the items that were skipped at a change's start are not requested again; "" where nothing says so."""
    event = Event.objects.filter(change_id=change.pk, tag=Tag.CHANGE_NOT_CARRIED_ON).first()
    return str(event.detail.get("text", "")) if event else ""


def unknown_items(viewer: Staff | None = None) -> QuerySet[Item]:
    """Return the items whose outcome is unknown, as far as somebody sees them, read again or not, oldest first."""
    unknown = Item.objects.select_related("change").filter(state=ItemState.UNKNOWN)
    return of_visible_changes(unknown, viewer).order_by("pk")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A change as a row of a list: with its first target's name, whether an item's outcome is unknown, and its wait."""

    change: Change
    kind: StoredKind
    first: str
    has_unknown: bool
    wait: Wait | None

    @property
    def is_suspended(self) -> bool:
        """Whether it is held because no one answers for it any more."""
        return self.change.state == ChangeState.SCHEDULED and self.change.suspended_at is not None


def listed(found: Iterable[Change]) -> list[Listed]:
    """Return changes as rows of a list, in order.

    Three queries in addition to that of the changes with their requests, one if items of any were excluded, two if any runs.
    """
    shown = list(found)
    prefetch_related_objects(shown, "background")
    prefetch_exclusions(shown)
    items = Item.objects.filter(change__in=shown)
    first = dict(items.filter(position=1).values_list("change_id", "target_name"))
    unknown = set(items.filter(state=ItemState.UNKNOWN).values_list("change_id", flat=True).distinct())
    waiting = waits(shown)
    return [
        Listed(
            change=change,
            kind=for_stored(change),
            first=first.get(change.pk, ""),
            has_unknown=change.pk in unknown,
            wait=waiting.get(change.pk),
        )
        for change in shown
    ]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of an item's progress, and when it was reached; None is still to come."""

    label: str
    at: datetime | None


def steps(item: Item) -> list[Step]:
    """Return an item's progress from the request to its outcome."""
    change = item.change
    way = [Step(label="Planned", at=change.submitted_at)]
    if change.approval.needed:
        way.append(Step(label="Approved", at=change.approval.decided_at if item.state != ItemState.WAITING else None))
    way.append(Step(label="Sent", at=item.claimed_at))
    way.append(Step(label=ItemState(item.state).label if item.settled_at else "Confirmed", at=item.settled_at))
    return way
