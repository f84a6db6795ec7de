"""The metrics that are read when Prometheus asks: few queries, each bounded by an index or a limit, and a time limit on all.

A part that can't be read is left out, and `part_up` says so: a false zero would look healthy.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from accounts.approvals.states import RequestState
from accounts.changes.scheduling.hours import HoursUnknown, hours
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import WorkerBeat
from accounts.gateway import connection as tradovate
from accounts.models import SyncRun
from riskadmin.audit.models import Event
from riskadmin.audit.proof.queries import last_verification, unanchored_s, unsealed_s
from riskadmin.audit.tags import Tag
from riskadmin.audit.unwritten import unwritten
from riskadmin.notifications.models import DUE, MessageState
from riskadmin.operations.metrics.catalogue import (
    BY_NAME,
    CALLS_WINDOW_MINUTES,
    EXPIRING_WITHIN_MINUTES,
    SIGN_IN_WINDOW_MINUTES,
)
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.vocabulary import Lane

Sample = tuple[str, float, Mapping[str, str]]
"""A metric's name, its value, and its labels."""

TIMEOUT_MS: Final = 2000
CALLS_LOOKED_AT: Final = 20_000
SIGN_INS_COUNTED: Final = 1000

# Not clock_timestamp(), which may change within a statement: PostgreSQL looks nothing up in an index by it.
QUEUES: Final = """
    SELECT change.lane, count(*), extract(epoch FROM statement_timestamp() - min(greatest(
        change.submitted_at, request.decided_at, change.runs_at,
        CASE WHEN change."window" <> '' THEN %(opened)s::timestamptz END
    )))
    FROM changes_change AS change JOIN approvals_approvalrequest AS request ON request.id = change.approval_id
    WHERE change.state = %(running)s
          -- One that waits for its next window waits on purpose.
          AND (change."window" = '' OR change.held_until IS NULL OR change.held_until <= statement_timestamp())
          -- One item says it; joined to the items, PostgreSQL may search all that is queued.
          AND (SELECT item.id FROM changes_item AS item
               WHERE item.change_id = change.id AND item.state = %(queued)s LIMIT 1) IS NOT NULL
    GROUP BY change.lane
"""

CALLS: Final = """
    -- The newest by their number, since calls have no index by time: no more than these can have begun in the time.
    SELECT environment, lane, state, count(*) FROM (
        SELECT environment, lane, state, started_at FROM execution_call ORDER BY id DESC LIMIT %(looked_at)s
    ) AS newest
    WHERE started_at > statement_timestamp() - make_interval(mins => %(minutes)s)
    GROUP BY environment, lane, state
"""

OUTBOX: Final = """
    SELECT state, count(*) FROM notifications_message WHERE state = ANY(%(states)s) GROUP BY state
"""

OUTBOX_DELAY: Final = """
    SELECT extract(epoch FROM statement_timestamp() - min(next_try_at)) FROM notifications_message WHERE state = ANY(%(due)s)
"""

APPROVALS: Final = """
    SELECT count(*), extract(epoch FROM statement_timestamp() - min(requested_at)),
           count(*) FILTER (WHERE expires_at < statement_timestamp() + make_interval(mins => %(minutes)s))
    FROM approvals_approvalrequest WHERE state = %(waiting)s
"""

REVIEWS: Final = """
    SELECT count(*) FROM approvals_approvalrequest
    WHERE review_due_at < statement_timestamp() AND review_due_at IS NOT NULL AND reviewed_at IS NULL
"""

SIGN_INS: Final = """
    SELECT count(*), count(*) FILTER (WHERE throttled) FROM (
        SELECT detail ? 'locked_until' AS throttled FROM {events}
        WHERE tag = %(tag)s AND occurred_at > statement_timestamp() - make_interval(mins => %(minutes)s)
        ORDER BY occurred_at DESC, id DESC LIMIT %(most)s
    ) AS refused
"""

