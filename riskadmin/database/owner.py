"""Connect as the owner of the tables: for migrations and grants, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings
from django.db import connection

NOT_MINE: Final = """
    SELECT c.relname FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
      AND NOT pg_has_role(current_user, c.relowner, 'USAGE')
    ORDER BY c.relname
"""
MAY_CREATE: Final = "SELECT current_user, has_schema_privilege('public', 'CREATE')"


@contextmanager
def connected_as_owner() -> Iterator[None]:
    """Let Django's connection be the owner's, if DATABASE_OWNER_URL is set; what is open is closed, before and afterwards.

    Commands use it outside of any transaction.
    """
    owner = settings.DATABASE_OWNER
    if owner is None:
        yield
        return
    usual = connection.settings_dict
    connection.close()
    # One connection is enough, and the application's pool stays as it is.
    connection.settings_dict = {**usual, **owner, "NAME": usual["NAME"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = usual


def why_tables_cant_be_changed() -> str:
    """Return why the present role can't migrate, in words for who runs it; "" if it can."""
    with connection.cursor() as cursor:
        cursor.execute(MAY_CREATE)
        role, may_create = cursor.fetchone()
        cursor.execute(NOT_MINE)
        others = [name for (name,) in cursor.fetchall()]
    if may_create and not others:
        return ""
    if settings.DATABASE_OWNER is None:
        return (
            f"The role {role} may not change tables, which is right for the application. Set DATABASE_OWNER_URL to the address "
            "of the tables' owner for this command, and only for it (docs/security/database-roles.md)."
        )
    what = ", ".join(others[:3]) or "the schema"
    return (
        f"The owner's role, {role}, may not change {what}: another role owns it. "
        "Run `manage.py create_database_roles` as a superuser first (docs/security/database-roles.md)."
    )
