"""The page to undo a change: what would undo it, in one or more changes, and what is left as it is and why."""

from dataclasses import dataclass

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.changes import queries
from accounts.changes.access import change_or_404, refuses
from accounts.changes.kinds import KINDS
from accounts.changes.plan_summary import sheet
from accounts.changes.states import ChangeState, Relation
from accounts.changes.targeting import targets
from accounts.changes.tracking.undo import Undo, UndoPart, undo_of
from riskadmin.staff.queries import person
from riskadmin.web.access import CapabilityMissing, demand, may, requires
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import redirect


@dataclass(frozen=True, kw_only=True)
class ActionOption:
    """A part of an undo as its page offers it: its number in the form, and whether this person may request it."""

    number: int
    part: UndoPart
    is_allowed: bool


@requires("changes:view")
@require_http_methods(["GET", "POST"])
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """What would undo a finished change, part by part; with POST one `part` is frozen, and its plan is shown next."""
    change = change_or_404(request, pk)
    if request.method == "POST" and not any(may(request, kind.capability) for kind in KINDS.values()):
        raise CapabilityMissing(*(kind.capability for kind in KINDS.values()))
    if change.state != ChangeState.FINISHED:
        return conflict(
            request,
            meaning=f"Change {pk} is not finished, so nothing of it can be undone. Nothing was done.",
            next_step="Wait until it is through, or cancel what it has not sent yet.",
            link_label=f"Change {pk}",
            link_url=reverse("changes:detail", args=[pk]),
        )
    why = refuses(person(request), change) if request.method == "POST" else ""
    if why:
        return conflict(
            request,
            meaning=f"{why} Nothing was done.",
            next_step="Ask a colleague to undo it.",
            link_label=f"Change {pk}",
            link_url=reverse("changes:detail", args=[pk]),
        )
    found = undo_of(change)
    return _ask(request, found) if request.method == "POST" else _page(request, found)


def _page(request: HttpRequest, found: Undo) -> HttpResponse:
    change = found.change
    offers = [
        ActionOption(number=number, part=part, is_allowed=may(request, part.kind.capability))
        for number, part in enumerate(found.parts, start=1)
    ]
    context = {
        "change": change,
        "kind": found.kind,
        "environment": change.environment,
        "undo": found,
        "offers": offers,
        "untouched": change.item_count - len(found.left) - sum(part.undoable for part in found.parts),
        "undone_by": queries.followers(change, person(request)).filter(relation=Relation.UNDOES),
        "sheet": sheet(found.left, request.GET.get("page", "1")),
        "tab_url": "?",
    }
    return render(request, "changes/undo.html", context)


def _ask(request: HttpRequest, found: Undo) -> HttpResponse:
    """Freeze a part and redirect to its plan. The parts are computed from frozen data, so their numbers are stable."""
    numbered = {str(number): part for number, part in enumerate(found.parts, start=1)}
    part = numbered.get(request.POST.get("part", ""))
    if part is None:
        raise BadRequest("This change has no such part to be undone. Nothing was done.")
    demand(request, part.kind.capability)
    listed = targets.keep(person(request), found.chosen(part), kind=part.kind)
    return redirect(request, f"{reverse('changes:new', args=[part.kind.name])}?targets={listed.pk}")
