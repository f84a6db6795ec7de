"""The duty page: who is on duty, the weekly roster, and who stands in for whom."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from riskadmin.audit.origin import origin_of
from riskadmin.staff.duty import actions, queries
from riskadmin.staff.duty.forms import DelegationForm, HoursForm
from riskadmin.staff.duty.models import Delegation, DutyHours, Weekday
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import CapabilityMissing, requires, requires_any
from riskadmin.web.clock import firm_zone
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import UNPROCESSABLE


@dataclass(frozen=True, kw_only=True)
class RosterRow:
    """A person of the roster, as the page shows them."""

    approver: queries.Approver
    hours: list[DutyHours]
    is_editable: bool


@requires("duty:view")
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Who is on duty, and who stands in for whom; with forms for what this person may edit."""
    return _page(request)


@requires_any("duty:keep", "duty:manage")
@require_POST
def add_hours(request: HttpRequest) -> HttpResponse:
    """Add hours to the roster, one row for each day chosen."""
    form = HoursForm(request.POST, people=_editable(request))
    if not form.is_valid():
        return _page(request, hours_form=form, status=UNPROCESSABLE)
    said = form.cleaned_data
    for weekday in said["weekdays"]:
        actions.add_hours(
            actor=person(request),
            origin=origin_of(request),
            person=said["person"],
            weekday=Weekday(weekday),
            begins=said["begins"],
            ends=said["ends"],
        )
    messages.success(request, f"You added hours of {said['person'].display_name}.")
    return redirect(request, "duty:page")


@requires_any("duty:keep", "duty:manage")
@require_POST
def remove_hours(request: HttpRequest, pk: int) -> HttpResponse:
    """Take hours off the roster."""
    hours = get_object_or_404(DutyHours.objects.select_related("person"), pk=pk)
    _demand(request, hours.person)
    actions.remove_hours(actor=person(request), origin=origin_of(request), hours=hours)
    return redirect(request, "duty:page")


@requires_any("duty:keep", "duty:manage")
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that a person is on duty now (`on`), or is not."""
    whom = get_object_or_404(Staff, pk=pk)
    _demand(request, whom)
    actions.switch(actor=person(request), origin=origin_of(request), person=whom, is_on="on" in request.POST)
    return redirect(request, "duty:page")


@requires_any("duty:keep", "duty:manage")
@require_POST
def delegate(request: HttpRequest) -> HttpResponse:
    """Let somebody stand in for a person."""
    form = DelegationForm(request.POST, people=_editable(request), alternatives=_roster())
    if not form.is_valid():
        return _page(request, delegation_form=form, status=UNPROCESSABLE)
    said = form.cleaned_data
    actions.delegate(actor=person(request), origin=origin_of(request), **said)
    messages.success(request, f"{said['stand_in'].display_name} stands in for {said['person'].display_name}.")
    return redirect(request, "duty:page")


@requires_any("duty:keep", "duty:manage")
@require_POST
def end_delegation(request: HttpRequest, pk: int) -> HttpResponse:
    """End a delegation."""
    delegation = get_object_or_404(Delegation.objects.select_related("person", "stand_in"), pk=pk)
    _demand(request, delegation.person)
    actions.end_delegation(actor=person(request), origin=origin_of(request), delegation=delegation)
    return redirect(request, "duty:page")


def _page(
    request: HttpRequest,
    *,
    hours_form: HoursForm | None = None,
    delegation_form: DelegationForm | None = None,
    status: int = 200,
) -> HttpResponse:
    now, editable = timezone.now(), _editable(request)
    found = queries.approvers(now, capability=actions.KEEPS_OWN)
    hours: dict[int, list[DutyHours]] = {}
    for each in DutyHours.objects.filter(person__in=[approver.person for approver in found]):
        hours.setdefault(each.person_id, []).append(each)
    ids = {each.pk for each in editable}
    context = {
        "rows": [
            RosterRow(approver=approver, hours=hours.get(approver.person.pk, []), is_editable=approver.person.pk in ids)
            for approver in found
        ],
        "delegations": [(each, each.person_id in ids, each.begins_at <= now) for each in queries.current(now)],
        "hours_form": hours_form or HoursForm(people=editable),
        "delegation_form": delegation_form or DelegationForm(people=editable, alternatives=[each.person for each in found]),
        "may_edit": bool(editable),
        "zone": firm_zone().key,
    }
    return render(request, "duty/page.html", context, status=status)


def _roster() -> list[Staff]:
    return [each.person for each in queries.approvers(timezone.now(), capability=actions.KEEPS_OWN)]


def _editable(request: HttpRequest) -> list[Staff]:
    return [each for each in _roster() if actions.may_keep(person(request), each)]


def _demand(request: HttpRequest, whom: Staff) -> None:
    """Refuse who may edit neither everybody's duty nor, being that person, their own."""
    if not actions.may_keep(person(request), whom):
        raise CapabilityMissing(actions.KEEPS_ALL)
