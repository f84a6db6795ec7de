"""The page to request a change: its parameters, its effects per target, and the form for its reason.

One URL for all of it. With GET the parameters are in the URL (`preview` says that they are filled in), so that a plan can be
pasted into a ticket; POST submits, or with `preview` shows the plan without writing anything.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access.trail import VIEWS_MARKS
from accounts.approvals.policy import Need, PolicyMissing
from accounts.approvals.subjects import NotAllowed
from accounts.changes import actions, queries
from accounts.changes.effects import ChangeEffects, may_liquidate
from accounts.changes.estimate import cheaper, outlook
from accounts.changes.facts import facts_of, need_of
from accounts.changes.forms import AskForm, read_targets
from accounts.changes.freshness import outdated_since, with_fresh_rows
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import State
from accounts.changes.listed_rows import previewed, result_today
from accounts.changes.plan import Plan, plan
from accounts.changes.plan_summary import RowFilter, by_weight, overview, sheet
from accounts.changes.reasons.background import UploadGone
from accounts.changes.reasons.uploads import Received, own, receive
from accounts.changes.states import Direction, Relation
from accounts.changes.stop_notices import Subject, notices
from accounts.changes.targeting import targets
from accounts.changes.targeting.targets import BadTargets, TargetSelection
from accounts.changes.tracking.undo import left_alone
from riskadmin.audit.origin import origin_of
from riskadmin.audit.reading import record_once
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import ProofMissing, demand, has_recent_proof, may, requires
from riskadmin.web.body_limits import FORM_MAX, accepts_body
from riskadmin.web.htmx import redirect, render_page_or_fragment
from riskadmin.web.rate_limits import PREVIEWS, rate_limited
from riskadmin.web.statuses import CONFLICT, UNPROCESSABLE

SHOW: Final = "show"
"""Without scripts, buttons of the reason's form turn the plan's pages, so that typed text is kept: "skipped 2"."""

NAMING: Final = ("targets", "account", "trader")
WHY: Final = ("firm_reason", "reason_code", "reason_text", "ticket", "attached")
RESERVED: Final = frozenset(
    {"csrfmiddlewaretoken", "preview", "tab", "page", "effect", "warning", SHOW, *NAMING, *AskForm.base_fields}
)
"""What the page itself keeps in its URL and forms; every other name is a parameter of the kind."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one request is about: the kind, the targets and how they are named, and the parameters as typed."""

    request: HttpRequest
    kind: Kind
    chosen: TargetSelection
    naming: tuple[tuple[str, str], ...]
    remark: str
    form: forms.Form | None  # None if there is nothing to fill in
    received: Received  # the files that came with the form

    @cached_property
    def typed(self) -> QueryDict:
        """The data of the request; the files that came with it are named as those that came before are."""
        if self.request.method != "POST":
            return self.request.GET
        typed = self.request.POST.copy()
        typed.setlist("attached", self.received.ids)
        return typed

    @property
    def is_submitted(self) -> bool:
        """Whether this is the submission itself, not a preview."""
        return self.request.method == "POST" and "preview" not in self.typed and SHOW not in self.typed

    @property
    def shown(self) -> tuple[str | None, str]:
        """Which rows are to be shown, and which page of them; None if not chosen."""
        if SHOW in self.typed:
            tab, _, page = str(self.typed[SHOW]).partition(" ")
            return tab, page
        return self.typed.get("tab"), self.typed.get("page", "1")

    @property
    def typed_parameters(self) -> tuple[tuple[str, str], ...]:
        """The kind's parameters as typed, to be passed on."""
        if self.form is None or not self.form.is_bound:
            return ()
        names = [name for name in self.typed if name not in RESERVED]
        return tuple((name, value) for name in names for value in self.typed.getlist(name))

    def parameters(self) -> State | None:
        """Return the parameters of all targets; None while they are incomplete or invalid."""
        if self.form is None:
            return self.chosen.parameters
        return self.kind.parameters(self.form.cleaned_data) if self.form.is_bound and self.form.is_valid() else None

    def plan(self, parameters: State) -> Plan:
        """Return what would happen, according to the mirror."""
        return plan(
            self.kind,
            environment=self.chosen.environment,
            target_ids=self.chosen.ids,
            parameters=parameters,
            per_target=self.chosen.per_target,
            skip_reasons=left_alone(self.chosen.link, self.chosen.ids),
            requester=person(self.request),
        )

    def ask_form(self, digest: str) -> AskForm:
        """Return the form for the reason, with what was typed into it before."""
        return AskForm.fresh(digest, self.typed, **self.form_details)

    def bound_form(self, typed: QueryDict | None = None) -> AskForm:
        """Return the form as it was typed, with its errors, and those of the files that came with it."""
        form = AskForm(typed or self.typed, **self.form_details)
        form.full_clean()
        for error in self.received.errors:
            form.add_error("new_files", error)
        return form

    @property
    def form_details(self) -> dict[str, Any]:
        """What the form needs besides what was typed."""
        uploads = own(person(self.request), self.typed.getlist("attached"))
        return {"kind": self.kind, "source": targets.source_of(self.chosen), "uploads": uploads}


