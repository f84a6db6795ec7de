"""A process that starts says when its role in the database may do too much; in production it does not start."""

import logging
from typing import Final

import psycopg
from django.conf import settings

from riskadmin.database.addresses import address
from riskadmin.database.excess import excess

logger = logging.getLogger(__name__)

CONNECT_WITHIN_S: Final = 5
SHOWN: Final = 5


def excess_of_application() -> list[str]:
    """Return what the role of DATABASE_URL may do too much. Raises psycopg.OperationalError if PostgreSQL can't be asked."""
    # A connection of its own: a pool that is opened before a process forks is of no use afterwards.
    database = address(settings.DATABASES["default"])
    with psycopg.connect(database, connect_timeout=CONNECT_WITHIN_S) as connection:
        return excess(connection)


def in_words(found: list[str]) -> str:
    """Return the findings in one sentence, with what to do."""
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (
        f"The role of DATABASE_URL may do too much: it {'; it '.join(found[:SHOWN])}{more}. Let DATABASE_URL name the "
        "application's role, and run `manage.py create_database_roles` and `manage.py migrate` "
        "(docs/security/database-roles.md)."
    )


def refuse_excess() -> None:
    """Log a warning if the role may do too much. In production, end this process instead.

    A database that doesn't answer is no reason not to start: the process waits for it, and /readyz asks again.
    """
    try:
        found = excess_of_application()
    except psycopg.OperationalError as error:
        logger.warning("PostgreSQL could not be asked what the application's role may do: %s", type(error).__name__)
        return
    if not found:
        return
    if settings.DEBUG or settings.DEMO:
        logger.warning("%s", in_words(found))
        return
    logger.critical("%s", in_words(found))
    raise SystemExit(in_words(found))
