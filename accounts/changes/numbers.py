"""Numbers that no change has: a request that is rolled back has used one up (docs/adr/0032-numbers-of-changes.md).

Each such gap is recorded once, so that a gap without an event is one that needs an explanation.
"""

from typing import Final

from django.db import connection, transaction

from riskadmin.audit.actions import AuditEntry, record_all
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag

SETTLED_AFTER_S: Final = 3600
"""No request is written for longer: of numbers below a change of this age, none can still be in use by one."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('changes.numbers', 0))"
_GAPS: Final = """
    SELECT earlier + 1, id - 1
    FROM (SELECT id, submitted_at, coalesce(lag(id) OVER (ORDER BY id), 0) AS earlier FROM changes_change) AS numbered
    WHERE id > earlier + 1 AND submitted_at < now() - make_interval(secs => %s)
    ORDER BY id
"""


@transaction.atomic
def record_unused_numbers(*, origin: Origin) -> int:
    """Write an event for each gap that has none yet; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_GAPS, [SETTLED_AFTER_S])
        gaps = cursor.fetchall()
    known = {
        (detail["first"], detail["last"])
        for detail in Event.objects.filter(tag=Tag.CHANGE_NUMBERS_UNUSED).values_list("detail", flat=True)
    }
    new = [gap for gap in gaps if gap not in known]
    record_all(
        AuditEntry(tag=Tag.CHANGE_NUMBERS_UNUSED, actor=SYSTEM, origin=origin, detail={"first": first, "last": last})
        for first, last in new
    )
    return len(new)
