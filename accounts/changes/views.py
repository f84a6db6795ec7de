"""Pages of approving changes and following them."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import trigger_client_event

from accounts.access.queries import access_of, visible_accounts
from accounts.approvals.actions import withdraw as withdraw_request
from accounts.approvals.forms import DecideForm
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes import queries
from accounts.changes.access import change_or_404, refuses, requestable_change, visible_changes
from accounts.changes.decision_page import (
    ITEMS_TO_DECIDE,
    bar_context,
    left_out,
    review_context,
    way_on,
    why_over,
    why_undecidable,
)
from accounts.changes.editing import may_be_edited
from accounts.changes.effects import ChangeEffects
from accounts.changes.filters import ChangeFilters
from accounts.changes.forms import ItemsForm, PriorityForm
from accounts.changes.kinds import KINDS, for_stored
from accounts.changes.kinds.spec import Unit
from accounts.changes.lists import CHANGES
from accounts.changes.models import Change, Item
from accounts.changes.reasons.queries import attachments_of
from accounts.changes.recomputed import recomputed
from accounts.changes.scheduling.calendar import ahead
from accounts.changes.scheduling.suspension import may_settle
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.tracking import control, results
from accounts.changes.tracking.pace import pace
from accounts.models import Account
from accounts.models.ids import BIGGEST_ID
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web import csv_file
from riskadmin.web.access import may, requires
from riskadmin.web.htmx import is_fragment, redirect, render_page_or_fragment
from riskadmin.web.lists.page import ListPage
from riskadmin.web.paging import keyset
from riskadmin.web.rate_limits import EXPORTS, rate_limited
from riskadmin.web.statuses import CONFLICT

ITEMS_SHOWN = 100
POLLED_EVERY, POLLED_EVERY_OF_MANY = timedelta(seconds=1), timedelta(seconds=2)


# --- Following and approving --------------------------------------------------------------------------------------------


@requires("changes:view")
@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one change: the request, its approvals, and each item's outcome, live; its live part for htmx."""
    if is_fragment(request):  # other items are shown
        return render(request, "changes/_progress.html", _progress_context(request, pk))
    return _detail_page(request, pk)


@requires("changes:view")
@require_GET
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The live part of a change's page; once nothing can happen any more, it stops polling."""
    context = _progress_context(request, pk)
    response = render(request, "changes/_progress.html", context)
    following = context["progress"]
    # The last poll: the panels of calls and history, which don't poll, are loaded once more.
    return response if following.is_open else trigger_client_event(response, "change-moved")


def decision_page(
    request: HttpRequest, asked: ApprovalRequest, *, form: DecideForm, refusal: DecisionRefused | None, status: int
) -> HttpResponse:
    """Answer a decision that was refused (`accounts.approvals.views.decide`) with the change as it is now."""
    return _detail_page(request, asked.change.pk, form=form, refusal=refusal, status=status)


@requires("changes:view")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw one's own change before anyone approved or rejected it; open to anyone who may request its kind."""
    change = requestable_change(request, pk)
    try:
        withdraw_request(actor=person(request), origin=origin_of(request), request_id=change.approval_id)
    except NotAllowed as error:
        return _detail_page(request, pk, refusal=DecisionRefused(str(error)), status=CONFLICT)
    messages.success(request, f"You withdrew change {pk}.")
    return redirect(request, "changes:detail", pk)


