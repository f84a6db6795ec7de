"""Limit templates, their versions, and their assignments.

PostgreSQL enforces the critical rules (`sql/`); migration 0003 creates the view that `Governed` reads.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from accounts.approvals.models import ApprovalRequest
from accounts.limit_templates.fields import parameters_of
from accounts.limit_templates.states import VersionState
from accounts.models import Account, AutoLiqLimits, EnvironmentChoice, LimitLevel, RiskCategory
from riskadmin.database.privileges import kept


@kept()
class LimitTemplate(models.Model):
    """A named set of limits of one level; what it sets is in its versions. Name and level never change."""

    name = models.CharField(max_length=64)
    level = models.CharField(max_length=8, choices=LimitLevel)
    description = models.TextField(blank=True)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            # Two names that differ in case alone could not be told apart in a ticket. The list of templates is in this order,
            # too.
            models.UniqueConstraint(Lower("name"), name="limit_template_name_once"),
            models.CheckConstraint(condition=Q(level__in=LimitLevel.values), name="limit_template_level_known"),
        ]

    def __str__(self) -> str:
        return self.name


@kept(changing=("state", "in_force_at", "ended_at"))
class TemplateVersion(models.Model):
    """What a template sets, or is proposed to set. Everything that an approval covers is written once, with its digest."""

    template = models.ForeignKey(LimitTemplate, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    # A record as in kinds/limit_fields; fields that are not in it, the template leaves to each account.
    limits = models.JSONField(encoder=DjangoJSONEncoder)
    note = models.TextField(blank=True)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_by_name = models.CharField(max_length=150)
    proposed_at = models.DateTimeField(db_default=Now())
    approval = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT, related_name="template_version")
    digest = models.CharField(max_length=64)

    state = models.CharField(max_length=16, choices=VersionState)
    in_force_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=VersionState.values), name="template_version_state_known"),
            models.UniqueConstraint(fields=["template", "number"], name="template_version_once"),
            # At any time at most one version of a template is in force, and at most one is pending.
            models.UniqueConstraint(
                fields=["template"], condition=Q(state=VersionState.IN_FORCE), name="template_version_in_force"
            ),
            models.UniqueConstraint(
                fields=["template"], condition=Q(state=VersionState.PROPOSED), name="template_version_proposed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template_id}, version {self.number}"

    @property
    def words(self) -> str:
        """What a change records as applied. Reads `template`: select it with the version."""
        return f"{self.template.name}, version {self.number}"

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of a change that applies it. Reads `template`."""
        return parameters_of(limits=self.limits, level=self.template.level, words=self.words, version_id=self.pk)


class Assignment(models.Model):
    """The accounts that a template is for: those of one risk category, or of one size. Nothing is sent because of it.

    If two match an account, the one of its category wins.
    """

    template = models.ForeignKey(LimitTemplate, on_delete=models.PROTECT, related_name="assignments")
    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    level = models.CharField(max_length=8, choices=LimitLevel)  # the template's level: an account has one template for each
    risk_category = models.ForeignKey(RiskCategory, null=True, on_delete=models.PROTECT, related_name="+")
    evaluation_size_usd = models.DecimalField(max_digits=16, decimal_places=2, null=True)
    assigned_by_name = models.CharField(max_length=150)
    assigned_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(risk_category__isnull=False, evaluation_size_usd__isnull=True)
                | Q(risk_category__isnull=True, evaluation_size_usd__isnull=False),
                name="assignment_to_one_thing",
            ),
            models.UniqueConstraint(
                fields=["environment", "level", "risk_category"],
                condition=Q(risk_category__isnull=False),
                name="assignment_of_category_once",
            ),
            models.UniqueConstraint(
                fields=["environment", "level", "evaluation_size_usd"],
                condition=Q(evaluation_size_usd__isnull=False),
                name="assignment_of_size_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template_id} for {self.environment} {self.risk_category_id or self.evaluation_size_usd}"


class Governed(models.Model):
    """An open account's limits under a template in force, with the fields in which they differ: a view, read only.

    Its id is that of the limits; accounts whose limits were never read are not in it.
    """

    limits = models.OneToOneField(
        AutoLiqLimits, primary_key=True, db_column="id", on_delete=models.DO_NOTHING, related_name="+"
    )
    account = models.ForeignKey(Account, on_delete=models.DO_NOTHING, related_name="+")
    template = models.ForeignKey(LimitTemplate, on_delete=models.DO_NOTHING, related_name="+")
    version = models.ForeignKey(TemplateVersion, on_delete=models.DO_NOTHING, related_name="+")
    assignment = models.ForeignKey(Assignment, on_delete=models.DO_NOTHING, related_name="+")
    differing = ArrayField(models.TextField())

    class Meta:
        managed = False
        db_table = "limit_templates_governed"

    def __str__(self) -> str:
        return f"{self.account_id} by version {self.version_id}: {', '.join(self.differing) or 'as it says'}"
