"""Pages that show data of several packages: home, the status line of every page, and the system page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.approvals import inbox
from accounts.approvals.inbox import listed
from accounts.approvals.lists import WAITING
from accounts.approvals.queries import to_review, waiting_for
from accounts.changes import queries
from accounts.changes.access import visible_changes
from accounts.changes.lists import CHANGES
from accounts.changes.models import Change
from accounts.changes.scheduling.hours import HoursUnknown, hours
from accounts.changes.scheduling.suspension import suspended_for
from accounts.changes.stop_views import notices_for
from accounts.gateway.connection import budget, connected_environments
from accounts.models import SyncRun
from accounts.models.api import ApiHalt
from accounts.outside.queries import outside_since_yesterday
from accounts.sync.answer_caps import cuts
from accounts.sync.id_proof import refuted
from riskadmin import health
from riskadmin.audit.proof.queries import proof_state
from riskadmin.notifications.queries import unread_words
from riskadmin.staff.queries import person
from riskadmin.tradovate.budget_state import BudgetState
from riskadmin.tradovate.errors import NotHandled
from riskadmin.web.access import requires, signed_in
from riskadmin.web.htmx import render_page_or_fragment

RECENT = 8


@signed_in
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """What is stopped, what waits for this person, which outcomes are unknown, and the newest changes."""
    viewer = person(request)
    if not viewer.role_names:
        return render(request, "home/no_role.html")
    context = {
        "stops": notices_for(request),
        "waiting": WAITING.panel(
            listed(inbox.waiting(viewer, everything=False)[:RECENT], viewer), caption="What waits for you"
        ),
        "waiting_count": waiting_for(viewer).count(),
        "reviews": to_review(viewer).count(),
        "returned": WAITING.panel(inbox.returned(viewer), caption="What came back to you"),
        "asked": queries.waiting_for_others(viewer).count(),
        "suspended": suspended_for(viewer)[:RECENT],
        "unknown": queries.unknown_items(viewer)[:RECENT],
        "unknown_count": queries.unknown_items(viewer).count(),
        "recent": CHANGES.panel(
            queries.listed(visible_changes(Change.objects.select_related("approval").order_by("-pk"), viewer)[:RECENT]),
            caption="Latest changes",
        ),
        "decides": viewer.may("changes:decide"),
        "outside": outside_since_yesterday(viewer) if viewer.may("accounts:view") else None,
    }
    return render(request, "home/home.html", context)


@signed_in
@require_GET
def status(request: HttpRequest) -> HttpResponse:
    """The status line in the frame: whether Tradovate was read recently, and how many notifications are unread."""
    context = {"reads": _reads(), "cuts": cuts(), "unread_words": unread_words(person(request))}
    return render_page_or_fragment(request, "home/status.html", "home/_status_and_unread.html", context)


@requires("system:view")
@require_GET
def system(request: HttpRequest) -> HttpResponse:
    """The status of each part, the API budget, trading hours, the stops that Tradovate asked for, and the last full reads."""
    context = {
        "checks": health.checks(),
        "budget": _budget(),
        "hours": _hours(),
        "stops": notices_for(request),
        "halts": ApiHalt.objects.filter(api_user=settings.TRADOVATE_USERNAME).order_by("-until")[:20],
        "now": timezone.now(),
        "cuts": cuts(),
        "own_ids": refuted(),
        "proof": proof_state(),
        "runs": SyncRun.objects.order_by("-started_at")[:20],
    }
    return render(request, "home/system.html", context)


def _budget() -> BudgetState | None:
    """Return the budget's state, or None while it can't be counted (then nothing is sent either)."""
    try:
        return budget().state()
    except NotHandled:
        return None


def _hours() -> dict[str, Any]:
    """Return the current trading hours, or the `problem` with them (then no window is open)."""
    now = timezone.now()
    try:
        known = hours()
        return {
            "is_trading": known.is_trading(now),
            "session_ends_at": known.session_end(now),
            "next_session_at": known.next_session(now),
            "is_open": known.is_open(now),
            "window": known.window(now),
            "known_until": known.known_until,
            "calendars": settings.EXCHANGE_CALENDARS,
        }
    except HoursUnknown as error:
        return {"problem": str(error)}


def _reads() -> list[tuple[str, SyncRun | None]]:
    """Return the last successful full read of each connected environment."""
    return [
        (
            each.value,
            SyncRun.objects.filter(environment=each.value, ended_at__isnull=False, failure="").order_by("-started_at").first(),
        )
        for each in connected_environments()
    ]
