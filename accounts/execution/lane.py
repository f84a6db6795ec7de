"""Working off a lane: claim a few calls, make them in parallel, write their ends together, and repeat until nothing is due.

One thread of the process runs a lane. As many calls as the setting says are in flight at Tradovate, and a few more are claimed
and ready, so that no slot is empty while the next claim is written. Changes take turns, so that two bulk changes progress at
the same pace; an urgent change never waits for them, because its lane has its own worker.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from accounts.changes.kinds import KindRetired, for_stored
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change
from accounts.changes.scheduling.hours import HoursUnknown
from accounts.changes.states import ChangeState
from accounts.execution.call_results import put_back_unsent, write_down
from accounts.execution.claim import Claim
from accounts.execution.queue import with_work
from accounts.execution.read_back_outcome import COMPARISON_ERRORS
from accounts.execution.send import Answered, make, next_claims, read_targets, release, targets_to_read
from accounts.execution.settle import hold
from accounts.execution.timing import (
    GATHER_S,
    JUST_READ,
    LOOK_S,
    READ_EVERY,
    READ_EVERY_WHEN_SCARCE,
    SCARCE_BELOW,
    SLOW_S,
    STAY_FOR,
    SWIFT_S,
    UNREAD_AGAIN,
    WRITE_AGAIN_AFTER_S,
    WRITE_DOWN_WITHIN_S,
)
from accounts.execution.verify import next_read_at, read_back_due
from accounts.gateway.connection import budget
from riskadmin.audit.origin import Origin
from riskadmin.logs.context import log_fields
from riskadmin.tradovate.errors import NotHandled, OutcomeUnknown
from riskadmin.tradovate.vocabulary import Lane

logger = logging.getLogger(__name__)

UNWRITABLE: Final = (DatabaseError, InterfaceError, ArithmeticError, LookupError, TypeError, ValueError)
"""What a response of Tradovate may cause that can't be written as it is."""


FIRST_READS_AT_ONCE: Final = 4
"""This many changes of a lane have their targets read at the same time, before their calls are claimed."""

_FirstRead: TypeAlias = tuple[datetime | None, datetime]
"""Since when targets count as read right before their calls, None where they could not be read, and when that ended."""


@dataclass
class _WorkerLock:
    """The thread that runs a lane in this process. The wake-up is set when a call has ended or there may be new work.

    `served` counts the calls made for each change that has work; a new change starts at the count of the least served.
    """

    taken: threading.Lock = field(default_factory=threading.Lock)
    wake_up: threading.Event = field(default_factory=threading.Event)
    served: dict[int, int] = field(default_factory=dict)

    def in_turn(self, changes: Iterable[Change]) -> list[Change]:
        """Return changes with the next one first: of those with the highest priority, the one with the fewest calls made."""
        by_id = {change.pk: change for change in changes}
        for gone in self.served.keys() - by_id.keys():
            del self.served[gone]
        least = min(self.served.values(), default=0)
        for change_id in by_id:
            self.served.setdefault(change_id, least)
        return sorted(by_id.values(), key=lambda change: (-change.priority, self.served[change.pk], change.pk))


_worker_locks: Final = {lane: _WorkerLock() for lane in Lane}
_stopping: Final = threading.Event()


def stop_soon() -> None:
    """Have every lane of this process stop claiming, return what it has not started, and finish what it has."""
    _stopping.set()
    for worker_lock in _worker_locks.values():
        worker_lock.wake_up.set()


def work(lane: Lane, *, origin: Origin) -> None:
    """Carry out everything that is due in a lane; return when nothing is, or when the process is about to stop.

    If another thread of this process already does so, it is asked to look again, and this returns at once.
    """
    worker_lock = _worker_locks[lane]
    worker_lock.wake_up.set()
    while worker_lock.wake_up.is_set() and worker_lock.taken.acquire(blocking=False):
        try:
            with log_fields(lane=lane.value):
                _Leader(lane, origin, worker_lock).run()
        finally:
            worker_lock.taken.release()


def lane_of(change_id: int) -> Lane:
    """Return the lane of a change; raises Change.DoesNotExist."""
    return Lane(Change.objects.values_list("lane", flat=True).get(pk=change_id))


def has_work(lane: Lane) -> bool:
    """Say whether anything in a lane could be sent or read back now."""
    at = timezone.now()
    read_at = next_read_at(lane)
    return (read_at is not None and read_at <= at) or bool(with_work(lane, at))