def largest_request() -> int:
    """Return how many bytes a request of a change may have, all of its files included."""
    return settings.ATTACHMENTS_MAX * settings.ATTACHMENT_MAX_BYTES + FORM_MAX


def is_urgent(request: HttpRequest, kind_name: str) -> bool:  # noqa: ARG001  (called as a view is)
    """Whether a request is about a kind that an emergency may need, such as a lock; how often is then not limited."""
    kind = KINDS.get(kind_name)
    return kind is not None and kind.direction != Direction.LOOSENING


@requires("changes:view")
@accepts_body(largest_request, advice="Attach smaller files, or fewer.")
@rate_limited(PREVIEWS, unless=is_urgent)
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest, kind_name: str) -> HttpResponse:
    """The page to request a change: its parameters, what it would do, and the form for its reason."""
    kind = kind_or_404(kind_name)
    demand(request, kind.capability)
    asked = _asked(request, kind)
    if not asked.chosen.ids:
        # Nothing typed here can be used yet: the errors in the list come first.
        return _page(asked, None, None, status=UNPROCESSABLE if asked.is_submitted else 200)
    parameters = asked.parameters()
    if parameters is None:
        is_wrong = asked.form is not None and asked.form.is_bound
        return _page(asked, None, None, status=UNPROCESSABLE if is_wrong else 200)
    if asked.is_submitted:
        return _submit(asked, parameters)
    planned, why_unread = with_fresh_rows(partial(asked.plan, parameters))
    unread = f"Tradovate can't be read now: {why_unread}" if why_unread else ""
    return _page(asked, planned, asked.ask_form(planned.digest), unread=unread)


def kind_or_404(name: str) -> Kind:
    """Return a kind by its name."""
    kind = KINDS.get(name)
    if kind is None:
        raise Http404("There is no such kind of change.")
    return kind


# --- The request --------------------------------------------------------------------------------------------------------


def _asked(request: HttpRequest, kind: Kind) -> Asked:
    """Read targets and parameters from a request. Raises BadTargets, and Http404 for another person's list."""
    typed = request.POST if request.method == "POST" else request.GET
    chosen = named_targets(request, typed, kind)
    remark = ""
    if kind.unit == Unit.TRADER and chosen.unit == Unit.ACCOUNT:
        found, without = targets.traders_of(chosen.environment, chosen.ids, viewer=person(request))
        chosen = replace(chosen, unit=Unit.TRADER, ids=tuple(found))
        remark = f"{without:,} of the accounts ha{'s' if without == 1 else 've'} no trader that we know." if without else ""
    if chosen.unit != kind.unit:
        raise BadTargets(f"These are {chosen.unit.value}s, and this is about {kind.unit.value}s.")
    form = None
    if not (chosen.parameters or chosen.per_target):
        is_filled_in = request.method == "POST" or "preview" in typed
        # A link may propose values, such as those of the row that it is next to.
        proposed = {name: typed[name] for name in typed if name not in RESERVED}
        filled = {"data": typed} if is_filled_in else {"initial": proposed}
        form = kind.form(chosen.environment, viewer=person(request), **filled)
    naming = tuple((name, value) for name in NAMING for value in typed.getlist(name))
    received = receive(person(request), request.FILES.getlist("new_files"), request.POST.getlist("attached"))
    return Asked(request=request, kind=kind, chosen=chosen, naming=naming, remark=remark, form=form, received=received)


def named_targets(request: HttpRequest, typed: QueryDict, kind: Kind | None) -> TargetSelection:
    """Return the targets that a URL or form names. Raises BadTargets, and Http404 for another person's list."""
    if "targets" in typed:
        return _listed(request, str(typed["targets"]), kind)
    name = Unit.TRADER if "trader" in typed else Unit.ACCOUNT
    environment, ids = read_targets(typed.getlist(name.value), name)
    return TargetSelection(environment=environment, unit=name, ids=tuple(ids), source="")


