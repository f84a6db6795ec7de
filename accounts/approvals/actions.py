"""What people and the clock do to requests: each is one transaction with its audit event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.approvals.mentions import mentioned
from accounts.approvals.models import Approval, ApprovalRequest, Comment
from accounts.approvals.policy import Need
from accounts.approvals.states import REQUEST_TRANSITIONS, RequestState, Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed, Step, Subject, subject_of
from accounts.models.guards import broken_rule
from accounts.models.moving import move_row
from riskadmin.audit.actions import record
from riskadmin.audit.origin import SYSTEM, Origin, Who
from riskadmin.staff.models import Staff
from riskadmin.web.visible import is_empty

REVIEW_WITHIN: Final = timedelta(hours=24)
"""When what somebody did alone, because of an incident, has to be reviewed."""

EARLIER_REQUESTERS: Final = "earlier_requesters"
"""The fact that names who asked for earlier versions, before they were handed over. They don't decide about it either."""

NOT_BY_ROLE, NOT_IN_TIME = "approval_by_role", "approval_in_time"
NOT_ALONE: Final = ("request_may_act_alone", "approval_request_one_incident")
"""PostgreSQL's names for what it may find between our checks and its own (`sql/`, and the constraints of the models)."""

APPROVER_LEFT: Final = "request_approved_by_who_may"
"""PostgreSQL's name for an approval that would count although its maker may no longer decide."""

SAY_WHY: Final = {
    Verdict.REJECT: "Say why it is rejected: the person who asked for it reads that.",
    Verdict.REQUEST_EDITS: "Say what should be different: the person who asked for it reads that.",
}
"""What the verdicts that need a reason say when there is none."""

_STEP: Final = {
    Verdict.APPROVE: Step.APPROVED,
    Verdict.REJECT: Step.REJECTED,
    Verdict.REQUEST_EDITS: Step.EDITS_REQUESTED,
}
_ENDS: Final = {Verdict.REJECT: RequestState.REJECTED, Verdict.REQUEST_EDITS: RequestState.EDITS_REQUESTED}


def new_request(
    subject: Subject,
    *,
    actor: Staff,
    need: Need,
    facts: Mapping[str, Any],
    digest: str,
    at: datetime,
    valid_from: datetime | None = None,
    expires: bool = True,
) -> ApprovalRequest:
    """Return the request of something that is asked for now, unsaved; approved already if policy wants no approval.

    Its validity counts from `valid_from`, if that is later; without `expires`, it waits until someone decides.
    """
    approved = need.approvals == 0
    ends = max(at, valid_from or at) + need.valid_for if expires and need.valid_for is not None else None
    return ApprovalRequest(
        subject=subject.name,
        digest=digest,
        requested_by=actor,
        requested_by_name=actor.who().name,
        requested_at=at,
        facts=dict(facts),
        policy_id=need.policy_id,
        rules=list(need.rules),
        needed=need.approvals,
        stages=need.stages_json,
        expires_at=ends,
        review_due_at=at + need.review_within if need.review_within is not None else None,
        state=RequestState.APPROVED if approved else RequestState.WAITING,
        decided_at=at if approved else None,
    )


Barred = Mapping[tuple[int, int], str]
"""Who may not act on which request, whatever their role, by request and person, with the reason (`Subject.barred`)."""


def refusal(request: ApprovalRequest, person: Staff, digest: str, *, barred: Barred | None = None) -> DecisionRefused | None:
    """Return why somebody may not decide about a request, shown with this digest.

    PostgreSQL enforces the same (`sql/`), except for what is about accounts outside their access, or of their own: `barred` is
    what is known of that, if many are asked for.
    """
    subject = subject_of(request)
    if not person.may(subject.capability):
        return DecisionRefused(f"You may not decide about {subject.many}.")
    if request.requested_by_id == person.pk:
        return DecisionRefused(f"You asked for this {subject.one}, so somebody else has to decide.")
    if person.pk in request.facts.get(EARLIER_REQUESTERS, ()):
        return DecisionRefused(f"You asked for an earlier version of this {subject.one}, so somebody else has to decide.")
    if request.state != RequestState.WAITING:
        return DecisionRefused(_no_longer_waiting(request))
    if is_past(request):
        return DecisionRefused(_expired(subject))
    _, role = stage_of(request)
    if role and role not in person.role_names:
        return DecisionRefused(f"Policy asks for a decision by somebody whose role is {role}.")
    if any(each.staff_id == person.pk and each.version == request.version for each in request.approvals.all()):
        return DecisionRefused(f"You have decided about this {subject.one} already.")
    why = (subject.barred([request], person) if barred is None else barred).get((request.pk, person.pk))
    if why:
        return DecisionRefused(why)
    if digest != request.digest:
        return DecisionRefused(f"This is not the {subject.one} you were shown. Review it again.")
    return None


