"""Pages of the policy: its versions, editing and trying rules, and the verdicts about a version."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.contrib import messages
from django.core import signing
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.approvals import policy_words, queries
from accounts.approvals.actions import decide as decide_about
from accounts.approvals.actions import refusal
from accounts.approvals.actions import withdraw as withdraw_request
from accounts.approvals.models import PolicyVersion
from accounts.approvals.policy_forms import FactsForm, ProposalForm, RuleForm, RulesFormSet, VerdictForm, drafts_in
from accounts.approvals.policy_trial import Trial, on_the_past, wanted_for, warnings
from accounts.approvals.policy_versions import (
    AlreadyProposed,
    RuleDraft,
    comparable,
    digest_of_rules,
    drafts_of,
    in_order,
    propose,
    try_on_the_past,
)
from accounts.approvals.states import PolicyState, Verdict
from accounts.approvals.subjects import DecisionRefused, NotAllowed
from riskadmin.audit.origin import origin_of
from riskadmin.staff.models import Staff
from riskadmin.staff.queries import person
from riskadmin.web.access import demand_recent_proof, may, requires
from riskadmin.web.address_number import number_in
from riskadmin.web.htmx import redirect
from riskadmin.web.rate_limits import PREVIEWS, rate_limited
from riskadmin.web.statuses import CONFLICT, UNPROCESSABLE

SHOWN: Final = 50
"""Requests of a trial that a page lists."""

_SEALED: Final = "approvals.policy_trial"
_SEAL_HOLDS_S: Final = 24 * 60 * 60
_RULES_PREFIX: Final = "rules"


# --- Versions -----------------------------------------------------------------------------------------------------------


@requires("policy:view")
@require_GET
def policy(request: HttpRequest) -> HttpResponse:
    """What needs which approvals: the version in force, and all versions."""
    version = queries.policy_in_force()
    context = {
        "version": version,
        "lines": policy_words.lines(queries.rules_of(version)),
        "versions": queries.policy_versions(),
        "proposed": queries.policy_proposed(),
        "may_edit": may(request, "policy:edit"),
    }
    return render(request, "approvals/policy.html", context)


@requires("policy:view")
@require_GET
def version(request: HttpRequest, number: int) -> HttpResponse:
    """One version: its rules, and while it waits what is new in it, and what it would have changed in the past."""
    return _version_page(request, get_object_or_404(PolicyVersion, number=number))


@requires("policy:decide", recent_proof=True)
@require_POST
def decide(request: HttpRequest, number: int) -> HttpResponse:
    """Approve a version, reject it or ask for edits; refused with 409 if it can't be decided about any more."""
    asked = get_object_or_404(PolicyVersion, number=number, approval__isnull=False)
    form = VerdictForm(request.POST)
    if not form.is_valid():
        return _version_page(request, asked, form=form, status=UNPROCESSABLE)
    verdict = Verdict(form.cleaned_data["verdict"])
    try:
        decide_about(
            actor=person(request),
            origin=origin_of(request),
            request_id=asked.approval_id or 0,
            verdict=verdict,
            digest=form.cleaned_data["digest"],
            comment=form.cleaned_data["comment"],
        )
    except DecisionRefused as refused:
        return _version_page(request, asked, form=form, refused=f"Nothing was decided: {refused.message}", status=CONFLICT)
    messages.success(request, _DECIDED[verdict].format(number=number))
    return redirect(request, "approvals:policy")


_DECIDED: Final = {
    Verdict.APPROVE: "You approved version {number}. New requests are judged by it from now on.",
    Verdict.REJECT: "You rejected version {number}. The policy stays as it is.",
    Verdict.REQUEST_EDITS: "You asked for edits of version {number}. The policy stays as it is.",
}


