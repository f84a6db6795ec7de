"""Pages of templates: what they set, proposing and approving their versions, and their assignments."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access.queries import within
from accounts.approvals.actions import withdraw as withdraw_request
from accounts.approvals.forms import DecideForm
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.policy import PolicyMissing
from accounts.approvals.queries import approval_progress
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from accounts.changes.forms import read_targets
from accounts.changes.kinds.limit_mirror import accounts_with_limits, level_limits
from accounts.limit_templates import actions, drift, queries
from accounts.limit_templates.actions import NotPossible
from accounts.limit_templates.fields import governed
from accounts.limit_templates.forms import AssignForm, LevelForm, TemplateForm, VersionForm, as_typed
from accounts.limit_templates.models import LimitTemplate, TemplateVersion
from accounts.limit_templates.states import VersionState
from accounts.models import Account, LimitLevel
from riskadmin.audit.origin import origin_of
from riskadmin.staff.queries import person
from riskadmin.web.access import may, requires
from riskadmin.web.address_number import number_in
from riskadmin.web.htmx import redirect
from riskadmin.web.statuses import CONFLICT, UNPROCESSABLE


@requires("changes:view")
@require_GET
def template_list(request: HttpRequest) -> HttpResponse:
    """All templates, with what is in force, what is pending, and what they are for."""
    context = {
        "rows": queries.templates(person(request)),
        "mine": set(queries.waiting_for(person(request)).values_list("pk", flat=True)),
        "may_propose": may(request, "changes:request:auto_liq_limits"),
    }
    return render(request, "limit_templates/list.html", context)


# --- Proposing ------------------------------------------------------------------------------------------------------------


@requires("changes:request:auto_liq_limits")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Create a template and propose what it sets; `account=demo:123&level=firm` in the URL fills in that account's values."""
    if request.method == "GET":
        account, typed = _of_account(request)
        return render(request, "limit_templates/new.html", {"form": TemplateForm(initial=typed), "account": account})
    form = TemplateForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            version = actions.propose_template(
                actor=person(request),
                origin=origin_of(request),
                name=said["name"],
                level=LimitLevel(form.whose),
                description=said["description"],
                limits=form.limits,
                note=said["note"],
            )
        except (NotPossible, PolicyMissing) as error:
            form.add_error(None, str(error))
        else:
            return _proposed(request, version)
    return render(request, "limit_templates/new.html", {"form": form}, status=UNPROCESSABLE)


@requires("changes:request:auto_liq_limits")
@require_http_methods(["GET", "POST"])
def propose(request: HttpRequest, pk: int) -> HttpResponse:
    """Propose a new version of a template, starting from the one in force or from the one that the address names."""
    template = get_object_or_404(LimitTemplate, pk=pk)
    now = queries.version_in_force(pk)
    if request.method == "GET":
        asked = request.GET.get("version", "")
        start = get_object_or_404(TemplateVersion, template=pk, number=number_in(asked)) if asked else now
        typed = {**as_typed(start.limits), "note": start.note if asked else ""} if start else {}
        form = VersionForm(level=template.level, initial=typed)
        context = {"form": form, "template": template, "now": now, "start": start}
        return render(request, "limit_templates/propose.html", context)
    form = VersionForm(request.POST, level=template.level)
    if form.is_valid():
        try:
            version = actions.propose_version(
                actor=person(request),
                origin=origin_of(request),
                template_id=pk,
                limits=form.limits,
                note=form.cleaned_data["note"],
            )
        except (NotPossible, PolicyMissing) as error:
            form.add_error(None, str(error))
        else:
            return _proposed(request, version)
    context = {"form": form, "template": template, "now": now}
    return render(request, "limit_templates/propose.html", context, status=UNPROCESSABLE)


def _proposed(request: HttpRequest, version: TemplateVersion) -> HttpResponse:
    waits = version.state == VersionState.PROPOSED
    messages.success(request, f"{version.words} {'waits for a decision' if waits else 'is in force'}.")
    return redirect(request, "limit_templates:detail", version.template_id)


def _of_account(request: HttpRequest) -> tuple[Account | None, dict[str, Any]]:
    """Return the account that a URL names, and its limits of the level there as a form's initial values."""
    if "account" not in request.GET:
        return None, {}
    environment, ids = read_targets(request.GET.getlist("account"))
    asked = LevelForm(request.GET)
    level = LimitLevel(asked.cleaned_data["level"]) if asked.is_valid() else LimitLevel.FIRM
    account = within(accounts_with_limits(environment, ids[:1], level), person(request)).get(ids[0])
    limits = level_limits(account) if account else None
    if account is None or limits is None:
        raise BadRequest("The limits of this account were never read, so no template can be made of them.")
    return account, {"level": level.value, **as_typed(governed(limits.record, level))}


