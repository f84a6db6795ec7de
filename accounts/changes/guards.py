"""The rules of PostgreSQL by which code decides what a refusal means: their names, in `sql/` and in the models' constraints."""

from typing import Final

from django.db import IntegrityError

MAY_BE_SENT: Final = "item_may_be_sent"
"""An item is sent only for a running change that has its approvals."""

TARGET_UNDER_WAY: Final = "item_target_under_way"
"""Only one item of a target is between its claim and its read-back."""

MAY_DECIDE: Final = "decision_by_role"
"""Who approves or rejects is active, and has a role that may decide and the one that policy asks for."""

HAS_ITS_PEOPLE: Final = "change_has_its_people"
"""A scheduled change begins only while its requester and enough of its approvers may act."""

STILL_OFFERED: Final = "change_still_offered"
"""The parameters of a new change name nothing that can no longer be requested."""


def broken_rule(error: IntegrityError) -> str:
    """Return the name of the rule by which PostgreSQL refused a statement; "" for a refusal without one."""
    said = getattr(error.__cause__, "diag", None)
    return (said.constraint_name or "") if said else ""


def reason(error: IntegrityError) -> str:
    """Return PostgreSQL's words for a refusal, for people."""
    said = getattr(error.__cause__, "diag", None)
    return (said.message_primary or "") if said else str(error)
