"""Reading templates: what they set, what is pending for whom, which accounts they are for. Drift is in `drift`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce, Lower

from accounts.access.queries import access_of, visible_accounts
from accounts.approvals import queries as approvals
from accounts.approvals.models import Approval
from accounts.changes.kinds.limit_fields import direction, in_words
from accounts.limit_templates.fields import fields_of
from accounts.limit_templates.models import Assignment, LimitTemplate, TemplateVersion
from accounts.limit_templates.states import VersionState
from accounts.models import Account, LimitLevel
from accounts.models.auto_liq_fields import AutoLiqField
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment

HOLDING: Final = (VersionState.IN_FORCE, VersionState.PROPOSED)
"""The states of a version that the list of templates shows."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A template as a row of the list: with its version in force and its proposed version, if they exist."""

    template: LimitTemplate
    in_force: TemplateVersion | None
    proposed: TemplateVersion | None
    assignments: Sequence[Assignment]


def templates(viewer: Staff) -> list[Listed]:
    """Return every template in the order of their names, in three queries. There are dozens of them, not thousands.

    Of what each is for, only what is within the access of `viewer`.
    """
    rows = LimitTemplate.objects.order_by(Lower("name")).prefetch_related(
        Prefetch("versions", TemplateVersion.objects.filter(state__in=HOLDING), to_attr="holding"),
        Prefetch("assignments", visible_assignments(viewer), to_attr="assigned"),
    )
    return [
        Listed(
            template=template,
            in_force=_in_state(template.holding, VersionState.IN_FORCE),
            proposed=_in_state(template.holding, VersionState.PROPOSED),
            assignments=template.assigned,
        )
        for template in rows
    ]


def _in_state(versions: Sequence[TemplateVersion], state: VersionState) -> TemplateVersion | None:
    return next((version for version in versions if version.state == state), None)


def visible_assignments(viewer: Staff) -> QuerySet[Assignment]:
    """Return the assignments of categories and of whole environments that a person has access to, in order."""
    access = access_of(viewer)
    rows = Assignment.objects.filter(access.accounts()) if access else Assignment.objects.all()
    rows = rows.select_related("risk_category")
    return rows.order_by("environment", F("risk_category__name").asc(nulls_last=True), "evaluation_size_usd", "pk")


def versions_of(template: LimitTemplate) -> list[TemplateVersion]:
    """Return a template's versions, newest first, each with its request and the approvals of that, in two queries."""
    given = Prefetch("approval__approvals", Approval.objects.order_by("pk"))
    return list(template.versions.select_related("template", "approval").prefetch_related(given).order_by("-number"))


def assignments_of(template: LimitTemplate, viewer: Staff) -> list[Assignment]:
    """Return what a template is assigned to, as far as a person has access to it."""
    return list(visible_assignments(viewer).filter(template=template))


def version_in_force(template_id: int) -> TemplateVersion | None:
    """Return the version of a template that is in force."""
    rows = TemplateVersion.objects.select_related("template")
    return rows.filter(template=template_id, state=VersionState.IN_FORCE).first()


def applicable() -> list[TemplateVersion]:
    """Return the version in force of each template that has one, by name."""
    rows = TemplateVersion.objects.select_related("template").filter(state=VersionState.IN_FORCE)
    return list(rows.order_by(Lower("template__name")))


def waiting_for(person: Staff) -> QuerySet[TemplateVersion]:
    """Return the proposed versions that this person could approve, oldest first."""
    return TemplateVersion.objects.filter(approval__in=approvals.waiting_for(person).order_by()).order_by("pk")


# --- Which accounts a template is for -------------------------------------------------------------------------------------


def governing(level: str) -> Coalesce:
    """Return, for a query of accounts, each account's template of one level: its category's, else its size's."""
    fitting = Assignment.objects.filter(environment=OuterRef("environment"), level=level)
    by_category = fitting.filter(risk_category=OuterRef("risk_category_id"))
    by_size = fitting.filter(evaluation_size_usd=OuterRef("evaluation_size_usd"))
    return Coalesce(Subquery(by_category.values("template")[:1]), Subquery(by_size.values("template")[:1]))


def assigned_accounts(template: LimitTemplate, viewer: Staff | None = None) -> QuerySet[Account]:
    """Return the open accounts that a template is for and `viewer` has access to, whether or not a version is in force."""
    return (
        visible_accounts(Account.objects.filter(archived=False), viewer)
        .annotate(governed_by=governing(template.level))
        .filter(governed_by=template.pk)
    )


def assigned_counts(template: LimitTemplate, viewer: Staff | None = None) -> Mapping[Environment, int]:
    """Return how many open accounts a template is for and `viewer` has access to, by environment; one query."""
    rows = assigned_accounts(template, viewer).order_by().values_list("environment").annotate(Count("pk"))
    return {Environment(environment): count for environment, count in rows}


def governing_versions(account: Account) -> dict[LimitLevel, TemplateVersion]:
    """Return the versions in force that govern an account, by level; two queries."""
    columns = {f"by_{level.value}": governing(level.value) for level in LimitLevel}
    found = Account.objects.filter(pk=account.pk, archived=False).annotate(**columns).values_list(*columns).first()
    ids = [template_id for template_id in found or () if template_id]
    rows = TemplateVersion.objects.select_related("template").filter(template__in=ids, state=VersionState.IN_FORCE)
    return {LimitLevel(version.template.level): version for version in rows}


# --- What a version sets ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a version: what the previous version sets and what this one does, in words; `direction` as for changes."""

    field: AutoLiqField
    before: str
    after: str
    direction: str
    is_changed: bool


def settings_of(level: str, limits: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[Setting]:
    """Return what a version sets, or sets no longer, next to the previous one. A field that neither sets is left out."""
    earlier = limits if before is None else before
    return [
        Setting(
            field=field,
            before=in_words(field, earlier.get(field.name)),
            after=in_words(field, limits.get(field.name)),
            # A field that is not governed may have any value, so neither word applies.
            direction=direction(field, earlier[field.name], limits[field.name])
            if field.name in earlier and field.name in limits
            else "",
            is_changed=earlier.get(field.name) != limits.get(field.name),
        )
        for field in fields_of(level)
        if field.name in limits or field.name in earlier
    ]
