"""What waits for approval, who approved it, and the policy that said so. PostgreSQL enforces the critical rules (`sql/`)."""

from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.approvals.states import Direction, Hours, PolicyState, RequestState, Verdict
from riskadmin.database.privileges import append_only, kept
from riskadmin.staff.models import Staff
from riskadmin.web.formats import counted

ROLE_MAX: Final = 32

REVIEW: Final = ("reviewed_by_id", "reviewed_by_name", "reviewed_at", "review_comment")
MOVING: Final = ("handed_to_id", "state", "decided_at", "digest", "version", "incident", "review_due_at", *REVIEW)
"""The columns of a request that change after it was made, each only as `approvals_guard_request` allows."""


@kept(changing=("state", "in_force_at", "ended_at"))
class PolicyVersion(models.Model):
    """A version of the policy. Its rules are frozen with it; it holds once a second person has approved it."""

    number = models.PositiveIntegerField(unique=True)
    note = models.TextField(blank=True)
    # No one proposed the version that the database came with, and no one had to approve it.
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    proposed_by_name = models.CharField(max_length=150, blank=True)
    proposed_at = models.DateTimeField(db_default=Now())
    digest = models.CharField(max_length=64, blank=True)
    rule_count = models.PositiveIntegerField()
    approval = models.OneToOneField("ApprovalRequest", null=True, on_delete=models.PROTECT, related_name="policy_version")

    state = models.CharField(max_length=16, choices=PolicyState)
    in_force_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=PolicyState.values), name="policy_version_state_known"),
            # At any time exactly one version is in force, and at most one is proposed.
            models.UniqueConstraint(fields=["state"], condition=Q(state=PolicyState.IN_FORCE), name="policy_version_in_force"),
            models.UniqueConstraint(fields=["state"], condition=Q(state=PolicyState.PROPOSED), name="policy_version_proposed"),
        ]

    def __str__(self) -> str:
        return f"Policy version {self.number}"


@append_only()
class PolicyRule(models.Model):
    """A rule of a version: what it matches, and what that needs. Of the rules that match, the strictest applies.

    It matches what meets all its conditions; an empty list or text, and a threshold of 0, are none. `stages` lists who has to
    approve, in order, as `{"approvals": 1, "role": "supervisor"}`, the role "" for any approver. Without stages it runs at
    once, to be reviewed within `review_within_hours` if that is set. Before it expires undecided, the people with the role
    `escalate_to` are told as well.
    """

    version = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="rules", db_index=False)
    position = models.PositiveIntegerField()
    kinds = ArrayField(models.CharField(max_length=32), default=list)
    directions = ArrayField(models.CharField(max_length=16, choices=Direction), default=list)
    environment = models.CharField(max_length=8, blank=True)
    requester_role = models.CharField(max_length=ROLE_MAX, blank=True)
    hours = models.CharField(max_length=8, choices=Hours, blank=True)
    from_items = models.PositiveIntegerField(default=0)
    # Of the same kind, by the same requester, in the last 24 hours, with the request itself.
    from_items_24h = models.PositiveIntegerField(default=0)
    from_money_usd = models.DecimalField(max_digits=16, decimal_places=2, default=0)
    from_liquidations = models.PositiveIntegerField(default=0)
    from_open_positions = models.PositiveIntegerField(default=0)

    stages = models.JSONField(default=list)
    valid_hours = models.PositiveIntegerField(default=24)
    review_within_hours = models.PositiveIntegerField(null=True)
    escalate_to = models.CharField(max_length=ROLE_MAX, blank=True, db_default="", default="")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "position"], name="policy_rule_in_order"),
            models.CheckConstraint(
                condition=Q(review_within_hours__isnull=True) | Q(stages=[]), name="policy_rule_approved_or_reviewed"
            ),
        ]

    def __str__(self) -> str:
        return f"Rule {self.position} of policy version {self.version_id}"

    @property
    def thresholds(self) -> list[str]:
        """From how much on it matches, in words; what every request has is left out."""
        # From one target on is from any on.
        conditions = (
            (self.from_items > 1, counted(self.from_items, "target")),
            (self.from_items_24h > 1, f"{counted(self.from_items_24h, 'target')} of one kind in 24 hours"),
            (self.from_money_usd > 0, f"{self.from_money_usd:,.2f} USD"),
            (self.from_liquidations > 0, counted(self.from_liquidations, "liquidation")),
            (self.from_open_positions > 0, counted(self.from_open_positions, "open position")),
        )
        return [words for holds, words in conditions if holds]


