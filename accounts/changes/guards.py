"""The rules of PostgreSQL by which code decides what a refusal means: their names, in `sql/` and in the models' constraints."""

from typing import Final

MAY_BE_SENT: Final = "item_may_be_sent"
"""An item is sent only for a running change that has its approvals."""

TARGET_UNDER_WAY: Final = "item_target_under_way"
"""Only one item of a target is between its claim and its read-back."""

HAS_ITS_PEOPLE: Final = "change_has_its_people"
"""A scheduled change begins only while its requester and enough of its approvers may act."""

STILL_OFFERED: Final = "change_still_offered"
"""The parameters of a new change name nothing that can no longer be requested."""

AS_COUNTED: Final = "change_as_counted"
"""What policy was asked with is what is stored, counted when the change is committed."""
