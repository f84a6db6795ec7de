"""The people who sign in here: the list, a person's page, and what administrators do with them."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from riskadmin.audit.origin import origin_of
from riskadmin.audit.rendering import EventLine
from riskadmin.staff import leaving
from riskadmin.staff.duty.actions import can_be_on_roster
from riskadmin.staff.models import Staff
from riskadmin.staff.people import actions, links, queries, rights
from riskadmin.staff.people.filters import PeopleFilters
from riskadmin.staff.people.forms import TAKEN, DetailsForm, InviteForm, ReasonForm, ResetForm, RoleForm, SwitchOffForm
from riskadmin.staff.people.link_pages import show_link
from riskadmin.staff.people.lists import PEOPLE
from riskadmin.staff.people.models import Act
from riskadmin.staff.people.sign_in_history import facts_about
from riskadmin.staff.queries import person
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.queries import sessions_of
from riskadmin.staff.sign_in import actions as sign_in
from riskadmin.staff.sign_in.requirement import factors_in_words, has_second_factor
from riskadmin.staff.tokens.models import Scope
from riskadmin.staff.tokens.queries import usable_tokens_of
from riskadmin.web.access import may, requires
from riskadmin.web.errors import conflict
from riskadmin.web.formats import counted
from riskadmin.web.htmx import redirect
from riskadmin.web.lists.page import ListPage
from riskadmin.web.paging import keyset
from riskadmin.web.statuses import UNPROCESSABLE

View = Callable[..., HttpResponse]


def _refusals_as_conflicts(view: View) -> View:
    """Answer what can't be done with 409 and why, with a link back to the person."""

    @wraps(view)
    def answered(request: HttpRequest, pk: int) -> HttpResponse:
        try:
            return view(request, pk)
        except rights.NotAllowed as refused:
            return conflict(
                request,
                meaning=f"{refused} Nothing was done.",
                next_step="See the person's page.",
                link_label="The person's page",
                link_url=reverse("people:detail", args=[pk]),
            )

    return answered


@requires("staff:view")
@require_safe
def people_list(request: HttpRequest) -> HttpResponse:
    """Who works here: roles, whether they may sign in, and when they last did."""
    filters = PeopleFilters(request.GET, Staff.objects.distinct())
    shown = ListPage(PEOPLE, request, filters)
    viewer = person(request)
    context: dict[str, Any] = {"to_confirm": len(rights.to_confirm(viewer)), "may_manage": viewer.may("staff:manage")}
    if shown.is_valid:
        page = keyset(filters.qs, shown.order, request.GET.get("cursor"))
        context |= {"page": page, "table": shown.table(page.rows, caption="People"), "count": shown.count_words(page)}
    return shown.answer("people/list.html", "people/_list.html", context)


@requires("staff:view")
@require_safe
def permissions(request: HttpRequest) -> HttpResponse:
    """Who may do what: every permission, and the roles that have it."""
    context = {"groups": queries.permissions(), "roles": list(Role), "crumbs": [("People", reverse("people:list"))]}
    return render(request, "people/permissions.html", context)


@requires("staff:manage", recent_proof=True)
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: HttpRequest) -> HttpResponse:
    """Invite a person. The answer is the only page that shows their one-time link, unless it goes by e-mail."""
    form = InviteForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        entered = form.cleaned_data
        try:
            invited = actions.invite(
                person(request),
                origin=origin_of(request),
                username=entered["username"],
                first_name=entered["first_name"],
                last_name=entered["last_name"],
                email=entered["email"],
                role=Role(entered["role"]) if entered["role"] else None,
                reason=entered["reason"],
                with_password=entered["sign_in"] == "password",
            )
        except actions.UsernameTaken:
            form.add_error("username", TAKEN)
        else:
            if invited.request:
                messages.info(request, f"{invited.request.what}: another administrator has to confirm it.")
            if invited.link:
                return show_link(request, invited.person, invited.link)
            return redirect(request, "people:detail", invited.person.pk)
    context = {"form": form, "crumbs": [("People", reverse("people:list"))]}
    return render(request, "people/invite.html", context, status=UNPROCESSABLE if form.errors else 200)


