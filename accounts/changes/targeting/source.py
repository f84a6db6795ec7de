"""Where the targets of a change come from, and which rows of it were skipped on purpose."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from accounts.changes.states import Relation
from riskadmin.web.formats import counted


@dataclass(frozen=True, kw_only=True)
class Link:
    """The earlier change that targets come from, by its number, and the new change's relation to it."""

    change_id: int
    relation: Relation


class Fault(StrEnum):
    """The type of error in a row, in a word or two."""

    UNKNOWN = "Unknown"
    AMBIGUOUS = "Ambiguous"
    CLOSED = "Archived or closed"
    DUPLICATE = "Twice"  # only in lists kept before such rows were merged and noted
    CONTRADICTION = "Contradicts another row"
    BAD_VALUE = "Bad value"
    MISSHAPEN = "Not as the header says"
    MISMATCH = "Id and name differ"
    NOT_UNDERSTOOD = "Not understood"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row can't be part of a change: `line` counts from 1, `column` is its heading, `value` is the cell's text."""

    line: int
    fault: Fault
    reason: str
    column: str = ""
    value: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that a target list stores."""
        return {**asdict(self), "fault": self.fault.value}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Problem":
        """Return what `to_json` made."""
        return cls(**{**kept, "fault": Fault(kept["fault"])})


@dataclass(frozen=True, kw_only=True)
class Note:
    """A remark on how a line was read, although it has no error."""

    line: int
    words: str

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that a target list stores."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Note":
        """Return what `to_json` made."""
        return cls(**kept)


@dataclass(frozen=True, kw_only=True)
class RefusedRows:
    """The rows of a file that have errors, as they were, by line: to be corrected and uploaded again."""

    heading: tuple[str, ...] = ()
    rows: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return them in the form that a target list stores."""
        return {"heading": list(self.heading), "rows": [[line, *cells] for line, cells in self.rows.items()]}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "RefusedRows":
        """Return what `to_json` made."""
        rows = {int(line): tuple(cells) for line, *cells in kept.get("rows", ())}
        return cls(heading=tuple(kept.get("heading", ())), rows=rows)


@dataclass(frozen=True, kw_only=True)
class TargetSource:
    """Where targets come from, in words ("CSV limits.csv"), and the rows of it that are not part of the change."""

    words: str = ""
    left_out: tuple[Problem, ...] = ()
    is_file: bool = False

    @cached_property
    def lines_left_out(self) -> tuple[int, ...]:
        """The lines that are left out, each once, in order."""
        return tuple(sorted({problem.line for problem in self.left_out}))

    @property
    def count_left_out(self) -> int:
        """How much is left out: rows of a file, which may have several errors each; else entries, several to a line."""
        return len(self.lines_left_out) if self.is_file else len(self.left_out)

    @property
    def entry_noun(self) -> str:
        """What `count_left_out` counts."""
        return "row" if self.is_file else "entry"

    @property
    def left_out_words(self) -> str:
        """How much is left out, in words: "3 rows"."""
        return counted(self.count_left_out, self.entry_noun)

    @cached_property
    def faults(self) -> tuple[tuple[Fault, int], ...]:
        """How many of the problems are of each fault, most frequent first."""
        return tuple(Counter(problem.fault for problem in self.left_out).most_common())

    @property
    def left_out_in_short(self) -> dict[str, Any]:
        """What the trail keeps about the rows left out."""
        return {"lines": list(self.lines_left_out), "faults": {fault.value: count for fault, count in self.faults}}


NOWHERE = TargetSource()
"""For targets that come from no list."""
