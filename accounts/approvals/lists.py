"""The lists of requests: what waits, what is to be reviewed, one's own, and what was decided lately."""

from accounts.approvals.filters import RequestFilters, WaitingFilters
from accounts.approvals.inbox import Listed
from riskadmin.web.lists.spec import Column, ListSpec

_WHAT = Column(name="what", label="What", is_optional=False)
_STATUS = Column(name="status", label="Status")
_ASKED = Column(name="asked", label="Requested", css="nowrap", sort=("requested_at", "id"))
_ACT = Column(name="act", label="Action", css="nowrap", is_optional=False)

WAITING: ListSpec[Listed] = ListSpec(
    name="approvals",
    noun="request",
    filters=WaitingFilters,
    order="left",
    row_template="approvals/_row.html",
    rows=list,
    columns=(_WHAT, _STATUS, Column(name="left", label="Time left", css="nowrap", sort=("expires_at", "id")), _ASKED, _ACT),
)
"""Also the list of one's own requests."""

TO_REVIEW: ListSpec[Listed] = ListSpec(
    name="reviews",
    noun="review",
    filters=RequestFilters,
    order="left",
    row_template="approvals/_row.html",
    rows=list,
    columns=(_WHAT, _STATUS, Column(name="left", label="Time left", css="nowrap", sort=("review_due_at", "id")), _ASKED, _ACT),
)

DECIDED: ListSpec[Listed] = ListSpec(
    name="decided",
    noun="request",
    filters=RequestFilters,
    order="-left",
    row_template="approvals/_row.html",
    rows=list,
    columns=(_WHAT, _STATUS, Column(name="left", label="Decided", css="nowrap", sort=("decided_at", "id")), _ASKED, _ACT),
)