@kept(changing=MOVING)
class ApprovalRequest(models.Model):
    """Something that a person asked for, and the approvals that policy wants for it.

    What is approved points to it (`Change.approval`, `TemplateVersion.approval`, `PolicyVersion.approval`). What policy said
    when it was asked for is frozen; a later version of the policy does not affect it. If its content changes while it waits, it
    gets a new digest and the next `version`: approvals of the earlier one no longer count.
    """

    subject = models.CharField(max_length=32)  # the name of its `subjects.Subject`
    digest = models.CharField(max_length=64)
    version = models.PositiveSmallIntegerField(default=1)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    requested_by_name = models.CharField(max_length=150)
    requested_at = models.DateTimeField()
    # What policy was asked with (`policy.Facts`), the version that answered, and its rules that match, strictest first.
    # Requests that are older than the first version of the policy name none.
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    policy = models.ForeignKey(PolicyVersion, null=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    rules = ArrayField(models.BigIntegerField(), default=list)
    needed = models.PositiveSmallIntegerField()
    stages = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True)  # null: it waits until someone decides
    # What ran first is to be reviewed by somebody else by then.
    review_due_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    reviewed_by_name = models.CharField(max_length=150, blank=True, db_default="")
    reviewed_at = models.DateTimeField(null=True)
    review_comment = models.TextField(blank=True, db_default="")
    # Break-glass: the number of the incident because of which its requester, a supervisor, acted alone.
    incident = models.CharField(max_length=64, blank=True, db_default="")

    # Who may ask for it again, after its requester was switched off while it waited.
    handed_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    state = models.CharField(max_length=16, choices=RequestState)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RequestState.values), name="approval_request_state_known"),
            # Who acts alone is reviewed.
            models.CheckConstraint(
                condition=Q(incident="") | Q(review_due_at__isnull=False), name="approval_request_incident_is_reviewed"
            ),
            # And acts alone again only after that review, also with two requests at the same moment.
            models.UniqueConstraint(
                fields=["requested_by"],
                condition=~Q(incident="") & Q(reviewed_at__isnull=True),
                name="approval_request_one_incident",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by__isnull=True, reviewed_at__isnull=True)
                | Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
                name="approval_request_reviewed_by_somebody",
            ),
        ]
        indexes = [
            # The inbox and its count; what is overdue.
            models.Index(fields=["expires_at"], condition=Q(state=RequestState.WAITING), name="approval_request_waiting"),
            # What ran first and was not reviewed yet; whether somebody may act alone again.
            models.Index(
                fields=["review_due_at"],
                condition=Q(review_due_at__isnull=False, reviewed_at__isnull=True),
                name="approval_request_to_review",
            ),
            # What somebody asked for in the last 24 hours.
            models.Index(fields=["requested_by", "requested_at"], name="approval_request_by_person"),
        ]

    def __str__(self) -> str:
        return f"Approval request {self.pk} about a {self.subject}"

    def may_be_asked_again_by(self, person: Staff) -> bool:
        """Whether this person may ask for it again, once it ended: who asked, or who took it over from them."""
        return bool((self.handed_to_id or self.requested_by_id) == person.pk)


@append_only()
class Approval(models.Model):
    """One person's verdict, bound to the digest and version of what they were shown. Never changed, never removed."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="approvals", db_index=False)
    version = models.PositiveSmallIntegerField(default=1)
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    staff_name = models.CharField(max_length=150)
    staff_role = models.CharField(max_length=64)
    verdict = models.CharField(max_length=16, choices=Verdict)
    stage = models.PositiveSmallIntegerField()  # of the request's stages, from 1
    digest = models.CharField(max_length=64)
    comment = models.TextField(blank=True)
    # The effects that the person was shown, as the subject stores them, and the targets that they excluded.
    shown = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    excluded = models.JSONField(default=list)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="approval_verdict_known"),
            models.UniqueConstraint(fields=["request", "version", "staff"], name="approval_once_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.staff_name}: {self.verdict} request {self.request_id}"


@append_only()
class Comment(models.Model):
    """What someone wrote about a request, and whom they mentioned. Never changed, never removed."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="comments")
    staff = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    staff_name = models.CharField(max_length=150)
    text = models.TextField()
    mentions = ArrayField(models.BigIntegerField(), default=list)  # keys of staff
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="approval_comment_says_something")]

    def __str__(self) -> str:
        return f"{self.staff_name} about request {self.request_id}"
