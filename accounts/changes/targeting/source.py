"""How somebody came by the targets of a change, and what of it they left out on purpose."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from accounts.changes.states import Relation


@dataclass(frozen=True, kw_only=True)
class Link:
    """The earlier change that targets come from, by its number, and what one made of them has to do with it."""

    change_id: int
    relation: Relation


class Fault(StrEnum):
    """What is wrong with a row, in a word or two."""

    UNKNOWN = "Unknown"
    AMBIGUOUS = "Ambiguous"
    GONE = "Archived or closed"
    DUPLICATE = "Twice"  # only in lists kept before such rows were merged and noted
    CONTRADICTION = "Contradicts another row"
    BAD_VALUE = "Bad value"
    MISSHAPEN = "Not as the header says"
    MISMATCH = "Id and name differ"
    NOT_UNDERSTOOD = "Not understood"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row can't be part of a change: `line` counts from 1, `column` is its heading, `value` what stands there."""

    line: int
    fault: Fault
    reason: str
    column: str = ""
    value: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a target list keeps it."""
        return {**asdict(self), "fault": self.fault.value}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Problem":
        """Return what `to_json` made."""
        return cls(**{**kept, "fault": Fault(kept["fault"])})


@dataclass(frozen=True, kw_only=True)
class Note:
    """What to know of how a line was read, though nothing is wrong with it."""

    line: int
    words: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a target list keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Note":
        """Return what `to_json` made."""
        return cls(**kept)


@dataclass(frozen=True, kw_only=True)
class RefusedRows:
    """The rows of a file that have problems, as they stood there, by their lines: to be corrected and uploaded again."""

    heading: tuple[str, ...] = ()
    rows: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return them as a target list keeps them."""
        return {"heading": list(self.heading), "rows": [[line, *cells] for line, cells in self.rows.items()]}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "RefusedRows":
        """Return what `to_json` made."""
        rows = {int(line): tuple(cells) for line, *cells in kept.get("rows", ())}
        return cls(heading=tuple(kept.get("heading", ())), rows=rows)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where targets come from, in words ("CSV limits.csv"), and the rows of it that are no part of the change."""

    words: str = ""
    left_out: tuple[Problem, ...] = ()

    @cached_property
    def lines_left_out(self) -> tuple[int, ...]:
        """The lines that are left out, each once, in their order."""
        return tuple(sorted({problem.line for problem in self.left_out}))

    @cached_property
    def faults(self) -> tuple[tuple[Fault, int], ...]:
        """How many of the problems are of each fault, most first."""
        return tuple(Counter(problem.fault for problem in self.left_out).most_common())

    @property
    def left_out_in_short(self) -> dict[str, Any]:
        """What the trail keeps of the rows left out."""
        return {"lines": list(self.lines_left_out), "faults": {fault.value: count for fault, count in self.faults}}


NOWHERE = Source()
"""Of targets that nobody listed."""
