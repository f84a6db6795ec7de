"""The evidence: every call made for a change, with what was sent and what was received."""

from typing import Final

from django.db import models
from django.db.models import Q

from accounts.changes.models import Item, LaneChoice
from accounts.models import EnvironmentChoice
from riskadmin.database.privileges import append_only, kept
from riskadmin.web.looks import Look


class Purpose(models.TextChoices):
    """Why a call was made."""

    WRITE = "write", "Change"
    READ_BACK = "read_back", "Read-back"


class CallState(models.TextChoices):
    """The state of a call. `open` is one that was claimed and has no end yet: it may be in flight, or its worker died."""

    OPEN = "open", "Under way"
    ANSWERED = "answered", "Answered"
    REJECTED = "rejected", "Rejected"
    NOT_HANDLED = "not_handled", "Not handled"
    UNKNOWN = "unknown", "Unknown"


CALL_LOOK: Final[dict[CallState, Look]] = {
    CallState.OPEN: Look(tone="busy", icon="loader", explanation="Its end has not been recorded yet."),
    CallState.ANSWERED: Look(tone="ok", icon="circle-check", explanation="Tradovate accepted the call; the read-back decides."),
    CallState.REJECTED: Look(tone="danger", icon="alert-octagon", explanation="Tradovate or riskadmin refused the call."),
    CallState.NOT_HANDLED: Look(tone="warn", icon="alert-triangle", explanation="The call certainly had no effect."),
    CallState.UNKNOWN: Look(tone="danger", icon="alert-octagon", explanation="Whether the call had its effect is not known."),
}


COMPLETED: Final = (
    *("state", "ended_at", "endpoint", "method", "path", "request_text", "status", "response_text", "elapsed_ms", "note"),
)
"""The columns that are written when a call ends, once (`execution_call_completed_once`)."""


@kept(changing=COMPLETED)
class Call(models.Model):
    """One HTTP request to Tradovate, carrying one or more items, and its response. Holds no secret."""

    purpose = models.CharField(max_length=16, choices=Purpose)
    environment = models.CharField(max_length=8, choices=EnvironmentChoice)
    lane = models.CharField(max_length=8, choices=LaneChoice)
    worker = models.CharField(max_length=128)
    state = models.CharField(max_length=16, choices=CallState)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    endpoint = models.CharField(max_length=96, blank=True, db_default="")
    method = models.CharField(max_length=8, blank=True, db_default="")
    path = models.TextField(blank=True, db_default="")
    request_text = models.TextField(blank=True, db_default="")  # the body, byte for byte
    status = models.PositiveSmallIntegerField(null=True)
    response_text = models.TextField(blank=True, db_default="")
    elapsed_ms = models.PositiveIntegerField(null=True)
    note = models.TextField(blank=True, db_default="")

    items = models.ManyToManyField(Item, through="CallItem", related_name="calls")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CallState.values), name="call_state_known"),
            models.CheckConstraint(condition=Q(state="open") ^ Q(ended_at__isnull=False), name="call_open_or_ended"),
        ]

    def __str__(self) -> str:
        return f"Call {self.pk}: {self.endpoint or self.purpose}"


@append_only()
class CallItem(models.Model):
    """Which items a call carried."""

    # the constraint has an index
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="carried", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.PROTECT, related_name="carried")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "item"], name="call_item_once")]

    def __str__(self) -> str:
        return f"Item {self.item_id} in call {self.call_id}"


class WorkerBeat(models.Model):
    """When a worker of each lane was last seen at work."""

    lane = models.CharField(max_length=8, choices=LaneChoice, unique=True)
    worker = models.CharField(max_length=128)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.lane} seen {self.seen_at:%H:%M:%S}"
