"""Where a request stands in somebody's inbox, and the way to those before and after it."""

from dataclasses import dataclass

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.queries import waiting_for
from accounts.approvals.subjects import subject_of
from riskadmin.staff.models import Staff


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The place of a request among those that wait for a person, from 1, and the addresses of its neighbours, "" for none.

    What does not wait for the person has no place; then the next one is the first of the inbox.
    """

    place: int | None
    total: int
    previous: str
    next: str


def neighbours(person: Staff, request_id: int) -> Neighbours:
    """Return the neighbours of a request in the inbox of a person; a fixed number of queries."""
    waiting = list(waiting_for(person).values_list("pk", flat=True))
    at = waiting.index(request_id) if request_id in waiting else -1
    before = waiting[at - 1] if at > 0 else None
    after = waiting[at + 1] if at + 1 < len(waiting) else None
    return Neighbours(place=at + 1 if at >= 0 else None, total=len(waiting), previous=_address(before), next=_address(after))


def _address(request_id: int | None) -> str:
    if request_id is None:
        return ""
    request = ApprovalRequest.objects.get(pk=request_id)
    line = subject_of(request).lines([request]).get(request_id)
    return line.url if line else ""  # nothing belongs to this request
