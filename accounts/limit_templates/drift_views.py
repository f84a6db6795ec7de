"""Pages from a template to accounts: applying it, its drift, and correcting the drift."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.access.queries import visible_accounts
from accounts.changes.forms import FileForm, NamesForm
from accounts.changes.kinds.spec import Unit
from accounts.changes.preview_views import NAMING, named_targets
from accounts.changes.targeting import targets
from accounts.changes.targeting.csv_table import Unreadable
from accounts.changes.targeting.csv_upload import read_csv
from accounts.changes.targeting.targets import BadTargets, TargetSelection
from accounts.changes.targeting.views import SPLIT, TARGET_FILE_MAX
from accounts.limit_templates import applying, drift, queries
from accounts.limit_templates.actions import KIND, NotPossible
from accounts.limit_templates.drift import Wanted
from accounts.limit_templates.forms import CorrectForm, DriftForm
from accounts.limit_templates.models import LimitTemplate
from accounts.models import Account, EnvironmentChoice
from accounts.models.ids import BIGGEST_ID
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.access import may, requires
from riskadmin.web.body_limits import accepts_body
from riskadmin.web.errors import conflict
from riskadmin.web.htmx import HttpResponseSeeOther, render_page_or_fragment
from riskadmin.web.rate_limits import SEARCHES, UPLOADS, rate_limited
from riskadmin.web.statuses import UNPROCESSABLE

# --- Applying ---------------------------------------------------------------------------------------------------------------


@requires("changes:request:auto_liq_limits")
@require_GET
def choose(request: HttpRequest) -> HttpResponse:
    """Which template to apply to the accounts in the URL."""
    chosen = named_targets(request, request.GET, None)
    context = {
        "chosen": chosen,
        "environment": chosen.environment.value,
        "naming": [(name, value) for name in NAMING for value in request.GET.getlist(name)],
        "versions": [(each, queries.settings_of(each.template.level, each.limits)) for each in queries.applicable()],
    }
    return render(request, "limit_templates/choose.html", context)


@requires("changes:request:auto_liq_limits")
@accepts_body(TARGET_FILE_MAX, advice=SPLIT)
@rate_limited(UPLOADS)
@require_http_methods(["GET", "POST"])
def apply(request: HttpRequest, pk: int) -> HttpResponse:
    """Which accounts to apply a template to: those it is assigned to, typed names, a file, or the ones in the form."""
    template = get_object_or_404(LimitTemplate, pk=pk)
    names_form, file_form = NamesForm(kind=KIND, auto_id="names_%s"), FileForm(kind=KIND, auto_id="file_%s")
    if request.method == "GET":
        return _apply_page(request, template, names_form, file_form)
    match request.POST.get("how"):
        case "csv":
            file_form = FileForm(request.POST, request.FILES, kind=KIND, auto_id="file_%s")
            done = _frozen(request, pk, file_form, "file", lambda: _of_file(file_form, person(request)))
        case "names":
            names_form = NamesForm(request.POST, kind=KIND, auto_id="names_%s")
            done = _frozen(request, pk, names_form, "text", lambda: _of_names(names_form, person(request)))
        case "assigned":
            where = CorrectForm(request.POST)
            done = _frozen(
                request, pk, where, None, lambda: applying.assigned_to(template, _environment(where), person(request))
            )
        case _:
            return _go_on(request, pk, named_targets(request, request.POST, None))
    return done or _apply_page(request, template, names_form, file_form, status=UNPROCESSABLE)


def _frozen(
    request: HttpRequest, pk: int, form: forms.Form, blamed: str | None, chosen: Callable[[], TargetSelection]
) -> HttpResponse | None:
    """Freeze what a form selects and go on to the change's form; None, with an error at the field, if that is not possible."""
    if not form.is_valid():
        return None
    try:
        return _go_on(request, pk, chosen())
    except Unreadable as error:
        for reason in error.reasons:
            form.add_error(blamed, reason)
    except BadTargets as error:
        if blamed is None:
            raise
        form.add_error(blamed, str(error))
    return None


def _of_names(form: forms.Form, viewer: Staff) -> TargetSelection:
    return targets.of_text(_environment(form), Unit.ACCOUNT, form.cleaned_data["text"], viewer=viewer)


