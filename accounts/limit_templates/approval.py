"""Versions of limit templates as something that is approved."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from accounts.approvals.subjects import DecisionRefused, Line, Step, Subject
from accounts.limit_templates.models import LimitTemplate, TemplateVersion
from accounts.limit_templates.queries import version_in_force
from accounts.limit_templates.states import VERSION_TRANSITIONS, VersionState
from accounts.models.moving import move_row
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.tags import Tag
from riskadmin.web.formats import counted

_TAGS: Final[Mapping[Step, Tag]] = {
    Step.APPROVED: Tag.TEMPLATE_APPROVED,
    Step.REJECTED: Tag.TEMPLATE_REJECTED,
    Step.EDITS_REQUESTED: Tag.TEMPLATE_EDITS_REQUESTED,
    Step.REFUSED: Tag.TEMPLATE_DECISION_REFUSED,
    Step.WITHDRAWN: Tag.TEMPLATE_WITHDRAWN,
    Step.LAPSED: Tag.TEMPLATE_APPROVALS_LAPSED,
    Step.COMMENTED: Tag.TEMPLATE_COMMENTED,
    Step.REVIEWED: Tag.TEMPLATE_REVIEWED,
    Step.ACTED_ALONE: Tag.TEMPLATE_RUN_ALONE,
}


class TemplateSubject(Subject):
    """A version of a limit template as something that is approved."""

    name = "template_version"
    one = "version"
    many = "limit templates"
    page = "accounts.limit_templates.views.decision_page"

    def lock(self, request_id: int) -> TemplateVersion:
        """Lock a version after its template, so that no other version of it moves meanwhile."""
        template_id = TemplateVersion.objects.values_list("template", flat=True).get(approval=request_id)
        LimitTemplate.objects.select_for_update(of=("self",)).get(pk=template_id)
        return TemplateVersion.objects.select_related("template").select_for_update(of=("self",)).get(approval=request_id)

    def event(
        self,
        step: Step,
        thing: TemplateVersion,
        *,
        actor: Who,
        origin: Origin,
        detail: Mapping[str, Any],
        refusal: DecisionRefused | None,
    ) -> AuditEntry:
        """Name the template and the version."""
        del refusal
        return event(_TAGS[step], thing, actor=actor, origin=origin, detail=detail)

    def approved(self, thing: TemplateVersion, *, actor: Who, origin: Origin) -> None:
        """Put it in force in place of the version before."""
        put_in_force(thing, actor=actor, origin=origin)

    def ended(self, thing: TemplateVersion, state: RequestState, *, actor: Who, origin: Origin) -> None:
        """Leave the version before in force."""
        del actor, origin
        to = VersionState.WITHDRAWN if state == RequestState.WITHDRAWN else VersionState.REJECTED
        move_row(thing, VERSION_TRANSITIONS, to, ended_at=timezone.now())

    def lines(self, requests: Iterable[ApprovalRequest]) -> Mapping[int, Line]:
        """Say which version, and how many accounts it would be for; one query."""
        asked = {request.pk: request for request in requests}
        later = TemplateVersion.objects.filter(template=OuterRef("template"), number__gt=OuterRef("number"))
        versions = TemplateVersion.objects.select_related("template").filter(approval__in=asked)
        return {
            version.approval_id: _line(version, asked[version.approval_id], is_last=version.is_last)
            for version in versions.annotate(is_last=~Exists(later))
        }


def _line(version: TemplateVersion, request: ApprovalRequest, *, is_last: bool) -> Line:
    again = reverse("limit_templates:propose", args=[version.template_id], query={"version": version.number})
    return Line(
        title=f"Limit template {version.words}",
        effect=f"for {counted(request.facts.get('items', 0), 'account')}; sends nothing",
        url=reverse("limit_templates:detail", args=[version.template_id]),
        edit_url=again if is_last and version.state == VersionState.REJECTED else "",
    )


TEMPLATES: Final = TemplateSubject()


def put_in_force(version: TemplateVersion, *, actor: Who, origin: Origin) -> None:
    """Put an approved version in force; the one before is superseded. Needs an open transaction with the template locked."""
    before = version_in_force(version.template_id)
    at = timezone.now()
    if before:
        move_row(before, VERSION_TRANSITIONS, VersionState.SUPERSEDED, ended_at=at)
    move_row(version, VERSION_TRANSITIONS, VersionState.IN_FORCE, in_force_at=at)
    was = before.limits if before else {}
    record(event(Tag.TEMPLATE_IN_FORCE, version, actor=actor, origin=origin, before=was, after=version.limits))


def event(
    tag: Tag,
    version: TemplateVersion,
    *,
    actor: Who,
    origin: Origin,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Return an event about a version. Reads `template`: select it with the version."""
    named = {"template": version.template.name, "number": version.number}
    return AuditEntry(tag=tag, actor=actor, origin=origin, before=before, after=after, detail={**named, **(detail or {})})
