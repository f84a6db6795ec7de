"""The states of a change and of its items: their words and looks, and the one map of allowed transitions."""

from typing import Final

from django.db import models

from riskadmin.web.looks import Look


class ChangeState(models.TextChoices):
    """The state of a change."""

    PENDING = "pending", "Waiting for a decision"
    SCHEDULED = "scheduled", "Scheduled"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    STOPPING = "stopping", "Cancelling"
    FINISHED = "finished", "Finished"
    REJECTED = "rejected", "Rejected"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


CHANGE_TRANSITIONS: Final[dict[ChangeState, frozenset[ChangeState]]] = {
    ChangeState.PENDING: frozenset(
        {
            ChangeState.RUNNING,
            ChangeState.SCHEDULED,
            ChangeState.REJECTED,
            ChangeState.CANCELLED,
            ChangeState.EXPIRED,
        },
    ),
    # Approved; its time has not come.
    ChangeState.SCHEDULED: frozenset({ChangeState.RUNNING, ChangeState.CANCELLED}),
    # Only a running change sends. Paused or cancelled, it still waits for its calls in flight.
    ChangeState.RUNNING: frozenset({ChangeState.PAUSED, ChangeState.STOPPING, ChangeState.FINISHED}),
    ChangeState.PAUSED: frozenset({ChangeState.RUNNING, ChangeState.STOPPING, ChangeState.FINISHED}),
    ChangeState.STOPPING: frozenset({ChangeState.FINISHED}),
    ChangeState.FINISHED: frozenset(),
    ChangeState.REJECTED: frozenset(),
    ChangeState.CANCELLED: frozenset(),
    ChangeState.EXPIRED: frozenset(),
}
# Approved, and not yet ended. This order is used in an index condition, which a migration repeats.
CHANGE_STARTED: Final = (ChangeState.RUNNING, ChangeState.PAUSED, ChangeState.STOPPING)
# Nothing of it was started: its items wait.
CHANGE_AHEAD: Final = (ChangeState.PENDING, ChangeState.SCHEDULED)
CHANGE_OPEN: Final = (*CHANGE_AHEAD, *CHANGE_STARTED)


def decided_as(*, waits: bool) -> ChangeState:
    """Return the state that the last approval moves a change to; one that needs none begins in it."""
    return ChangeState.SCHEDULED if waits else ChangeState.RUNNING


CHANGE_LOOK: Final[dict[ChangeState, Look]] = {
    ChangeState.PENDING: Look(tone="warn", icon="hourglass", explanation="Waiting to be approved or rejected."),
    ChangeState.SCHEDULED: Look(tone="info", icon="calendar-event", explanation="Approved; it starts at its time."),
    ChangeState.RUNNING: Look(tone="busy", icon="loader", explanation="Its items are being sent and confirmed."),
    ChangeState.PAUSED: Look(tone="warn", icon="player-pause", explanation="It sends no more calls until it is resumed."),
    ChangeState.STOPPING: Look(
        tone="warn", icon="circle-x", explanation="Items not sent yet are cancelled; calls in flight are still confirmed."
    ),
    ChangeState.FINISHED: Look(tone="ok", icon="circle-check", explanation="Every item has its outcome."),
    ChangeState.REJECTED: Look(tone="danger", icon="ban", explanation="An approver rejected it before it started."),
    ChangeState.CANCELLED: Look(tone="neutral", icon="circle-x", explanation="It was cancelled before it started."),
    ChangeState.EXPIRED: Look(tone="neutral", icon="clock-off", explanation="It was not approved in time."),
}


class ItemState(models.TextChoices):
    """The state of an item; the final ones, and `unknown`, are its outcome."""

    WAITING = "waiting", "Waiting"
    QUEUED = "queued", "Queued"
    SENDING = "sending", "Sending"
    SENT = "sent", "Confirming"
    UNKNOWN = "unknown", "Unknown"
    APPLIED = "applied", "Applied"
    UNCHANGED = "unchanged", "Unchanged"
    REJECTED = "rejected", "Rejected"
    SKIPPED = "skipped", "Skipped"
    CANCELLED = "cancelled", "Cancelled"