@requires("policy:edit", recent_proof=True)
@require_POST
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """Withdraw one's own proposal before anyone decided about it."""
    asked = get_object_or_404(PolicyVersion, number=number, approval__isnull=False)
    try:
        withdraw_request(actor=person(request), origin=origin_of(request), request_id=asked.approval_id or 0)
    except NotAllowed as error:
        return _version_page(request, asked, refused=f"Nothing was withdrawn: {error}", status=CONFLICT)
    messages.success(request, f"You withdrew version {number}. The policy stays as it is.")
    return redirect(request, "approvals:policy")


def _version_page(
    request: HttpRequest, shown: PolicyVersion, *, form: VerdictForm | None = None, refused: str = "", status: int = 200
) -> HttpResponse:
    viewer, approval = person(request), shown.approval
    rules = list(queries.rules_of(shown))
    is_proposed = shown.state == PolicyState.PROPOSED and approval is not None
    context: dict[str, Any] = {
        "version": shown,
        "approval": approval,
        "decisions": list(approval.approvals.order_by("pk")) if approval else [],
        "lines": policy_words.lines(rules),
        "refused": refused,
        "may_edit": may(request, "policy:edit"),
    }
    if is_proposed and approval:
        in_force = queries.policy_in_force()
        before = list(queries.rules_of(in_force))
        why_not = refusal(approval, viewer, shown.digest)
        context |= {
            "in_force": in_force,
            "changes": list(policy_words.changes(before, rules)),
            "warnings": warnings(rules, before),
            **_trial_context(on_the_past(rules, before), request.GET, person(request)),
            "form": form or VerdictForm(initial={"digest": shown.digest}),
            "may_decide": why_not is None,
            "why_not": why_not.message if why_not else "",
            "may_withdraw": approval.requested_by_id == viewer.pk,
        }
    return render(request, "approvals/policy_version.html", context, status=status)


def _trial_context(trial: Trial, address: Mapping[str, str], viewer: Staff) -> dict[str, Any]:
    """Return what a trial's list shows: the requests that the address asks for, a page at a time."""
    asked = address.get("differs", "")
    differs = asked if asked in trial.counts else ""
    page = Paginator(trial.of(differs), SHOWN).get_page(address.get("page"))
    requests, lines = queries.requests_with_lines([each.request_id for each in page.object_list], viewer)
    return {
        "trial": trial,
        "differs": differs,
        "page": page,
        "rows": [
            (each, requests[each.request_id], lines.get(each.request_id))
            for each in page.object_list
            if each.request_id in requests  # the others are counted only: they are outside the viewer's access
        ],
    }


# --- Editing ------------------------------------------------------------------------------------------------------------


@requires("policy:edit")
@rate_limited(PREVIEWS)
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest) -> HttpResponse:
    """Edit the rules in force, or those of an earlier version, try them on the past, and propose them as the next version."""
    if request.method == "GET":
        asked = request.GET.get("version", "")
        source = queries.policy_in_force()
        if asked:
            source = get_object_or_404(PolicyVersion, number=number_in(asked))
        return _edit_page(request, _formset(drafts_of(source)), ProposalForm())
    formset, typed = RulesFormSet(request.POST, prefix=_RULES_PREFIX), ProposalForm(request.POST)
    if not formset.is_valid():
        kept = ProposalForm(initial={"note": typed["note"].value()})
        return _edit_page(request, formset, kept, status=UNPROCESSABLE)
    if request.POST.get("step") == "propose":
        return _proposed(request, drafts_in(formset), typed)
    return _tried(request, drafts_in(formset), typed)


def _proposed(request: HttpRequest, drafts: Sequence[RuleDraft], typed: ProposalForm) -> HttpResponse:
    """Propose rules that were tried as they are; if they were not, or if why is missing, show the trial."""
    demand_recent_proof(request)  # trying them needs none
    if not typed.is_valid():
        return _tried(request, drafts, typed, form=typed, status=UNPROCESSABLE)
    if not _was_tried(typed.cleaned_data["tried"], drafts, person(request)):
        notice = (
            "Nothing was proposed yet: the rules, or those in force, are no longer those that were tried. Check the new trial."
        )
        return _tried(request, drafts, typed, notice=notice, status=CONFLICT)
    try:
        proposed = propose(actor=person(request), origin=origin_of(request), rules=drafts, note=typed.cleaned_data["note"])
    except AlreadyProposed as error:
        return _tried(request, drafts, typed, notice=f"Nothing was proposed. {error}", status=CONFLICT)
    messages.success(request, f"You proposed version {proposed.number}. It holds once another person has approved it.")
    return redirect(request, "approvals:policy_version", proposed.number)


