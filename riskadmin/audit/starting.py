"""That a process of riskadmin started leaves an event."""

import logging

import psycopg
from django.db import DatabaseError, connection, transaction

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag

logger = logging.getLogger(__name__)


def record_start(process: str, host: str) -> None:
    """Write that a process started. If the trail can't be written it starts nevertheless: then it can do nothing anyway.

    The connection is closed, and the pool with it: a process that forks afterwards must not share them.
    """
    detail = {"process": process, "host": host}
    try:
        with transaction.atomic():
            record(AuditEntry(tag=Tag.SYSTEM_STARTED, actor=SYSTEM, origin=Origin(job=process), detail=detail))
    except (DatabaseError, psycopg.OperationalError) as error:
        logger.warning("The start of %s could not be recorded: %s", process, type(error).__name__)
    finally:
        connection.close()
        getattr(connection, "close_pool", lambda: None)()  # PostgreSQL's has it
