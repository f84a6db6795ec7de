"""The filters of the lists of requests."""

from typing import Any

from django.db.models import Q, QuerySet

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import Direction
from accounts.approvals.subjects import all_subjects
from riskadmin.web.lists.filters import ListFilters, SelectFilter

Requests = QuerySet[ApprovalRequest]

_EFFECTS = {
    "liquidates": Q(facts__liquidations__gt=0),
    "looser": Q(facts__direction__in=[Direction.LOOSENING, Direction.MIXED]),
    "tighter": Q(facts__direction=Direction.TIGHTENING),
}


class RequestFilters(ListFilters):
    """Each is a parameter of the page's address."""

    subject = SelectFilter(
        label="What",
        choices=lambda: [("", "Anything"), *((name, each.many.capitalize()) for name, each in all_subjects().items())],
    )
    environment = SelectFilter(
        label="Environment", field_name="facts__environment", choices=[("", "Any"), ("demo", "Demo"), ("live", "Live")]
    )
    effect = SelectFilter(
        label="Effect",
        method="of_effect",
        choices=[("", "Any"), ("liquidates", "Liquidates"), ("looser", "Loosens"), ("tighter", "Only tightens")],
    )

    class Meta:
        model = ApprovalRequest
        fields: list[str] = []

    def of_effect(self, rows: Requests, _: str, value: Any) -> Requests:
        """Return the requests whose preview found such an effect."""
        return rows.filter(_EFFECTS[value])


class WaitingFilters(RequestFilters):
    """Those of what waits: only what this person may decide about now, or all of it."""

    show = SelectFilter(label="Show", method="unchanged", choices=[("", "What I can decide"), ("all", "All that waits")])

    def unchanged(self, rows: Requests, _: str, __: Any) -> Requests:
        """Return all rows: what they are chosen from depends on it."""
        return rows
