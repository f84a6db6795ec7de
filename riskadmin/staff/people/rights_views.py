"""What waits for another administrator, and deciding about it."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from riskadmin.audit.origin import origin_of
from riskadmin.staff.people import rights
from riskadmin.staff.people.link_pages import show_link
from riskadmin.staff.people.models import RightsRequest
from riskadmin.staff.people.sign_in_history import facts_about
from riskadmin.staff.queries import person
from riskadmin.web.access import requires
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import redirect


@requires("staff:view")
@require_safe
def requests(request: HttpRequest) -> HttpResponse:
    """What waits for another administrator, and what was decided lately."""
    viewer = person(request)
    waiting = rights.visible(rights.waiting(), viewer)
    rows = [
        (each, rights.refusal(each, viewer), rights.others_who_may_confirm(each), facts_about(each.person)) for each in waiting
    ]
    decided = rights.visible(
        RightsRequest.objects.exclude(decided_at=None).select_related("person").order_by("-decided_at", "-pk")[:20], viewer
    )
    context = {"rows": rows, "decided": decided, "viewer": viewer, "crumbs": [("People", reverse("people:list"))]}
    return render(request, "people/requests.html", context)


@requires("staff:view")
@require_safe
def waiting_count(request: HttpRequest) -> HttpResponse:
    """How many requests this person could confirm: the count in the navigation."""
    count = len(rights.to_confirm(person(request)))
    return render(request, "people/_count.html", {"count": count})


@requires("staff:manage", recent_proof=True)
@require_POST
def decide(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """Confirm, decline or withdraw a request. Confirming a reset shows the one-time link, once."""
    asked = get_object_or_404(RightsRequest.objects.select_related("person"), pk=pk)
    viewer, origin = person(request), origin_of(request)
    if not rights.visible(RightsRequest.objects.filter(pk=pk), viewer):
        raise Http404
    try:
        if verdict == "confirm":
            newest_read = int(read) if (read := request.POST.get("newest_read", "")).isdecimal() else 0
            confirmed = rights.confirm(viewer, origin=origin, request_id=pk, newest_read=newest_read)
            if confirmed.link:
                return show_link(request, asked.person, confirmed.link)
            messages.success(request, f"You confirmed for {asked.person.display_name}: {asked.what}.")
        elif verdict == "decline":
            rights.decline(viewer, origin=origin, request_id=pk)
            messages.success(request, f"You declined for {asked.person.display_name}: {asked.what}. Nothing was done.")
        elif verdict == "withdraw":
            rights.withdraw(viewer, origin=origin, request_id=pk)
            messages.success(request, f"You withdrew your request for {asked.person.display_name}.")
        else:
            raise Http404
    except rights.NotAllowed as refused:
        return conflict(
            request,
            meaning=f"{refused} Nothing was done.",
            next_step="See what waits now.",
            link_label="Requests",
            link_url=reverse("people:requests"),
        )
    return redirect(request, "people:detail", asked.person_id)
