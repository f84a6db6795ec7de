"""What was requested, and on which targets. PostgreSQL enforces the critical rules (`sql/`)."""

from functools import cached_property
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import RequestState
from accounts.changes.states import (
    CHANGE_STARTED,
    ITEM_AS_INTENDED,
    ITEM_OPEN,
    ITEM_UNDER_WAY,
    ChangeState,
    ItemState,
    Priority,
    Relation,
    Window,
    decided_as,
)
from accounts.models import Account, EnvironmentChoice
from riskadmin.database.privileges import kept
from riskadmin.tradovate.vocabulary import Lane, ReasonCode


class LaneChoice(models.TextChoices):
    """The two lanes to Tradovate, each with its own queue, worker and share of the budget."""

    URGENT = Lane.URGENT.value, "Urgent"
    BULK = Lane.BULK.value, "Bulk"


@kept()
class Change(models.Model):
    """A change that a person requested: one kind, one environment, its parameters, its reason, and its items.

    Everything that an approval covers is written once; `digest` is over all of it (`content`). When and how fast it runs is not
    part of that: people control it by state and priority (`control`).
    """

    kind = models.CharField(max_length=32)
    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    parameters = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    reason_code = models.CharField(max_length=64, choices=[(code.value, code.value) for code in ReasonCode])
    reason_text = models.TextField(blank=True)
    lane = models.CharField(max_length=8, choices=LaneChoice)
    digest = models.CharField(max_length=64)
    # The one-time key of the form: a double click or a repeated POST creates one change.
    form_key = models.UUIDField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_by_name = models.CharField(max_length=150)
    submitted_at = models.DateTimeField(db_default=Now())
    # What policy required at submit, and who has approved it.
    approval = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT, related_name="change")
    item_count = models.PositiveIntegerField()
    # The effects that its preview found, as `effects.ChangeEffects` stores them; frozen. Accounts continue to trade, so effects
    # that are found later say nothing against them. Null if it was requested before effects were stored.
    effects = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    # No call of it is sent before this time, nor outside its window; when the window closes, it continues in the next one, or
    # the rest is cancelled.
    runs_at = models.DateTimeField(null=True)
    window = models.CharField(max_length=16, choices=Window, blank=True, default=Window.ANY, db_default=Window.ANY)
    goes_on = models.BooleanField(default=False, db_default=False)
    # For a lock without an end: the day by which someone reviews it.
    review_by = models.DateField(null=True)
    # The earlier change that it came from, and its relation to it.
    of_change = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="followers")
    relation = models.CharField(max_length=16, choices=Relation, blank=True, default="", db_default="")

    state = models.CharField(max_length=16, choices=ChangeState)
    finished_at = models.DateTimeField(null=True)
    # No call is made for it before this time, and why: Tradovate or the budget told one of its calls to wait.
    held_until = models.DateTimeField(null=True)
    held_why = models.TextField(blank=True, db_default="")
    priority = models.SmallIntegerField(choices=Priority, default=Priority.NORMAL, db_default=Priority.NORMAL)
    # When and why it was suspended at its time, because no one answers for it any more; it never begins then (migration 0019).
    suspended_at = models.DateTimeField(null=True)
    suspended_why = models.TextField(blank=True, db_default="")
    # Who paused it, while it is paused; and who cancelled the rest of it.
    paused_at = models.DateTimeField(null=True)
    paused_by_name = models.CharField(max_length=150, blank=True, db_default="")
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    # Who last resumed it: the person who had paused it, or an approver who did not request it (migration 0018).
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    stopped_at = models.DateTimeField(null=True)
    stopped_by_name = models.CharField(max_length=150, blank=True, db_default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ChangeState.values), name="change_state_known"),
            models.CheckConstraint(
                condition=Q(of_change__isnull=True, relation="") | Q(of_change__isnull=False, relation__in=Relation.values),
                name="change_related_to_one",
            ),
            models.CheckConstraint(
                condition=~Q(state=ChangeState.PAUSED) | Q(paused_at__isnull=False), name="change_paused_by_somebody"
            ),
            models.CheckConstraint(
                condition=~Q(state=ChangeState.STOPPING) | Q(stopped_at__isnull=False), name="change_stopped_by_somebody"
            ),
            models.CheckConstraint(
                condition=Q(suspended_at=None) | Q(state__in=(ChangeState.SCHEDULED, ChangeState.CANCELLED)),
                name="change_suspended_before_its_start",
            ),
            # Per person: one person's key can't conflict with another's.
            models.UniqueConstraint(fields=["requested_by", "form_key"], name="change_once_per_form"),
            models.CheckConstraint(
                condition=~Q(reason_code=ReasonCode.OTHER.value) | ~Q(reason_text=""),
                name="change_other_has_text",
            ),
        ]
        indexes = [
            # The changes page, newest first, and by state; the approvals page and its count.
            models.Index(fields=["-id", "state"], name="change_newest"),
            models.Index(fields=["id"], condition=Q(state=ChangeState.PENDING), name="change_pending"),
            # The sweeper and the calendar: what will begin, and when.
            models.Index(fields=["runs_at"], condition=Q(state=ChangeState.SCHEDULED), name="change_scheduled"),
            # The sweeper: changes that may be finished, and cancelled ones with items that returned to the queue.
            models.Index(fields=["id"], condition=Q(state__in=CHANGE_STARTED), name="change_started"),
        ]

    def __str__(self) -> str:
        return f"Change {self.pk}"

    @property
    def waits(self) -> bool:
        """Whether it begins at a time, or within a window, and not as soon as it is approved."""
        return self.runs_at is not None or bool(self.window)

    @cached_property
    def sent_count(self) -> int:
        """How many of its items are to be sent: neither skipped when it was requested, nor excluded by an approver.

        Reads its request, and if that was edited, its approvals.
        """
        request = self.approval
        excluded = sum(len(each.excluded) for each in request.approvals.all()) if request.version > 1 else 0
        return int(request.facts.get("items", self.item_count)) - excluded

    @property
    def is_sent_back(self) -> bool:
        """Whether an approver asked for edits: its state is that of a rejected one. Reads its request."""
        return self.state == ChangeState.REJECTED and self.approval.state == RequestState.EDITS_REQUESTED

    @property
    def state_label(self) -> str:
        """Its state in words; those of its request if it was sent back."""
        return RequestState.EDITS_REQUESTED.label if self.is_sent_back else ChangeState(self.state).label

    @property
    def decided_as(self) -> ChangeState:
        """The state that its last approval moves it to."""
        return decided_as(waits=self.waits)


