"""The inbox: what waits for a person, what they review, their own requests, and what was decided lately."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from accounts.approvals import inbox
from accounts.approvals.actions import decide, record_refusal, refusal
from accounts.approvals.filters import RequestFilters, WaitingFilters
from accounts.approvals.forms import TogetherForm
from accounts.approvals.inbox import Listed, fits_together, listed
from accounts.approvals.lists import DECIDED, TO_REVIEW, WAITING
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.queries import to_review, visible_requests, waiting_for
from accounts.approvals.states import Verdict
from accounts.approvals.subjects import DecisionRefused, subject_of
from accounts.approvals.views import DECIDES, SEES
from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import demand, requires_any
from riskadmin.web.lists.page import ListPage
from riskadmin.web.lists.spec import ListSpec
from riskadmin.web.paging import Page
from riskadmin.web.statuses import UNPROCESSABLE

LISTED_MAX: Final = 200
"""How many requests a list shows. More than that are narrowed by its filters."""


@dataclass(frozen=True, kw_only=True)
class Tab:
    """One list of the page."""

    name: str
    label: str
    spec: ListSpec[Listed]
    caption: str
    nothing: str
    hint: str

    @property
    def url(self) -> str:
        """Its address."""
        return reverse(f"approvals:{self.name}")


TABS: Final = {
    tab.name: tab
    for tab in (
        Tab(
            name="inbox",
            label="Waiting",
            spec=WAITING,
            caption="Requests that wait, least time left first",
            nothing="Nothing waits for you",
            hint="What needs your decision is listed here.",
        ),
        Tab(
            name="reviews",
            label="To review",
            spec=TO_REVIEW,
            caption="What ran without approval and has to be reviewed, the most urgent first",
            nothing="Nothing to review",
            hint="What runs without approval, to protect or because of an incident, is reviewed here by somebody else.",
        ),
        Tab(
            name="own",
            label="Your requests",
            spec=WAITING,
            caption="Your requests: those that wait first",
            nothing="None of your requests waits or was decided lately",
            hint="What you ask for and policy wants approved is listed here for a week after its decision.",
        ),
        Tab(
            name="decided",
            label="Decided lately",
            spec=DECIDED,
            caption="Requests decided in the last week, newest first",
            nothing="Nothing was decided lately",
            hint="What was decided in the last week is listed here.",
        ),
    )
}


@requires_any(*SEES)
@require_GET
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits for this person, or with a filter all that waits, and why they can or can't decide."""
    return _inbox(request, TogetherForm())


def _inbox(request: HttpRequest, form: TogetherForm) -> HttpResponse:
    filters = WaitingFilters(request.GET)
    found = inbox.waiting(person(request), everything=request.GET.get("show") == "all")
    return _list(request, TABS["inbox"], filters, found, form=form)


@requires_any(*SEES)
@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """What ran first and this person may review."""
    return _list(request, TABS["reviews"], RequestFilters(request.GET), to_review(person(request)))


@requires_any(*SEES)
@require_GET
def own(request: HttpRequest) -> HttpResponse:
    """This person's requests: who can approve them, and what came back."""
    return _list(request, TABS["own"], RequestFilters(request.GET), inbox.own(person(request)), with_approvers=True)


@requires_any(*SEES)
@require_GET
def decided(request: HttpRequest) -> HttpResponse:
    """What was decided in the last week."""
    return _list(request, TABS["decided"], RequestFilters(request.GET), inbox.decided(person(request)))


@requires_any(*SEES)
@require_GET
def waiting_count(request: HttpRequest) -> HttpResponse:
    """The number next to Approvals in the navigation: decisions, reviews, and what came back to this person."""
    return render(request, "approvals/_count.html", {"count": inbox.count_for(person(request))})


