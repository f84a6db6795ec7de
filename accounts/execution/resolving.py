"""People resolve items whose outcome is unknown, one or many with the same evidence, based on the evidence shown."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from django.db import models, transaction
from django.utils import timezone

from accounts.changes.access import of_visible_changes, refuses
from accounts.changes.audit_events import item_event
from accounts.changes.dispatch import dispatch_on_commit
from accounts.changes.ending import finish_change, half_done
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Item
from accounts.changes.moving import move_items, show_moved
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.unknown_item import Question, question, questions_of
from riskadmin.audit.actions import AuditEntry, record, record_all
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.web.visible import isolated, marked

RESOLVED_TOGETHER: Final = 1000
"""The maximum number of items that are resolved together."""


class Resolution(models.TextChoices):
    """How a person can resolve an item whose outcome is unknown; the value is the state that it moves to."""

    APPLIED = ItemState.APPLIED.value, "It was applied"
    CANCELLED = ItemState.CANCELLED.value, "It was not applied; leave it"
    QUEUED = ItemState.QUEUED.value, "Send it again"


class NotResolved(Exception):
    """It can't be resolved this way, or no longer; the message is for people. Nothing was written."""


class OwnRequest(NotResolved):
    """This person can't resolve the item, for example since they requested its change. Only the attempt was recorded."""


class WrongName(Exception):
    """The typed name is not the target's. Nothing was written."""


class WrongCount(Exception):
    """The typed number is not the number of items. Nothing was written."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a person was shown when resolving many items: the evidence that all share, and each item's last call."""

    evidence_key: str
    calls: Mapping[int, int]

    @property
    def digest(self) -> str:
        """The SHA-256 over exactly these items, their last calls, and the evidence."""
        items = ",".join(f"{item_id}:{call_id}" for item_id, call_id in sorted(self.calls.items()))
        return sha256(f"{self.evidence_key} {items}".encode()).hexdigest()


@dataclass(kw_only=True)
class Resolved:
    """The result of resolving many items: those it settled, and those it left out, each with the reason."""

    items: list[Item] = field(default_factory=list)
    left_out: list[tuple[Item, str]] = field(default_factory=list)


def resolve(
    *,
    actor: Staff,
    origin: Origin,
    item_id: int,
    resolution: Resolution,
    comment: str,
    seen_call: int,
    typed_name: str = "",
) -> Item:
    """Settle an unknown item, or have it sent again, as a person decided; return it as it then is.

    `seen_call` is the last call of the evidence that they were shown. Writes the item and the audit event, and finishes the
    change with its last item. Raises NotResolved (OwnRequest for the person who requested the change), and WrongName if the
    target's name has to be typed.
    """
    with transaction.atomic():
        asked = _locked(item_id)
        refusal = _refusal(asked, actor, refuses(actor, asked.item.change)) if asked.is_open else ""
        if refusal:
            _record_refused(asked, refusal, actor=actor, origin=origin, resolution=resolution)
        else:
            obstacle = _obstacle(asked, resolution, seen_call)
            if obstacle:
                raise NotResolved(obstacle)
            name = asked.item.target_name
            # What is marked on the page can be typed as it is shown there.
            if resolution == Resolution.QUEUED and asked.is_typed and typed_name.strip() not in {name, marked(name)}:
                raise WrongName(f"Type {isolated(name)} to send it again.")
            _write([asked], actor=actor, origin=origin, resolution=resolution, comment=comment)
    if refusal:
        raise OwnRequest(refusal)
    return asked.item


def resolve_many(
    *,
    actor: Staff,
    origin: Origin,
    seen: Seen,
    resolution: Resolution,
    comment: str,
    typed_count: int | None = None,
) -> Resolved:
    """Settle unknown items with the same evidence, or have them sent again, as a person decided; return the results.

    One transaction per change, so that each is finished with its last item. An item that is no longer as it was shown (settled,
    called again, with other evidence) is left out; so is one of a change that the person requested, or may not act on. Raises
    WrongCount if the number of items has to be typed; then nothing is written.
    """
    there = of_visible_changes(Item.objects.filter(pk__in=list(seen.calls)), actor)
    found = questions_of(list(there.values_list("pk", flat=True)))
    if any(asked.is_typed for asked in found) and typed_count != len(found):
        raise WrongCount(f"Type {len(found):,}, the number of items, to continue.")
    by_change: dict[int, list[int]] = defaultdict(list)
    for asked in found:
        by_change[asked.item.change_id].append(asked.item.pk)
    resolved = Resolved()
    for item_ids in by_change.values():
        with transaction.atomic():
            right = []
            locked = questions_of(item_ids, locked=True)
            barred = refuses(actor, locked[0].item.change) if locked else ""
            for asked in locked:
                obstacle = _obstacle(asked, resolution, seen.calls[asked.item.pk])
                refusal = "" if obstacle else _refusal(asked, actor, barred)
                if refusal:
                    _record_refused(asked, refusal, actor=actor, origin=origin, resolution=resolution)
                obstacle = obstacle or refusal
                if not obstacle and asked.evidence.key != seen.evidence_key:
                    obstacle = "Its evidence is another one than that of the others."
                if obstacle:
                    resolved.left_out.append((asked.item, obstacle))
                else:
                    right.append(asked)
            if right:
                shared = {"items": len(found), "digest": seen.digest}
                _write(right, actor=actor, origin=origin, resolution=resolution, comment=comment, detail=shared)
                resolved.items += [asked.item for asked in right]
    return resolved