@requires("staff:view")
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A person: roles, what they may do, sign-in, what waits for them and about them, and what happened."""
    return _page(request, get_object_or_404(Staff, pk=pk))


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def details(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a person's name and e-mail address."""
    whom = get_object_or_404(Staff, pk=pk)
    form = DetailsForm(request.POST, person=whom, needs_reason=rights.needs_second_person(whom))
    if not form.is_valid():
        return _page(request, whom, details_form=form)
    asked = actions.edit_details(person(request), origin=origin_of(request), person=whom, **form.cleaned_data)
    said = f"{asked.what}: another administrator has to confirm it." if asked else "The details are saved."
    messages.success(request, said)
    return redirect(request, "people:detail", pk)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def add_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Request a role for a person."""
    whom = get_object_or_404(Staff, pk=pk)
    form = RoleForm(request.POST, person=whom)
    if not form.is_valid():
        return _page(request, whom, role_form=form)
    return _request(request, whom, Act.ADD_ROLE, form.cleaned_data["reason"], Role(form.cleaned_data["role"]))


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def remove_role(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a role from a person, at once."""
    whom = get_object_or_404(Staff, pk=pk)
    name = request.POST.get("role", "")
    if name not in Role.values:
        raise rights.NotAllowed("There is no such role.")
    done = actions.remove_role(person(request), origin=origin_of(request), person=whom, role=Role(name))
    _say(request, f"{whom.display_name} no longer has the role {Role(name).label}.", done)
    return redirect(request, "people:detail", pk)


@requires("staff:manage", recent_proof=True)
@require_http_methods(["GET", "HEAD", "POST"])
@_refusals_as_conflicts
def switch_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what switching a person off ends, and switch them off."""
    whom = get_object_or_404(Staff, pk=pk)
    form = SwitchOffForm(request.POST if request.method == "POST" else None, heirs=leaving.heirs_of(whom))
    if form.is_bound and form.is_valid():
        done = actions.switch_off(
            person(request),
            origin=origin_of(request),
            person=whom,
            to=form.heir,
            comment=form.cleaned_data["comment"],
        )
        _say(
            request,
            f"{whom.display_name} is switched off. All their sessions have ended, and their access tokens are revoked.",
            done,
        )
        return redirect(request, "people:detail", pk)
    context = {
        "whom": whom,
        "form": form,
        "waiting": leaving.waiting_of(whom),
        "crumbs": [("People", reverse("people:list")), (whom.display_name, reverse("people:detail", args=[pk]))],
    }
    return render(request, "people/switch_off.html", context, status=UNPROCESSABLE if form.errors else 200)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def switch_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Request that a person may sign in again."""
    whom = get_object_or_404(Staff, pk=pk)
    return _request_with_reason(request, whom, Act.SWITCH_ON)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def hand_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw what a person who is switched off still has open."""
    whom = get_object_or_404(Staff, pk=pk)
    if whom.is_active:
        raise rights.NotAllowed(f"{whom.display_name} is active, and does this themselves.")
    done = actions.hand_over(person(request).who(), origin=origin_of(request), person=whom, to=None)
    _say(request, "Nothing was open." if not done else "Done.", done)
    return redirect(request, "people:detail", pk)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def reset(request: HttpRequest, pk: int) -> HttpResponse:
    """Reset a person's sign-in, or request it, if they decide about something. The answer shows the link, once."""
    whom = get_object_or_404(Staff, pk=pk)
    is_critical = rights.needs_second_person(whom)
    form = ResetForm(request.POST, needs_reason=is_critical, has_factors=has_second_factor(whom))
    if not form.is_valid():
        return _page(request, whom, reset_form=form)
    with_factors, reason = form.cleaned_data.get("factors", False), form.cleaned_data.get("reason", "")
    if is_critical:
        return _request(request, whom, Act.RESET_FACTORS if with_factors else Act.RESET, reason)
    because = reason if with_factors else ""
    made = actions.reset(person(request), origin=origin_of(request), person=whom, factors_removed_because=because)
    return show_link(request, whom, made)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def withdraw_link(request: HttpRequest, pk: int) -> HttpResponse:
    """End a person's one-time link."""
    whom = get_object_or_404(Staff, pk=pk)
    ended = actions.withdraw_link(person(request), origin=origin_of(request), person=whom)
    messages.success(request, "The link no longer works." if ended else "There was no link any more.")
    return redirect(request, "people:detail", pk)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def end_sessions(request: HttpRequest, pk: int) -> HttpResponse:
    """End a person's sessions and access tokens; they can sign in again."""
    whom = get_object_or_404(Staff, pk=pk)
    ended, tokens = actions.end_sessions(person(request), origin=origin_of(request), person=whom)
    messages.success(request, f"{counted(ended, 'session')} ended, {counted(tokens, 'access token')} revoked.")
    return redirect(request, "people:detail", pk)


