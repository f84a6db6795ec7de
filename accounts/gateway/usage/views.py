"""The API budget's views: a gauge on every page, and the page of the last hour."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.gateway.usage import queries
from riskadmin.web.access import requires, signed_in
from riskadmin.web.htmx import render_page_or_fragment


@signed_in
@require_GET
def gauge(request: HttpRequest) -> HttpResponse:
    """Calls left for each lane, and what stops them. One query, and Redis: every open page polls this."""
    return render_page_or_fragment(request, "usage/gauge.html", "usage/_gauge.html", {"gauge": queries.gauge()})


@requires("system:view")
@require_GET
def hour(request: HttpRequest) -> HttpResponse:
    """The rolling hour: calls used by endpoint and time, calls left, what stops calls, and when calls are available again."""
    return render(request, "usage/usage.html", {"hour": queries.hour()})
