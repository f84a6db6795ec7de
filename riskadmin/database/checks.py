"""`manage.py check --deploy` says when the application's role may do too much."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.conf import settings
from django.core import checks

from riskadmin.database.start import excess_of_application, in_words


@checks.register("database_roles", deploy=True)
def application_role(app_configs: Sequence[Any] | None, **_: Any) -> list[checks.CheckMessage]:  # noqa: ARG001  (Django's signature)
    """Find what the role of DATABASE_URL may do too much: an error where the processes refuse to start because of it."""
    try:
        found = excess_of_application()
    except psycopg.OperationalError as error:
        return [
            checks.Warning(f"PostgreSQL could not be asked what the application's role may do: {error}", id="database.W001")
        ]
    if not found:
        return []
    kind = checks.Warning if settings.DEBUG or settings.DEMO else checks.Error
    return [kind(in_words(found), id="database.E001" if kind is checks.Error else "database.W002")]
