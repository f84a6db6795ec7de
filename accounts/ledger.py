"""The rate budget's durable memory in PostgreSQL; contract: `riskadmin.tradovate.ledger.Ledger`.

Ages and ends are counted by PostgreSQL's clock, the one clock that all processes share.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.models import ApiAttempt, ApiHalt
from accounts.storage import stored, stored_at_once
from riskadmin.audit.actions import Happening, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.ledger import Attempt, Halt
from riskadmin.tradovate.vocabulary import Lane

KEPT = timedelta(hours=2)
"""How long attempts stay: the budget looks back little more than one hour."""

FORGOTTEN_AT_ONCE = 20_000


class PostgresLedger:
    """Attempts and halts as rows."""

    @stored_at_once
    def append(self, *, user: str, endpoint: str, lane: Lane) -> int:
        """Record that an attempt is about to be made; return its id."""
        return ApiAttempt.objects.create(api_user=user, endpoint=endpoint, lane=lane.value, attempted_at=Now()).pk

    @stored_at_once
    def forget(self, attempt_id: int, /) -> None:
        """Delete an attempt that was never sent."""
        ApiAttempt.objects.filter(pk=attempt_id).delete()

    @stored
    def recent(self, *, user: str, within_s: float) -> Sequence[Attempt]:
        """Every attempt of `user` not older than `within_s` seconds, oldest first."""
        rows = (
            ApiAttempt.objects.filter(api_user=user, attempted_at__gte=Now() - timedelta(seconds=within_s))
            .annotate(age=Now() - F("attempted_at"))
            .order_by("attempted_at", "pk")
            .values_list("pk", "endpoint", "age")
        )
        return [Attempt(pk, endpoint, age.total_seconds()) for pk, endpoint, age in rows]

    @stored
    def halts(self, user: str, /) -> Sequence[Halt]:
        """The longest halt of each scope of `user` still in force."""
        rows = (
            ApiHalt.objects.filter(api_user=user, until__gt=Now())
            .annotate(left=F("until") - Now())
            .order_by("until")
            .values_list("endpoint", "reason", "left")
        )
        longest = {endpoint: Halt(endpoint or None, reason, left.total_seconds()) for endpoint, reason, left in rows}
        return list(longest.values())

    @stored_at_once
    def save_halt(self, *, user: str, endpoint: str | None, reason: str, seconds: float) -> None:
        """Record a halt from now on. A longer one already in force wins: both are kept, and the later end counts."""
        with transaction.atomic():
            halt = ApiHalt.objects.create(
                api_user=user,
                endpoint=endpoint or "",
                until=Now() + timedelta(seconds=seconds),
                reason=reason[:200],
                noticed_at=Now(),
            )
            halt.refresh_from_db(fields=["until"])
            record(
                Happening(
                    tag=Tag.API_HALTED,
                    actor=SYSTEM,
                    origin=Origin(job="budget"),
                    detail={"endpoint": halt.endpoint, "text": halt.reason, "until": halt.until},
                ),
            )


def forget_old() -> int:
    """Delete attempts and halts that nothing counts any more, a bounded number at once; return how many."""
    attempts = ApiAttempt.objects.filter(attempted_at__lt=Now() - KEPT).values("pk")[:FORGOTTEN_AT_ONCE]
    halts = ApiHalt.objects.filter(until__lt=Now() - KEPT).values("pk")[:FORGOTTEN_AT_ONCE]
    return ApiAttempt.objects.filter(pk__in=attempts).delete()[0] + ApiHalt.objects.filter(pk__in=halts).delete()[0]
