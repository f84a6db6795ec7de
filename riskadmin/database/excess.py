"""What the application's role may do beyond what it should: asked of PostgreSQL, whatever was granted and by whom."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg

from riskadmin.database.privileges import Privileges, privileges_of

ROLE: Final = """
    SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
           has_database_privilege(session_user, current_database(), 'CREATE'),
           has_database_privilege(session_user, current_database(), 'TEMP')
    FROM pg_roles WHERE rolname = session_user
"""
OTHER_ROLES: Final = """
    SELECT rolname FROM pg_roles WHERE rolname <> session_user AND pg_has_role(session_user, oid, 'MEMBER') ORDER BY 1
"""
SCHEMAS: Final = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)' AND has_schema_privilege(session_user, oid, 'CREATE') ORDER BY 1
"""
OWNED: Final = """
    SELECT c.relname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner WHERE r.rolname = session_user
    UNION ALL SELECT p.proname FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner WHERE r.rolname = session_user
    UNION ALL SELECT datname FROM pg_database AS d JOIN pg_roles AS r ON r.oid = d.datdba WHERE r.rolname = session_user
    ORDER BY 1
"""
ON_TABLES: Final = """
    SELECT c.relname,
           ARRAY(SELECT right_ FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS right_
                 WHERE has_table_privilege(session_user, c.oid, right_)),
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                 AND has_column_privilege(session_user, c.oid, attnum, 'UPDATE')),
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                 AND has_column_privilege(session_user, c.oid, attnum, 'INSERT'))
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY c.relname
"""
SETTABLE: Final = "SELECT has_parameter_privilege(session_user, 'session_replication_role', 'SET')"
SETTABLE_SINCE: Final = 150_000
"""The version of PostgreSQL from which a role may be allowed to set a parameter of superusers."""


def excess(connection: psycopg.Connection[Any]) -> list[str]:
    """Return what the session's role may do too much, each in words that follow "it"; [] for a role as it should be.

    The role that signed in is judged, not one that it has switched to. Writes nothing.
    """
    (is_super, creates_roles, creates_databases, replicates, bypasses, creates_here, makes_temporary) = _row(connection, ROLE)
    if is_super:
        return ["is a superuser: nothing that PostgreSQL guards is guarded from it"]
    found = [
        words
        for is_so, words in (
            (creates_roles, "may create roles"),
            (creates_databases, "may create databases"),
            (replicates, "may replicate, which reads every table"),
            (bypasses, "bypasses row security"),
            (creates_here, "may create schemas"),
            (makes_temporary, "may create temporary tables"),
        )
        if is_so
    ]
    if connection.info.server_version >= SETTABLE_SINCE and _row(connection, SETTABLE)[0]:
        found.append("may set session_replication_role")
    found += [f"is a member of {name}" for name in _names(connection, OTHER_ROLES)]
    found += [f"may create tables and functions in the schema {name}" for name in _names(connection, SCHEMAS)]
    owned = _names(connection, OWNED)
    if owned:
        found.append(f"owns {owned[0]}" + (f" and {len(owned) - 1} more" if owned[1:] else ""))
    for table, rights, updates, inserts in connection.execute(ON_TABLES).fetchall():
        found += [f"may {right} {table}" for right in _beyond(privileges_of(table), rights, updates, inserts)]
    return found


def _beyond(may: Privileges, rights: Sequence[str], updates: Sequence[str], inserts: Sequence[str]) -> Iterator[str]:
    """Yield what is too much on one table."""
    yield from sorted({"TRUNCATE", "REFERENCES", "TRIGGER"} & set(rights))
    if not may.delete and "DELETE" in rights:
        yield "DELETE"
    if may.update is not None and set(updates) - set(may.update):
        yield "UPDATE"
    given = set(inserts) & set(may.stamped) if may.insert else set(inserts)
    if given:
        yield f"INSERT {', '.join(sorted(given))} of" if may.insert else "INSERT"


def _names(connection: psycopg.Connection[Any], query: str) -> list[str]:
    return [name for (name,) in connection.execute(query.encode()).fetchall()]


def _row(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    (row,) = connection.execute(query.encode()).fetchall()
    return tuple(row)
