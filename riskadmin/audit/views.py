"""The trail's pages: the whole trail for compliance, and the history of one account or change for people who may see it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from riskadmin.audit import queries
from riskadmin.audit.access import seen_by
from riskadmin.audit.filters import BIGGEST_ID, EventFilters
from riskadmin.audit.lists import EVENTS
from riskadmin.audit.models import Event
from riskadmin.audit.origin import origin_of
from riskadmin.audit.reading import record_printed
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.touched import AT_MOST
from riskadmin.audit.wording import ENVIRONMENT_WORDS
from riskadmin.web.access import requires
from riskadmin.web.clock import display_zone
from riskadmin.web.htmx import HtmxHttpRequest, render_page_or_fragment
from riskadmin.web.lists.page import ListPage
from riskadmin.web.paging import Page
from riskadmin.web.rate_limits import EXPORTS, SEARCHES, rate_limited

PRINTED_AT_MOST: Final = 1_000
"""Events that one print has; more are for an export."""


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
            "print_url": f"{reverse('audit:print')}{shown.address().removeprefix(shown.url)}",
            "every_url": shown.address(every="on"),
            "is_cut": filters.is_cut,
            "changes_at_most": AT_MOST,
        }
    return shown.answer("audit/list.html", "audit/_list.html", context)


@requires("audit:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_safe
def event_print(request: HtmxHttpRequest) -> HttpResponse:
    """The events that the query string filters for, with every column, to be printed. That it was opened is an event."""
    filters = EventFilters(request.GET)
    shown = ListPage(EVENTS, request, filters)
    if not shown.is_valid:
        raise BadRequest("A filter in this address is not valid, so nothing is printed. Choose the filters on the page.")
    found = seen_by(request.user, filters.qs)
    try:
        events = queries.printed(found, order=shown.order, at_most=PRINTED_AT_MOST)
    except queries.TooBroad as error:
        raise BadRequest("These filters match events that lie too far apart. Add a time, a person or an account.") from error
    printed = events[:PRINTED_AT_MOST]
    words, query = filters.in_words(), urlencode(filters.parameters())
    record_printed(request.user, origin=origin_of(request), words=words, query=query, count=len(printed))
    context = {
        "lines": [EventLine(event) for event in printed],
        "filter": words,
        "age_order": shown.age_order,
        "folds": filters.folds,
        "is_cut": filters.is_cut or len(events) > len(printed),
        "at_most": PRINTED_AT_MOST,
        "zone": display_zone().key,
        "printed_at": timezone.now(),
    }
    return render(request, "audit/print.html", context)


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