TRAIL: Final = """
    SELECT has_any_column_privilege(%(events)s, 'INSERT') AND NOT pg_is_in_recovery()
           AND NOT current_setting('transaction_read_only')::boolean
"""


def _queues() -> Iterator[Sample]:
    try:
        opened = hours().window(timezone.now()).begins_at
    except HoursUnknown:
        opened = None  # then no change with a window begins either
    states = {"running": ChangeState.RUNNING.value, "queued": ItemState.QUEUED.value}
    found = {lane: (count, age) for lane, count, age in _rows(QUEUES, opened=opened, **states)}
    for lane in Lane:
        count, age = found.get(lane.value, (0, 0))
        yield "queue_changes", count, {"lane": lane.value}
        yield "queue_age_seconds", max(0.0, float(age)), {"lane": lane.value}


def _unknown() -> Iterator[Sample]:
    (count,) = _row("SELECT count(*) FROM changes_item WHERE state = %(unknown)s", unknown=ItemState.UNKNOWN.value)
    yield "unknown_items", count, {}


def _calls() -> Iterator[Sample]:
    looked_at = min(settings.BUDGET_CALLS_PER_HOUR, CALLS_LOOKED_AT)
    for environment, lane, outcome, count in _rows(CALLS, looked_at=looked_at, minutes=CALLS_WINDOW_MINUTES):
        yield "calls_last_10m", count, {"environment": environment, "lane": lane, "outcome": outcome}


def _budget() -> Iterator[Sample]:
    state = tradovate.budget().state()
    yield "budget_limit_calls", state.limit, {}
    yield "budget_used_calls", state.used, {}
    for lane in Lane:
        yield "budget_left_calls", state.left(lane), {"lane": lane.value}
    yield "budget_stopped", state.halted_until is not None, {}
    yield "budget_stopped_endpoints", len(state.halted_endpoints), {}


def _environments() -> Iterator[Sample]:
    for environment in tradovate.connected_environments():
        is_down = tradovate.breaker(environment).outage() is not None
        yield "environment_responds", not is_down, {"environment": environment.value}


def _sync() -> Iterator[Sample]:
    now = timezone.now()
    for environment in tradovate.connected_environments():
        ended = SyncRun.objects.filter(environment=environment.value, ended_at__isnull=False).order_by("-started_at")
        last, complete = ended.first(), ended.filter(failure="").first()
        if last:
            yield "sync_failing", bool(last.failure), {"environment": environment.value}
        if complete:
            age = (now - complete.started_at).total_seconds()
            yield "sync_lag_seconds", max(0.0, age), {"environment": environment.value}


def _workers() -> Iterator[Sample]:
    now = timezone.now()
    for lane, seen_at in WorkerBeat.objects.values_list("lane", "seen_at"):
        yield "worker_heartbeat_age_seconds", max(0.0, (now - seen_at).total_seconds()), {"lane": lane}


def _broker() -> Iterator[Sample]:
    with _redis() as client:
        for lane in Lane:
            yield "broker_messages", int(client.llen(lane.value)), {"queue": lane.value}


def _outbox() -> Iterator[Sample]:
    states = (*DUE, MessageState.GIVEN_UP)
    found = dict(_rows(OUTBOX, states=[state.value for state in states]))
    for state in states:
        yield "outbox_messages", found.get(state.value, 0), {"state": state.value}
    (late,) = _row(OUTBOX_DELAY, due=[state.value for state in DUE])
    yield "outbox_delay_seconds", max(0.0, float(late or 0)), {}


def _approvals() -> Iterator[Sample]:
    waiting, oldest, expiring = _row(APPROVALS, waiting=RequestState.WAITING.value, minutes=EXPIRING_WITHIN_MINUTES)
    yield "approvals_waiting", waiting, {}
    yield "approval_oldest_wait_seconds", max(0.0, float(oldest or 0)), {}
    yield "approvals_expiring", expiring, {}
    (overdue,) = _row(REVIEWS)
    yield "reviews_overdue", overdue, {}


