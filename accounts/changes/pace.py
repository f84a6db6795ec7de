"""How fast a change runs, when it will be through, and what holds it up."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.changes.outlook import Outlook, outlook_of
from accounts.changes.queries import RATE_OVER, Progress
from accounts.changes.states import ChangeState, ItemState
from riskadmin.tradovate.vocabulary import Lane


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Something that keeps a change from going on: in words, since or until when."""

    words: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The rate in items settled a minute, None before the first; the time of the end, None where nobody can say."""

    a_minute: float | None
    calls_left: int
    finish_at: datetime | None
    holds: tuple[Hold, ...]


def pace(following: Progress) -> Pace:
    """Return how fast a change runs. Asks Redis once while items are queued, PostgreSQL never."""
    calls_left = _calls_left(following)
    asked = outlook_of(calls_left, Lane(following.change.lane)) if calls_left and following.is_open else None
    a_minute = _a_minute(following) if following.is_open else None
    return Pace(
        a_minute=a_minute,
        calls_left=calls_left,
        finish_at=_finish_at(following, asked, a_minute),
        holds=tuple(_holds(following, asked)) if following.is_open else (),
    )


def _calls_left(following: Progress) -> int:
    queued = following.tallies.get(ItemState.QUEUED)
    if queued is None:
        return 0
    kind = following.kind.of(following.change.parameters)
    return -(-(queued.count * len(kind.steps) - queued.steps) // kind.batch_size)


def _a_minute(following: Progress) -> float | None:
    lately = sum(tally.lately for tally in following.tallies.values())
    begun_at = following.change.decided_at or following.change.submitted_at
    minutes = min(RATE_OVER, timezone.now() - begun_at) / timedelta(minutes=1)
    return lately / minutes if lately and minutes > 0 else None


def _finish_at(following: Progress, asked: Outlook | None, a_minute: float | None) -> datetime | None:
    """Return when the last item will be settled: not before the budget allows, nor faster than it went until now."""
    if asked is None or following.change.state != ChangeState.RUNNING:
        return None
    left = following.total - following.settled
    by_rate = timezone.now() + timedelta(minutes=left / a_minute) if a_minute else None
    return max((at for at in (asked.finish_at, by_rate) if at), default=None)


def _holds(following: Progress, asked: Outlook | None) -> list[Hold]:
    change, holds = following.change, []
    if change.state == ChangeState.PAUSED:
        holds.append(Hold(words=f"Paused by {change.paused_by_name}", since=change.paused_at))
    if change.state == ChangeState.STOPPING:
        words = f"Cancelled by {change.stopped_by_name}; what is already sent is still confirmed"
        holds.append(Hold(words=words, since=change.stopped_at))
    if change.state == ChangeState.SCHEDULED and change.held_until and change.held_until > timezone.now():
        holds.append(Hold(words=f"It is due, and what it rests on can't be read: {change.held_why}", until=change.held_until))
    if change.state == ChangeState.RUNNING and asked is not None:
        holds += _budget_holds(asked)
        due_at = following.tallies[ItemState.QUEUED].due_at
        if not holds and change.held_until and change.held_until > timezone.now():
            holds.append(Hold(words=f"Waits: {change.held_why}", until=change.held_until))
        elif not holds and due_at and due_at > timezone.now():
            holds.append(Hold(words="The next items wait before they are tried again", until=due_at))
    return holds


def _budget_holds(asked: Outlook) -> list[Hold]:
    if asked.left is None:
        return [Hold(words="The budget of calls can't be read, so nothing is sent")]
    if asked.halted_until:
        return [Hold(words="Tradovate has stopped all calls", until=asked.halted_until)]
    if asked.left == 0:
        return [Hold(words="The calls of this hour are used up; each comes back an hour after it was made")]
    return []
