"""The evidence behind a change, call by call and item by item, and resolving its items."""

import json
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.changes import queries
from accounts.changes.access import change_or_404, of_visible_changes
from accounts.changes.kinds import for_stored
from accounts.changes.models import Item
from accounts.changes.states import ChangeState
from accounts.execution import resolving
from accounts.execution.evidence import calls_of, events_of, in_short, visible_calls
from accounts.execution.forms import ResolveForm
from accounts.execution.models import Call
from accounts.execution.resolving import Resolution
from accounts.execution.unknown_item import Question, question
from riskadmin.audit.lists import EVENTS
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires
from riskadmin.web.errors import Problem, conflict, respond
from riskadmin.web.formats import exact_utc
from riskadmin.web.htmx import is_fragment, redirect, render_page_or_fragment
from riskadmin.web.paging import keyset
from riskadmin.web.rate_limits import EXPORTS, rate_limited
from riskadmin.web.statuses import UNPROCESSABLE
from riskadmin.web.visible import isolated

IN_PANEL, ON_PAGE = 10, 50


@requires("changes:view")
@require_GET
def calls(request: HttpRequest, change_id: int) -> HttpResponse:
    """The calls made for a change, newest first: what was sent, what was received, and when."""
    change = change_or_404(request, change_id)
    made = Call.objects.filter(pk__in=Call.objects.filter(items__change=change).values("pk"))
    made = in_short(visible_calls(made, person(request)))
    page = keyset(made, ("-id",), request.GET.get("cursor"), size=IN_PANEL if is_fragment(request) else ON_PAGE)
    context = {"change": change, "page": page, "calls": page.rows, "environment": change.environment}
    return render_page_or_fragment(request, "execution/calls.html", "execution/_calls.html", context)


@requires("changes:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_GET
def call_file(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """One call as a text file: everything that was sent and everything that was received."""
    call = get_object_or_404(visible_calls(Call.objects.all(), person(request)), pk=pk)
    return StreamingHttpResponse(
        _call_text(call),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="call-{pk}.txt"'},
    )


def _call_text(call: Call) -> Iterator[str]:
    yield f"Call {call.pk}, {call.get_purpose_display()}, {call.environment}, {call.lane} lane: {call.get_state_display()}\n"
    yield f"Worker: {call.worker}\nBegun: {exact_utc(call.started_at)}\n"
    yield f"Ended: {exact_utc(call.ended_at)}\n" if call.ended_at else "Ended: not yet\n"
    yield f"Took: {call.elapsed_ms} ms\n" if call.elapsed_ms is not None else ""
    yield f"Meaning: {call.note}\n" if call.note else ""
    yield f"\n{call.method} {call.path}\n\n{call.request_text}\n"
    yield f"\nHTTP {call.status}\n\n{call.response_text}\n" if call.status else "\nNo answer came.\n"


# --- One item -----------------------------------------------------------------------------------------------------------


@requires("changes:view")
@require_GET
def item(request: HttpRequest, pk: int) -> HttpResponse:
    """One item with its evidence: before, intended and observed state, its steps, its audit events and every call behind it."""
    return _item_page(request, pk)


@requires("changes:resolve", recent_proof=True)
@require_POST
def resolve(request: HttpRequest, pk: int) -> HttpResponse:
    """Settle an unknown item, or send it again; refused with 409 if it has changed since it was shown."""
    asked = question(_item_or_404(request, pk))
    form = _form(asked, request.POST)
    if not form.is_valid():
        return _item_page(request, pk, form=form, status=UNPROCESSABLE)
    said = form.cleaned_data
    try:
        resolving.resolve(
            actor=person(request),
            origin=origin_of(request),
            item_id=pk,
            resolution=Resolution(said["resolution"]),
            comment=said["comment"],
            seen_call=said["seen_call"],
            typed_name=said.get("name", ""),
        )
    except resolving.WrongName as error:
        form.add_error("name", str(error))
        return _item_page(request, pk, form=form, status=UNPROCESSABLE)
    except resolving.OwnRequest as error:
        return own_request(request, str(error))
    except resolving.NotResolved as error:
        return _refused(request, pk, str(error))
    messages.success(
        request, f"{isolated(asked.item.target_name)}: {Resolution(said['resolution']).label.lower()}. It is on record."
    )
    return redirect(request, "execution:item", pk)


@requires("changes:resolve")
@require_POST
def read_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Have Tradovate asked again for the state of an item."""
    _item_or_404(request, pk)
    try:
        resolving.read_again(actor=person(request), origin=origin_of(request), item_id=pk)
    except resolving.NotResolved as error:
        return _refused(request, pk, str(error))
    messages.success(request, "It is read from Tradovate within seconds. Reload this page then.")
    return redirect(request, "execution:item", pk)


def _item_page(request: HttpRequest, pk: int, *, form: ResolveForm | None = None, status: int = 200) -> HttpResponse:
    found = _item_or_404(request, pk)
    asked, made = question(found), calls_of(found, person(request))
    context: dict[str, Any] = {
        "item": found,
        "change": found.change,
        "kind": for_stored(found.change),
        "question": asked,
        "steps": queries.steps(found),
        "states": [
            (label, json.dumps(state, indent=2, ensure_ascii=False, cls=DjangoJSONEncoder))
            for label, state in (("Before", found.before), ("Meant", found.after), ("Read back", found.observed))
            if state is not None
        ],
        "calls": made,
        "table": EVENTS.panel(events_of(found, made), caption="History of the item", without="change"),
        "resolves": may(request, "changes:resolve"),
        "refusal": asked.refuses(person(request)),
        "may_send": found.change.state == ChangeState.RUNNING and asked.is_sendable,
        "form": form or _form(asked),
        "environment": found.environment,
    }
    return render(request, "execution/item.html", context, status=status)


def _form(asked: Question, *data: Any) -> ResolveForm:
    initial = {"seen_call": asked.calls.last}
    return ResolveForm(*data, initial=initial, name=asked.item.target_name, name_asked=asked.is_typed)


def _item_or_404(request: HttpRequest, pk: int) -> Item:
    items = Item.objects.select_related("change", "account").filter(pk=pk)
    found = of_visible_changes(items, person(request)).first()
    if found is None:
        raise Http404(f"There is no item {pk}.")
    return found


def own_request(request: HttpRequest, why: str) -> HttpResponse:
    """Return 403: the person who requested a change doesn't resolve its unknown items."""
    problem = Problem(
        status=403,
        title="Somebody else has to decide",
        meaning=f"{why} Nothing was done.",
        next_step="Ask a colleague who may decide about unknown outcomes.",
        link_label="Unknown outcomes",
        link_url=reverse("execution:unresolved"),
    )
    return respond(request, problem)


def _refused(request: HttpRequest, pk: int, why: str) -> HttpResponse:
    return conflict(
        request,
        meaning=f"{why} Nothing was done.",
        next_step="Look at it as it now is.",
        link_label=f"Item {pk}",
        link_url=reverse("execution:item", args=[pk]),
    )
