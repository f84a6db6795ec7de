"""What people do to requests, whatever they are about: decide, comment, run alone, review."""

from typing import Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.module_loading import import_string
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.approvals import actions
from accounts.approvals.forms import AloneForm, CommentForm, DecideForm, ReviewForm
from accounts.approvals.mentions import UnknownMention
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.queries import approval_progress, conversation_of, line_of, visible_requests
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed, subject_of
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.web.access import demand, requires_any
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import is_fragment, redirect, render_page_or_fragment
from riskadmin.web.statuses import CONFLICT, UNPROCESSABLE

SEES: Final = ("changes:view", "policy:view")
DECIDES: Final = ("changes:decide", "policy:decide")
"""What somebody needs at least; what the subject of the request needs is checked then."""


@requires_any(*DECIDES, recent_proof=True)
@require_POST
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve, reject, or ask for edits; refused with 409 if the request is no longer what was shown."""
    asked = _decidable(request, pk)
    subject = subject_of(asked)
    form = DecideForm(request.POST)
    if not form.is_valid():
        return _not_decided(request, asked, form, None)
    said = form.cleaned_data
    verdict = Verdict(said["verdict"])
    viewer, origin, digest = person(request), origin_of(request), said["digest"]
    try:
        shown = subject.shown(asked, viewer, said["shown"], said["excluded"])
        # Those who may not approve it are refused by `decide`, which records that.
        asks = verdict == Verdict.APPROVE and actions.refusal(asked, viewer, digest) is None
        confirmed = subject.to_confirm(asked, shown) if asks else None
    except DecisionRefused as refusal:
        actions.record_refusal(actor=viewer, origin=origin, request_id=pk, what=verdict.value, refused=refusal, digest=digest)
        return _not_decided(request, asked, form, refusal)
    if confirmed and said["confirm_count"] != confirmed.number:
        form.add_error("confirm_count", confirmed.error)
        return _not_decided(request, asked, form, None)
    try:
        actions.decide(
            actor=viewer,
            origin=origin,
            request_id=pk,
            verdict=verdict,
            digest=digest,
            comment=said["comment"],
            shown=shown,
            excluded=said["excluded"],
        )
    except DecisionRefused as refusal:
        return _not_decided(request, asked, form, refusal)
    line = line_of(asked)
    excluded = f", {len(said['excluded']):,} excluded" if said["excluded"] else ""
    messages.success(request, f"You {verdict.label.lower()}: {line.title}{excluded}.")
    return redirect(request, line.url)


def _not_decided(
    request: HttpRequest, asked: ApprovalRequest, form: DecideForm, refusal: DecisionRefused | None
) -> HttpResponse:
    """Show the subject as it is now, with what was typed and what is wrong."""
    page = subject_of(asked).page
    if page:
        answer: HttpResponse = import_string(page)(
            request, asked, form=form, refusal=refusal, status=CONFLICT if refusal else UNPROCESSABLE
        )
        return answer
    line = line_of(asked)
    problems = [refusal.message] if refusal else [str(each) for errors in form.errors.values() for each in errors]
    return conflict(
        request,
        meaning=f"Nothing was decided. {' '.join(problems)}",
        next_step="Look at it as it is now, and decide again.",
        link_label=line.title,
        link_url=line.url,
    )


@requires_any(*SEES)
@require_GET
def conversation(request: HttpRequest, pk: int) -> HttpResponse:
    """The comments about a request, and the form for another one."""
    asked = _visible(request, pk)
    return _conversation(request, asked, CommentForm())


@requires_any(*SEES)
@require_POST
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a comment; those whom it mentions get a message."""
    asked = _visible(request, pk)
    # The comment of a decision bar goes along with an approval, or is posted here alone.
    form = CommentForm({"text": request.POST.get("text", request.POST.get("comment", ""))})
    if form.is_valid():
        try:
            actions.comment(actor=person(request), origin=origin_of(request), request_id=pk, text=form.cleaned_data["text"])
        except UnknownMention as error:  # switched off at this moment
            form.add_error("text", str(error))
        else:
            return (
                _conversation(request, asked, CommentForm()) if is_fragment(request) else redirect(request, line_of(asked).url)
            )
    return _conversation(request, asked, form, status=UNPROCESSABLE)


