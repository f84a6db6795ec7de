"""The API budget in PostgreSQL; contract: `riskadmin.tradovate.ledger.Ledger`.

Attempts, stops and lowered limits are rows, and PostgreSQL's clock is the one that all processes share. A function in the
database admits calls (migration 0009), so that its lock is never held while a client computes, is frozen or dies.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.gateway.storage import stored, stored_at_once
from accounts.models.api import ApiAttempt, ApiHalt, ApiLimit
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.budget_rules import HOUR_S, DenialPeriod, Denied, ObservedLimit, denied_after, lowered_after
from riskadmin.tradovate.budget_state import BudgetState, Lowered, halted
from riskadmin.tradovate.ledger import Admitted, Lowering, Quota, Refused, Wanted
from riskadmin.tradovate.vocabulary import Lane

KEPT = timedelta(hours=2)
"""How long attempts and stops stay: the budget looks back little more than one hour."""

LIMITS_KEPT = timedelta(days=100)
"""Longer than the longest lowered limit applies, and then as long again, in which another one would apply twice as long."""

FORGOTTEN_AT_ONCE = 20_000

ADMIT: Final = """
    SELECT at, ids, stopped_until, stopped_by, frees_at, is_denied FROM budget_admit(
        %(user)s, %(address)s, %(endpoint)s, %(scope)s, %(lane)s, %(calls)s, %(limit)s, %(margin)s, %(share)s,
        %(own_limit)s, %(window)s, %(now)s)
"""
"""What stops these calls, or how much room there is for them, and the rows of that many."""

STATE: Final = """
    WITH clock AS MATERIALIZED (
        SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS now
    ), calls AS MATERIALIZED (
        SELECT attempted_at AS at FROM accounts_apiattempt
        WHERE api_user = %(user)s AND attempted_at > (SELECT now - %(window)s FROM clock)
    ), counted AS MATERIALIZED (
        SELECT count(*) AS used, min(at) AS oldest FROM calls
    ), observed AS (
        SELECT counted, until FROM accounts_apilimit WHERE api_user = %(user)s ORDER BY learnt_at DESC, id DESC LIMIT 1
    ), asked AS (
        SELECT place, budget_allowed(%(user)s, %(limit)s, %(margin)s, share, now) AS allowed, greatest(1, number) - 1 AS before
        FROM clock, (
            VALUES (1, %(urgent_share)s, 1), (2, %(bulk_share)s, 1), (3, %(share)s, %(calls)s)
        ) AS each (place, share, number)
    )
    SELECT now, used, oldest, budget_allowed(%(user)s, %(limit)s, 0, 100, now), observed.until, observed.counted, allowed,
           CASE WHEN allowed > 0 AND before %% allowed + used >= allowed THEN (
               SELECT at FROM calls ORDER BY at OFFSET before %% allowed + used - allowed LIMIT 1
           ) END
    FROM asked CROSS JOIN clock CROSS JOIN counted LEFT JOIN observed ON true ORDER BY place;
    SELECT endpoint, until, reason
    FROM budget_stops(%(user)s, %(address)s, coalesce(%(now)s::timestamptz, clock_timestamp())) ORDER BY until
"""
"""A row for the next urgent call, the next bulk call, and the last of the estimated calls; then the stops.