@requires("staff:manage", recent_proof=True)
@require_POST
@_refusals_as_conflicts
def lift_throttle(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a person try to sign in again at once, after too many failures."""
    whom = get_object_or_404(Staff, pk=pk)
    if whom.pk == person(request).pk:
        raise rights.NotAllowed("You are signed in.")
    sign_in.lift_throttle(person(request), origin=origin_of(request), person=whom)
    messages.success(request, f"{whom.display_name} can try to sign in again at once.")
    return redirect(request, "people:detail", pk)


def _request_with_reason(request: HttpRequest, whom: Staff, act: Act) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, whom, reason_form=form)
    return _request(request, whom, act, form.cleaned_data["reason"])


def _request(request: HttpRequest, whom: Staff, act: Act, reason: str, role: Role | None = None) -> HttpResponse:
    asked = rights.request_rights(
        person(request), origin=origin_of(request), person=whom, act=act, role=role, email="", reason=reason
    )
    messages.success(request, f"{asked.what}: another administrator has to confirm it.")
    return redirect(request, "people:detail", whom.pk)


def _say(request: HttpRequest, what: str, done: Sequence[str]) -> None:
    messages.success(request, f"{what} {'. '.join(done)}." if done else what)


def _page(
    request: HttpRequest,
    whom: Staff,
    *,
    details_form: DetailsForm | None = None,
    role_form: RoleForm | None = None,
    reason_form: ReasonForm | None = None,
    reset_form: ResetForm | None = None,
) -> HttpResponse:
    viewer, critical = person(request), rights.needs_second_person(whom)
    link = links.open_links_of(whom).first()
    context = {
        "whom": whom,
        "is_self": whom.pk == viewer.pk,
        "may_manage": viewer.may("staff:manage") and whom.pk != viewer.pk,
        "may_see_trail": may(request, "audit:view"),
        "roles": [Role(name) for name in whom.role_names],
        "groups": queries.permissions_of(whom),
        "needs_second_person": critical,
        "has_password": whom.has_usable_password(),
        "sessions": sessions_of(whom),
        "tokens": [(token, Scope(token.scope).label) for token in usable_tokens_of(whom)],
        "link": link if link and link.expires_at > timezone.now() else None,
        "by_email": links.goes_by_email(whom),
        "waiting": leaving.waiting_of(whom),
        "sign_in_facts": facts_about(whom),
        "is_on_roster": can_be_on_roster(whom),
        "asked": [
            (each, rights.refusal(each, viewer)) for each in rights.visible(rights.waiting().filter(person=whom), viewer)
        ],
        "lines": [EventLine(event) for event in queries.events_about(whom, viewer)],
        "details_form": details_form or DetailsForm(person=whom, needs_reason=critical),
        "role_form": role_form or RoleForm(person=whom),
        "reason_form": reason_form or ReasonForm(),
        "factors": factors_in_words([whom]).get(whom.pk, "None"),
        "reset_form": reset_form or ResetForm(needs_reason=critical, has_factors=has_second_factor(whom)),
        "crumbs": [("People", reverse("people:list"))],
    }
    is_wrong = any(form is not None for form in (details_form, role_form, reason_form, reset_form))
    return render(request, "people/detail.html", context, status=UNPROCESSABLE if is_wrong else 200)
