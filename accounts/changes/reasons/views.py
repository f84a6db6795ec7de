"""The pages on which an administrator keeps the firm's reasons, and the download of attached files."""

from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.changes.access import of_visible_changes
from accounts.changes.kinds import KINDS, named
from accounts.changes.kinds.stored import StoredKind
from accounts.changes.reasons import actions, queries
from accounts.changes.reasons.forms import FirmReasonForm
from accounts.changes.reasons.models import Attachment, FirmReason
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import ReasonCode
from riskadmin.web.access import requires
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE
from riskadmin.web.visible import isolated

NAME_TAKEN = "Another reason of this kind has this name, perhaps a retired one. Choose another name, or offer that one again."


@requires("reasons:manage")
@require_GET
def reason_list(request: HttpRequest) -> HttpResponse:
    """Every reason, by kind."""
    return render(request, "reasons/list.html", {"kinds": queries.by_kind()})


@requires("reasons:manage")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Add a reason to a kind's list."""
    kind = KINDS.get(kind_name)
    if kind is None:
        raise Http404("There is no such kind of change.")
    form = FirmReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            said = form.cleaned_data
            reason = actions.add_reason(
                actor=person(request),
                origin=origin_of(request),
                kind_name=kind_name,
                name=said["name"],
                code=ReasonCode(said["code"]),
                text=said["text"],
            )
        except actions.NameTaken:
            form.add_error("name", NAME_TAKEN)
        else:
            messages.success(request, f"You added the reason “{isolated(reason.name)}”.")
            return redirect(request, "reasons:list")
    return _form_page(request, form, kind, None)


@requires("reasons:manage")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Edit a reason; changes that were requested with it keep what they say."""
    reason = get_object_or_404(FirmReason, pk=pk)
    form = FirmReasonForm(request.POST) if request.method == "POST" else FirmReasonForm.of(reason)
    if request.method == "POST" and form.is_valid():
        try:
            said = form.cleaned_data
            reason = actions.edit_reason(
                actor=person(request),
                origin=origin_of(request),
                reason=reason,
                name=said["name"],
                code=ReasonCode(said["code"]),
                text=said["text"],
            )
        except actions.NameTaken:
            form.add_error("name", NAME_TAKEN)
        else:
            messages.success(request, f"You saved the reason “{isolated(reason.name)}”.")
            return redirect(request, "reasons:list")
    return _form_page(request, form, named(reason.kind), reason)


@requires("reasons:manage")
@require_POST
def move(request: HttpRequest, pk: int, way: str) -> HttpResponse:
    """Move a reason up or down in its list."""
    if way not in {"up", "down"}:
        raise Http404("Reasons move up or down.")
    reason = get_object_or_404(FirmReason, pk=pk)
    actions.move_reason(actor=person(request), origin=origin_of(request), reason=reason, way=cast(actions.Way, way))
    return redirect(request, "reasons:list")


@requires("reasons:manage")
@require_POST
def retire(request: HttpRequest, pk: int) -> HttpResponse:
    """No longer offer a reason."""
    reason = get_object_or_404(FirmReason, pk=pk)
    actions.retire_reason(actor=person(request), origin=origin_of(request), reason=reason)
    messages.success(request, f"The reason “{reason.name}” is no longer offered.")
    return redirect(request, "reasons:list")


@requires("reasons:manage")
@require_POST
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer a retired reason again."""
    reason = get_object_or_404(FirmReason, pk=pk)
    actions.restore_reason(actor=person(request), origin=origin_of(request), reason=reason)
    messages.success(request, f"The reason “{reason.name}” is offered again.")
    return redirect(request, "reasons:list")


@requires("changes:view", recent_proof=True)
@require_POST
def download(request: HttpRequest, pk: int) -> HttpResponse:
    """An attached file, never to be shown by the browser. By POST, because each download is recorded."""
    attachment = get_object_or_404(of_visible_changes(Attachment.objects.all(), person(request)), pk=pk)
    content = actions.download(actor=person(request), origin=origin_of(request), attachment=attachment)
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=attachment.name)
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _form_page(request: HttpRequest, form: FirmReasonForm, kind: StoredKind, reason: FirmReason | None) -> HttpResponse:
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "reasons/form.html", {"form": form, "kind": kind, "reason": reason}, status=status)