def _sign_ins() -> Iterator[Sample]:
    query = SIGN_INS.format(events=Event._meta.db_table)
    asked = {"tag": Tag.STAFF_SIGN_IN_REFUSED.value, "minutes": SIGN_IN_WINDOW_MINUTES, "most": SIGN_INS_COUNTED}
    refused, throttled = _row(query, **asked)
    yield "sign_ins_refused_last_15m", refused - throttled, {"throttled": "no"}
    yield "sign_ins_refused_last_15m", throttled, {"throttled": "yes"}


def _trail() -> Iterator[Sample]:
    (writable,) = _row(TRAIL, events=Event._meta.db_table)
    yield "trail_writable", writable, {}


def _proof() -> Iterator[Sample]:
    yield "trail_unsealed_seconds", unsealed_s(), {}
    yield "trail_unanchored_seconds", unanchored_s(), {}
    verified = last_verification()
    yield "trail_altered", verified is not None and verified.tag == Tag.TRAIL_ALTERED, {}


def _unwritten() -> Iterator[Sample]:
    yield "trail_write_failures_total", unwritten(), {}


def _backup() -> Iterator[Sample]:
    taken = Event.objects.filter(tag=Tag.BACKUP_TAKEN).order_by("-occurred_at", "-id").first()
    if taken:
        taken_at = datetime.fromisoformat(taken.detail["taken_at"])
        yield "backup_age_seconds", max(0.0, (timezone.now() - taken_at).total_seconds()), {}


def _clock() -> Iterator[Sample]:
    before = time.time()
    (there,) = _row("SELECT extract(epoch FROM clock_timestamp())")
    yield "clock_skew_seconds", float(there) - (before + time.time()) / 2, {}


OF_POSTGRESQL: Final[Mapping[str, Callable[[], Iterator[Sample]]]] = {
    "queues": _queues,
    "unknown": _unknown,
    "calls": _calls,
    "budget": _budget,
    "sync": _sync,
    "workers": _workers,
    "outbox": _outbox,
    "approvals": _approvals,
    "sign_ins": _sign_ins,
    "trail": _trail,
    "proof": _proof,
    "backup": _backup,
    "clock": _clock,
}

OF_REDIS: Final[Mapping[str, Callable[[], Iterator[Sample]]]] = {
    "environments": _environments,
    "broker": _broker,
    "unwritten": _unwritten,
}

UNREADABLE: Final = (DatabaseError, InterfaceError, redis.RedisError, StoreUnavailable)


class StateCollector(Collector):
    """Reads every part each time it is asked."""

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Return the metrics of every part that can be read."""
        samples: dict[str, list[tuple[float, Mapping[str, str]]]] = defaultdict(list)
        for part, found in _read_all():
            samples["part_up"].append((float(found is not None), {"part": part}))
            for name, value, labels in found or ():
                samples[name].append((float(value), labels))
        for name, values in samples.items():
            metric = BY_NAME[name]
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            made = family(metric.full_name, metric.help, labels=metric.labels)
            for value, labels in values:
                made.add_metric([labels[label] for label in metric.labels], value)
            yield made


def _read_all() -> Iterator[tuple[str, list[Sample] | None]]:
    """Return the samples of each part, or None if it can't be read now."""
    # Each try of a server that is gone takes as long as its time limit: the first one tells for all.
    can_read = _read(lambda: _within_limit(lambda: iter(()))) is not None
    for part, read in OF_POSTGRESQL.items():
        yield part, _read(partial(_within_limit, read)) if can_read else None
    can_read = True
    for part, read in OF_REDIS.items():
        found = _read(read) if can_read else None
        can_read = found is not None
        yield part, found


def _read(read: Callable[[], Iterable[Sample]]) -> list[Sample] | None:
    try:
        return list(read())
    except UNREADABLE:
        return None


def _within_limit(read: Callable[[], Iterator[Sample]]) -> list[Sample]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        return list(read())


def _rows(query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _row(query: str, **parameters: Any) -> tuple[Any, ...]:
    return _rows(query, **parameters)[0]


def _redis() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