def _next_resume_at(lane: Lane) -> datetime | None:
    """Return when the first of a lane's held changes resumes."""
    held = Change.objects.filter(state=ChangeState.RUNNING, lane=lane.value, held_until__gt=timezone.now())
    return held.order_by("held_until").values_list("held_until", flat=True).first()


def _may_be_claimed_early(change: Change) -> bool:
    """Say whether calls of a change may be claimed before they can be sent.

    If the worker is killed then, it is not known that they were never sent. Calls that may not be sent twice are left to
    people, and should be no more than were in flight at Tradovate.
    """
    kind = for_stored(change)
    return isinstance(kind, Kind) and all(map(kind.is_resend_safe, range(len(kind.steps))))


class _Leader:
    """One run of work on a lane."""

    def __init__(self, lane: Lane, origin: Origin, worker_lock: _WorkerLock) -> None:
        self.lane = lane
        self.origin = origin
        self.worker_lock = worker_lock
        self.at_once: int = settings.CALLS_AT_ONCE
        self.latency_s = 0.0
        self.in_flight: dict[Future[Answered], Claim] = {}
        self.unwritten: list[Answered] = []
        self.write_again_at = 0.0
        self.reading: Future[int] | None = None
        self.first_reads: dict[int, Future[_FirstRead]] = {}
        self.read_at: datetime | None = None
        self.read_every = READ_EVERY[lane]
        self.next_budget_check_at = 0.0
        self.resumes_at: datetime | None = None

    def run(self) -> None:
        """Work until nothing is due."""
        with (
            # A few more threads than calls at once: some prepare a call, or read its response, while others wait for Tradovate.
            ThreadPoolExecutor(self.at_once + self.at_once // 4, thread_name_prefix=f"{self.lane}-call") as callers,
            ThreadPoolExecutor(1, thread_name_prefix=f"{self.lane}-read") as reader,
            ThreadPoolExecutor(FIRST_READS_AT_ONCE, thread_name_prefix=f"{self.lane}-first") as first_reader,
        ):
            while True:
                self.worker_lock.wake_up.clear()
                if _stopping.is_set():
                    self._return_unbegun()
                self._write_down_ended()
                self._claim(callers, first_reader)
                self._read_back(reader)
                connection.close()
                if self._is_done() and not self.worker_lock.wake_up.is_set():
                    return
                self.worker_lock.wake_up.wait(LOOK_S)
                if self.lane == Lane.BULK and not all(future.done() for future in self.in_flight):
                    time.sleep(GATHER_S)  # what ends within the next moment is written in the same transaction

    def _is_done(self) -> bool:
        if self.in_flight or self.unwritten or self.reading:
            return False
        if _stopping.is_set():
            return True
        if self.first_reads:
            return False
        soon = timezone.now() + STAY_FOR
        return not (self.read_at and self.read_at <= soon) and not (self.resumes_at and self.resumes_at <= soon)

    # --- Sending ----------------------------------------------------------------------------------------------------------

    def _claim(self, callers: ThreadPoolExecutor, first_reader: ThreadPoolExecutor) -> None:
        """Claim the next calls of the change whose turn it is, and have them made. A change whose targets are read waits."""
        ready = self._ready_beside()
        room = self.at_once + ready - len(self.in_flight)
        # While half of the ready calls are left, a claim can wait and then cover more calls.
        if _stopping.is_set() or (self.in_flight and room < max(1, ready // 2)):
            return
        try:
            claims: list[Claim] = []
            with_something = with_work(self.lane, timezone.now())
            self._forget_first_reads(with_something)
            for change in self.worker_lock.in_turn(with_something):
                calls = room if _may_be_claimed_early(change) else room - ready
                if calls < 1:
                    # it has its turn when enough have come back; the next change would otherwise take their slots indefinitely
                    break
                claims = self._claims_of(change, calls, first_reader)
                if claims:
                    self.worker_lock.served[change.pk] += len(claims)
                    break
            self.resumes_at = None if self.in_flight or claims else _next_resume_at(self.lane)
        except (DatabaseError, InterfaceError, HoursUnknown):
            # Work in progress is completed; the sweeper starts again.
            logger.exception("nothing could be claimed in the %s lane", self.lane)
            return
        for claim in claims:
            future = callers.submit(make, claim)
            self.in_flight[future] = claim
            future.add_done_callback(self._wake)

    def _claims_of(self, change: Change, calls: int, first_reader: ThreadPoolExecutor) -> list[Claim]:
        """Claim calls of one change; if something in it can't be handled, it waits and the others continue."""
        try:
            with log_fields(change=change.pk, environment=change.environment):
                read_since = self._read_since(change, calls, first_reader)
                if read_since is None:
                    return []
                return next_claims(change, calls=calls, origin=self.origin, read_since=read_since)
        except KindRetired as error:
            # Held and not settled: a newer version of riskadmin, which is being started, may have the kind.
            hold(change.pk, UNREAD_AGAIN.total_seconds(), str(error))
            return []
        except COMPARISON_ERRORS as error:
            self._let_wait(change, error)
            return []

    @staticmethod
    def _let_wait(change: Change, error: BaseException) -> None:
        with log_fields(change=change.pk, environment=change.environment):
            logger.error("change %s has to wait", change.pk, exc_info=error)
        why = f"Something in this change can't be handled here ({type(error).__name__}); it is tried again"
        hold(change.pk, UNREAD_AGAIN.total_seconds(), why)

    def _read_since(self, change: Change, calls: int, first_reader: ThreadPoolExecutor) -> datetime | None:
        """Return since when the targets of a change's next calls were read; None while they are being read in parallel."""
        read = self.first_reads.get(change.pk)
        if read is not None:
            if not read.done():
                return None
            del self.first_reads[change.pk]
            failure = read.exception()
            if failure:
                self._let_wait(change, failure)
                return None
            read_since, ended_at = read.result()
            if read_since is None or timezone.now() < ended_at + JUST_READ:
                return read_since
        ids = targets_to_read(change, calls=calls)
        if not ids:
            return timezone.now() - JUST_READ
        self.first_reads[change.pk] = first_reader.submit(_read_first, change, ids, self.origin)
        self.first_reads[change.pk].add_done_callback(self._wake)
        return None

    def _forget_first_reads(self, with_something: Iterable[Change]) -> None:
        """Drop what was read for changes that have nothing to send any more, such as those that are held now."""
        going_on = {change.pk for change in with_something}
        for change_id, read in list(self.first_reads.items()):
            if read.done() and change_id not in going_on:
                del self.first_reads[change_id]

    def _ready_beside(self) -> int:
        """Return how many calls may be ready beside those in flight: no more than can be sent before their permits lapse."""
        if self.latency_s < SWIFT_S:
            return 2 * self.at_once
        return self.at_once // 2 if self.latency_s < SLOW_S else 0

    def _wake(self, _: Future[Any]) -> None:
        self.worker_lock.wake_up.set()

    def _return_unbegun(self) -> None:
        """Return to the queue what was claimed and has not been started: the process is about to stop."""
        for future, claim in list(self.in_flight.items()):
            if future.cancel():
                del self.in_flight[future]
                release(claim)
                try:
                    put_back_unsent(claim, origin=self.origin)
                except (DatabaseError, InterfaceError):
                    logger.exception("call %s was not begun, and could not be returned", claim.call.pk)

    # --- Writing down -----------------------------------------------------------------------------------------------------

    def _write_down_ended(self) -> None:
        """Write how calls ended. What can't be written now because PostgreSQL is unavailable is kept and tried again.

        What can't be written for a long time is left to the sweeper, which finds the items by their lease and what Tradovate
        did by a read-back.
        """
        for future in [future for future in self.in_flight if future.done()]:
            claim = self.in_flight.pop(future)
            answer = self._ended(future, claim)
            self.unwritten.append(answer)
            http_record = answer.http_record or (answer.error.http_record if answer.error else None)
            if http_record:
                self.latency_s += (http_record.elapsed_ms / 1000 - self.latency_s) / self.at_once
        if not self.unwritten or time.monotonic() < self.write_again_at:
            return
        try:
            self._write_down(self.unwritten)
            self.unwritten = []
        except OperationalError:
            logger.exception("the ends of %s calls could not be written down yet", len(self.unwritten))
            connection.close()
        except UNWRITABLE:
            # One of them can't be written: it must not hold up the others.
            logger.exception("the ends of %s calls could not be written down together", len(self.unwritten))
            self.unwritten = [answer for answer in self.unwritten if not self._written_alone(answer)]
        if self.unwritten:
            self.write_again_at = time.monotonic() + WRITE_AGAIN_AFTER_S
            give_up_before = time.monotonic() - WRITE_DOWN_WITHIN_S
            self.unwritten = [each for each in self.unwritten if each.claim.permit.made_at > give_up_before]

    @staticmethod
    def _ended(future: Future[Answered], claim: Claim) -> Answered:
        """Return how a call ended; if our own code failed on the way, that it is unknown."""
        failure = future.exception()
        if failure is None:
            return future.result()
        logger.error("call %s broke off", claim.call.pk, exc_info=failure)
        why = f"The call broke off here ({type(failure).__name__}), and whether it was carried out is read back"
        return Answered(claim=claim, error=OutcomeUnknown(why))

    def _written_alone(self, answer: Answered) -> bool:
        """Write one end by itself: completely, or at least that it happened, with what any column can hold."""
        for end in (answer, _in_plain_letters(answer)):
            try:
                self._write_down([end])
            except OperationalError:
                connection.close()
                return False
            except UNWRITABLE:
                logger.exception("the end of call %s could not be written down", answer.claim.call.pk)
            else:
                return True
        return False

    def _write_down(self, answers: Sequence[Answered]) -> None:
        read_back_at = _next_reading(self._read_every())
        write_down(answers, read_back_at=read_back_at, origin=self.origin)
        self.read_at = min(self.read_at or read_back_at, read_back_at)

    def _read_every(self) -> timedelta:
        """Return how often to read back, which depends on how much of the hour's budget is left; checked once a second."""
        if time.monotonic() >= self.next_budget_check_at:
            self.next_budget_check_at = time.monotonic() + 1.0
            try:
                state = budget().state()
            except NotHandled:
                return self.read_every
            is_scarce = state.left(self.lane) < state.limit * SCARCE_BELOW
            self.read_every = READ_EVERY_WHEN_SCARCE[self.lane] if is_scarce else READ_EVERY[self.lane]
        return self.read_every

    # --- Reading back -----------------------------------------------------------------------------------------------------

    def _read_back(self, reader: ThreadPoolExecutor) -> None:
        """Read back what is due, in parallel with the calls; once nothing is left to send, also what waits for other items."""
        if self.reading:
            if not self.reading.done():
                return
            failure, self.reading = self.reading.exception(), None
            if failure:
                logger.error("a reading of the %s lane broke off", self.lane, exc_info=failure)
        is_idle = not self.in_flight and not self.unwritten
        early = is_idle and self.read_every == READ_EVERY[self.lane]
        if is_idle or self.read_at is None:
            self.read_at = self._asked_next_read_at(early=early)
        if self.read_at and self.read_at <= timezone.now() and not _stopping.is_set():
            self.read_at = None
            self.reading = reader.submit(_read_back, self.lane, self.origin, early=early)
            self.reading.add_done_callback(self._wake)

    def _asked_next_read_at(self, *, early: bool) -> datetime | None:
        try:
            return next_read_at(self.lane, early=early)
        except (DatabaseError, InterfaceError):
            logger.exception("nothing can be read back in the %s lane", self.lane)
            return None


def _in_plain_letters(answer: Answered) -> Answered:
    """Return an end with only what is certain: Tradovate's response in ASCII, and that a read-back has to decide."""
    http_record = answer.http_record or (answer.error.http_record if answer.error else None)
    kept = replace(http_record, response_text=ascii(http_record.response_text)) if http_record else None
    why = "Tradovate answered something that can't be written down; what it did is read back"
    return Answered(claim=answer.claim, error=OutcomeUnknown(why, http_record=kept))


def _read_first(change: Change, ids: Sequence[int], origin: Origin) -> _FirstRead:
    try:
        with log_fields(change=change.pk, environment=change.environment, lane=change.lane):
            return read_targets(change, ids, origin=origin), timezone.now()
    finally:
        connection.close()


def _read_back(lane: Lane, origin: Origin, *, early: bool) -> int:
    try:
        return read_back_due(lane, origin=origin, early=early)
    except (DatabaseError, InterfaceError):
        logger.exception("what was read back in the %s lane could not be written down", lane)
        return 0
    finally:
        connection.close()


def _next_reading(every: timedelta) -> datetime:
    """Return the next time at which read-backs are made: the same one for all calls that end before it."""
    now = timezone.now()
    seconds = every.total_seconds()
    return datetime.fromtimestamp((now.timestamp() // seconds + 1) * seconds, tz=now.tzinfo) if seconds else now
