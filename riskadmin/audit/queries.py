"""Read the trail: newest first, a page at a time, with a limit on how long a query may take."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from psycopg.errors import QueryCanceled

from riskadmin.audit.models import Event
from riskadmin.web.paging import Page, keyset

ORDER = ("-occurred_at", "-id")
PANEL_SIZE = 20
STATEMENT_TIMEOUT_MS = 2000
PRINT_TIMEOUT_MS = 10_000

# One index probe for each person, however many events they have (`event_by_staff`).
_PEOPLE_SQL = """
WITH RECURSIVE person AS (
    (SELECT staff_id, staff_name FROM audit_event
      WHERE staff_id IS NOT NULL
      ORDER BY staff_id, occurred_at DESC, id DESC LIMIT 1)
    UNION ALL
    SELECT following.* FROM person CROSS JOIN LATERAL (
        SELECT staff_id, staff_name FROM audit_event
         WHERE staff_id IS NOT NULL AND staff_id > person.staff_id
         ORDER BY staff_id, occurred_at DESC, id DESC LIMIT 1) AS following
)
SELECT staff_id, staff_name FROM person ORDER BY lower(staff_name), staff_id
"""


class TooBroad(Exception):
    """The matching rows are too far apart to be found within the time a page may take."""


def events_page(events: QuerySet[Event], cursor: str | None, *, order: Sequence[str] = ORDER) -> Page[Event]:
    """Return one page of events. Raises TooBroad, and `paging.BadCursor`."""
    with _bounded():
        return keyset(events, order, cursor)


def printed(events: QuerySet[Event], *, order: Sequence[str], at_most: int) -> list[Event]:
    """Return the events to print; one more than `at_most` means that there are more. Raises TooBroad."""
    with _bounded(PRINT_TIMEOUT_MS):
        return list(events.order_by(*order)[: at_most + 1])


def account_history(*, environment: str, account_id: int) -> QuerySet[Event]:
    """Return the events of an account."""
    return Event.objects.filter(account_id=account_id, environment=environment)


def change_history(*, change_id: int) -> QuerySet[Event]:
    """Return the events of a change and its items."""
    return Event.objects.filter(change_id=change_id)


def panel(events: QuerySet[Event], cursor: str | None) -> Page[Event]:
    """Return one page of events, newest first, for a panel. Raises TooBroad, and `paging.BadCursor`."""
    with _bounded():
        return keyset(events, ORDER, cursor, size=PANEL_SIZE)


def people() -> list[tuple[int, str]]:
    """Return everyone the trail names, including people who have left, as (id, newest name), by name."""
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_SQL)
        return list(cursor.fetchall())


@contextmanager
def _bounded(milliseconds: int = STATEMENT_TIMEOUT_MS) -> Iterator[None]:
    """Cancel each statement inside the block after so many milliseconds, and raise TooBroad."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooBroad from error
        raise