With each row comes the call whose place that one takes, if it has to wait for one. The estimate assumes that no one else
calls. A lane that may use `allowed` calls makes one whenever one of those counted above that number expires, and the next
one a window after each of its own. So the n-th leaves whole windows after one of the first `allowed`.
"""


class PostgresLedger:
    """Attempts, stops and lowered limits as rows. `clock` replaces PostgreSQL's in tests."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        """Make a store for all users and addresses."""
        self._clock = clock

    @stored_at_once
    def admit(self, quota: Quota, wanted: Wanted, /) -> Admitted | Refused:
        """Count as many of the calls as there is room for, or none while one of their stops is in force."""
        asked = {
            "endpoint": wanted.endpoint,
            "scope": wanted.scope,
            "lane": wanted.lane.value,
            "calls": wanted.calls,
            "own_limit": wanted.own_limit,
            "share": quota.share_pct(wanted.lane),
        }
        with connection.cursor() as cursor:  # one statement, because each call waits for it
            cursor.execute(ADMIT, self._asked(quota, **asked))
            now, ids, stopped_until, stopped_by, frees_at, is_denied = cursor.fetchone()
        if ids:
            return Admitted(now, ids, is_denied)
        if stopped_until:
            return Refused((stopped_until - now).total_seconds(), stopped_by)
        return Refused((frees_at - now).total_seconds())

    @stored_at_once
    def withdraw(self, attempt_ids: Sequence[int], /) -> None:
        """Delete attempts that were never sent."""
        ApiAttempt.objects.filter(pk__in=attempt_ids).delete()

    @stored_at_once
    def release(self, attempt_id: int, /) -> None:
        """Count an attempt no longer towards its endpoint's own limit."""
        ApiAttempt.objects.filter(pk=attempt_id).update(counts_at_address=False)

    @stored_at_once
    def halt(self, quota: Quota, /, *, endpoint: str, reason: str, seconds: float) -> None:
        """Record a stop from now on, with its audit event.

        A longer stop already in force wins: both are kept, and the later end counts.
        """
        with transaction.atomic():
            self._stop(quota, endpoint, reason, now=self._now(), seconds=seconds)

    @stored_at_once
    def deny(self, quota: Quota, /, *, scope: str, reason: str) -> Denied:
        """Stop an endpoint in one environment, with an audit event if the denial is a new one."""
        with transaction.atomic():
            now = self._alone("denials", quota.user)
            latest = ApiHalt.objects.filter(api_user=quota.user, endpoint=scope).order_by("-until", "-pk").first()
            last = DenialPeriod(latest.noticed_at, latest.until) if latest and latest.succeeded_at is None else None
            denied = denied_after(last, now)
            if denied.is_set:
                self._stop(quota, scope, reason, now=now, seconds=denied.lasts_s, is_new=denied.is_new)
        return denied

    @stored_at_once
    def end_denial(self, quota: Quota, /, *, scope: str) -> None:
        """Record that a call succeeded there."""
        denials = ApiHalt.objects.filter(api_user=quota.user, endpoint=scope, succeeded_at=None)
        denials.update(succeeded_at=self._clock() if self._clock else Now())

    @stored_at_once
    def lower(self, quota: Quota, /, *, refused_at: datetime) -> Lowering | None:
        """Record a lower limit from now on, with its audit event."""
        with transaction.atomic():
            now = self._alone("limits", quota.user)
            counted = ApiAttempt.objects.filter(
                api_user=quota.user, attempted_at__gt=refused_at - timedelta(seconds=HOUR_S), attempted_at__lte=refused_at
            ).count()
            rows = ApiLimit.objects.filter(api_user=quota.user).order_by("-learnt_at", "-pk")
            observed = [ObservedLimit(row.calls, row.learnt_at, row.until) for row in rows]
            found = lowered_after(observed, counted=counted, setting=quota.calls_per_hour, now=now)
            if found is None:
                return None
            ApiLimit.objects.create(
                api_user=quota.user, calls=found.calls, counted=counted, learnt_at=found.learnt_at, until=found.ends_at
            )
            text = f"to {found.calls} an hour, as {counted} were counted when Tradovate answered 429"
            _record(Tag.API_LIMIT_LOWERED, {"text": text, "until": found.ends_at})
        return Lowering(found.calls, counted, (found.ends_at - now).total_seconds())

    @stored
    def state(self, quota: Quota, /, *, calls: int, lane: Lane, scopes: Collection[str]) -> tuple[BudgetState, datetime | None]:
        """Return what is left, and when the last of so many calls of a lane can be sent."""
        shares = {"share": quota.share_pct(lane), **{f"{each.value}_share": quota.share_pct(each) for each in Lane}}
        with connection.cursor() as cursor:
            cursor.execute(STATE, self._asked(quota, calls=calls, **shares))
            urgent, bulk, last = cursor.fetchall()
            cursor.nextset()
            stops = cursor.fetchall()
        now, used, oldest, limit, limit_until, counted, urgent_allowed, _ = urgent
        longest = {endpoint: (until, reason) for endpoint, until, reason in stops}  # of several, the last to end
        everything = longest.pop("", None)
        state = BudgetState(
            limit=limit,
            used=used,
            left_urgent=max(0, urgent_allowed - used),
            left_bulk=max(0, bulk[6] - used),
            next_free_at=oldest and oldest + quota.window,
            halted_until=everything[0] if everything else None,
            halt_reason=everything[1] if everything else "",
            halted_endpoints=tuple(halted(endpoint, *stop) for endpoint, stop in sorted(longest.items())),
            lowered=Lowered(quota.calls_per_hour, counted, limit_until) if limit < quota.calls_per_hour else None,
            urgent_free_at=urgent[7] and urgent[7] + quota.window,
            bulk_free_at=bulk[7] and bulk[7] + quota.window,
        )
        allowed, place_of = last[6:]
        if calls < 1 or allowed < 1:
            return state, None
        waited_for = [until for endpoint, until, _ in stops if endpoint in {"", *scopes}]
        first = max([place_of + quota.window if place_of else now, *waited_for])
        return state, first + (calls - 1) // allowed * quota.window

    def _asked(self, quota: Quota, **more: object) -> dict[str, Any]:
        return {
            "user": quota.user,
            "address": quota.address,
            "limit": quota.calls_per_hour,
            "margin": quota.safety_margin,
            "window": quota.window,
            "now": self._clock() if self._clock else None,
            **more,
        }

    def _alone(self, what: str, user: str) -> datetime:
        """Wait until no other transaction decides about the same; return the time then."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"{what} of {user}"])
        return self._now()

    def _now(self) -> datetime:
        if self._clock:
            return self._clock()
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            now: datetime = cursor.fetchone()[0]
        return now

    @staticmethod
    def _stop(quota: Quota, endpoint: str, reason: str, *, now: datetime, seconds: float, is_new: bool = True) -> None:
        halt = ApiHalt.objects.create(
            api_user=quota.user,
            address=quota.address,
            endpoint=endpoint,
            until=now + timedelta(seconds=seconds),
            reason=reason[:200],
            noticed_at=now,
        )
        if is_new:
            _record(Tag.API_HALTED, {"endpoint": halt.what, "text": halt.reason, "until": halt.until})


def _record(tag: Tag, detail: dict[str, object]) -> None:
    record(AuditEntry(tag=tag, actor=SYSTEM, origin=Origin(job="budget"), detail=detail))


def forget_old() -> int:
    """Delete attempts, halts and lowered limits that no longer count, a bounded number at once; return how many."""
    attempts = ApiAttempt.objects.filter(attempted_at__lt=Now() - KEPT).values("pk")[:FORGOTTEN_AT_ONCE]
    halts = ApiHalt.objects.filter(until__lt=Now() - KEPT).values("pk")[:FORGOTTEN_AT_ONCE]
    limits = ApiLimit.objects.filter(until__lt=Now() - LIMITS_KEPT).values("pk")[:FORGOTTEN_AT_ONCE]
    return (
        ApiAttempt.objects.filter(pk__in=attempts).delete()[0]
        + ApiHalt.objects.filter(pk__in=halts).delete()[0]
        + ApiLimit.objects.filter(pk__in=limits).delete()[0]
    )