def _tried(
    request: HttpRequest,
    drafts: Sequence[RuleDraft],
    typed: ProposalForm,
    *,
    form: ProposalForm | None = None,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    in_force = queries.policy_in_force()
    before, rules = list(queries.rules_of(in_force)), in_order(drafts)
    fresh = ProposalForm(initial={"note": typed["note"].value(), "tried": _seal(drafts, in_force, person(request))})
    context = {
        "is_tried": True,
        "differ": comparable(drafts) != comparable(drafts_of(in_force)),
        "changes": list(policy_words.changes(before, rules)),
        "warnings": warnings(rules, before),
        "notice": notice,
        **_trial_context(try_on_the_past(drafts, compared_with=in_force), {}, person(request)),
    }
    return _edit_page(request, _formset(drafts), form or fresh, context, status=status)


def _edit_page(
    request: HttpRequest,
    formset: Any,
    proposal: ProposalForm,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    shown = {
        "formset": formset,
        "proposal": proposal,
        "in_force": queries.policy_in_force(),
        "waiting": queries.policy_proposed(),
        "forms": _forms_in_words(formset),
        **(context or {}),
    }
    return render(request, "approvals/policy_edit.html", shown, status=status)


def _forms_in_words(formset: Any) -> list[tuple[RuleForm, policy_words.RuleLine | None]]:
    """Return each form with what its rule says, as far as it is complete."""
    drafts = [_draft_of(form) for form in formset.forms]
    return [
        (form, policy_words.line_of(draft.at(place)) if draft else None)
        for place, (form, draft) in enumerate(zip(formset.forms, drafts, strict=True), start=1)
    ]


def _draft_of(form: RuleForm) -> RuleDraft | None:
    """Return the rule of a form as it is on the page, as far as it is complete."""
    if not form.is_bound:
        return form.source
    return form.draft if form.is_valid() and not form.is_left_empty else None


def _formset(drafts: Sequence[RuleDraft]) -> Any:
    return RulesFormSet(initial=[RuleForm.initial_of(draft) for draft in drafts], prefix=_RULES_PREFIX)


def _seal(drafts: Sequence[RuleDraft], in_force: PolicyVersion, who: Staff) -> str:
    """Return the proof that a person was shown the trial of these rules, compared with those in force."""
    return signing.dumps([digest_of_rules(drafts), in_force.pk, who.pk], salt=_SEALED)


def _was_tried(seal: str, drafts: Sequence[RuleDraft], who: Staff) -> bool:
    try:
        sealed = signing.loads(seal, salt=_SEALED, max_age=_SEAL_HOLDS_S)
    except signing.BadSignature:
        return False
    return bool(sealed == [digest_of_rules(drafts), queries.policy_in_force().pk, who.pk])


# --- Testing a request --------------------------------------------------------------------------------------------------


@requires("policy:view")
@require_GET
def try_request(request: HttpRequest) -> HttpResponse:
    """Show what a request would need, by the version in force and by the one that waits for approval; nothing is requested."""
    form = FactsForm(request.GET) if "kind" in request.GET else FactsForm()
    answers = []
    if form.is_bound and form.is_valid():
        for each in filter(None, (queries.policy_in_force(), queries.policy_proposed())):
            rules = list(queries.rules_of(each))
            (wanted,) = wanted_for([form.facts], rules)
            lines = {line.number: line for line in policy_words.lines(rules)}
            answers.append((each, wanted, [lines[position] for position in wanted.rules] if wanted else []))
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "approvals/policy_try.html", {"form": form, "answers": answers}, status=status)