def _of_file(form: forms.Form, viewer: Staff) -> TargetSelection:
    file, ignore_unknown = form.cleaned_data["file"], form.cleaned_data["ignore_unknown"]
    content = file.read()
    return read_csv(KIND, _environment(form), content, filename=file.name, ignore_unknown=ignore_unknown, viewer=viewer)


def _environment(form: forms.Form) -> Environment:
    return Environment(form.cleaned_data["environment"])


def _go_on(request: HttpRequest, pk: int, chosen: TargetSelection) -> HttpResponse:
    try:
        target_list = applying.apply_to(actor=person(request), template_id=pk, chosen=chosen)
    except NotPossible as error:
        return conflict(
            request,
            meaning=f"{error} Nothing was asked for.",
            next_step="Look at the template: a version of it has to be approved first.",
            link_label="Open the template",
            link_url=reverse("limit_templates:detail", args=[pk]),
        )
    return HttpResponseSeeOther(f"{reverse('changes:new', args=[KIND.name])}?targets={target_list.pk}")


def _apply_page(
    request: HttpRequest, template: LimitTemplate, names_form: NamesForm, file_form: FileForm, *, status: int = 200
) -> HttpResponse:
    now = queries.version_in_force(template.pk)
    context = {
        "template": template,
        "now": now,
        "settings": queries.settings_of(template.level, now.limits) if now else [],
        "assigned": queries.assigned_counts(template, person(request)),
        "names_form": names_form,
        "file_form": file_form,
    }
    return render(request, "limit_templates/apply.html", context, status=status)


# --- Drift ------------------------------------------------------------------------------------------------------------------


@requires("changes:view")
@rate_limited(SEARCHES)
@require_GET
def drift_list(request: HttpRequest) -> HttpResponse:
    """Every account that differs from its template: fields, since when, changed by whom. An invalid filter returns 422."""
    form = DriftForm(request.GET, templates=[(each.template_id, each.template.name) for each in queries.applicable()])
    context: dict[str, Any] = {"form": form, "may_correct": may(request, "changes:request:auto_liq_limits")}
    if not form.is_valid():
        return render_page_or_fragment(
            request, "limit_templates/drift.html", "limit_templates/_drift.html", context, status=UNPROCESSABLE
        )
    said = form.cleaned_data
    wanted = Wanted(template_id=said["template"], environment=said["environment"], field_name=said["field"])
    context |= {
        "found": drift.drift(wanted, request.GET.get("cursor"), viewer=person(request)),
        "wanted": wanted,
        "is_filtered": wanted != Wanted(),
        "environment": said["environment"],
    }
    return render_page_or_fragment(request, "limit_templates/drift.html", "limit_templates/_drift.html", context)


@requires("changes:request:auto_liq_limits")
@require_POST
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Freeze every account of one environment that differs from a template, and go on to the change's form."""
    get_object_or_404(LimitTemplate, pk=pk)
    form = CorrectForm(request.POST)
    if not form.is_valid():
        raise BadRequest("The form names no environment, or a field that no template has.")
    wanted = Wanted(template_id=pk, field_name=form.cleaned_data["field"])
    return _go_on(request, pk, applying.drifting_from(wanted, _environment(form), person(request)))


@requires("changes:view")
@require_GET
def account_panel(request: HttpRequest, environment: str, tradovate_id: int) -> HttpResponse:
    """The templates that govern an account, and where it differs from them."""
    if environment not in EnvironmentChoice.values or tradovate_id > BIGGEST_ID:
        raise Http404
    accounts = visible_accounts(Account.objects.all(), person(request))
    account = get_object_or_404(accounts, environment=environment, tradovate_id=tradovate_id)
    governed = drift.of_account(account)
    versions = queries.governing_versions(account)
    context = {
        "account": account,
        "environment": environment,
        "rows": [(version, governed.get(level.value)) for level, version in sorted(versions.items())],
        "levels": account.limits.order_by("level").values_list("level", flat=True),
        "may_propose": may(request, "changes:request:auto_liq_limits"),
    }
    return render_page_or_fragment(
        request, "limit_templates/account_panel.html", "limit_templates/_account_panel.html", context
    )
