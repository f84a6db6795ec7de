"""The filters of the list of changes."""

from typing import Any

from django.db.models import QuerySet

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.states import ChangeState
from riskadmin.staff.models import Staff
from riskadmin.web.lists.filters import CheckFilter, ListFilters, SelectFilter

Changes = QuerySet[Change]


class ChangeFilters(ListFilters):
    """Each is a parameter of the page's address. `viewer` is the person who looks."""

    state = SelectFilter(label="State", choices=[("", "Any"), *ChangeState.choices])
    kind = SelectFilter(
        label="Kind", choices=lambda: [("", "Any"), *((kind.name, kind.action_label) for kind in KINDS.values())]
    )
    mine = CheckFilter(label="Only what I asked for", method="of_viewer")

    class Meta:
        model = Change
        fields: list[str] = []

    def __init__(self, data: Any, *, viewer: Staff) -> None:
        """Take the parameters of an address."""
        super().__init__(data)
        self.viewer = viewer

    def of_viewer(self, rows: Changes, _: str, is_wanted: bool) -> Changes:  # noqa: FBT001  (django-filter's signature)
        """Return the changes that the viewer requested, if only those are wanted."""
        return rows.filter(requested_by=self.viewer) if is_wanted else rows
