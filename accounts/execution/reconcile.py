"""Settling unknown items by readings that were made for another reason: a full read, an account view, another change.

An item that waits for a person is compared with the mirror each time the mirror has a newer reading of its target.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import transaction

from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Finding, Kind
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.execution.basis import basis
from accounts.execution.read_back_outcome import COMPARISON_ERRORS, ReadEvidence, apply_reading, keep_seen, may_be_sent_again
from accounts.execution.timing import SENT_AGAIN_WITHIN
from riskadmin.audit.origin import Origin
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment

logger = logging.getLogger(__name__)

COMPARED_TOGETHER: Final = 1_000


def settle_from_mirror(*, origin: Origin) -> int:
    """Settle unknown items that wait for a person and that the mirror proves; return how many were compared.

    If nothing is proven, the item is left as it is, with what was seen. May run concurrently with itself and with any person's
    resolution.
    """
    compared = 0
    for waiting in _waiting():
        groups: dict[tuple[Kind, str, int, int], list[Item]] = defaultdict(list)
        for item in waiting:
            kind = for_stored(item.change)
            if isinstance(kind, Kind) and kind.is_read_back:
                groups[kind, item.environment, item.step, item.change_id].append(item)
        for (kind, environment, *_), items in groups.items():
            compared += _settle_group(kind, Environment(environment), items, origin)
    return compared


def _waiting() -> Iterator[list[Item]]:
    """Yield the unknown items that nothing reads back automatically, some at a time."""
    after = 0
    while True:
        unknown = Item.objects.filter(state=ItemState.UNKNOWN, not_before=None, pk__gt=after)
        items = list(unknown.order_by("pk")[:COMPARED_TOGETHER])
        if not items:
            return
        changes = Change.objects.in_bulk({item.change_id for item in items})
        for item in items:
            item.change = changes[item.change_id]
        yield items
        after = items[-1].pk


def _settle_group(kind: Kind, environment: Environment, items: list[Item], origin: Origin) -> int:
    subjects = kind.subjects(environment, [item.target_id for item in items])
    by_reading: dict[Any, list[Item]] = defaultdict(list)
    for item in items:
        subject = subjects.get(item.target_id)
        read_at = None if subject is None or kind.obstacle(subject) else kind.compared_at(subject)
        last = item.seen_at or item.claimed_at
        if read_at is not None and (last is None or read_at > last):
            by_reading[read_at].append(item)
    for read_at, newer in by_reading.items():
        observed = {item.target_id: kind.state(subjects[item.target_id]) for item in newer}
        evidence = ReadEvidence(
            kind=kind,
            observed=observed,
            unread={},
            read_at=read_at,
            origin=origin,
            source=f"a later reading ({moment(read_at, display_zone())})",
        )
        with transaction.atomic():
            # Locked and read again: a person or a read-back may have settled one meanwhile.
            there = Item.objects.select_for_update(of=("self",), skip_locked=True).filter(
                pk__in=[item.pk for item in newer], state=ItemState.UNKNOWN, not_before=None
            )
            changes = {item.pk: item.change for item in newer}
            locked = list(there.order_by("pk"))
            for item in locked:
                item.change = changes[item.pk]
            settled = _settled_by(evidence, locked)
            proven = [item for item in locked if item.pk in settled]
            if proven:
                apply_reading(proven, evidence)
            keep_seen([item for item in locked if item.pk not in settled], evidence)
    return sum(map(len, by_reading.values()))


def _settled_by(evidence: ReadEvidence, items: Sequence[Item]) -> set[int]:
    """Return the keys of the items that a reading settles.

    Either it shows the effect, or that a refused call had none. Or it shows that a call with an unclear end had none, soon
    after it was made, and that call may be sent again automatically.
    """
    findings = {item.pk: _finding(evidence, item) for item in items}
    proven = {key for key, finding in findings.items() if finding and finding.is_as_intended}
    without_effect = [item for item in items if findings[item.pk] == Finding.NOT_APPLIED]
    refused = {item.pk for item in without_effect if item.refusal}
    unclear = [item for item in without_effect if not item.refusal and _is_read_soon(evidence, item)]
    return proven | refused | may_be_sent_again(evidence.kind, unclear)


def _finding(evidence: ReadEvidence, item: Item) -> Finding | None:
    """Return what a reading shows about an item; None if the two can't be compared."""
    try:
        before, after = basis(evidence.kind, item)
        return evidence.kind.interpret_read_back(
            before=before, after=after, observed=evidence.observed[item.target_id], step=item.step
        )
    except COMPARISON_ERRORS:
        logger.exception("item %s can't be compared with what was read", item.pk)
        return None


def _is_read_soon(evidence: ReadEvidence, item: Item) -> bool:
    """Say whether a reading began soon after an item's call, and no person has decided about the item."""
    if item.claimed_at is None or item.resolved_by_id:
        return False
    return evidence.read_at < item.claimed_at + SENT_AGAIN_WITHIN