def given(request: ApprovalRequest) -> int:
    """Return how many approvals of its present content a request has; no query if its approvals are at hand."""
    now = (Verdict.APPROVE, request.digest, request.version)
    return sum((each.verdict, each.digest, each.version) == now for each in request.approvals.all())


def stage_of(request: ApprovalRequest) -> tuple[int, str]:
    """Return the stage that a waiting request is in, from 1, and the role that it waits for, "" for any approver."""
    left = given(request)
    for number, stage in enumerate(request.stages, start=1):
        if left < stage["approvals"]:
            return number, stage["role"]
        left -= stage["approvals"]
    return len(request.stages), ""


@dataclass(frozen=True, kw_only=True)
class _Case:
    """A request and its subject, both locked; `origin` is where the request to do something with them comes from."""

    subject: Subject
    thing: Any
    request: ApprovalRequest
    origin: Origin

    def record_step(self, step: Step, actor: Staff | None, *, refused: DecisionRefused | None = None, **detail: Any) -> None:
        """Record what happened, or why it did not."""
        who = actor.who() if actor else SYSTEM
        record(self.subject.event(step, self.thing, actor=who, origin=self.origin, detail=detail, refusal=refused))

    def not_approvable(self, prepared: Any, shown: Mapping[str, Any] | None) -> DecisionRefused | None:
        """Return why no one could approve it now."""
        obstacle = self.subject.obstacle(self.thing)
        return DecisionRefused(obstacle) if obstacle else self.subject.no_longer_as_shown(self.thing, prepared, shown)

    def exclude(self, keys: Sequence[str], by: Staff) -> tuple[str, ...]:
        """Leave items out and return their names. All approvals begin again, so the person has to be one of the first stage."""
        new = self.subject.content_without(self.thing, keys, by=by.who())
        put_new_content(self.request, new.digest)
        _, role = stage_of(self.request)
        if role and role not in by.role_names:
            raise DecisionRefused(
                f"Without these items it begins again with an approval by somebody whose role is {role}. Ask for edits instead."
            )
        return self.subject.exclude(self.thing, new, actor=by.who(), origin=self.origin)

    def approve(self, by: Staff, **fields: Any) -> None:
        """Let it happen."""
        move_row(self.request, REQUEST_TRANSITIONS, RequestState.APPROVED, decided_at=timezone.now(), **fields)
        self.subject.approved(self.thing, actor=by.who(), origin=self.origin)

    def end(self, state: RequestState, by: Staff | None) -> None:
        """End it without having happened."""
        move_row(self.request, REQUEST_TRANSITIONS, state, decided_at=timezone.now())
        self.subject.ended(self.thing, state, actor=by.who() if by else SYSTEM, origin=self.origin)


def _locked(request_id: int, origin: Origin) -> _Case:
    """Lock a request after what it is about, which is the order everywhere."""
    subject = subject_of(ApprovalRequest.objects.get(pk=request_id))
    thing = subject.lock(request_id)
    request = ApprovalRequest.objects.select_for_update(of=("self",)).get(pk=request_id)
    return _Case(subject=subject, thing=thing, request=request, origin=origin)