ITEM_TRANSITIONS: Final[dict[ItemState, frozenset[ItemState]]] = {
    # Waiting for approval or for its time. Directly to skipped: when that came, the account had changed.
    ItemState.WAITING: frozenset({ItemState.QUEUED, ItemState.SKIPPED, ItemState.CANCELLED}),
    # Directly to skipped: when its turn came, the account was no longer as it was shown.
    ItemState.QUEUED: frozenset({ItemState.SENDING, ItemState.SKIPPED, ItemState.CANCELLED}),
    # Back to queued only if Tradovate certainly did not handle the call. Directly to applied or rejected only for kinds without
    # a read endpoint at Tradovate, or if nothing was sent.
    ItemState.SENDING: frozenset(
        {ItemState.SENT, ItemState.REJECTED, ItemState.UNKNOWN, ItemState.QUEUED, ItemState.APPLIED},
    ),
    # Back to queued for its next step. Rejected once a read-back shows that a refused call did nothing.
    ItemState.SENT: frozenset(
        {ItemState.APPLIED, ItemState.UNCHANGED, ItemState.REJECTED, ItemState.UNKNOWN, ItemState.QUEUED}
    ),
    # Reconciled with Tradovate's current state; back to queued only for kinds that may be sent again, or by a person. Cancelled
    # only by a person, who found that it was not applied.
    ItemState.UNKNOWN: frozenset(
        {ItemState.APPLIED, ItemState.UNCHANGED, ItemState.REJECTED, ItemState.QUEUED, ItemState.CANCELLED}
    ),
    ItemState.APPLIED: frozenset(),
    ItemState.UNCHANGED: frozenset(),
    ItemState.REJECTED: frozenset(),
    ItemState.SKIPPED: frozenset(),
    ItemState.CANCELLED: frozenset(),
}
# In the order above, not as sets: they are used in index conditions, which migrations repeat.
ITEM_FINAL: Final = tuple(state for state, after in ITEM_TRANSITIONS.items() if not after)
ITEM_OPEN: Final = tuple(state for state, after in ITEM_TRANSITIONS.items() if after)
# Between a claim and the read-back: a second call for the same target would make the read-back ambiguous.
ITEM_UNDER_WAY: Final = (ItemState.SENDING, ItemState.SENT)

# Outcomes of items whose targets are as intended, as a read-back or a person has said.
ITEM_AS_INTENDED: Final = (ItemState.APPLIED, ItemState.UNCHANGED)
# Items that may be requested again. An unknown one is not among them: it may have been applied.
ITEM_FAILED: Final = (ItemState.REJECTED, ItemState.SKIPPED, ItemState.CANCELLED)

ITEM_LOOK: Final[dict[ItemState, Look]] = {
    ItemState.WAITING: Look(tone="warn", icon="hourglass", explanation="Waiting for approval, or for its time."),
    ItemState.QUEUED: Look(tone="info", icon="clock", explanation="Waiting for its call to Tradovate."),
    ItemState.SENDING: Look(tone="busy", icon="send", explanation="A call for it is in progress."),
    ItemState.SENT: Look(tone="busy", icon="loader", explanation="Tradovate answered; the result is being read back."),
    ItemState.UNKNOWN: Look(tone="danger", icon="help-circle", explanation="Whether its call took effect is not known yet."),
    ItemState.APPLIED: Look(tone="ok", icon="circle-check", explanation="It took effect at Tradovate."),
    ItemState.UNCHANGED: Look(tone="neutral", icon="equal", explanation="Its call changed nothing at Tradovate."),
    ItemState.REJECTED: Look(tone="danger", icon="ban", explanation="Its call was refused and had no effect."),
    ItemState.SKIPPED: Look(tone="neutral", icon="player-skip-forward", explanation="It was left out; its note says why."),
    ItemState.CANCELLED: Look(tone="neutral", icon="circle-x", explanation="It was cancelled; its note says why."),
}

# Added to an item's state if it ended after the first of its kind's steps.
HALF_DONE: Final = "Half done"
HALF_DONE_LOOK: Final = Look(
    tone="warn", icon="alert-triangle", explanation="Its first steps took effect at Tradovate; the last did not, or not yet."
)


class Priority(models.IntegerChoices):
    """Which change goes first if several want the same budget: the higher number."""

    BEFORE = 10, "Before others"
    NORMAL = 0, "Normal"
    AFTER = -10, "After others"


class Window(models.TextChoices):
    """When calls of a change may be sent, in addition to its own time."""

    ANY = "", "At any time"
    OUTSIDE_TRADING = "outside_trading", "Outside trading hours and maintenance"


class Relation(models.TextChoices):
    """The relation of a change to the earlier one that it came from."""

    ENDS = "ends", "Ends the lock of"
    UNDOES = "undoes", "Undoes"
    REPEATS = "repeats", "Repeats items of"
    CARRIES_ON = "carries_on", "Carries on with what moved of"
    COPIES = "copies", "Copied from"
    TAKES_OVER = "takes_over", "Takes over"
    EDITS = "edits", "New version of"


class Direction(models.TextChoices):
    """The effect of a kind of change on the risk that an account may take."""

    PROTECTIVE = "protective", "Protective"
    LOOSENING = "loosening", "Loosening"
    DESTRUCTIVE = "destructive", "Destructive"
