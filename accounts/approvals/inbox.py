"""The inbox: requests as rows, each with why this person can or can't decide about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.approvals.actions import Barred, is_past, refusal, stage_of
from accounts.approvals.models import Approval, ApprovalRequest
from accounts.approvals.queries import ApprovalProgress, approval_progress, to_review, visible_requests, waiting_for
from accounts.approvals.states import RequestState
from accounts.approvals.subjects import Line, all_subjects, subject_of
from riskadmin.staff.duty.queries import on_duty_among
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import people

LATELY: Final = timedelta(days=7)
"""How long a decided request is listed."""

RETURNED_FOR: Final = timedelta(days=3)
"""How long a request that came back to its requester waits for them on Home."""

_RETURNED: Final = (RequestState.REJECTED, RequestState.EDITS_REQUESTED)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A request as a row. `why` says why the person can decide, or why not; `approvers` who can now, on duty first."""

    request: ApprovalRequest
    line: Line
    approval: ApprovalProgress
    verdicts: Sequence[Approval]
    why: str
    can_decide: bool
    approvers: Sequence[str]

    @property
    def state(self) -> RequestState:
        """Its state."""
        return RequestState(self.request.state)

    @property
    def environment(self) -> str:
        """The environment that it is about; "" for something else."""
        return self.request.facts.get("environment") or ""

    @property
    def waits(self) -> bool:
        """Whether it still waits: not decided, and not past its time."""
        return self.state == RequestState.WAITING and not is_past(self.request)

    @property
    def is_to_review(self) -> bool:
        """Whether it ran first and was not reviewed yet."""
        request = self.request
        return self.state == RequestState.APPROVED and request.review_due_at is not None and request.reviewed_at is None

    @property
    def is_overdue(self) -> bool:
        """Whether its review is overdue."""
        return self.is_to_review and self.request.review_due_at is not None and self.request.review_due_at <= timezone.now()

    @property
    def is_returned(self) -> bool:
        """Whether it came back to its requester, who has not asked for it again."""
        came_back = self.state in _RETURNED or self.request.handed_to_id is not None
        return came_back and bool(self.line.edit_url)

    @property
    def last_verdict(self) -> Approval | None:
        """The verdict that was given last."""
        return self.verdicts[-1] if self.verdicts else None

    @property
    def together_key(self) -> str:
        """By what it is chosen to be approved with others: its key and digest; "" if it has to be opened."""
        return f"{self.request.pk}:{self.request.digest}" if self.can_decide and fits_together(self.request) else ""


def listed(requests: Iterable[ApprovalRequest], viewer: Staff, *, with_approvers: bool = False) -> list[Listed]:
    """Return requests as rows, in order. The number of queries does not grow with that of the requests."""
    found = list(requests.prefetch_related("approvals") if isinstance(requests, QuerySet) else requests)
    lines: dict[int, Line] = {}
    barred: dict[tuple[int, int], str] = {}
    for _, same in groupby(sorted(found, key=lambda each: each.subject), key=lambda each: each.subject):
        group = list(same)
        lines |= subject_of(group[0]).lines(group)
        barred |= subject_of(group[0]).barred(group, None if with_approvers else viewer)
    active = _those_on_duty_first(people().filter(is_active=True)) if with_approvers else []
    return [_row(request, lines[request.pk], viewer, active, barred) for request in found if request.pk in lines]


def _those_on_duty_first(active: Iterable[Staff]) -> list[tuple[Staff, str]]:
    """Return people and how a row names them, those on duty first."""
    there = list(active)
    on = on_duty_among(there, timezone.now())
    named = [(each, f"{each.display_name} (on duty)" if each.pk in on else each.display_name) for each in there]
    return sorted(named, key=lambda each: each[0].pk not in on)


def _row(request: ApprovalRequest, line: Line, viewer: Staff, active: Sequence[tuple[Staff, str]], barred: Barred) -> Listed:
    refused = refusal(request, viewer, request.digest, barred=barred) if request.state == RequestState.WAITING else None
    verdicts = sorted(request.approvals.all(), key=lambda each: each.pk)
    can_decide = request.state == RequestState.WAITING and refused is None
    return Listed(
        request=request,
        line=line,
        approval=approval_progress(request, verdicts),
        verdicts=verdicts,
        why=_why(request) if can_decide else refused.message if refused else "",
        can_decide=can_decide,
        approvers=[name for each, name in active if refusal(request, each, request.digest, barred=barred) is None],
    )


def _why(request: ApprovalRequest) -> str:
    """Return why it waits for a person who can decide: "Needs a supervisor, stage 2 of 2"."""
    number, role = stage_of(request)
    stages = len(request.stages)
    where = f", stage {number} of {stages}" if stages > 1 else ""
    return f"Needs {_with_article(role or 'approver')}{where}"


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def waiting(viewer: Staff, *, everything: bool) -> QuerySet[ApprovalRequest]:
    """Return what waits for this person, or everything that waits and that they may see; least time left first."""
    if not everything:
        return waiting_for(viewer)
    seen = [name for name, subject in all_subjects().items() if viewer.may(subject.view_capability)]
    found = visible_requests(ApprovalRequest.objects.filter(state=RequestState.WAITING, subject__in=seen), viewer)
    return found.order_by(F("expires_at").asc(nulls_last=True), "pk")


def own(viewer: Staff) -> QuerySet[ApprovalRequest]:
    """Return a person's own requests that wait, or came back or were decided lately; what waits first."""
    mine = visible_requests(ApprovalRequest.objects.filter(requested_by=viewer, needed__gt=0), viewer)
    lately = mine.filter(decided_at__gt=timezone.now() - LATELY) | mine.filter(state=RequestState.WAITING)
    return lately.order_by(F("decided_at").desc(nulls_first=True), F("expires_at").asc(nulls_last=True), "pk")


def decided(viewer: Staff) -> QuerySet[ApprovalRequest]:
    """Return what was decided lately, newest first; what needed no approval is left out, unless it was an incident."""
    seen = [name for name, subject in all_subjects().items() if viewer.may(subject.view_capability)]
    found = ApprovalRequest.objects.filter(subject__in=seen, needed__gt=0, decided_at__gt=timezone.now() - LATELY)
    return visible_requests(found, viewer).order_by("-decided_at", "-pk")


def returned(viewer: Staff) -> list[Listed]:
    """Return what came back to a person, or was handed over to them, and was not asked for again; newest first."""
    since = timezone.now() - RETURNED_FOR
    own = Q(requested_by=viewer, handed_to=None, state__in=_RETURNED) | Q(handed_to=viewer)
    found = ApprovalRequest.objects.filter(own, decided_at__gt=since)
    return [row for row in listed(visible_requests(found, viewer).order_by("-decided_at"), viewer) if row.is_returned]


def count_for(viewer: Staff) -> int:
    """Return how much waits for a person: decisions, reviews, and what came back to them."""
    return waiting_for(viewer).count() + to_review(viewer).count() + len(returned(viewer))


def fits_together(request: ApprovalRequest) -> bool:
    """Whether it may be approved from the inbox, together with others of its kind: small, and liquidating nothing."""
    facts = request.facts
    small = facts.get("items", 0) <= settings.APPROVALS_TOGETHER_UP_TO
    return request.subject == "change" and small and facts.get("liquidations") == 0