def decide(
    *,
    actor: Staff,
    origin: Origin,
    request_id: int,
    verdict: Verdict,
    digest: str,
    comment: str,
    shown: Mapping[str, Any] | None = None,
    excluded: Sequence[str] = (),
) -> ApprovalRequest:
    """Record one person's verdict about a waiting request and return the request as it then is.

    `digest` is the digest of what they were shown, and `shown` its effects as they were then. The last approval that policy
    asks for lets it happen; one rejection, or one request for edits, ends it, and says why in `comment`. `excluded` names items
    that an approval leaves out: earlier approvals then no longer count. Raises DecisionRefused, after recording that.
    """
    request = ApprovalRequest.objects.get(pk=request_id)
    subject = subject_of(request)
    is_approval = verdict == Verdict.APPROVE
    prepared = subject.prepare(request, excluded) if is_approval and refusal(request, actor, digest) is None else None
    try:
        with transaction.atomic():
            case = _locked(request_id, origin)
            person = _again(actor)
            refused = _refused_since(subject, actor, person) or refusal(case.request, person, digest)
            refused = refused or _says_nothing(verdict, comment)
            if refused:
                raise refused
            left_out = case.exclude(excluded, person) if is_approval and excluded else ()
            if is_approval and (refused := case.not_approvable(prepared, shown)):
                raise refused
            _take(case, person, verdict, comment=comment, shown=shown, excluded=left_out)
            return case.request
    except DecisionRefused as error:  # what was excluded meanwhile is undone with the transaction
        refused = error
    except IntegrityError as error:
        said = {
            NOT_BY_ROLE: f"You may no longer decide about {subject.many}.",
            NOT_IN_TIME: _expired(subject),
            APPROVER_LEFT: f"Somebody who approved this {subject.one} may no longer do so. Reload it and approve it again.",
        }
        if broken_rule(error) not in said:
            raise
        refused = DecisionRefused(said[broken_rule(error)])
    record_refusal(actor=actor, origin=origin, request_id=request_id, what=verdict.value, refused=refused, digest=digest)
    raise refused


def record_refusal(
    *, actor: Staff, origin: Origin, request_id: int, what: str, refused: DecisionRefused, digest: str | None = None
) -> None:
    """Record that somebody was refused, and why: `what` is the verdict, or what else they tried.

    `digest` is that of what they were shown; None for what the request has now.
    """
    with transaction.atomic():
        case = _locked(request_id, origin)
        shown = case.request.digest if digest is None else digest
        case.record_step(Step.REFUSED, actor, refused=refused, verdict=what, digest=shown, why=refused.message)


def _refusals_recorded(what: str) -> Callable[[Callable[..., ApprovalRequest]], Callable[..., ApprovalRequest]]:
    """Let an action record that somebody tried it and was refused; nothing else of it was written."""

    def decorate(act: Callable[..., ApprovalRequest]) -> Callable[..., ApprovalRequest]:
        @wraps(act)
        def recorded(*, actor: Staff, origin: Origin, request_id: int, **given: Any) -> ApprovalRequest:
            try:
                return act(actor=actor, origin=origin, request_id=request_id, **given)
            except (NotAllowed, DecisionRefused) as error:
                refused = error if isinstance(error, DecisionRefused) else DecisionRefused(str(error))
                record_refusal(actor=actor, origin=origin, request_id=request_id, what=what, refused=refused)
                raise

        return recorded

    return decorate


@_refusals_recorded("withdraw")
def withdraw(*, actor: Staff, origin: Origin, request_id: int) -> ApprovalRequest:
    """Withdraw a waiting request; only the person who asked may. Raises NotAllowed."""
    with transaction.atomic():
        case = _locked(request_id, origin)
        if case.request.requested_by_id != actor.pk:
            raise NotAllowed(f"Only the person who asked for a {case.subject.one} can withdraw it.")
        _refuse_barred(case, actor)
        if case.request.state != RequestState.WAITING:
            raise NotAllowed(_no_longer_waiting(case.request))
        case.end(RequestState.WITHDRAWN, actor)
        case.record_step(Step.WITHDRAWN, actor)
    return case.request


def expire_overdue(*, origin: Origin) -> int:
    """Expire every waiting request that is past its time, and return how many there were."""
    ended = 0
    for request_id in _overdue().values_list("pk", flat=True):
        with transaction.atomic():
            case = _locked(request_id, origin)
            if _overdue().filter(pk=request_id).exists():
                case.end(RequestState.EXPIRED, None)
                case.record_step(Step.EXPIRED, None)
                ended += 1
    return ended


def comment(*, actor: Staff, origin: Origin, request_id: int, text: str) -> Comment:
    """Add a comment to a request, whatever its state. It mentions those whom it names as @username. Raises UnknownMention."""
    people = mentioned(text)
    with transaction.atomic():
        case = _locked(request_id, origin)
        made = Comment.objects.create(
            request=case.request,
            staff=actor,
            staff_name=actor.who().name,
            text=text,
            mentions=[person.pk for person in people],
        )
        detail: dict[str, Any] = {"comment": text}
        if people:
            detail["mentions"] = [person.username for person in people]
        case.record_step(Step.COMMENTED, actor, **detail)
    return made


