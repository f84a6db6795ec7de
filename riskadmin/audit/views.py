"""The trail's pages: the whole trail for compliance, and the history of one account or change for people who may see it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from riskadmin.audit import queries
from riskadmin.audit.access import seen_by
from riskadmin.audit.filters import BIGGEST_ID, EventFilters
from riskadmin.audit.lists import EVENTS
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.touched import AT_MOST
from riskadmin.audit.wording import ENVIRONMENT_WORDS
from riskadmin.web.access import requires
from riskadmin.web.htmx import HtmxHttpRequest, render_page_or_fragment
from riskadmin.web.lists.page import ListPage
from riskadmin.web.paging import Page
from riskadmin.web.rate_limits import SEARCHES, rate_limited


@requires("audit:view")
@rate_limited(SEARCHES)
@require_safe
def event_list(request: HtmxHttpRequest) -> HttpResponse:
    """The trail, newest first, filtered by the query string. An invalid filter is answered with 422."""
    filters = EventFilters(request.GET)
    shown = ListPage(EVENTS, request, filters)
    context: dict[str, Any] = {}
    if shown.is_valid:
        page = _page(
            lambda: queries.events_page(seen_by(request.user, filters.qs), request.GET.get("cursor"), order=shown.order)
        )
        context = {
            "page": page,
            "table": shown.table(page.rows if page else [], caption=f"Events, {shown.age_order} first"),
            "count": shown.count_words(page) if page else "",
            "is_too_broad": page is None,
            "folds": filters.folds,
            "every_url": shown.address(every="on"),
            "is_cut": filters.is_cut,
            "changes_at_most": AT_MOST,
        }
    return shown.answer("audit/list.html", "audit/_list.html", context)


@requires("audit:view")
@require_safe
def event_detail(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Everything recorded about one event: a page, and for htmx the fragment that opens below its row."""
    event = get_object_or_404(seen_by(request.user, Event.objects.all()), pk=_in_range(pk))
    context = {
        "line": EventLine(event),
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
    heading = f"History of account {tradovate_id} ({ENVIRONMENT_WORDS[environment]})"
    events = seen_by(request.user, queries.account_history(environment=environment, account_id=account_id))
    read = partial(queries.panel, events, request.GET.get("cursor"))
    return _history(request, heading, read, hidden_column="account")


@requires("changes:view")
@require_safe
def change_history(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """The history of one change and its items: a panel of the change's page, and a page of its own."""
    change_id = _in_range(pk)
    events = seen_by(request.user, queries.change_history(change_id=change_id))
    read = partial(queries.panel, events, request.GET.get("cursor"))
    return _history(request, f"History of change {pk}", read, hidden_column="change")


def _history(request: HtmxHttpRequest, heading: str, read: Callable[[], Page[Event]], *, hidden_column: str) -> HttpResponse:
    """Answer with events that are all about one thing, whose column is left out."""
    page = _page(read)
    lines = [EventLine(event) for event in page.rows] if page else []
    context = {
        "heading": heading,
        "page": page,
        "table": EVENTS.panel(lines, caption=heading, without=hidden_column),
        "is_too_broad": page is None,
    }
    return render_page_or_fragment(request, "audit/history.html", "audit/_history.html", context)


def _page(read: Callable[[], Page[Event]]) -> Page[Event] | None:
    """Return a page of events; None if it takes too long to read."""
    try:
        return read()
    except queries.TooBroad:
        return None


def _in_range(number: int) -> int:
    """Return an id from an address; raises Http404 for one that PostgreSQL can't hold."""
    if number > BIGGEST_ID:
        raise Http404
    return number
