"""The outcomes of a change's items as a CSV file, which spreadsheets open: so no cell of it may be a formula."""

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder

from accounts.changes.kinds import for_stored
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from riskadmin.web.formats import exact_utc

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

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """A file that returns what is written to it."""

    @staticmethod
    def write(line: str) -> str:
        return line


def cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet reads as a formula: one that begins like one gets an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def lines(change: Change, items: Iterable[Item]) -> Iterator[str]:
    """Return the file line by line; the first has a byte order mark for UTF-8, which spreadsheets need."""
    writer = csv.writer(_Echo())
    yield "\ufeff" + writer.writerow(HEADINGS)
    for item in items:
        yield writer.writerow([cell(text) for text in _row(change, item)])


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
    yield _utc(change.submitted_at)
    yield _utc(change.decided_at)
    yield _utc(item.claimed_at)
    yield _utc(item.settled_at)


def _json(state: Any) -> str:
    return "" if state is None else json.dumps(state, cls=DjangoJSONEncoder, ensure_ascii=False)


def _utc(at: datetime | None) -> str:
    return exact_utc(at).removesuffix(" UTC") if at else ""