@_refusals_recorded("review")
def review(*, actor: Staff, origin: Origin, request_id: int, comment: str) -> ApprovalRequest:
    """Record that somebody has reviewed what ran first. Raises NotAllowed."""
    with transaction.atomic():
        case = _locked(request_id, origin)
        person, request, one = _again(actor), case.request, case.subject.one
        if not person.may(case.subject.capability):
            raise NotAllowed(f"You may not decide about {case.subject.many}, so you can't review them either.")
        if request.requested_by_id == person.pk:
            raise NotAllowed(f"You asked for this {one}, so somebody else has to review it.")
        _refuse_barred(case, person)
        if request.review_due_at is None or request.state != RequestState.APPROVED:
            raise NotAllowed(f"This {one} needs no review.")
        if request.reviewed_at:
            raise NotAllowed(f"{request.reviewed_by_name} has reviewed this {one} already.")
        request.reviewed_by, request.reviewed_by_name = person, person.who().name
        request.reviewed_at, request.review_comment = timezone.now(), comment
        request.save(update_fields=["reviewed_by", "reviewed_by_name", "reviewed_at", "review_comment"])
        case.record_step(Step.REVIEWED, person, comment=comment)
    return request


@_refusals_recorded("run alone")
def act_alone(*, actor: Staff, origin: Origin, request_id: int, incident: str, comment: str) -> ApprovalRequest:
    """Let one's own waiting request happen without approvals, because of an incident; it has to be reviewed by somebody else.

    Raises NotAllowed: to anyone else, and while something that the person did alone before is not reviewed yet. Raises
    DecisionRefused if what was asked for is no longer as it was shown.
    """
    request = ApprovalRequest.objects.get(pk=request_id)
    if not subject_of(request).may_act_alone:
        raise NotAllowed(f"A {subject_of(request).one} always needs a second person.")
    prepared = subject_of(request).prepare(request)
    try:
        with transaction.atomic():
            case = _locked(request_id, origin)
            request, one = case.request, case.subject.one
            if request.requested_by_id != actor.pk or not _again(actor).may(case.subject.capability):
                raise NotAllowed(f"Only the person who asked for a {one}, and who may decide, can run it alone.")
            _refuse_barred(case, actor)
            if request.state != RequestState.WAITING:
                raise NotAllowed(_no_longer_waiting(request))
            refused = DecisionRefused(_expired(case.subject)) if is_past(request) else case.not_approvable(prepared, None)
            if refused:
                raise refused
            case.record_step(Step.ACTED_ALONE, actor, incident=incident, comment=comment)
            case.approve(actor, incident=incident, review_due_at=timezone.now() + REVIEW_WITHIN)
    except IntegrityError as error:
        if broken_rule(error) not in NOT_ALONE:
            raise
        raise NotAllowed("What you last did alone has to be reviewed by somebody else first.") from error
    return request


def put_new_content(request: ApprovalRequest, digest: str) -> None:
    """Give a locked, waiting request the digest of its new content, as its next version: earlier approvals lapse."""
    request.digest = digest
    request.version += 1
    request.save(update_fields=["digest", "version"])


def end_with(request: ApprovalRequest, state: RequestState) -> None:
    """End a locked request whose subject ends for another reason, such as the end of a lock that is not made."""
    move_row(request, REQUEST_TRANSITIONS, state, decided_at=timezone.now())


def end_for_leaver(*, actor: Who, origin: Origin, request_id: int, to: Staff | None) -> bool:
    """End what somebody asked for who was switched off since; return whether it still waited. `to` may ask for it again."""
    with transaction.atomic():
        case = _locked(request_id, origin)
        if case.request.state != RequestState.WAITING or case.request.requested_by.is_active:
            return False
        case.request.handed_to = to
        case.request.save(update_fields=["handed_to"])
        move_row(case.request, REQUEST_TRANSITIONS, RequestState.WITHDRAWN, decided_at=timezone.now())
        case.subject.ended(case.thing, RequestState.WITHDRAWN, actor=actor, origin=origin)
        record(case.subject.event(Step.WITHDRAWN, case.thing, actor=actor, origin=origin, detail={}, refusal=None))
    return True


