"""The evidence behind a change: every call that was made for it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from accounts.changes.models import Change
from accounts.execution.models import Call
from riskadmin.web.access import requires
from riskadmin.web.htmx import is_fragment, render_page_or_fragment
from riskadmin.web.paging import keyset

IN_PANEL, ON_PAGE = 10, 50


@requires("changes:view")
@require_GET
def calls(request: HttpRequest, change_id: int) -> HttpResponse:
    """The calls made for a change, newest first: what was sent, what came back, and when."""
    change = get_object_or_404(Change, pk=change_id)
    made = Call.objects.filter(items__change=change).distinct()
    page = keyset(made, ("-id",), request.GET.get("cursor"), size=IN_PANEL if is_fragment(request) else ON_PAGE)
    context = {"change": change, "page": page, "environment": change.environment}
    return render_page_or_fragment(request, "execution/calls.html", "execution/_calls.html", context)