def _list(
    request: HttpRequest,
    tab: Tab,
    filters: RequestFilters,
    found: QuerySet[ApprovalRequest],
    *,
    form: TogetherForm | None = None,
    with_approvers: bool = False,
) -> HttpResponse:
    """Show a tab. `found` are its rows in its own order; a click on a heading sorts them otherwise."""
    viewer = person(request)
    shown = ListPage(tab.spec, request, filters)
    context: dict[str, Any] = {
        "tab": tab,
        "tabs": _tabs(viewer, tab),
        "together": form,
    }
    if shown.is_valid:
        ordered = found.order_by(*shown.order) if shown.sort else found
        rows = listed(filters.filter_queryset(ordered)[:LISTED_MAX], viewer, with_approvers=with_approvers)
        page: Page[ApprovalRequest] = Page(rows=[row.request for row in rows], previous_cursor=None, next_cursor=None)
        picks = form is not None and any(row.together_key for row in rows)
        context |= {
            "table": shown.table(rows, caption=tab.caption, picks=picks),
            "count": shown.count_words(page),
            "is_cut": len(rows) == LISTED_MAX,
            "picked": form.picked if form else frozenset(),
        }
    answer = shown.answer("approvals/inbox.html", "approvals/_list.html", context)
    if form is not None and form.is_bound:
        answer.status_code = UNPROCESSABLE
    return answer


def _tabs(viewer: Staff, current: Tab) -> list[tuple[str, str, bool, int | None]]:
    counts: dict[str, Callable[[], int]] = {
        "inbox": lambda: waiting_for(viewer).count(),
        "reviews": lambda: to_review(viewer).count(),
        "own": lambda: len(inbox.returned(viewer)),
    }
    return [
        (tab.label, tab.url, tab == current, (counts[tab.name]() or None) if tab.name in counts else None)
        for tab in TABS.values()
    ]


# --- Several at once ------------------------------------------------------------------------------------------------------


@requires_any(*DECIDES, recent_proof=True)
@require_POST
def together(request: HttpRequest) -> HttpResponse:
    """Approve several small changes of one kind: each is a decision of its own, and one that is refused stops no other."""
    form = TogetherForm(request.POST)
    if not form.is_valid():
        return _inbox(request, form)
    asked = visible_requests(ApprovalRequest.objects.all(), person(request)).in_bulk([pk for pk, _ in form.chosen])
    for each in asked.values():
        demand(request, subject_of(each).capability)
    if any(pk not in asked or not fits_together(asked[pk]) for pk, _ in form.chosen):
        form.add_error(None, "Some of these have to be opened and decided one by one. Nothing was decided.")
    elif len({(each.subject, each.facts.get("kind"), each.facts.get("environment")) for each in asked.values()}) > 1:
        form.add_error(None, "Choose requests of one kind and one environment. Nothing was decided.")
    if form.errors:
        return _inbox(request, form)
    refused: dict[int, str] = {}
    for pk, digest in form.chosen:
        try:
            _approve(request, asked[pk], digest, form.cleaned_data["comment"])
        except DecisionRefused as error:
            refused[pk] = error.message
    rows = listed(ApprovalRequest.objects.filter(pk__in=asked).order_by("pk"), person(request))
    context = {
        "approved": [row for row in rows if row.request.pk not in refused],
        "refused": [(row, refused[row.request.pk]) for row in rows if row.request.pk in refused],
    }
    return render(request, "approvals/together.html", context)


def _approve(request: HttpRequest, asked: ApprovalRequest, digest: str, comment: str) -> None:
    """Approve one of several. Raises DecisionRefused, after recording that."""
    viewer, origin, verdict = person(request), origin_of(request), Verdict.APPROVE
    confirmed = subject_of(asked).to_confirm(asked, None)
    if confirmed and refusal(asked, viewer, digest) is None:
        refused = DecisionRefused(f"Open it to approve it. {confirmed.error}")
        record_refusal(actor=viewer, origin=origin, request_id=asked.pk, what=verdict.value, refused=refused, digest=digest)
        raise refused
    decide(actor=viewer, origin=origin, request_id=asked.pk, verdict=verdict, digest=digest, comment=comment)
