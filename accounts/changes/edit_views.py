"""The page on which a requester edits what came back to them, and asks for it again as a new version."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.changes.access import refuses, requestable_change
from accounts.changes.editing import as_new_version, as_typed, items_asked, may_be_edited, targets_typed
from accounts.changes.forms import NamesForm
from accounts.changes.kinds import for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change
from accounts.changes.targeting import targets
from accounts.changes.targeting.targets import BadTargets
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import requires
from riskadmin.web.body_limits import FORM_MAX, accepts_body
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import HttpResponseSeeOther
from riskadmin.web.statuses import UNPROCESSABLE


@requires("changes:view")
@accepts_body(FORM_MAX, advice="Name fewer accounts.")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What was asked for, to be edited: its targets here, then its parameters, reason and time in the form for a request."""
    change = requestable_change(request, pk)
    kind = for_stored(change)
    if not change.approval.may_be_asked_again_by(person(request)) or not isinstance(kind, Kind) or not may_be_edited(change):
        return conflict(
            request,
            meaning=f"Change {pk} can't be edited by you now: only its requester can, once it came back, and once.",
            next_step="Look at the change and at what came of it.",
            link_label=f"Change {pk}",
            link_url=reverse("changes:detail", args=[pk]),
        )
    if why := refuses(person(request), change):
        return conflict(
            request,
            meaning=f"Change {pk} can't be edited by you. {why}",
            next_step="Ask a colleague to request it.",
            link_label=f"Change {pk}",
            link_url=reverse("changes:detail", args=[pk]),
        )
    if request.method == "GET":
        typed = {"environment": change.environment, "text": targets_typed(items_asked(change))}
        return _page(request, change, kind, NamesForm(kind=kind, initial=typed))
    form = NamesForm(request.POST, kind=kind)
    if form.is_valid():
        try:
            chosen = targets.of_text(
                Environment(change.environment), kind.unit, form.cleaned_data["text"], viewer=person(request)
            )
        except BadTargets as error:
            form.add_error("text", str(error))
        else:
            listed = targets.keep(person(request), as_new_version(change, chosen), kind=kind)
            typed = {**as_typed(change, kind), "targets": str(listed.pk)}
            return HttpResponseSeeOther(f"{reverse('changes:new', args=[kind.name])}?{urlencode(typed)}")
    return _page(request, change, kind, form, status=UNPROCESSABLE)


def _page(request: HttpRequest, change: Change, kind: Kind, form: NamesForm, *, status: int = 200) -> HttpResponse:
    context = {
        "change": change,
        "kind": kind,
        "form": form,
        "environment": change.environment,
        "verdict": change.approval.approvals.order_by("-pk").first(),
        "parameter_words": kind.parameter_words(change.parameters),
    }
    return render(request, "changes/edit.html", context, status=status)
