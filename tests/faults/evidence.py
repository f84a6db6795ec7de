"""What a run left behind, as the rules need it: plain rows, so that a doctored world is as easily made as a real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ItemRecord:
    """One item as PostgreSQL has it, with what its kind says of each of its steps."""

    id: int
    change_id: int
    kind: str
    target: str
    state: str
    step: int = 0
    resend_safe: tuple[bool, ...] = (True,)  # one for each step
    is_read_back: bool = True
    may_change_nothing: bool = False
    submitted_at: datetime | None = None
    is_due: bool = False  # a time is set at which it is looked at again
    note: str = ""

    @property
    def steps(self) -> int:
        """How many calls it takes."""
        return len(self.resend_safe)


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One row of execution_call."""

    id: int
    purpose: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    items: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class EventRecord:
    """One row of the trail."""

    id: int
    tag: str
    change_id: int | None = None
    item_id: int | None = None
    call_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Landing:
    """One writing call that arrived at the simulator, as far as it was about one item.

    `at` is the real time. `effect` says that it was carried out for this target, `altered` that the target then stood
    otherwise. A call refused for its token is none: the client makes it again under the same claim.
    """

    id: int
    at: datetime
    item_id: int
    step: int
    effect: bool = False
    altered: bool = False


@dataclass(frozen=True, kw_only=True)
class TouchedField:
    """One field that a call of an item changed, in a record that was there before.

    `is_named` says that the item was about this field, `action` which admin action was set, `moved_at` when somebody else had
    last given it the value that the call replaced; None when no one had.
    """

    item_id: int
    call_id: int
    field: str
    is_named: bool
    arrived_at: datetime
    action: str = ""
    before: object = None
    after: object = None
    moved_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """Everything about one run. `reached` are steps whose intended state the simulator's log shows by somebody else's call.

    `touched` are the fields that our calls changed, `unreadable` the targets whose rows were odd, missing or changed by others
    during the run, `requests` what the strict reader of our requests found wrong.
    `trail_full` are the times in which no event could be written; `complaints` what went wrong with the faults themselves.
    """

    items: Sequence[ItemRecord]
    calls: Sequence[CallRecord]
    events: Sequence[EventRecord]
    landings: Sequence[Landing]
    change_states: Mapping[int, str]
    reached: frozenset[tuple[int, int]] = frozenset()
    strays: Sequence[str] = ()
    silenced: Sequence[str] = ()
    trail_full: Sequence[tuple[datetime, datetime]] = ()
    complaints: Sequence[str] = ()
    touched: Sequence[TouchedField] = ()
    unreadable: frozenset[str] = frozenset()
    requests: Sequence[str] = ()
    hits: int = 0  # calls that a fault of the simulator met


@dataclass(frozen=True)
class Violation:
    """One promise that was broken: which, and by what."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"
