"""Stories: of an account, a trader, a person and a change. Each is a page of its own, and a panel of the page it is about."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.access.queries import visible_accounts, visible_traders
from accounts.changes.access import change_or_404, of_visible_changes
from accounts.changes.models import Item
from accounts.models import Account, EnvironmentChoice, Trader
from accounts.models.ids import BIGGEST_ID
from accounts.story.as_of import as_of
from accounts.story.chapters import chapters
from accounts.story.forms import PERIODS, MomentForm, SpanForm
from accounts.story.queries import About, Span, Story, story_of, story_of_person
from accounts.story.touched import ACCOUNTS_AT_MOST
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires
from riskadmin.web.htmx import render_page_or_fragment
from riskadmin.web.statuses import UNPROCESSABLE


@requires("accounts:view")
@require_safe
def account(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """What happened to an account, newest first."""
    found = _mirrored(visible_accounts(Account.objects.all(), person(request)), environment, tradovate_id)
    context = {"account": found, "environment": environment, "heading": f"History of account {tradovate_id}"}
    return _answer(request, "account", context, lambda span: story_of(About(accounts=[found]), person(request), span))


@requires("accounts:view")
@require_safe
def settings_then(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """The settings of an account at a moment, as far as they are known."""
    rows = visible_accounts(Account.objects.select_related("risk_status", "risk_category"), person(request))
    found = _mirrored(rows, environment, tradovate_id)
    form = MomentForm(request.GET)
    context = {"account": found, "environment": environment, "form": form}
    if not form.is_valid():
        return render(request, "story/settings.html", context, status=UNPROCESSABLE)
    then = as_of(found, form.cleaned_data["at"])
    context |= {"then": then, "form": MomentForm(initial={"at": then.at})}
    return render(request, "story/settings.html", context)


@requires("accounts:view")
@require_safe
def trader(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """What happened to a trader and to the trader's accounts, newest first."""
    viewer = person(request)
    found = _mirrored(visible_traders(Trader.objects.all(), viewer), environment, tradovate_id)
    accounts = list(visible_accounts(Account.objects.filter(trader=found), viewer).order_by("name", "pk")[:ACCOUNTS_AT_MOST])
    context = {
        "trader": found,
        "accounts": accounts,
        "environment": environment,
        "heading": f"History of trader {tradovate_id}",
    }
    about = About(accounts=accounts, traders=[found])
    return _answer(request, "trader", context, lambda span: story_of(about, viewer, span))


@requires("staff:view")
@require_safe
def whom(request: HttpRequest, pk: int) -> HttpResponse:
    """What a person did, newest first."""
    found = get_object_or_404(Staff, pk=pk)
    context = {"whom": found, "heading": f"History of {found.display_name}"}
    return _answer(request, "person", context, lambda span: story_of_person(found, person(request), span))


@requires("changes:view")
@require_safe
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """A change in order: requested, allowed, sent, confirmed, seen from outside."""
    change_or_404(request, pk)
    shown = chapters(pk, person(request))
    context = {"shown": shown, "environment": shown.change.environment}
    return render_page_or_fragment(request, "story/change.html", "story/_chapters.html", context)


@requires("changes:view")
@require_safe
def item(request: HttpRequest, pk: int) -> HttpResponse:
    """The same of one target of a change."""
    viewer = person(request)
    items = of_visible_changes(Item.objects.select_related("account", "change"), viewer)
    found = get_object_or_404(items, pk=min(pk, BIGGEST_ID))
    context = {"shown": chapters(found.change_id, viewer, item=found), "environment": found.environment}
    return render_page_or_fragment(request, "story/change.html", "story/_chapters.html", context)


def _answer(request: HttpRequest, subject: str, context: dict[str, Any], read: Callable[[Span], Story]) -> HttpResponse:
    """Answer with a page of a story, or with 422 if the time that it should read is not valid."""
    form = SpanForm(request.GET)
    context |= {"form": form, "subject": subject, "periods": PERIODS, "last": request.GET.get("last", "")}
    if not form.is_valid():
        return render(request, "story/story.html", context, status=UNPROCESSABLE)
    span = form.span
    older = _moment(request.GET.get("older", ""))
    shown = read(Span(since=span.since, before=min(filter(None, (older, span.before)), default=None)))
    context |= {"shown": shown, "is_first": older is None, "may_see_trail": may(request, "audit:view")}
    return render_page_or_fragment(request, "story/story.html", "story/_story.html", context)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError as error:
        raise BadRequest("This address names no place in the story. Start at its first page.") from error
    if at is not None and at.tzinfo is None:
        raise BadRequest("This address names no place in the story. Start at its first page.")
    return at


def _mirrored(rows: Any, environment: str, tradovate_id: int) -> Any:
    if environment not in EnvironmentChoice.values or tradovate_id > BIGGEST_ID:
        raise Http404
    return get_object_or_404(rows, environment=environment, tradovate_id=tradovate_id)
