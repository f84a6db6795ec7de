"""Pages and fragments that show what is stopped now."""

from functools import partial

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.changes.stop_notices import Notice, Subject, notices
from accounts.changes.stops import stops_now
from riskadmin.audit.proof.queries import warnings
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import may, requires, signed_in
from riskadmin.web.htmx import render_page_or_fragment


def notices_for(request: HttpRequest) -> tuple[Notice, ...]:
    """Return all stops in force, as shown to the person who asks."""
    stops = stops_now()
    return notices(stops.found, stops, may=partial(may, request))


def notices_for_account(request: HttpRequest, environment: Environment, tradovate_id: int) -> tuple[Notice, ...]:
    """Return the stops in an account's environment, with the alternatives for that account."""
    stops = stops_now()
    subject = Subject(targets=1, naming=(("account", f"{environment}:{tradovate_id}"),), environment=environment)
    return notices(stops.on(environment), stops, may=partial(may, request), subject=subject)


@requires("changes:view")
@require_GET
def all_stops(request: HttpRequest) -> HttpResponse:
    """Everything that is stopped now, until when, why, and the alternatives."""
    context = {"stops": notices_for(request)}
    return render_page_or_fragment(request, "changes/stops.html", "changes/_stops_or_none.html", context)


@requires("changes:view")
@require_GET
def account_stops(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """The same for one account: only what is about its environment."""
    if environment not in set(Environment):
        raise Http404("There is no such environment.")
    context = {"stops": notices_for_account(request, Environment(environment), tradovate_id)}
    return render_page_or_fragment(request, "changes/stops.html", "changes/_stops.html", context)


@signed_in
@require_GET
def strip(request: HttpRequest) -> HttpResponse:
    """The worst stop in one line, for the frame, and what is wrong with the trail's proof: every open page polls this."""
    stops = notices_for(request)
    context = {"worst": stops[0] if stops else None, "others": len(stops) - 1, "proof": warnings()}
    return render_page_or_fragment(request, "changes/stops_strip.html", "changes/_stops_strip.html", context)
