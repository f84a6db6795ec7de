"""The accounts page, and the page of one account."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.access.queries import marks_of
from accounts.gateway.connection import NotConnected
from accounts.models import Account, EnvironmentChoice, LimitLevel, RiskCategory, pre_trade
from accounts.models.ids import BIGGEST_ID
from accounts.models.limit_distances import figures_of, limit_groups, trailing_drawdown
from accounts.pages import actions, queries
from accounts.pages.explanation import explain, outside_words
from accounts.pages.filters import AccountFilters
from accounts.pages.forms import NoteForm
from accounts.pages.lists import ACCOUNTS
from accounts.pages.read_now import read_now
from accounts.pages.requests import offered
from accounts.sync import not_reported, unreadable
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import may, requires
from riskadmin.web.htmx import HtmxHttpRequest, HttpResponseSeeOther
from riskadmin.web.lists.page import ListPage
from riskadmin.web.rate_limits import EXPORTS, SEARCHES, rate_limited
from riskadmin.web.statuses import UNPROCESSABLE
from riskadmin.web.visible import isolated


@requires("accounts:view")
@rate_limited(SEARCHES)
@require_safe
def account_list(request: HtmxHttpRequest) -> HttpResponse:
    """The accounts, filtered by the URL. An invalid filter returns 422 and no accounts."""
    filters, shown = _list(request)
    context: dict[str, Any] = {"freshness": queries.freshness()}
    if shown.is_valid:
        found = queries.accounts_page(filters.qs, request.GET.get("cursor"), order=shown.order)
        requests = [(button.kind, button.words) for button in offered() if may(request, button.capability)]
        context |= {
            "found": found,
            "is_cut": filters.is_cut,
            "page": found.page,
            "table": shown.table(found.page.rows, caption="Accounts", picks=bool(requests)),
            "count": found.words,
            "requests": requests,
        }
    return shown.answer("accounts/list.html", "accounts/_list.html", context)


@requires("accounts:view", recent_proof_to_read=True)
@rate_limited(EXPORTS)
@require_safe
def account_list_csv(request: HtmxHttpRequest) -> HttpResponseBase:
    """The accounts that the URL filters for, as a CSV file."""
    filters, shown = _list(request)
    note = "More than 200 traders match the search: accounts of the first 200 are in this file. Write more of the name."
    return shown.csv_answer(queries.with_what_lists_show(filters.qs), notes=[note] if filters.is_cut else [])


def _list(request: HtmxHttpRequest) -> tuple[AccountFilters, ListPage[Account]]:
    filters = AccountFilters(request.GET, viewer=person(request))
    return filters, ListPage(ACCOUNTS, request, filters, csv_url=reverse("accounts:csv"))


@requires("accounts:view")
@require_safe
def account_detail(request: HtmxHttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """One account: its status and why, its limits, its money and positions, its trader; always a whole page."""
    return _detail_page(request, _account_or_404(request, environment, tradovate_id))


def _detail_page(
    request: HtmxHttpRequest, account: Account, *, form: NoteForm | None = None, status: int = 200
) -> HttpResponse:
    not_reported.attach([account])
    limits = {row.level: row for row in account.limits.all()}
    firm, trader = limits.get(LimitLevel.FIRM.value), limits.get(LimitLevel.TRADER.value)
    figures = figures_of(account)
    outside_status = queries.outside_status(account)
    others = queries.other_accounts(account, person(request))
    notes = queries.notes_of(account)
    context = {
        "account": account,
        "environment": account.environment,
        "status": getattr(account, "risk_status", None),
        "cash": getattr(account, "cash", None),
        "firm": firm,
        "trader_limits": trader,
        "explanation": explain(account, firm),
        "unreadable": unreadable.of_account(account),
        "not_reported": not_reported.parts(account),
        "outside_status": outside_status,
        "outside_status_words": outside_words(outside_status) if outside_status else "",
        "outside_moves": [(outside_words(move), move) for move in queries.outside_moves(account)],
        "figures": figures,
        "limit_groups": limit_groups(firm, trader, figures),
        "drawdown": trailing_drawdown(firm, figures),
        "position_limits": pre_trade.lines(account),
        "may_change_position_limits": not account.archived and may(request, "changes:request:position_limit"),
        "may_change_risk_parameters": not account.archived and may(request, "changes:request:risk_parameter"),
        "others": others[: queries.OTHERS_AT_MOST],
        "are_more_others": len(others) > queries.OTHERS_AT_MOST,
        "may_ask": any(may(request, button.capability) for button in offered()),
        "marks": marks_of(account) if may(request, "related:view") else [],
        "notes": notes[: queries.NOTES_AT_MOST],
        "are_more_notes": len(notes) > queries.NOTES_AT_MOST,
        "note_form": (form or NoteForm.fresh()) if may(request, "accounts:note") else None,
    }
    return render(request, "accounts/detail.html", context, status=status)


@requires("accounts:note")
@require_POST
def account_note(request: HtmxHttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """Write a note about one account, then show its page; with 422 and the typed text if it is not valid."""
    account = _account_or_404(request, environment, tradovate_id)
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, account, form=form, status=UNPROCESSABLE)
    actions.add_note(
        actor=person(request),
        origin=origin_of(request),
        account=account,
        text=form.cleaned_data["text"],
        form_key=form.cleaned_data["form_key"],
    )
    messages.success(request, "Note added.")
    return HttpResponseSeeOther(reverse("accounts:detail", args=[account.environment, account.tradovate_id]))


@requires("accounts:view")
@require_POST
def account_refresh(request: HtmxHttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """Read everything an account's page shows from Tradovate now, then show the page, and what of it could not be read."""
    account = _account_or_404(request, environment, tradovate_id)
    try:
        outcome = read_now(account)
    except NotConnected as error:
        messages.error(request, f"{error} What you see is what was known last.")
    else:
        level = messages.SUCCESS if not outcome.not_read else messages.ERROR if outcome.is_nothing else messages.WARNING
        messages.add_message(request, level, outcome.words)
    # Not `web.htmx.redirect`: htmx follows it by itself and swaps the page's content, so the scroll position is kept.
    return HttpResponseSeeOther(reverse("accounts:detail", args=[account.environment, account.tradovate_id]))


@requires("accounts:view")
@require_safe
def categories(request: HtmxHttpRequest) -> HttpResponse:
    """The risk categories, which of them are halting, and for administrators the button that marks one."""
    context = {"categories": queries.counted_categories(person(request)), "may_mark": may(request, "categories:mark")}
    return render(request, "accounts/categories.html", context)


@requires("categories:mark", recent_proof=True)
@require_POST
def mark_category(request: HtmxHttpRequest, pk: int) -> HttpResponse:
    """Mark a risk category as halting, or remove the mark."""
    wanted = {"yes": True, "no": False}.get(request.POST.get("halting", ""))
    if wanted is None:
        raise BadRequest("The form does not say whether the category is halting. Nothing was changed.")
    try:
        category = actions.mark_category(actor=person(request), origin=origin_of(request), category_id=pk, is_halting=wanted)
    except RiskCategory.DoesNotExist as error:
        raise Http404 from error
    messages.success(request, f"{isolated(category.name)} is {'now' if wanted else 'no longer'} halting.")
    return HttpResponseSeeOther(reverse("accounts:categories"))


def _account_or_404(request: HtmxHttpRequest, environment: str, tradovate_id: int) -> Account:
    if environment not in EnvironmentChoice.values or tradovate_id > BIGGEST_ID:
        raise Http404
    account = queries.account_detail(Environment(environment), tradovate_id, person(request))
    if account is None:
        raise Http404
    return account
