"""The actions on a change's page while it runs, and after: each a form, refused with 409 if the change has moved."""

from collections.abc import Callable
from typing import Protocol

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.approvals.subjects import NotAllowed
from accounts.changes.access import change_or_404, requestable_change
from accounts.changes.forms import PriorityForm
from accounts.changes.models import Change, TargetList
from accounts.changes.states import Priority
from accounts.changes.tracking import control
from riskadmin.audit.origin import Origin, origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import CapabilityMissing, demand_recent_proof, requires
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import redirect


class Steers(Protocol):
    """A control function for a change."""

    def __call__(self, *, actor: Staff, origin: Origin, change_id: int) -> Change:
        """Do it, or raise NotAllowed or InvalidTransition."""
        ...


@requires("changes:view")
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a running change from sending for now."""
    return _steer(request, pk, control.pause, "Change {pk} is paused. Nothing more is sent until somebody resumes it.")


@requires("changes:view")
@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a paused change continue."""
    if control.resuming_may_liquidate(change_or_404(request, pk)):
        demand_recent_proof(request)
    return _steer(request, pk, control.resume, "Change {pk} goes on.")


@requires("changes:view")
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel what is not sent yet."""
    return _steer(request, pk, control.cancel, "What was not sent yet of change {pk} is cancelled.")


def _steer(request: HttpRequest, pk: int, steers: Steers, said: str) -> HttpResponse:
    change = change_or_404(request, pk)
    if not control.may_steer(person(request), change):
        raise CapabilityMissing("changes:decide")
    return _done(request, pk, lambda: steers(actor=person(request), origin=origin_of(request), change_id=pk), said)


@requires("changes:decide")
@require_POST
def prioritise(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the priority of a change."""
    change_or_404(request, pk)
    form = PriorityForm(request.POST)
    if not form.is_valid():
        return _refused(request, pk, "That is no priority.")
    priority = Priority(form.cleaned_data["priority"])
    return _done(
        request,
        pk,
        lambda: control.prioritise(actor=person(request), origin=origin_of(request), change_id=pk, priority=priority),
        f"Change {{pk}} now goes: {priority.label.lower()}.",
    )


@requires("changes:view")
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Request the rejected, skipped or cancelled targets again, with the same parameters."""
    return _requested_again(request, pk, control.failed_items)


@requires("changes:view")
@require_POST
def take_over(request: HttpRequest, pk: int) -> HttpResponse:
    """Request a suspended change in one's own name: its preview follows, and submitting that cancels the suspended one."""
    return _requested_again(request, pk, control.taken_over)


def _requested_again(request: HttpRequest, pk: int, chosen: Callable[..., TargetList]) -> HttpResponse:
    """Show the preview of a request for the targets that are chosen of a change."""
    change = requestable_change(request, pk)
    try:
        listed = chosen(actor=person(request), change_id=pk)
    except (NotAllowed, control.InvalidTransition) as error:
        return _refused(request, pk, str(error))
    return redirect(request, f"{reverse('changes:new', args=[change.kind])}?targets={listed.pk}")


def _done(request: HttpRequest, pk: int, act: Callable[[], Change], said: str) -> HttpResponse:
    try:
        act()
    except (NotAllowed, control.InvalidTransition) as error:  # or lost the right since the page was shown
        return _refused(request, pk, str(error))
    messages.success(request, said.format(pk=pk))
    return redirect(request, "changes:detail", pk)


def _refused(request: HttpRequest, pk: int, why: str) -> HttpResponse:
    return conflict(
        request,
        meaning=f"{why} Nothing was done.",
        next_step="Look at the change as it now is.",
        link_label=f"Change {pk}",
        link_url=reverse("changes:detail", args=[pk]),
    )