# --- One template -----------------------------------------------------------------------------------------------------------


@requires("changes:view")
@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One template: what it sets, what is proposed, what it is for, and how many accounts differ from it."""
    return _detail_page(request, get_object_or_404(LimitTemplate, pk=pk))


def decision_page(
    request: HttpRequest, asked: ApprovalRequest, *, form: DecideForm, refusal: DecisionRefused | None, status: int
) -> HttpResponse:
    """Answer a decision that was refused (`accounts.approvals.views.decide`) with the template as it is now."""
    version = TemplateVersion.objects.select_related("template").get(approval=asked)
    said = f"Nothing was decided: {refusal.message}" if refusal else ""
    return _detail_page(request, version.template, decide_form=form, refusal=said, status=status)


@requires("changes:request:auto_liq_limits")
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw one's own proposal before anyone approved or rejected it."""
    version = get_object_or_404(TemplateVersion.objects.select_related("template"), pk=pk)
    try:
        withdraw_request(actor=person(request), origin=origin_of(request), request_id=version.approval_id)
    except NotAllowed as error:
        return _detail_page(request, version.template, refusal=f"Nothing was withdrawn: {error}", status=CONFLICT)
    messages.success(request, f"You withdrew {version.words}.")
    return redirect(request, "limit_templates:detail", version.template_id)


@requires("changes:decide")
@require_POST
def assign(request: HttpRequest, pk: int) -> HttpResponse:
    """Assign a template to the accounts of a category or size."""
    template = get_object_or_404(LimitTemplate, pk=pk)
    form = AssignForm(request.POST, viewer=person(request))
    if form.is_valid():
        environment, category, size = form.chosen
        try:
            actions.assign(
                actor=person(request),
                origin=origin_of(request),
                template_id=pk,
                environment=environment,
                category=category,
                evaluation_size_usd=size,
            )
        except NotPossible as error:
            form.add_error("to", str(error))
        else:
            messages.success(request, "Assigned. Nothing is sent to Tradovate because of it.")
            return redirect(request, "limit_templates:detail", pk)
    return _detail_page(request, template, assign_form=form, status=UNPROCESSABLE)


@requires("changes:decide")
@require_POST
def unassign(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove an assignment."""
    assignment = get_object_or_404(queries.visible_assignments(person(request)), pk=pk)
    actions.unassign(actor=person(request), origin=origin_of(request), assignment_id=pk)
    messages.success(request, "No longer assigned. The accounts keep their limits.")
    return redirect(request, "limit_templates:detail", assignment.template_id)


def _detail_page(
    request: HttpRequest,
    template: LimitTemplate,
    *,
    decide_form: DecideForm | None = None,
    assign_form: AssignForm | None = None,
    refusal: str = "",
    status: int = 200,
) -> HttpResponse:
    versions = queries.versions_of(template)
    now = next((version for version in versions if version.state == VersionState.IN_FORCE), None)
    proposed = next((version for version in versions if version.state == VersionState.PROPOSED), None)
    found = drift.sums(drift.Wanted(template_id=template.pk), person(request))
    counts = queries.assigned_counts(template, person(request))
    context = {
        "template": template,
        "now": now,
        "settings": queries.settings_of(template.level, now.limits) if now else [],
        "proposed": proposed,
        "approval": approval_progress(proposed.approval, list(proposed.approval.approvals.all())) if proposed else None,
        "proposal": queries.settings_of(template.level, proposed.limits, now.limits if now else {}) if proposed else [],
        "versions": versions,
        "assignments": queries.assignments_of(template, person(request)),
        "sums": found,
        "assigned": sum(counts.values()),
        "unread": sum(counts.values()) - sum(each.governed for each in found) if now else 0,
        "refusal": refusal,
        "decide_form": decide_form or DecideForm(initial={"digest": proposed.digest if proposed else ""}),
        "may_decide": proposed is not None and queries.waiting_for(person(request)).filter(pk=proposed.pk).exists(),
        "may_withdraw": proposed is not None and proposed.proposed_by_id == person(request).pk,
        "may_propose": may(request, "changes:request:auto_liq_limits"),
        "assign_form": (assign_form or AssignForm(viewer=person(request))) if may(request, "changes:decide") else None,
    }
    return render(request, "limit_templates/detail.html", context, status=status)
