"""Create the three roles and the database, as a superuser: once, and again whenever a password changes.

Needs no settings, so that the demo and the tests do the same as `manage.py create_database_roles`.
"""

from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MAINTENANCE: Final = "postgres"
"""The database that is there on every server."""

NOTHING_SPECIAL: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT LOGIN"

TAKE_OVER: Final = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        -- Sequences and types that belong to a table follow it.
        SELECT format('ALTER %s %s OWNER TO %I',
                      CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                   ELSE 'TABLE' END,
                      c.oid::regclass, {owner}) AS command
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
          AND pg_get_userbyid(c.relowner) <> {owner}
          AND NOT EXISTS (
              SELECT FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i', 'e'))
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, {owner})
        FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND pg_get_userbyid(p.proowner) <> {owner}
          AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')
    LOOP
        EXECUTE found.command;
    END LOOP;
END;
$$
"""


class CannotCreate(Exception):
    """The addresses don't fit together, or the role that was used may not create others. The message says which."""


def create(admin: str, *, owner: str, application: str, auditor: str | None = None, alone: bool) -> None:
    """Create the roles of three addresses and their database, or bring them to what they should be.

    `admin` is the address of a superuser. Each role gets the password of its address, if that has one. Tables and functions
    that another role made in the database become the owner's. With `alone`, the server has no other databases that matter:
    the roles can't connect to any but their own. Raises CannotCreate, and psycopg.Error.
    """
    named = [conninfo_to_dict(address) for address in (owner, application, *([auditor] if auditor else []))]
    roles = [str(each.get("user") or "") for each in named]
    database = str(named[0].get("dbname") or "")
    if not all(roles) or len(set(roles)) != len(roles):
        raise CannotCreate("Each address needs a user of its own.")
    if not database or {str(each.get("dbname") or "") for each in named} != {database}:
        raise CannotCreate("The addresses must lead to the same database.")
    with psycopg.connect(make_conninfo(admin, dbname=MAINTENANCE), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtextextended('roles of riskadmin', 0))")  # one at a time
        me = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = current_user AND rolsuper").fetchone()
        if me is None:
            raise CannotCreate("The address of the administrator must be that of a superuser.")
        if me[0] in roles:
            raise CannotCreate(f"{me[0]} is the superuser: none of the three roles can be it.")
        for role, address in zip(roles, named, strict=True):
            _create_role(connection, role, str(address.get("password") or ""))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        _close_database(connection, database, roles, alone=alone)
    with psycopg.connect(make_conninfo(admin, dbname=database)) as connection:
        connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(roles[0])))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(_identifiers(roles)))
        connection.execute(sql.SQL(TAKE_OVER).format(owner=sql.Literal(roles[0])))


def _create_role(connection: psycopg.Connection, role: str, password: str) -> None:
    name = sql.Identifier(role)
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        connection.execute(sql.SQL("CREATE ROLE {}").format(name))
    connection.execute(sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(NOTHING_SPECIAL)))
    if password:
        # Hashed here, so that no log of the server shows it.
        hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(hashed)))


def _close_database(connection: psycopg.Connection, database: str, roles: Sequence[str], *, alone: bool) -> None:
    """Let the three roles connect, and no one else: not even to make temporary tables."""
    name = sql.Identifier(database)
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(roles[0])))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role in roles[1:]:
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, sql.Identifier(role)))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, _identifiers(roles)))
    for role in roles:
        # A temporary table can't stand in for a table of the same name; it couldn't be made either.
        connection.execute(
            sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = public, pg_temp").format(sql.Identifier(role), name)
        )
    if alone:
        connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")


def _identifiers(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
