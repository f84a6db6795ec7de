"""The trail's pages: the whole trail for compliance, and the history of one account or change for people who may see it."""

import json
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from riskadmin.audit import queries
from riskadmin.audit.forms import BIGGEST_ID, FilterForm
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import Line
from riskadmin.audit.wording import ENVIRONMENT_WORDS
from riskadmin.web.access import requires
from riskadmin.web.htmx import HtmxHttpRequest, render_page_or_fragment
from riskadmin.web.paging import Page


@requires("audit:view")
@require_safe
def event_list(request: HtmxHttpRequest) -> HttpResponse:
    """The trail, newest first, filtered by the query string. An invalid filter is answered with 422."""
    form = FilterForm(request.GET, people=queries.people())
    if not form.is_valid():
        return render(request, "audit/list.html", {"form": form}, status=422)
    filters = form.filters()
    events = _events(lambda: queries.events_page(filters, request.GET.get("cursor")))
    return render(request, "audit/list.html", {"form": form, "is_filtered": filters != queries.Filters(), **events})


@requires("audit:view")
@require_safe
def event_detail(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Everything recorded about one event: a page, and for htmx the fragment that opens below its row."""
    event = get_object_or_404(Event, pk=_in_range(pk))
    context = {
        "line": Line(event),
        "evidence": [
            (label, json.dumps(value, indent=2, ensure_ascii=False))
            for label, value in (("Before", event.before), ("After", event.after), ("Details", event.detail))
            if value
        ],
    }
    return render_page_or_fragment(request, "audit/event.html", "audit/_event.html", context)


@requires("accounts:view")
@require_safe
def account_history(request: HtmxHttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """The history of one account: a panel of the account's page, and a page of its own."""
    if environment not in ENVIRONMENT_WORDS:
        raise Http404
    account_id = _in_range(tradovate_id)
    context = {"heading": f"History of account {tradovate_id} ({ENVIRONMENT_WORDS[environment]})", "shows": "account"}
    context |= _events(
        lambda: queries.account_history(environment=environment, account_id=account_id, cursor=request.GET.get("cursor"))
    )
    return render_page_or_fragment(request, "audit/history.html", "audit/_history.html", context)


@requires("changes:view")
@require_safe
def change_history(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """The history of one change and its items: a panel of the change's page, and a page of its own."""
    change_id = _in_range(pk)
    context = {"heading": f"History of change {pk}", "shows": "change"}
    context |= _events(lambda: queries.change_history(change_id=change_id, cursor=request.GET.get("cursor")))
    return render_page_or_fragment(request, "audit/history.html", "audit/_history.html", context)


def _events(read: Callable[[], Page[Event]]) -> dict[str, Any]:
    """Return a page of events for a template, or a note that the filters are too broad."""
    try:
        page = read()
    except queries.TooBroad:
        return {"page": None, "lines": [], "is_too_broad": True}
    return {"page": page, "lines": [Line(event) for event in page.rows]}


def _in_range(number: int) -> int:
    """Return an id from an address; raises Http404 for one that PostgreSQL can't hold."""
    if number > BIGGEST_ID:
        raise Http404
    return number
