"""Requesting exports of the trail, and downloading them."""

from typing import Any

from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from riskadmin.audit.filters import BIGGEST_ID, EventFilters
from riskadmin.audit.origin import Who, origin_of
from riskadmin.audit.proof.exporting import has_file, parts_of, record_download, request_export
from riskadmin.audit.proof.forms import ExportForm
from riskadmin.audit.proof.models import Export, ExportState
from riskadmin.web.access import requires
from riskadmin.web.htmx import HtmxHttpRequest, redirect, render_page_or_fragment
from riskadmin.web.rate_limits import EXPORTS, rate_limited
from riskadmin.web.statuses import UNPROCESSABLE

SHOWN = 20


@requires("audit:view", recent_proof=True)
@rate_limited(EXPORTS)
@require_http_methods(["GET", "HEAD", "POST"])
def exports(request: HtmxHttpRequest) -> HttpResponse:
    """The exports that this person requested, and the form for another one of what the query string filters for."""
    form = ExportForm(request.POST or None, initial={"query": request.GET.urlencode()})
    if request.method == "POST":
        form.is_valid()
        if not form.errors and not EventFilters(QueryDict(form.cleaned_data["query"])).is_valid():
            form.add_error(None, "The filter can't be read. Go back to the list, and filter again.")
        if not form.errors:
            wanted = form.cleaned_data
            request_export(actor=_who(request), origin=origin_of(request), **wanted)
            return redirect(request, "audit:exports")
    status = UNPROCESSABLE if form.errors else 200
    query = form["query"].value() or ""
    context = {"form": form, "query": query, "filters": sorted(QueryDict(query).items()), **_own(request)}
    return render_page_or_fragment(request, "audit/exports.html", "audit/_exports.html", context, status=status)


@requires("audit:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_GET
def download(request: HtmxHttpRequest, pk: int) -> StreamingHttpResponse:
    """The file of an export that this person requested."""
    found = Export.objects.filter(pk=pk, requested_by_id=_who(request).id or 0).first() if pk <= BIGGEST_ID else None
    if found is None or not has_file(found):
        raise Http404("There is no such export, or it is kept no longer.")
    record_download(found, actor=_who(request), origin=origin_of(request))
    name = f"audit-trail-{found.requested_at:%Y%m%dT%H%M%SZ}-{found.pk}.zip"
    return StreamingHttpResponse(
        parts_of(found),
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(found.size)},
    )


def _own(request: HtmxHttpRequest) -> dict[str, Any]:
    own = list(Export.objects.filter(requested_by_id=_who(request).id or 0).order_by("-pk")[:SHOWN])
    return {
        "exports": [(each, has_file(each)) for each in own],
        "is_open": any(each.state in {ExportState.WAITING, ExportState.RUNNING} for each in own),
    }


def _who(request: HtmxHttpRequest) -> Who:
    person: Any = request.user
    who: Who = person.who()
    return who
