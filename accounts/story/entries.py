"""What a story consists of: changes, each as one entry however many targets it has, other events, and moves of the mirror."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from accounts.approvals.models import Approval
from accounts.approvals.states import Verdict
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.models import Change, Item
from accounts.models import MirrorMove
from riskadmin.audit.rendering import EventLine, FieldChange
from riskadmin.audit.wording import field_words, value_words
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment
from riskadmin.web.visible import marked

NOT_SHOWN: Final = frozenset({"category_id"})
"""Left out when a move is shown: the name next to it says it."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that happened at a moment."""

    at: datetime

    @property
    def template(self) -> str:
        """The template that shows it."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ChangeEntry(Entry):
    """A change. `items` are a few of the story's account or trader; `counts` its outcomes, once it is finished."""

    change: Change
    kind: StoredKind
    items: Sequence[Item] = ()
    approvals: Sequence[Approval] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """The template that shows it."""
        return "story/_change_entry.html"

    @property
    def item(self) -> Item | None:
        """The one item that the story is about; None if there are several."""
        return self.items[0] if len(self.items) == 1 else None

    @property
    def allowed_by(self) -> list[Approval]:
        """The approvals that count."""
        return [each for each in self.approvals if each.verdict == Verdict.APPROVE]


@dataclass(frozen=True, kw_only=True)
class EventEntry(Entry):
    """An event, and how many of the same kind one act wrote."""

    line: EventLine
    count: int = 1

    @property
    def template(self) -> str:
        """The template that shows it."""
        return "story/_event_entry.html"


@dataclass(frozen=True, kw_only=True)
class MoveEntry(Entry):
    """What a reading of Tradovate found to be different."""

    move: MirrorMove
    changes: Sequence[FieldChange]

    @property
    def template(self) -> str:
        """The template that shows it."""
        return "story/_move_entry.html"


LABELS: Final = {
    "liquidate_only_at": "Stopped by a limit",
    "user_triggered_liq_only": "Closing orders only at the trader's wish",
}


def label_of(name: str) -> str:
    """Return what pages call a setting; a record of which an account has several, by its number."""
    return f"Number {name}" if name.isdecimal() else marked(LABELS.get(name) or field_words(name))


def in_words(name: str, value: Any) -> str:
    """Return a setting's value in words, with its unit; times in the zone of the pages, and records field by field."""
    if isinstance(value, str) and name.endswith("_at"):
        at = parse_datetime(value)
        return moment(at, display_zone()) if at and at.tzinfo else marked(value)
    return marked(value_words(name, value)) or "Not set"


def changes_of(move: MirrorMove) -> list[FieldChange]:
    """Return what moved, in words; values have their unit."""
    return [
        FieldChange(name, label_of(name), in_words(name, before), in_words(name, after))
        for name, (before, after) in move.fields.items()
        if name not in NOT_SHOWN and before != after
    ]


def event_entries(lines: Sequence[EventLine]) -> list[EventEntry]:
    """Return events as entries in their order. Those of one tag that one request wrote for one change are one entry."""
    entries: list[EventEntry] = []
    last: tuple[Any, ...] | None = None
    for line in lines:
        event = line.event
        act = (event.tag, event.change_id, event.request_id) if event.request_id and event.change_id and event.item_id else None
        if act is not None and act == last:
            entries[-1] = EventEntry(at=entries[-1].at, line=entries[-1].line, count=entries[-1].count + 1)
        else:
            entries.append(EventEntry(at=event.occurred_at, line=line))
        last = act
    return entries
