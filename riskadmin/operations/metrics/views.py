"""`/metrics`, for Prometheus. It is closed unless a setting opens it: to those who know the token, or to some addresses."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from riskadmin.operations.metrics.requests import counted
from riskadmin.operations.metrics.state import StateCollector
from riskadmin.web.access import public
from riskadmin.web.client_address import client_address, is_among
from riskadmin.web.statuses import UNAUTHORIZED


@public
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics as text. 404 while no setting opens the page, 401 for the wrong token or address."""
    if not (settings.METRICS_TOKEN or settings.METRICS_ADDRESSES):
        raise Http404
    if not _may_read(request):
        refused = HttpResponse("A token is needed.\n", status=UNAUTHORIZED, content_type="text/plain")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused
    state = CollectorRegistry(auto_describe=False)
    state.register(StateCollector())
    page = HttpResponse(generate_latest(state) + generate_latest(counted()), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    page.headers["Cache-Control"] = "no-store"
    return page


def _may_read(request: HttpRequest) -> bool:
    if is_among(client_address(request), settings.METRICS_ADDRESSES):
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return bool(settings.METRICS_TOKEN) and scheme.lower() == "bearer" and constant_time_compare(token, settings.METRICS_TOKEN)