def read_again(*, actor: Staff, origin: Origin, item_id: int) -> Item:
    """Have an unknown item read back at once; a conclusive reading settles it. Raises NotResolved."""
    with transaction.atomic():
        asked = _locked(item_id)
        if not asked.is_open:
            raise NotResolved(_settled(asked))
        if why := refuses(actor, asked.item.change):
            raise NotResolved(why)
        if not asked.is_readable:
            raise NotResolved("Tradovate offers no way to read this back.")
        if asked.is_due:
            raise NotResolved(f"It is to be read back already. {asked.next_reading}.")
        _make_due([asked], actor=actor, origin=origin)
    return asked.item


def read_again_many(*, actor: Staff, origin: Origin, item_ids: Collection[int]) -> int:
    """Have unknown items read back at once, with one transaction and audit event for each change; return how many.

    Items that are settled, can't be read, or are due to be read already are left as they are.
    """
    by_change: dict[int, list[int]] = defaultdict(list)
    wanted = Item.objects.filter(pk__in=list(item_ids), state=ItemState.UNKNOWN).order_by("pk")
    for item_id, change_id in wanted.values_list("pk", "change_id"):
        by_change[change_id].append(item_id)
    count = 0
    for ids in by_change.values():
        with transaction.atomic():
            asked = [each for each in questions_of(ids, locked=True) if each.is_open and each.is_readable and not each.is_due]
            if asked and not refuses(actor, asked[0].item.change):
                _make_due(asked, actor=actor, origin=origin)
                count += len(asked)
    return count


# --- Locked rows --------------------------------------------------------------------------------------------------------


def _locked(item_id: int) -> Question:
    return question(Item.objects.select_for_update(of=("self",)).select_related("change").get(pk=item_id))


def _settled(asked: Question) -> str:
    return f"This is settled meanwhile: {ItemState(asked.item.state).label.lower()}."


def _obstacle(asked: Question, resolution: Resolution, seen_call: int) -> str:
    """Return why an item can't be resolved this way now, or ""."""
    change = asked.item.change
    if not asked.is_open:
        return _settled(asked)
    if seen_call != asked.calls.last:
        return "Another call was made for it since this page was shown."
    if resolution == Resolution.QUEUED and not asked.is_sendable:
        return NOT_SUPPORTED
    if resolution == Resolution.QUEUED and change.state != ChangeState.RUNNING:
        return f"Nothing is sent for change {change.pk}: it is {change.get_state_display().lower()}."
    return ""


# --- Writing ------------------------------------------------------------------------------------------------------------


def _write(
    resolved: Sequence[Question],
    *,
    actor: Staff,
    origin: Origin,
    resolution: Resolution,
    comment: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write a resolution of items of one change at the same step, with an audit event for each."""
    first, who = resolved[0], actor.who()
    change = first.item.change
    if resolution == Resolution.QUEUED:
        # The time, the attempts and the earlier reading belong to the earlier call; the calls themselves are kept.
        note, tag = f"Sent again by {who.name}: {comment}", Tag.ITEM_RESENT
        fields: dict[str, Any] = {"note": note, "not_before": None, "attempts": 0, "ticket": "", "observed": None}
        fields |= {"refusal": "", "found": None, "seen_at": None}
        dispatch_on_commit(change_id=change.pk, lane=change.lane)
    else:
        applied = resolution == Resolution.APPLIED
        said = "It was applied" if applied else "It was not applied, and is left"
        begins = "" if applied else half_done(first.kind.steps, first.item.step)
        note, tag = f"{begins}{said}, says {who.name}: {comment}", Tag.ITEM_RESOLVED
        fields = {"note": note, "settled_at": timezone.now(), "not_before": None, "lease_until": None}
    items, to = [asked.item for asked in resolved], ItemState(resolution.value)
    move_items(items, came_from=ItemState.UNKNOWN, to=to, resolved_by_id=actor.pk, **fields)
    show_moved(items, to, resolved_by_id=actor.pk, **fields)
    record_all(
        item_event(
            tag,
            asked.item,
            actor=who,
            origin=origin,
            detail={
                "outcome": resolution.value,
                "comment": comment,
                "text": note,
                "seen_call": asked.calls.last,
                "shown": asked.shown.label,
                **(detail or {}),
            },
        )
        for asked in resolved
    )
    finish_change(change, origin=origin)


def _refusal(asked: Question, actor: Staff, barred: str) -> str:
    """Return why somebody may not resolve an item; `barred` is why they may not act on its change, whatever their role."""
    if not actor.may("changes:resolve"):
        return "You may not decide about unknown outcomes."
    return asked.refuses(actor) or barred


def _record_refused(asked: Question, why: str, *, actor: Staff, origin: Origin, resolution: Resolution) -> None:
    detail = {"outcome": resolution.value, "why": why}
    record(item_event(Tag.ITEM_DECISION_REFUSED, asked.item, actor=actor.who(), origin=origin, detail=detail))


def _make_due(asked: Sequence[Question], *, actor: Staff, origin: Origin) -> None:
    """Make locked items of one change due to be read back now, with one audit event."""
    items = [each.item for each in asked]
    Item.objects.filter(pk__in=[item.pk for item in items]).update(not_before=timezone.now())
    who = actor.who()
    text = f"Asked for by {who.name}"
    if len(items) == 1:
        record(item_event(Tag.ITEM_READ_AGAIN, items[0], actor=who, origin=origin, detail={"text": text}))
        return
    change = items[0].change
    record(
        AuditEntry(
            tag=Tag.ITEM_READ_AGAIN,
            actor=who,
            origin=origin,
            change_id=change.pk,
            reason_code=change.reason_code,
            reason_text=change.reason_text,
            detail={"text": f"{len(items):,} items. {text}", "items": len(items)},
        )
    )