@kept()
class Item(models.Model):
    """One target of a change: its state (`before`), the intended state (`after`), and its outcome."""

    # No index of its own: the indexes of its items by position and by state begin with it.
    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="items", db_index=False)
    position = models.PositiveIntegerField()
    # `environment:unit:id`. The account row is absent for a trader, and if the id is unknown to the mirror (then skipped).
    target = models.CharField(max_length=64)
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="items")
    target_name = models.CharField(max_length=64)
    before = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(null=True, encoder=DjangoJSONEncoder)

    # Parameters of this target alone, such as those of its row in a file; they override those of the change.
    own_parameters = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    # Over the columns above, and why it is skipped if it was not to be sent (`content`). Empty for items of older changes.
    digest = models.CharField(max_length=64, blank=True, db_default="")

    state = models.CharField(max_length=16, choices=ItemState)
    # Why it was skipped, Tradovate's message if it was rejected, what is not known if it is unknown.
    note = models.TextField(blank=True)
    # What the last reading showed, and when it began.
    observed = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    seen_at = models.DateTimeField(null=True)
    # What was read right before the call, if it is not `before`: fields that the change does not name may have moved.
    found = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    # Tradovate's message, if it refused the last call: rejected only once a read-back shows that nothing happened.
    refusal = models.TextField(blank=True, default="", db_default="")
    # Which of the kind's calls is next or in flight: some kinds need several, one after the other.
    step = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    claimed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=128, blank=True)
    # Tradovate's penalty ticket, sent with the next attempt (rate-limits page).
    ticket = models.TextField(blank=True)
    settled_at = models.DateTimeField(null=True)
    # Who last resolved it while its outcome was unknown. Never the person who requested the change (migration 0013).
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ItemState.values), name="item_state_known"),
            models.UniqueConstraint(fields=["change", "target"], name="item_target_once_per_change"),
            # The change's page, in order. With `item_count` frozen, it also prevents adding an item later.
            models.UniqueConstraint(fields=["change", "position"], name="item_in_order"),
            # At any time at most one item of a target is under way; an `unknown` one blocks nothing.
            models.UniqueConstraint(fields=["target"], condition=Q(state__in=ITEM_UNDER_WAY), name="item_target_under_way"),
        ]
        indexes = [
            # The change's counts by state.
            models.Index(fields=["change", "state"], name="item_by_state"),
            # The sweeper: everything not final, by state.
            models.Index(fields=["state", "id"], condition=Q(state__in=ITEM_OPEN), name="item_open"),
            # A worker: the next items of a change, in order.
            models.Index(fields=["change", "position"], condition=Q(state=ItemState.QUEUED), name="item_queue"),
            # The account's page: its pending changes; the plan: whether a target has an open item.
            models.Index(fields=["target"], condition=Q(state__in=ITEM_OPEN), name="item_open_by_target"),
            # The plan: what was recently done to a trader; for accounts, the foreign key's own index is enough.
            models.Index(fields=["target"], condition=Q(account=None), name="item_of_no_account"),
        ]

    def __str__(self) -> str:
        return f"Item {self.position} of change {self.change_id}: {self.target}"

    @property
    def target_id(self) -> int:
        """Tradovate's id of the account or trader."""
        return int(self.target.rsplit(":", 1)[1])

    @property
    def is_half_done(self) -> bool:
        """Whether the first of its calls are done and the last is not, whether still to come or never."""
        return self.step > 0 and self.state not in ITEM_AS_INTENDED

    @property
    def environment(self) -> str:
        """The target's environment."""
        return self.target.split(":", 1)[0]


class TargetList(models.Model):
    """Targets that one person has selected for a change, frozen as they were selected; deleted after two days.

    A change keeps its targets in its items; nothing refers to this list once it is submitted.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    # Empty: for the kind that is chosen next.
    kind = models.CharField(max_length=32, blank=True)
    unit = models.CharField(max_length=8)
    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    # Tradovate's ids, in the order selected.
    ids = ArrayField(models.BigIntegerField())
    # Parameters that came with the targets: those of all, and those of single targets by id, as text because of JSON.
    parameters = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    per_target = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    source = models.CharField(max_length=200)
    # The change that they came from, and the relation of a change made from them to it.
    of_change = models.ForeignKey(Change, null=True, on_delete=models.CASCADE, related_name="+")
    relation = models.CharField(max_length=16, choices=Relation, blank=True, default="", db_default="")
    # Rows with errors, or that name no target (source.Problem); nothing is submitted before someone confirms to skip them.
    problems = models.JSONField(default=list)
    # How lines without errors were read (source.Note), and the rows with errors as they were in the file.
    notes = models.JSONField(default=list)
    refused_rows = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{len(self.ids)} targets: {self.source}"
