"""The list of changes."""

from accounts.changes.filters import ChangeFilters
from accounts.changes.queries import Listed, listed
from riskadmin.audit.wording import reason_words
from riskadmin.web.csv_file import utc
from riskadmin.web.lists.spec import Column, CsvColumn, ListSpec


def _state(row: Listed) -> str:
    words = row.wait.words if row.wait else row.change.state_label
    words = f"{words}, suspended" if row.is_suspended else words
    return f"{words}, with unknown outcomes" if row.has_unknown else words


def _background(row: Listed, name: str) -> str:
    """Return what a request says besides code and text; "" if it says nothing."""
    return getattr(getattr(row.change, "background", None), name, "")


CHANGES: ListSpec[Listed] = ListSpec(
    name="changes",
    noun="change",
    filters=ChangeFilters,
    order="-change",
    row_template="changes/_row.html",
    rows=listed,
    columns=(
        Column(name="change", label="Change", sort=("id",), css="num", is_optional=False),
        Column(name="what", label="What", is_optional=False),
        Column(name="state", label="State", css="nowrap", is_optional=False),
        Column(name="reason", label="Reason"),
        Column(name="requester", label="Asked by"),
        Column(name="items", label="Items", css="num", is_shown_at_first=False),
        Column(name="finished", label="Finished", css="nowrap", is_shown_at_first=False),
        Column(name="requested", label="Asked", css="nowrap"),
    ),
    csv=(
        CsvColumn(heading="change", value=lambda row: row.change.pk),
        CsvColumn(heading="kind", value=lambda row: row.kind.action_label),
        CsvColumn(heading="environment", value=lambda row: row.change.environment),
        CsvColumn(heading="items", value=lambda row: row.change.item_count),
        CsvColumn(heading="first", value=lambda row: row.first),
        CsvColumn(heading="state", value=_state),
        CsvColumn(heading="reason", value=lambda row: reason_words(row.change.reason_code)),
        CsvColumn(heading="in words", value=lambda row: row.change.reason_text),
        CsvColumn(heading="the firm's reason", value=lambda row: _background(row, "firm_reason_name")),
        CsvColumn(heading="ticket", value=lambda row: _background(row, "ticket")),
        CsvColumn(heading="asked by", value=lambda row: row.change.requested_by_name),
        CsvColumn(heading="asked at (UTC)", value=lambda row: utc(row.change.submitted_at)),
        CsvColumn(heading="decided at (UTC)", value=lambda row: utc(row.change.approval.decided_at)),
        CsvColumn(heading="finished at (UTC)", value=lambda row: utc(row.change.finished_at)),
    ),
)
