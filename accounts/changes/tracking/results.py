"""The outcomes of a change's items as a CSV file."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

from accounts.changes.kinds import for_stored
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from riskadmin.web import csv_file
from riskadmin.web.csv_file import utc

HEADINGS: Final = (
    "change",
    "kind",
    "environment",
    "item",
    "position",
    "target",
    "id",
    "name",
    "outcome",
    "half done",
    "note",
    "what",
    "before",
    "after",
    "observed",
    "tries",
    "asked by",
    "asked at (UTC)",
    "decided at (UTC)",
    "sent at (UTC)",
    "settled at (UTC)",
)


def lines(change: Change, items: Iterable[Item]) -> Iterator[str]:
    """Return the file line by line."""
    return csv_file.lines(HEADINGS, (_row(change, item) for item in items))


def _row(change: Change, item: Item) -> Iterator[str]:
    kind = for_stored(change)
    yield str(change.pk)
    yield kind.action_label
    yield change.environment
    yield str(item.pk)
    yield str(item.position)
    yield item.target.split(":")[1]
    yield str(item.target_id)
    yield item.target_name
    yield ItemState(item.state).label
    yield "yes" if item.is_half_done else "no"
    yield item.note
    meant = kind.differences(item.before, item.after) if item.before is not None and item.after is not None else ()
    yield "; ".join(f"{each.label}: {each.before} → {each.after}" for each in meant)
    yield _json(item.before)
    yield _json(item.after)
    yield _json(item.observed)
    yield str(item.attempts)
    yield change.requested_by_name
    yield utc(change.submitted_at)
    yield utc(change.approval.decided_at)
    yield utc(item.claimed_at)
    yield utc(item.settled_at)


def _json(state: Any) -> str:
    return "" if state is None else json.dumps(state, cls=DjangoJSONEncoder, ensure_ascii=False)
