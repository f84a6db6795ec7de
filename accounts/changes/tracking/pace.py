"""How fast a change runs, when it will finish, and what holds it up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from accounts.changes.estimate import Outlook, outlook_of
from accounts.changes.kinds.kind import Kind
from accounts.changes.kinds.stored import NOT_SUPPORTED
from accounts.changes.models import Change
from accounts.changes.queries import RATE_OVER, Progress
from accounts.changes.states import CHANGE_AHEAD, ChangeState, ItemState
from accounts.changes.stops import Ahead, Stop, last_end
from riskadmin.tradovate.vocabulary import Environment, Lane
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import moment

SAME_END: Final = timedelta(seconds=5)
"""A change is held for as long as the stop that its call met was to last, starting a moment later: that is one hold, not two.
"""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Something that keeps a change from continuing: in words, since or until when."""

    words: str
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The rate in items settled a minute, None before the first; the time of the end, None if not known."""

    a_minute: float | None
    calls_left: int
    finish_at: datetime | None
    holds: tuple[Hold, ...]


def pace(following: Progress) -> Pace:
    """Return how fast a change runs. Asks PostgreSQL and Redis once each while anything is still to be sent or read."""
    kind = following.kind
    if not isinstance(kind, Kind):
        holds = (Hold(words=NOT_SUPPORTED.rstrip(".")),) if following.is_open else ()
        return Pace(a_minute=None, calls_left=0, finish_at=None, holds=holds)
    calls_left = _calls_left(following, kind)
    asked = outlook_of(calls_left, _ahead(following, kind)) if following.is_open and (calls_left or following.moves) else None
    a_minute = _a_minute(following) if following.is_open else None
    return Pace(
        a_minute=a_minute,
        calls_left=calls_left,
        finish_at=_finish_at(following, asked, a_minute),
        holds=tuple(_holds(following, asked)) if following.is_open else (),
    )


def _calls_left(following: Progress, kind: Kind) -> int:
    queued = following.tallies.get(ItemState.QUEUED)
    if queued is None:
        return 0
    return -(-(queued.count * len(kind.steps) - queued.steps) // kind.batch_size)


def _ahead(following: Progress, kind: Kind) -> Ahead:
    """Return what the change still needs of Tradovate.

    If everything queued is at the same step, the finished steps need nothing more.
    """
    change, queued = following.change, following.tallies.get(ItemState.QUEUED)
    step = len(kind.steps)  # nothing more to send, only to be read back
    if queued:
        step, rest = divmod(queued.steps, queued.count)
        step = 0 if rest else step
    elif following.counts.get(ItemState.WAITING):
        step = 0
    return Ahead(
        kind=kind,
        environment=Environment(change.environment),
        lane=Lane(change.lane),
        targets=following.total - following.settled,
        step=step,
    )


def _a_minute(following: Progress) -> float | None:
    lately = sum(tally.lately for tally in following.tallies.values())
    begun_at = following.change.approval.decided_at or following.change.submitted_at
    minutes = min(RATE_OVER, timezone.now() - begun_at) / timedelta(minutes=1)
    return lately / minutes if lately and minutes > 0 else None


def _finish_at(following: Progress, asked: Outlook | None, a_minute: float | None) -> datetime | None:
    """Return when the last item will be settled: not before budget and stops allow, nor faster than so far."""
    if asked is None or following.change.state != ChangeState.RUNNING or not last_end(asked.stops)[0]:
        return None
    left = following.total - following.settled
    by_rate = timezone.now() + timedelta(minutes=left / a_minute) if a_minute else None
    ends = [asked.finish_at, by_rate]
    if any(ends) or asked.stops:
        ends.append(_held_until(following.change))
    return max((at for at in ends if at), default=None)


def _held_until(change: Change) -> datetime | None:
    """Return until when the change makes no call, if that is in the future."""
    return change.held_until if change.held_until and change.held_until > timezone.now() else None


def _holds(following: Progress, asked: Outlook | None) -> list[Hold]:
    change, holds = following.change, []
    if change.state == ChangeState.PAUSED:
        holds.append(Hold(words=f"Paused by {change.paused_by_name}", since=change.paused_at))
    if change.state == ChangeState.STOPPING:
        words = f"Cancelled by {change.stopped_by_name}; what is already sent is still confirmed"
        holds.append(Hold(words=words, since=change.stopped_at))
    held_until = _held_until(change)
    stops = asked.stops if asked else ()
    if change.state == ChangeState.SCHEDULED and held_until:
        holds.append(_unread_hold(change, held_until, stops))
    if change.state in CHANGE_AHEAD:
        begins_at = max(change.runs_at or timezone.now(), timezone.now())
        holds += [_hold(stop, "It can't begin") for stop in stops if stop.until is None or stop.until > begins_at]
    if change.state == ChangeState.RUNNING and asked is not None:
        holds += [_hold(stop, "Waits") for stop in stops]
        is_known, end = last_end(stops)
        queued = following.tallies.get(ItemState.QUEUED)
        if held_until and is_known and (end is None or held_until > end + SAME_END):
            holds.append(Hold(words=f"Waits: {change.held_why}", until=held_until))
        elif not holds and queued and queued.due_at and queued.due_at > timezone.now():
            holds.append(Hold(words="The next items wait before they are tried again", until=queued.due_at))
    return holds


def _unread_hold(change: Change, held_until: datetime, stops: Iterable[Stop]) -> Hold:
    """Say that what a change depends on can't be read: until when, or, if access is denied, when it is tried again."""
    words = f"It is due, and what it rests on can't be read: {change.held_why}"
    if any(stop.again_at for stop in stops):
        return Hold(words=f"{words.rstrip('.')}. It is tried again at {moment(held_until, display_zone())}")
    return Hold(words=words, until=held_until)


def _hold(stop: Stop, waits: str) -> Hold:
    """Say that a change is held up by a stop: its calls, or only reading their outcomes."""
    if stop.is_warning:
        waits = "What came of it can't be read"
    why = stop.because.rstrip(".")
    return Hold(words=f"{waits}: {why}" if stop.until else f"{waits} {stop.until_words}: {why}", until=stop.until)
