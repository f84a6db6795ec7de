"""Proposing, approving and withdrawing versions, and assigning templates. Each is one transaction with its audit events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.changes.actions import DecisionRefused, NotAllowed
from accounts.changes.digest import digest_of
from accounts.changes.guards import MAY_DECIDE, broken_rule
from accounts.changes.kinds import KINDS
from accounts.changes.models import PolicyRule
from accounts.changes.moving import move_row
from accounts.changes.policy import Requirement, requirement
from accounts.changes.states import Verdict
from accounts.limit_templates import queries
from accounts.limit_templates.models import Assignment, LimitTemplate, TemplateDecision, TemplateVersion
from accounts.limit_templates.states import VERSION_TRANSITIONS, VersionState
from accounts.models import LimitLevel, RiskCategory
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from riskadmin.web.formats import money

KIND = KINDS["auto_liq_limits"]
"""The kind that applies a template; anyone who may request it may propose a template, and its policy rules cover both."""


class NotPossible(Exception):
    """It is not possible in the current state; the message is for people. Nothing was written."""


# --- Versions -----------------------------------------------------------------------------------------------------------


def propose_template(
    *, actor: Staff, origin: Origin, name: str, level: LimitLevel, description: str, limits: Mapping[str, Any], note: str
) -> TemplateVersion:
    """Create a template and propose its first version, in force at once if policy asks for no approval.

    Raises NotAllowed, NotPossible if the name is taken, and `policy.PolicyMissing`.
    """
    _may_propose(actor)
    try:
        with transaction.atomic():
            template = LimitTemplate.objects.create(name=name, level=level, description=description)
            return _propose(template, actor, origin, limits, note)
    except IntegrityError as error:
        if not LimitTemplate.objects.filter(name__iexact=name).exists():
            raise
        raise NotPossible(f"There is a template called {name} already.") from error


def propose_version(*, actor: Staff, origin: Origin, template_id: int, limits: Mapping[str, Any], note: str) -> TemplateVersion:
    """Propose what a template sets from now on. Raises NotAllowed, NotPossible and `policy.PolicyMissing`."""
    _may_propose(actor)
    with transaction.atomic():
        template = LimitTemplate.objects.select_for_update(of=("self",)).get(pk=template_id)
        waiting = template.versions.filter(state=VersionState.PROPOSED).first()
        if waiting:
            raise NotPossible(f"Version {waiting.number} still waits for a decision. It has to be decided or withdrawn first.")
        now = queries.version_in_force(template_id)
        if now and now.limits == limits:
            raise NotPossible(f"This is what version {now.number}, in force, says already.")
        return _propose(template, actor, origin, limits, note)


def decide(*, actor: Staff, origin: Origin, version_id: int, verdict: Verdict, digest: str, comment: str) -> TemplateVersion:
    """Record one person's approval or rejection of a proposed version and return it as it then is.

    The last approval that policy asks for puts it in force in place of the previous version; one rejection ends it. Raises
    DecisionRefused, after recording the refusal.
    """
    try:
        with transaction.atomic():
            version = _locked(version_id)
            refusal = _refusal(version, actor, digest)
            if refusal is None:
                _take(version, actor, origin, verdict, comment)
                return version
    except IntegrityError as error:
        if broken_rule(error) != MAY_DECIDE:
            raise
        refusal = DecisionRefused("You may no longer decide about limit templates.")  # since the request began
    detail = {"verdict": verdict.value, "digest": digest, "why": refusal.message}
    with transaction.atomic():
        _record_event(Tag.TEMPLATE_DECISION_REFUSED, version, actor, origin, detail=detail)
    raise refusal


def withdraw(*, actor: Staff, origin: Origin, version_id: int) -> TemplateVersion:
    """Withdraw a pending version; only the person who proposed it may. Raises NotAllowed."""
    with transaction.atomic():
        version = _locked(version_id)
        if version.proposed_by_id != actor.pk:
            raise NotAllowed("Only the person who proposed a version can withdraw it.")
        if version.state != VersionState.PROPOSED:
            raise NotAllowed(f"This version is no longer waiting: {VersionState(version.state).label.lower()}.")
        _end(version, VersionState.WITHDRAWN)
        _record_event(Tag.TEMPLATE_WITHDRAWN, version, actor, origin)
    return version


def _may_propose(actor: Staff) -> None:
    if not actor.may(KIND.capability):
        raise NotAllowed("You may not propose limit templates.")


def _propose(template: LimitTemplate, actor: Staff, origin: Origin, limits: Mapping[str, Any], note: str) -> TemplateVersion:
    before = queries.version_in_force(template.pk)
    newest = template.versions.aggregate(newest=Max("number"))["newest"] or 0
    needed = _requirement(template)
    version = TemplateVersion(
        template=template,
        number=newest + 1,
        limits=dict(limits),
        note=note,
        proposed_by=actor,
        proposed_by_name=actor.who().name,
        proposed_at=timezone.now(),
        decisions_needed=needed.decisions_needed,
        decider_role=needed.decider_role,
        state=VersionState.PROPOSED,
    )
    version.digest = digest_of(
        {
            "template": template.pk,
            "name": template.name,
            "level": template.level,
            "number": version.number,
            "limits": version.limits,
            "note": version.note,
            "proposed_by": actor.pk,
        },
    )
    version.save(force_insert=True)
    _record_event(
        Tag.TEMPLATE_PROPOSED,
        version,
        actor,
        origin,
        before=before.limits if before else {},
        after=version.limits,
        detail={"digest": version.digest, "decisions_needed": version.decisions_needed, "comment": note},
    )
    if not needed.decisions_needed:
        _put_in_force(version, actor, origin)
    return version


def _requirement(template: LimitTemplate) -> Requirement:
    """Return what policy requires to change the limits of all accounts that the template is for, at its strictest."""
    counts = queries.assigned_counts(template) or dict.fromkeys(Environment, 1)
    rules = list(PolicyRule.objects.all())
    asked = [
        requirement(rules, kind=KIND.name, environment=environment.value, items=max(1, count))
        for environment, count in counts.items()
    ]
    return max(asked, key=lambda each: (each.decisions_needed, each.decider_role != ""))


def _locked(version_id: int) -> TemplateVersion:
    """Lock a version after its template, so that no other version of it moves meanwhile."""
    template_id = TemplateVersion.objects.values_list("template", flat=True).get(pk=version_id)
    LimitTemplate.objects.select_for_update(of=("self",)).get(pk=template_id)
    return TemplateVersion.objects.select_related("template").select_for_update(of=("self",)).get(pk=version_id)


def _refusal(version: TemplateVersion, actor: Staff, digest: str) -> DecisionRefused | None:
    """Return why the approval or rejection is refused. PostgreSQL enforces the same (`sql/`)."""
    if not actor.may("changes:decide"):
        return DecisionRefused("You may not decide about limit templates.")
    if version.proposed_by_id == actor.pk:
        return DecisionRefused("You proposed this version, so somebody else has to decide.")
    if version.state != VersionState.PROPOSED:
        return DecisionRefused(f"This version is no longer waiting: {VersionState(version.state).label.lower()}.")
    if version.decider_role and version.decider_role not in actor.role_names:
        return DecisionRefused(f"Policy asks for a decision by somebody whose role is {version.decider_role}.")
    if version.decisions.filter(staff=actor).exists():
        return DecisionRefused("You have decided about this version already.")
    if digest != version.digest:
        return DecisionRefused("This is not the version you were shown. Review it again.")
    return None


def _take(version: TemplateVersion, actor: Staff, origin: Origin, verdict: Verdict, comment: str) -> None:
    who = actor.who()
    TemplateDecision.objects.create(
        version=version,
        staff=actor,
        staff_name=who.name,
        staff_role=who.role,
        verdict=verdict,
        digest=version.digest,
        comment=comment,
    )
    tag = Tag.TEMPLATE_APPROVED if verdict == Verdict.APPROVE else Tag.TEMPLATE_REJECTED
    _record_event(tag, version, actor, origin, detail={"digest": version.digest, "comment": comment})
    if verdict == Verdict.REJECT:
        _end(version, VersionState.REJECTED)
    elif version.decisions.filter(verdict=Verdict.APPROVE).count() >= version.decisions_needed:
        _put_in_force(version, actor, origin)


def _put_in_force(version: TemplateVersion, actor: Staff, origin: Origin) -> None:
    before = queries.version_in_force(version.template_id)
    if before:
        _end(before, VersionState.SUPERSEDED)
    move_row(version, VERSION_TRANSITIONS, VersionState.IN_FORCE, in_force_at=timezone.now())
    _record_event(Tag.TEMPLATE_IN_FORCE, version, actor, origin, before=before.limits if before else {}, after=version.limits)


def _end(version: TemplateVersion, state: VersionState) -> None:
    move_row(version, VERSION_TRANSITIONS, state, ended_at=timezone.now())


def _record_event(
    tag: Tag,
    version: TemplateVersion,
    actor: Staff,
    origin: Origin,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    named = {"template": version.template.name, "number": version.number}
    record(
        AuditEntry(tag=tag, actor=actor.who(), origin=origin, before=before, after=after, detail={**named, **(detail or {})})
    )


# --- Assignments --------------------------------------------------------------------------------------------------------


def assign(
    *,
    actor: Staff,
    origin: Origin,
    template_id: int,
    environment: Environment,
    category: RiskCategory | None = None,
    evaluation_size_usd: Decimal | None = None,
) -> Assignment:
    """Assign a template to the accounts of a category or of a size, one of the two. Nothing is sent.

    Raises NotAllowed, and NotPossible if they have a template of that level already.
    """
    _may_assign(actor)
    template = LimitTemplate.objects.get(pk=template_id)
    assignment = Assignment(
        template=template,
        environment=environment.value,
        level=template.level,
        risk_category=category,
        evaluation_size_usd=evaluation_size_usd,
        assigned_by_name=actor.who().name,
    )
    try:
        with transaction.atomic():
            assignment.save(force_insert=True)
            _record_assignment(Tag.TEMPLATE_ASSIGNED, assignment, actor, origin)
    except IntegrityError as error:
        earlier = Assignment.objects.select_related("template").filter(
            environment=environment.value,
            level=template.level,
            risk_category=category,
            evaluation_size_usd=evaluation_size_usd,
        )
        if not (found := earlier.first()):
            raise
        raise NotPossible(
            f"{_for_words(assignment)} has a template already: {found.template.name}. Remove that assignment first."
        ) from error
    return assignment


def unassign(*, actor: Staff, origin: Origin, assignment_id: int) -> None:
    """Remove an assignment; does nothing if it is already gone. Raises NotAllowed."""
    _may_assign(actor)
    with transaction.atomic():
        rows = Assignment.objects.select_related("template", "risk_category").select_for_update(of=("self",))
        assignment = rows.filter(pk=assignment_id).first()
        if assignment:
            _record_assignment(Tag.TEMPLATE_UNASSIGNED, assignment, actor, origin)
            assignment.delete()


def _may_assign(actor: Staff) -> None:
    if not actor.may("changes:decide"):
        raise NotAllowed("Only people who may approve changes can assign templates.")


def _for_words(assignment: Assignment) -> str:
    """Return in words what an assignment is to: "Category X on demo"."""
    if assignment.risk_category:
        return f"Category {assignment.risk_category.name} on {assignment.environment}"
    size = assignment.evaluation_size_usd
    return f"Size {money(size) if size is not None else ''} on {assignment.environment}"


def _record_assignment(tag: Tag, assignment: Assignment, actor: Staff, origin: Origin) -> None:
    detail = {"template": assignment.template.name, "to": _for_words(assignment)}
    record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail=detail))
