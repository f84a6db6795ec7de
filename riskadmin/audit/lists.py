"""The list of audit events. It has no CSV file: exports of the trail carry proofs, and are recorded (`proof.exporting`)."""

from collections.abc import Sequence

from riskadmin.audit.filters import EventFilters
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.web.lists.spec import Column, ListSpec


def _lines(events: Sequence[Event]) -> list[EventLine]:
    return [EventLine(event) for event in events]


EVENTS: ListSpec[EventLine] = ListSpec(
    name="audit",
    noun="event",
    filters=EventFilters,
    order="-time",
    row_template="audit/_row.html",
    rows=_lines,
    table_css="table-events",
    columns=(
        Column(name="time", label="Time", sort=("occurred_at", "id"), css="fit", is_optional=False),
        Column(name="who", label="Who", css="who"),
        Column(name="what", label="What", is_optional=False),
        Column(name="account", label="Account", css="which"),
        Column(name="reason", label="Reason"),
        Column(name="values", label="Before → after"),
        Column(name="address", label="Address", css="nowrap", is_shown_at_first=False),
        Column(name="change", label="Change", css="num"),
    ),
)
