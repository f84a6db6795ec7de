"""The states of a change and of its items, and the one map of allowed transitions."""

from typing import Final

from django.db import models


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


CHANGE_LOOK: Final[dict[ChangeState, tuple[str, str]]] = {
    ChangeState.PENDING: ("warn", "hourglass"),
    ChangeState.SCHEDULED: ("info", "calendar-event"),
    ChangeState.RUNNING: ("busy", "loader"),
    ChangeState.PAUSED: ("warn", "player-pause"),
    ChangeState.STOPPING: ("warn", "circle-x"),
    ChangeState.FINISHED: ("ok", "circle-check"),
    ChangeState.REJECTED: ("danger", "ban"),
    ChangeState.CANCELLED: ("neutral", "circle-x"),
    ChangeState.EXPIRED: ("neutral", "clock-off"),
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

# Items that may be requested again. An unknown one is not among them: it may have been applied.
ITEM_FAILED: Final = (ItemState.REJECTED, ItemState.SKIPPED, ItemState.CANCELLED)

ITEM_LOOK: Final[dict[ItemState, tuple[str, str]]] = {
    ItemState.WAITING: ("warn", "hourglass"),
    ItemState.QUEUED: ("info", "clock"),
    ItemState.SENDING: ("busy", "send"),
    ItemState.SENT: ("busy", "loader"),
    ItemState.UNKNOWN: ("danger", "help-circle"),
    ItemState.APPLIED: ("ok", "circle-check"),
    ItemState.UNCHANGED: ("neutral", "equal"),
    ItemState.REJECTED: ("danger", "ban"),
    ItemState.SKIPPED: ("neutral", "player-skip-forward"),
    ItemState.CANCELLED: ("neutral", "circle-x"),
}


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


class Verdict(models.TextChoices):
    """What one person chose: to approve or reject a change."""

    APPROVE = "approve", "Approved"
    REJECT = "reject", "Rejected"


class Direction(models.TextChoices):
    """The effect of a kind of change on the risk that an account may take."""

    PROTECTIVE = "protective", "Protective"
    LOOSENING = "loosening", "Loosening"
    DESTRUCTIVE = "destructive", "Destructive"