def _listed(request: HttpRequest, list_id: str, kind: Kind | None) -> TargetSelection:
    try:
        target_list = targets.kept(person(request), UUID(list_id))
    except ValueError:
        target_list = None
    if target_list is None:
        raise Http404("There is no such list of targets.")
    chosen = targets.chosen_of(target_list)
    # Accounts are accounts for any kind, but parameters belong to one kind.
    if kind and target_list.kind != kind.name and (chosen.parameters or chosen.per_target):
        raise BadTargets("This file was made for another kind of change.")
    # Nor does the link to an earlier change apply to another kind of change.
    return chosen if kind is None or target_list.kind == kind.name else replace(chosen, link=None)


# --- Showing ------------------------------------------------------------------------------------------------------------


def _page(asked: Asked, planned: Plan | None, form: AskForm | None, *, unread: str = "", status: int = 200) -> HttpResponse:
    kind = planned.kind if planned is not None else asked.kind
    context: dict[str, Any] = {
        "kind": kind,
        "chosen": asked.chosen,
        "environment": asked.chosen.environment.value,
        "naming": asked.naming,
        "remark": asked.remark,
        "parameters_form": asked.form if asked.chosen.ids else None,
        "parameter_templates": [f"changes/kinds/_{kind.name}.html", "changes/_parameters.html"],
        "typed_parameters": asked.typed_parameters,
        "heading": kind.words(len(asked.chosen.ids)) if asked.chosen.ids else f"{kind.action_label}: nothing can be used",
        "source": targets.source_of(asked.chosen),
        "list_id": asked.typed.get("targets", ""),
        "typed_reason": [(name, value) for name in WHY for value in asked.typed.getlist(name) if value],
        "refused_files": asked.received.errors if form is None or not form.is_bound else (),
        "plan": planned,
        "form": form,
        "unread": unread,
    }
    if planned is not None:
        context |= _plan_context(asked, planned)
        if form is not None and planned.asks_for_count:
            form.fields["confirm_count"].required = True  # on the page; submitted data is checked by `submit`
    else:
        context |= _faults_context(asked)
    return render_page_or_fragment(asked.request, "changes/new.html", "changes/_ask.html", context, status=status)


def _faults_context(asked: Asked) -> dict[str, Any]:
    """Return what the page shows before there is a plan: the errors in the list, visible without filling in anything."""
    link = asked.chosen.link
    again = reverse("changes:name_targets", args=[asked.kind.name])
    return {
        "sheet": sheet(asked.chosen.problems, asked.shown[1]),
        "tab_url": _address(asked),
        "again_url": f"{again}?copy_of={link.change_id}" if link and link.relation == Relation.COPIES else again,
    }


def _address(asked: Asked) -> str:
    """Return the URL of this page, as it is filled in."""
    address = QueryDict(mutable=True)
    for name, value in (*asked.naming, *asked.typed_parameters):
        address.appendlist(name, value)
    if asked.form and asked.form.is_bound:
        address["preview"] = "1"
    return f"{reverse('changes:new', args=[asked.kind.name])}?{address.urlencode()}"


def _record_risky(asked: Asked, planned: Plan, effects: ChangeEffects) -> None:
    """Record that a person was shown what would loosen something or close positions; once an hour for the same plan."""
    detail = {
        "kind": asked.kind.name,
        "items": len(planned.sent),
        "environment": planned.environment.value,
        "effects": effects.to_json(),
        "digest": planned.digest,
    }
    record_once(person(asked.request), Tag.CHANGE_PREVIEWED, origin=origin_of(asked.request), key="digest", detail=detail)


