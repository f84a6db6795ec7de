"""Proposing versions, and assigning templates. Each is one transaction with its audit events."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from accounts.approvals.actions import new_request
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.policy import Facts, need, requester_role
from accounts.approvals.subjects import NotAllowed
from accounts.changes.kinds import KINDS
from accounts.limit_templates import queries
from accounts.limit_templates.approval import TEMPLATES, event, put_in_force
from accounts.limit_templates.models import Assignment, LimitTemplate, TemplateVersion
from accounts.limit_templates.states import VersionState
from accounts.models import LimitLevel, RiskCategory
from accounts.models.digests import digest_of
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

    Raises NotAllowed, NotPossible if the name is taken, and `accounts.approvals.policy.PolicyMissing`.
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


def _may_propose(actor: Staff) -> None:
    if not actor.may(KIND.capability):
        raise NotAllowed("You may not propose limit templates.")


def _propose(template: LimitTemplate, actor: Staff, origin: Origin, limits: Mapping[str, Any], note: str) -> TemplateVersion:
    before = queries.version_in_force(template.pk)
    newest = template.versions.aggregate(newest=Max("number"))["newest"] or 0
    version = TemplateVersion(
        template=template,
        number=newest + 1,
        limits=dict(limits),
        note=note,
        proposed_by=actor,
        proposed_by_name=actor.who().name,
        proposed_at=timezone.now(),
        state=VersionState.PROPOSED,
    )
    version.approval = _request(version, actor)
    version.digest = version.approval.digest = digest_of(
        {
            "template": template.pk,
            "name": template.name,
            "level": template.level,
            "number": version.number,
            "limits": version.limits,
            "note": version.note,
            "proposed_by": actor.pk,
            "facts": version.approval.facts,
        },
    )
    version.approval.save(force_insert=True)
    version.save(force_insert=True)
    detail = {"digest": version.digest, "decisions_needed": version.approval.needed, "comment": note}
    after, was = version.limits, before.limits if before else {}
    record(event(Tag.TEMPLATE_PROPOSED, version, actor=actor.who(), origin=origin, before=was, after=after, detail=detail))
    if not version.approval.needed:
        put_in_force(version, actor=actor.who(), origin=origin)
    return version


def _request(version: TemplateVersion, actor: Staff) -> ApprovalRequest:
    """Return the request of a version, for the limits of all accounts that its template is for, on the stricter environment.

    A version sends nothing, so it liquidates nothing: what applies it is approved itself, with its own effects.
    """
    counts = queries.assigned_counts(version.template)
    facts = Facts(
        subject=TEMPLATES.name,
        kind=KIND.name,
        environment=Environment.LIVE.value if counts.get(Environment.LIVE) else Environment.DEMO.value,
        requester_role=requester_role(actor),
        direction=None,
        hours=None,
        items=max(1, sum(counts.values())),
        items_24h=max(1, sum(counts.values())),
        money_usd=Decimal(0),
        liquidations=0,
        open_positions=0,
    ).to_json()
    wanted = need(facts, what=f"limits of {facts['items']:,} accounts")
    return new_request(TEMPLATES, actor=actor, need=wanted, facts=facts, digest="", at=version.proposed_at, expires=False)


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
        return f"Category {assignment.risk_category.label} on {assignment.environment}"
    size = assignment.evaluation_size_usd
    return f"Size {money(size) if size is not None else ''} on {assignment.environment}"


def _record_assignment(tag: Tag, assignment: Assignment, actor: Staff, origin: Origin) -> None:
    detail = {"template": assignment.template.name, "to": _for_words(assignment)}
    record(AuditEntry(tag=tag, actor=actor.who(), origin=origin, detail=detail))