def _conversation(request: HttpRequest, asked: ApprovalRequest, form: CommentForm, *, status: int = 200) -> HttpResponse:
    context = {"asked": asked, "line": line_of(asked), "comments": conversation_of(asked), "form": form}
    return render_page_or_fragment(
        request, "approvals/conversation.html", "approvals/_conversation.html", context, status=status
    )


@requires_any(*DECIDES, recent_proof=True)
@require_http_methods(["GET", "POST"])
def act_alone(request: HttpRequest, pk: int) -> HttpResponse:
    """Run one's own waiting request without approval, because of an incident; another supervisor reviews it."""
    asked = _decidable(request, pk)
    if request.method == "GET":
        return _alone_page(request, asked, AloneForm())
    form = AloneForm(request.POST)
    if not form.is_valid():
        return _alone_page(request, asked, form, status=UNPROCESSABLE)
    try:
        actions.act_alone(
            actor=person(request),
            origin=origin_of(request),
            request_id=pk,
            incident=form.cleaned_data["incident"],
            comment=form.cleaned_data["comment"],
        )
    except NotAllowed as error:
        return _alone_page(request, asked, form, refusal=str(error), status=CONFLICT)
    except DecisionRefused as error:
        return _alone_page(request, asked, form, refusal=error.message, status=CONFLICT)
    line = line_of(asked)
    messages.success(request, f"Run without approval: {line.title}. Everyone responsible is notified. It has to be reviewed.")
    return redirect(request, line.url)


def _alone_page(
    request: HttpRequest, asked: ApprovalRequest, form: AloneForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "line": line_of(asked),
        "approval": approval_progress(asked, list(asked.approvals.all())),
        "environment": asked.facts.get("environment"),
        "form": form,
        "refusal": refusal,
    }
    return render(request, "approvals/act_alone.html", context, status=status)


@requires_any(*DECIDES, recent_proof=True)
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest, pk: int) -> HttpResponse:
    """Review what ran first. Of what ran because of an incident, the reviewer says what they found."""
    asked = _decidable(request, pk)
    is_incident = bool(asked.incident)
    if request.method == "GET":
        return _review_page(request, asked, ReviewForm(is_incident=is_incident))
    form = ReviewForm(request.POST, is_incident=is_incident)
    if not form.is_valid():
        return _review_page(request, asked, form, status=UNPROCESSABLE)
    try:
        actions.review(actor=person(request), origin=origin_of(request), request_id=pk, comment=form.cleaned_data["comment"])
    except NotAllowed as error:
        return _review_page(request, asked, form, refusal=str(error), status=CONFLICT)
    messages.success(request, f"Reviewed: {line_of(asked).title}.")
    return redirect(request, "approvals:reviews")


def _review_page(
    request: HttpRequest, asked: ApprovalRequest, form: ReviewForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "asked": asked,
        "line": line_of(asked),
        "environment": asked.facts.get("environment"),
        "form": form,
        "refusal": refusal,
    }
    return render(request, "approvals/review.html", context, status=status)


def _decidable(request: HttpRequest, pk: int) -> ApprovalRequest:
    """Return a request of a type that this person may decide about; raises Http404 and CapabilityMissing."""
    asked = get_object_or_404(visible_requests(ApprovalRequest.objects.all(), person(request)), pk=pk)
    demand(request, subject_of(asked).capability)
    return asked


def _visible(request: HttpRequest, pk: int) -> ApprovalRequest:
    """Return a request whose subject this person may see; raises Http404 and CapabilityMissing."""
    asked = get_object_or_404(visible_requests(ApprovalRequest.objects.all(), person(request)), pk=pk)
    demand(request, subject_of(asked).view_capability)
    return asked
