"""Read the trail: newest first, a page at a time, with a limit on how long a query may take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact
from psycopg.errors import QueryCanceled

from riskadmin.audit.models import Event
from riskadmin.web.paging import Page, keyset

ORDER = ("-occurred_at", "-id")
PANEL_SIZE = 20
STATEMENT_TIMEOUT_MS = 2000

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


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The audit page's filters. None or empty means no filter."""

    tags: tuple[str, ...] = ()
    staff_id: int | None = None
    by_system: bool = False
    account: str = ""
    change_id: int | None = None
    environment: str = ""
    since: datetime | None = None
    before: datetime | None = None
    request_id: str = ""


def matching(filters: Filters) -> QuerySet[Event]:
    """Return the events that match every filter, unordered. `since` is included, `before` is not."""
    narrowing = {
        "staff_id": filters.staff_id,
        "staff_id__isnull": True if filters.by_system else None,
        "change_id": filters.change_id,
        "environment": filters.environment,
        "occurred_at__gte": filters.since,
        "occurred_at__lt": filters.before,
        "request_id": filters.request_id,
    }
    events = Event.objects.filter(**{lookup: value for lookup, value in narrowing.items() if value not in {None, ""}})
    if len(filters.tags) == 1:
        events = events.filter(tag=filters.tags[0])  # an equality keeps the index's order, a list of one may not
    elif filters.tags:
        events = events.filter(tag__in=filters.tags)
    if filters.account:
        events = events.filter(_account_q(filters.account))
    return events


def events_page(filters: Filters, cursor: str | None) -> Page[Event]:
    """Return one page of the matching events, newest first. Raises TooBroad, and `paging.BadCursor`."""
    with _bounded():
        return keyset(matching(filters), ORDER, cursor)


def account_history(*, environment: str, account_id: int, cursor: str | None) -> Page[Event]:
    """Return one page of an account's history, for a panel. Raises TooBroad, and `paging.BadCursor`."""
    with _bounded():
        events = Event.objects.filter(account_id=account_id, environment=environment)
        return keyset(events, ORDER, cursor, size=PANEL_SIZE)


def change_history(*, change_id: int, cursor: str | None) -> Page[Event]:
    """Return one page of the history of a change and its items, for a panel. Raises TooBroad, and `paging.BadCursor`."""
    with _bounded():
        return keyset(Event.objects.filter(change_id=change_id), ORDER, cursor, size=PANEL_SIZE)


def people() -> list[tuple[int, str]]:
    """Return everyone the trail names, including people who have left, as (id, newest name), by name."""
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_SQL)
        return list(cursor.fetchall())


def _account_q(account: str) -> Q:
    """Return the condition for an account's number or whole name. A live account's name may be a number too."""
    named = Q(Exact(Upper("account_name"), Upper(Value(account))))
    if account.isdecimal() and int(account) < 2**63:
        return named | Q(account_id=int(account))
    return named


@contextmanager
def _bounded() -> Iterator[None]:
    """Cancel each statement inside the block after STATEMENT_TIMEOUT_MS, and raise TooBroad."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(STATEMENT_TIMEOUT_MS)])
            yield
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooBroad from error
        raise
