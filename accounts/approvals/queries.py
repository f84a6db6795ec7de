"""Reading requests, for pages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import CharField, F, Func, Q, QuerySet
from django.utils import timezone

from accounts.approvals.models import Approval, ApprovalRequest, Comment, PolicyRule, PolicyVersion
from accounts.approvals.policy import Stage, stages_of
from accounts.approvals.states import PolicyState, RequestState, Verdict
from accounts.approvals.subjects import Line, all_subjects, subject_of
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import people


def visible_requests(requests: QuerySet[ApprovalRequest], person: Staff) -> QuerySet[ApprovalRequest]:
    """Return those of some requests that are about what a person has access to."""
    for name, subject in all_subjects().items():
        limit = subject.visible(person)
        if limit is not None:
            requests = requests.filter(~Q(subject=name) | limit)
    return requests


def _without_conflicts(requests: QuerySet[ApprovalRequest], person: Staff) -> QuerySet[ApprovalRequest]:
    """Return those of some requests that a person has access to, and that are about nothing of their own."""
    for name, subject in all_subjects().items():
        theirs = subject.conflicting(person)
        if theirs is not None:
            requests = requests.exclude(Q(subject=name) & theirs)
    return visible_requests(requests, person)


def waiting_for(person: Staff) -> QuerySet[ApprovalRequest]:
    """Return the requests that this person could decide about now, least time left first: their inbox."""
    theirs = [name for name, subject in all_subjects().items() if person.may(subject.capability)]
    role = Func(F("pk"), function="approvals_stage_role", output_field=CharField())
    waiting = ApprovalRequest.objects.filter(state=RequestState.WAITING, subject__in=theirs)
    in_time = Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now())
    decided = Approval.objects.filter(staff=person, request__state=RequestState.WAITING, version=F("request__version"))
    return (
        _without_conflicts(waiting.filter(in_time), person)
        .exclude(requested_by=person)
        .filter(Q(facts__earlier_requesters__isnull=True) | ~Q(facts__earlier_requesters__contains=[person.pk]))
        .exclude(pk__in=decided.values("request"))
        .alias(asked_role=role)
        .filter(asked_role__in=["", *person.role_names])
        .order_by(F("expires_at").asc(nulls_last=True), "pk")
    )


def to_review(person: Staff) -> QuerySet[ApprovalRequest]:
    """Return what ran first and waits for a review that this person may do, the most urgent first."""
    theirs = [name for name, subject in all_subjects().items() if person.may(subject.capability)]
    ran_first = ApprovalRequest.objects.filter(
        review_due_at__isnull=False, reviewed_at__isnull=True, state=RequestState.APPROVED, subject__in=theirs
    )
    return _without_conflicts(ran_first.exclude(requested_by=person), person).order_by("review_due_at", "pk")


def escalated_to(request: ApprovalRequest) -> list[Staff]:
    """Return the active people who are told before a request expires undecided: those whom the rule names that applied."""
    rule = PolicyRule.objects.filter(pk__in=request.rules[:1]).exclude(escalate_to="").first()
    return [person for person in people().filter(is_active=True) if rule.escalate_to in person.role_names] if rule else []


def line_of(request: ApprovalRequest) -> Line:
    """Return what a request is about, in a line."""
    return subject_of(request).lines([request])[request.pk]


def conversation_of(request: ApprovalRequest) -> QuerySet[Comment]:
    """Return the comments about a request, oldest first."""
    return request.comments.order_by("pk")


@dataclass(frozen=True, kw_only=True)
class ApprovalProgress:
    """How far a request has come: approvals given and needed, and who is still missing, in words."""

    given: int
    needed: int
    missing: str

    @property
    def words(self) -> str:
        """In a sentence or two: "1 of 2 approvals. One more supervisor needed."."""
        if not self.needed:
            return "No approval needed."
        so_far = f"{self.given:,} of {self.needed:,} approval{'' if self.needed == 1 else 's'}."
        return f"{so_far} {self.missing}" if self.missing else so_far


_SPELLED: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")


def approval_progress(request: ApprovalRequest, approvals: Sequence[Approval]) -> ApprovalProgress:
    """Return how far a request has come, from its approvals; no query."""
    counting = [each for each in approvals if each.verdict == Verdict.APPROVE and each.version == request.version]
    left, missing = len(counting), []
    for stage in stages_of(request.stages):
        done = min(left, stage.approvals)
        left -= done
        if done < stage.approvals:
            missing.append(_still(replace(stage, approvals=stage.approvals - done), more=done > 0))
    words = f"{', then '.join([f'{missing[0]} needed', *(_lowered(each) for each in missing[1:])])}." if missing else ""
    return ApprovalProgress(given=len(counting), needed=request.needed, missing=words)


def _still(stage: Stage, *, more: bool) -> str:
    count = stage.approvals
    number = _SPELLED[count] if count < len(_SPELLED) else f"{count:,}"
    return f"{number}{' more' if more else ''} {stage.role or 'approver'}{'' if count == 1 else 's'}"


def _lowered(words: str) -> str:
    return words[:1].lower() + words[1:]


def policy_in_force() -> PolicyVersion:
    """Return the version of the policy that is in force."""
    return PolicyVersion.objects.get(state=PolicyState.IN_FORCE)


def rules_of(version: PolicyVersion) -> QuerySet[PolicyRule]:
    """Return the rules of a version, in order."""
    return version.rules.order_by("position")


def policy_proposed() -> PolicyVersion | None:
    """Return the version of the policy that waits for approval, if there is one."""
    return PolicyVersion.objects.filter(state=PolicyState.PROPOSED).first()


def policy_versions() -> QuerySet[PolicyVersion]:
    """Return every version of the policy with the verdicts about it, newest first."""
    return PolicyVersion.objects.select_related("approval").prefetch_related("approval__approvals").order_by("-number")


def requests_with_lines(keys: Sequence[int], viewer: Staff) -> tuple[dict[int, ApprovalRequest], dict[int, Line]]:
    """Return requests, and the line of each that a person may see, by their keys; a fixed number of queries for each type."""
    requests = visible_requests(ApprovalRequest.objects.all(), viewer).in_bulk(keys)
    lines: dict[int, Line] = {}
    for name, subject in all_subjects().items():
        of_subject = [request for request in requests.values() if request.subject == name]
        lines |= subject.lines(of_subject) if of_subject else {}
    return requests, lines
