"""Which changes and calls are about an account or a trader, besides the events that name it.

An approval is an event of a change and names none of its accounts. Packages that know which change is about what register a
source here, since this one must not know them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Subject = Literal["account", "trader"]


@dataclass(frozen=True, kw_only=True)
class Touched:
    """What is about one or more accounts: their numbers by environment, the changes, and the calls that carried one of them.

    `is_cut`: there are more changes than `AT_MOST`; these are the newest.
    """

    accounts: Sequence[tuple[str, int]] = field(default=())
    changes: Sequence[int] = field(default=())
    calls: Sequence[int] = field(default=())
    is_cut: bool = False


AT_MOST: Final = 2_000
"""Changes that a filter by account or trader considers, the newest."""

Source = Callable[[Subject, str], Touched]
"""Takes what is looked for, and its number or whole name; returns what is about it."""

_sources: Final[list[Source]] = []


def register(source: Source) -> None:
    """Add a source. A package calls this as it starts."""
    _sources.append(source)


def touched(subject: Subject, text: str) -> Touched:
    """Return what is about the account or trader with this number or whole name, by all sources."""
    found = [source(subject, text) for source in _sources]
    return Touched(
        accounts=[account for each in found for account in each.accounts],
        changes=[change for each in found for change in each.changes],
        calls=[call for each in found for call in each.calls],
        is_cut=any(each.is_cut for each in found),
    )