def _plan_context(asked: Asked, planned: Plan) -> dict[str, Any]:
    kind, seen = asked.kind, overview(planned)
    if seen.effects.looser or may_liquidate(kind.direction, seen.effects):
        _record_risky(asked, planned, seen.effects)
    needed, problem = _needed(person(asked.request), planned, seen.effects)
    address = _address(asked)
    problems = asked.chosen.problems
    tabs = {"": ("To send", len(planned.sent)), "skipped": ("Skipped", len(planned.skipped))}
    if problems:
        tabs["left_out"] = ("Errors", len(problems))
    wanted, page = asked.shown
    tab = wanted if wanted in tabs else ""
    if not planned.sent and wanted is None:
        tab = "skipped"
    rows: dict[str, Any] = {"": planned.sent, "skipped": planned.skipped, "left_out": problems}
    urls = {name: f"{address}&tab={name}" for name in tabs}
    other, expected = cheaper(planned), outlook(planned)
    subject = Subject(targets=len(planned.sent), naming=asked.naming, kind=kind, environment=planned.environment)
    wanted_rows = RowFilter.of(asked.typed) if tab == "" else RowFilter()
    shown = sheet([row for row in by_weight(planned.sent) if seen.shows(row, wanted_rows)] if tab == "" else rows[tab], page)
    names_owners = may(asked.request, VIEWS_MARKS)
    targets_shown = [row.target for row in shown.rows] if tab != "left_out" else []
    return {
        "overview": seen,
        "effects": seen.effects,
        "rows_filter": wanted_rows,
        "rows_url": urls[""],
        "outlook": expected,
        "stops": notices(expected.shown_stops, expected.all_stops, may=partial(may, asked.request), subject=subject),
        "cheaper": other if other and may(asked.request, other.capability) else None,
        "parameter_words": kind.parameter_words(planned.parameters),
        "tab": tab,
        "tabs": [(label, urls[name], name == tab, f"{count:,}") for name, (label, count) in tabs.items()],
        "tab_url": f"{urls[tab]}{wanted_rows.query}",
        "turns": [(label, name) for name, (label, _) in tabs.items() if name != tab],
        "together_usd": result_today(row for row in planned.sent if row.effects and row.effects.liquidation == "now"),
        "sheet": shown.showing(previewed(planned, shown.rows, names_owners=names_owners)) if tab == "" else shown,
        "earlier": queries.earlier_items(asked.chosen.link, targets_shown),
        "oldest": outdated_since(planned),
        "needed": needed,
        "asks_proof": may_liquidate(kind.direction, seen.effects),
        "problem": problem,
        "who_else": actions.who_else(person(asked.request), planned),
        "button": kind.words(len(planned.sent)) if needed and not needed.approvals else "Ask for approval",
    }


def _needed(viewer: Staff, planned: Plan, effects: ChangeEffects) -> tuple[Need | None, str]:
    """Return what policy wants if this person asks for the plan now, or a message that no rule matches."""
    if not planned.sent:
        return None, ""
    try:
        return need_of(facts_of(viewer, planned, effects)), ""
    except PolicyMissing as error:
        return None, str(error)


# --- Submitting ---------------------------------------------------------------------------------------------------------


def _submit(asked: Asked, parameters: State) -> HttpResponse:
    form = asked.bound_form()
    if not form.is_valid():
        return _page(asked, asked.plan(parameters), form, status=UNPROCESSABLE)
    if not has_recent_proof(asked.request):
        planned = asked.plan(parameters)
        if may_liquidate(planned.kind.direction, overview(planned).effects):
            raise ProofMissing
    try:
        change = actions.submit(
            actor=person(asked.request),
            origin=origin_of(asked.request),
            kind=asked.kind,
            environment=asked.chosen.environment,
            target_ids=asked.chosen.ids,
            parameters=parameters,
            per_target=asked.chosen.per_target,
            confirmed_count=form.cleaned_data["confirm_count"],
            source=targets.source_of(asked.chosen),
            link=asked.chosen.link,
            **form.submission,
        )
    except actions.PlanMoved as error:
        return _ask_again(asked, error.plan)
    except actions.CountNotConfirmed as error:
        form.add_error("confirm_count", str(error))
        return _page(asked, error.plan, form, status=UNPROCESSABLE)
    except (actions.NothingToDo, NotAllowed, PolicyMissing, UploadGone) as error:
        form.add_error(None, str(error))
        return _page(asked, asked.plan(parameters), form, status=UNPROCESSABLE)
    return redirect(asked.request, "changes:detail", change.pk)


def _ask_again(asked: Asked, now: Plan) -> HttpResponse:
    """Show the current plan with what was typed; the digest in the form becomes that of the new plan."""
    typed = asked.typed.copy()
    typed["digest"] = now.digest
    again = asked.bound_form(typed)
    what = asked.kind.unit.one.capitalize()
    again.add_error(None, f"{what} has changed since this page was shown, so nothing was asked for. This is how it stands now.")
    return _page(asked, now, again, status=CONFLICT)