@requires("changes:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_GET
def results_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """The outcome of every item that the URL filters for, as a CSV file, streamed as it is read."""
    change = change_or_404(request, pk)
    items: QuerySet[Item] = queries.items_of(change, **ItemsForm(request.GET).narrowed).select_related(None)
    return csv_file.response(f"change-{pk}", results.lines(change, items.order_by("position").iterator(chunk_size=2000)))


def _detail_page(
    request: HttpRequest,
    pk: int,
    *,
    form: DecideForm | None = None,
    refusal: DecisionRefused | None = None,
    status: int = 200,
) -> HttpResponse:
    context = _progress_context(request, pk)
    following = context["progress"]
    change = following.change
    viewer = person(request)
    is_pending = change.state == ChangeState.PENDING
    may_decide = is_pending and queries.waiting_for(viewer).filter(pk=pk).exists()
    # Tradovate is read first for approvers only; not again right after an approval was refused, which has read it.
    review = recomputed(change, read=may_decide and request.method == "GET") if is_pending else None
    review = left_out(request, review) if review and may_decide else review
    context |= {
        "review": review,
        **(review_context(request, review) if review else {}),
        **(bar_context(viewer, change, review, form) if may_decide else {}),
        **(way_on(viewer, change) if viewer.may("changes:decide") else {}),
        "form": form,
        "approvers": queries.approvers_of(change) if is_pending and not may_decide else None,
        "attachments": attachments_of(change) if hasattr(change, "background") else [],
        "refusal": refusal,
        "heading": following.kind.words(change.sent_count),
        "button": following.kind.words(following.counts.get(ItemState.WAITING, 0)),
        "waiting": following.counts.get(ItemState.WAITING, 0),
        "may_decide": may_decide,
        "may_withdraw": is_pending and change.requested_by_id == viewer.pk,
        "may_act_alone": is_pending and change.requested_by_id == viewer.pk and viewer.may("changes:decide"),
        "may_edit": may_be_edited(change) and change.approval.may_be_asked_again_by(viewer) and not refuses(viewer, change),
        "undecidable": why_undecidable(viewer, change) if is_pending and not may_decide else "",
        "priority_form": PriorityForm(initial={"priority": change.priority}),
        "may_prioritise": following.is_open and may(request, "changes:decide"),
        "followers": queries.followers(change, viewer),
        "not_carried_on": queries.why_not_carried_on(change) if following.counts.get(ItemState.SKIPPED) else "",
    }
    return render(request, "changes/detail.html", context, status=status)


def _progress_context(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Return what the live part shows. Three queries, for every viewer and any number of items.

    A page with buttons sends the digest that it shows: if they can't decide about that any more, it learns why.
    """
    try:
        following = queries.progress(pk)
    except Change.DoesNotExist as error:
        raise Http404(f"There is no change {pk}.") from error
    if access_of(person(request)):
        change_or_404(request, pk)
    form = ItemsForm(request.GET)
    change, viewer = following.change, person(request)
    is_pending = change.state == ChangeState.PENDING
    items = queries.items_of(change, **form.narrowed)
    size = ITEMS_TO_DECIDE if is_pending else ITEMS_SHOWN
    page = keyset(items, ("position", "id"), request.GET.get("cursor"), size=size)
    for item in page.rows:
        item.change = change
    return {
        "progress": following,
        "pace": pace(following),
        "poll_address": _poll_address(request, pk),
        "poll_every": POLLED_EVERY if following.total <= ITEMS_SHOWN else POLLED_EVERY_OF_MANY,
        "why_over": why_over(viewer, following, request.GET["digest"]) if "digest" in request.GET else "",
        "may_steer": control.may_steer(viewer, change),
        "resume_refusal": control.refuses_to_resume(viewer, change),
        "resume_asks_proof": control.resuming_may_liquidate(change),
        "may_take_over": may_settle(viewer, change),
        # Who is asked for edits makes them: asking again for the same would only come back again.
        "may_retry": following.failed
        and not change.is_sent_back
        and not following.moves
        and following.change.state != ChangeState.PENDING
        and may(request, following.kind.capability),
        "may_undo": following.change.state == ChangeState.FINISHED and following.counts.get(ItemState.APPLIED, 0) > 0,
        "may_copy": may(request, following.kind.capability),
        "items_form": form,
        "is_narrowed": any(form.narrowed.values()),
        "change": change,
        "stored": ChangeEffects.from_json(change.effects),
        # What waits for approval is listed as recomputed, except for the ends of locks.
        "shows_items": not is_pending or change.relation == Relation.ENDS,
        "kind": following.kind,
        "page": page,
        "items": [(item, _steps_shown(item, following)) for item in page.rows],
        "environment": change.environment,
    }


def _poll_address(request: HttpRequest, pk: int) -> str:
    """Return the address of the next tick, for the same rows.

    The digest is sent beside it: kept here, it would be there once more with each tick.
    """
    query = request.GET.copy()
    query.pop("digest", None)
    address = reverse("changes:progress", args=[pk])
    return f"{address}?{query.urlencode()}" if query else address


def _steps_shown(item: Item, following: queries.Progress) -> list[queries.Step]:
    """Return the steps of an item that its row shows: with many items, each has its own page, and here the last one reached."""
    steps = queries.steps(item)
    return steps if following.total == 1 else [step for step in steps if step.at][-1:]


# --- Lists --------------------------------------------------------------------------------------------------------------


@requires("changes:view")
@require_GET
def change_list(request: HttpRequest) -> HttpResponse:
    """All changes, newest first, filtered by the URL. An invalid filter returns 422 and no changes."""
    filters, shown = _list(request)
    context: dict[str, Any] = {"may_ask": any(may(request, kind.capability) for kind in KINDS.values())}
    if shown.is_valid:
        page = keyset(
            visible_changes(filters.qs, person(request)).select_related("approval"), shown.order, request.GET.get("cursor")
        )
        context |= {
            "page": page,
            "table": shown.table(page.rows, caption=f"Changes, {shown.age_order} first"),
            "count": shown.count_words(page),
        }
    return shown.answer("changes/list.html", "changes/_list.html", context)


@requires("changes:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_GET
def change_list_csv(request: HttpRequest) -> HttpResponseBase:
    """The changes that the URL filters for, as a CSV file."""
    filters, shown = _list(request)
    return shown.csv_answer(visible_changes(filters.qs, person(request)).select_related("approval"))


def _list(request: HttpRequest) -> tuple[ChangeFilters, ListPage[queries.Listed]]:
    filters = ChangeFilters(request.GET, viewer=person(request))
    return filters, ListPage(CHANGES, request, filters, csv_url=reverse("changes:csv"))


@requires("changes:view")
@require_GET
def calendar(request: HttpRequest) -> HttpResponse:
    """What will run, and when; who requested it, who approved it, and what it takes of the budget."""
    return render(request, "changes/calendar.html", {"ahead": ahead(person(request))})


# --- Panels of the account's page ---------------------------------------------------------------------------------------


@requires("changes:view")
@require_GET
def account_panel(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """What is in progress or waiting for one account."""
    _account_or_404(request, environment, tradovate_id)
    items = queries.open_items_of(environment, tradovate_id, person(request))
    rows = [(item, for_stored(item.change)) for item in items]
    context = {
        "rows": rows,
        "environment": environment,
        "tradovate_id": tradovate_id,
        "lock": queries.current_lock(environment, tradovate_id),
    }
    return render_page_or_fragment(request, "changes/account_panel.html", "changes/_account_panel.html", context)


@requires("changes:view")
@require_GET
def account_actions(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """What this person may request for one account."""
    where = Environment(_account_or_404(request, environment, tradovate_id).environment)
    kinds = [kind for kind in KINDS.values() if may(request, kind.capability) and where in kind.environments]
    trader_id = queries.trader_of(where, tradovate_id)
    context = {
        "kinds": [kind for kind in kinds if kind.spec.is_first_choice],
        "trader_kinds": [kind for kind in kinds if kind.unit == Unit.TRADER] if trader_id else [],
        "trader_id": trader_id,
        "has_more": any(not kind.spec.is_first_choice for kind in kinds),
        "environment": environment,
        "tradovate_id": tradovate_id,
    }
    return render_page_or_fragment(request, "changes/account_actions.html", "changes/_account_actions.html", context)


def _account_or_404(request: HttpRequest, environment: str, tradovate_id: int) -> Account:
    """Return an account that the person who sent the request has access to, or raise Http404."""
    if environment not in set(Environment) or tradovate_id > BIGGEST_ID:
        raise Http404("There is no such account.")
    found = visible_accounts(
        Account.objects.filter(environment=environment, tradovate_id=tradovate_id), person(request)
    ).first()
    if found is None:
        raise Http404("There is no such account.")
    return found