def let_approvals_lapse(*, actor: Who, origin: Origin, request_id: int) -> bool:
    """Have a waiting request approved again if somebody whose approval counts may no longer decide; return whether it was."""
    with transaction.atomic():
        case = _locked(request_id, origin)
        request = case.request
        if request.state != RequestState.WAITING or all(still_counts(each, request) for each in counting(request)):
            return False
        names = sorted({each.staff_name for each in counting(request) if not still_counts(each, request)})
        put_new_content(request, request.digest)
        detail = {"why": f"{' and '.join(names)} may no longer decide"}
        record(case.subject.event(Step.LAPSED, case.thing, actor=actor, origin=origin, detail=detail, refusal=None))
    return True


def counting(request: ApprovalRequest) -> QuerySet[Approval]:
    """Return the approvals of a request's present content, with their makers as they are now."""
    found = request.approvals.filter(verdict=Verdict.APPROVE, digest=request.digest, version=request.version)
    return found.select_related("staff").order_by("pk")


def still_counts(approval: Approval, request: ApprovalRequest) -> bool:
    """Whether the maker of an approval may still decide, in the role of its stage. PostgreSQL asks the same (`sql/`)."""
    role = request.stages[approval.stage - 1]["role"]
    return approval.staff.may(subject_of(request).capability) and (not role or role in approval.staff.role_names)


def _again(actor: Staff) -> Staff:
    """Return a person as they are now: they may have lost a role, or their account, while their request was under way."""
    return Staff.objects.prefetch_related("groups").get(pk=actor.pk)


def _refuse_barred(case: _Case, actor: Staff) -> None:
    """Raise NotAllowed if somebody may not act on a request, whatever their role."""
    why = case.subject.barred([case.request], _again(actor)).get((case.request.pk, actor.pk))
    if why:
        raise NotAllowed(why)


def _refused_since(subject: Subject, before: Staff, now: Staff) -> DecisionRefused | None:
    if before.may(subject.capability) and not now.may(subject.capability):
        return DecisionRefused(f"You may no longer decide about {subject.many}.")
    return None


def _says_nothing(verdict: Verdict, comment: str) -> DecisionRefused | None:
    """Return the refusal of a verdict that needs a reason and has none; PostgreSQL refuses it too (`approval_says_why`)."""
    return DecisionRefused(SAY_WHY[verdict]) if verdict in SAY_WHY and is_empty(comment) else None


def _no_longer_waiting(request: ApprovalRequest) -> str:
    return f"This {subject_of(request).one} is no longer waiting: {RequestState(request.state).label.lower()}."


def is_past(request: ApprovalRequest) -> bool:
    """Say whether the time to decide about it is over, although it may not be marked as expired yet."""
    return request.expires_at is not None and request.expires_at <= timezone.now()


def _expired(subject: Subject) -> str:
    return f"This {subject.one} has expired. It has to be asked for again."


def _overdue() -> QuerySet[ApprovalRequest]:
    return ApprovalRequest.objects.filter(state=RequestState.WAITING, expires_at__lte=timezone.now()).order_by("pk")


def _take(
    case: _Case,
    person: Staff,
    verdict: Verdict,
    *,
    comment: str,
    shown: Mapping[str, Any] | None = None,
    excluded: Sequence[str] = (),
) -> None:
    who, request = person.who(), case.request
    stage, _ = stage_of(request)
    Approval.objects.create(
        request=request,
        version=request.version,
        staff=person,
        staff_name=who.name,
        staff_role=who.role,
        verdict=verdict,
        stage=stage,
        digest=request.digest,
        comment=comment,
        shown=shown,
        excluded=list(excluded),
    )
    detail: dict[str, Any] = {"digest": request.digest, "comment": comment}
    if shown:
        detail["effects"] = shown
    if excluded:
        detail["excluded"] = list(excluded)
    case.record_step(_STEP[verdict], person, **detail)
    if verdict == Verdict.APPROVE:
        for thing, asked in case.subject.together_with(case.thing):
            other = _Case(subject=case.subject, thing=thing, request=asked, origin=case.origin)
            if refusal(asked, person, asked.digest) is None and not case.subject.obstacle(thing):
                _take(other, person, verdict, comment=comment)
    if verdict in _ENDS:
        case.end(_ENDS[verdict], person)
    elif given(request) >= request.needed:
        case.approve(person)
