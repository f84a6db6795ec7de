"""The pass without which no writing method of the client can be called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WritePermit:
    """Says which recorded call a write belongs to.

    Only ``accounts.execution`` makes one, after it has claimed an item of an approved change and committed the
    call's row, so a write that skipped approval has nothing to pass here.
    """

    call_id: int
