"""The API budget's durable store in PostgreSQL; contract: `riskadmin.tradovate.ledger.Ledger`.

Ages and ends are counted by PostgreSQL's clock, the one clock that all processes share.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.gateway.storage import stored, stored_at_once
from accounts.models.api import ApiAttempt, ApiHalt, ApiLimit
from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.ledger import Attempt, Halt, LoweredLimit
from riskadmin.tradovate.vocabulary import Lane

KEPT = timedelta(hours=2)
"""How long attempts stay: the budget looks back little more than one hour."""

LIMITS_KEPT = timedelta(days=100)
"""Longer than the longest lowered limit applies, and then as long again, in which another one would apply twice as long."""

FORGOTTEN_AT_ONCE = 20_000

APPEND = """
    INSERT INTO accounts_apiattempt (api_user, address, endpoint, lane)
    SELECT %s, %s, %s, %s FROM generate_series(1, %s) RETURNING id
"""


class PostgresLedger:
    """Attempts and halts as rows."""

    @stored_at_once
    def append(self, *, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> Sequence[int]:
        """Record that this many attempts are about to be made; return their ids."""
        with connection.cursor() as cursor:  # one statement, because each call waits for it
            cursor.execute(APPEND, [user, address, endpoint, lane.value, attempts])
            return [row[0] for row in cursor.fetchall()]

    @stored_at_once
    def forget(self, attempt_ids: Sequence[int], /) -> None:
        """Delete attempts that were never sent."""
        ApiAttempt.objects.filter(pk__in=attempt_ids).delete()

    @stored
    def recent(self, *, user: str, address: str, within_s: float) -> Sequence[Attempt]:
        """Every attempt of `user` or from `address` not older than `within_s` seconds, oldest first."""
        rows = (
            ApiAttempt.objects.filter(
                Q(api_user=user) | Q(address=address), attempted_at__gte=Now() - timedelta(seconds=within_s)
            )
            .annotate(age=Now() - F("attempted_at"))
            .order_by("attempted_at", "pk")
            .values_list("pk", "endpoint", "age", "api_user", "address")
        )
        return [Attempt(pk, endpoint, age.total_seconds(), *whose) for pk, endpoint, age, *whose in rows]

    @stored
    def halts(self, *, user: str, address: str) -> Sequence[Halt]:
        """Every halt of `user`, and of any endpoint at `address`, that is still in force."""
        at_address = Q(address=address) & ~Q(endpoint="")
        rows = (
            ApiHalt.objects.filter(Q(api_user=user) | at_address, until__gt=Now())
            .annotate(left=F("until") - Now())
            .order_by("until")
            .values_list("endpoint", "reason", "left", "api_user", "address")
        )
        return [Halt(endpoint or None, reason, left.total_seconds(), *whose) for endpoint, reason, left, *whose in rows]

    @stored_at_once
    def save_halt(
        self, *, user: str, address: str, endpoint: str | None, reason: str, seconds: float, is_new: bool = True
    ) -> None:
        """Record a halt from now on, with its audit event if it is new.

        A longer halt already in force wins: both are kept, and the later end counts.
        """
        with transaction.atomic():
            halt = ApiHalt.objects.create(
                api_user=user,
                address=address,
                endpoint=endpoint or "",
                until=Now() + timedelta(seconds=seconds),
                reason=reason[:200],
                noticed_at=Now(),
            )
            if not is_new:
                return
            halt.refresh_from_db(fields=["until"])
            record(
                AuditEntry(
                    tag=Tag.API_HALTED,
                    actor=SYSTEM,
                    origin=Origin(job="budget"),
                    detail={"endpoint": halt.what, "text": halt.reason, "until": halt.until},
                ),
            )

    @stored
    def lowered(self, user: str, /) -> LoweredLimit | None:
        """The most recently learned limit of `user`, in force or not."""
        learned = ApiLimit.objects.filter(api_user=user).annotate(age=Now() - F("learnt_at"))
        newest = learned.order_by("-learnt_at", "-pk").first()
        if newest is None:
            return None
        lasts_s = (newest.until - newest.learnt_at).total_seconds()
        return LoweredLimit(newest.calls, newest.counted, newest.age.total_seconds(), lasts_s)

    @stored_at_once
    def save_lowered(self, *, user: str, calls: int, counted: int, seconds: float) -> None:
        """Record a lower limit from now on, with its audit event."""
        with transaction.atomic():
            lowered = ApiLimit.objects.create(
                api_user=user, calls=calls, counted=counted, learnt_at=Now(), until=Now() + timedelta(seconds=seconds)
            )
            lowered.refresh_from_db(fields=["until"])
            record(
                AuditEntry(
                    tag=Tag.API_LIMIT_LOWERED,
                    actor=SYSTEM,
                    origin=Origin(job="budget"),
                    detail={
                        "text": f"to {calls} an hour, as {counted} were counted when Tradovate answered 429",
                        "until": lowered.until,
                    },
                ),
            )


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
