"""What forms of several packages share."""

from typing import Final

from accounts.approvals.states import Verdict

VERDICT_CHOICES: Final = [(each.value, each.label) for each in (Verdict.APPROVE, Verdict.REJECT)]
"""What a page offers that has no button to ask for edits."""
