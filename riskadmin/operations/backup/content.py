"""What is in a database, so that a restored copy can be compared with what was backed up."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

TRAIL: Final = "audit_event"

# Definitions of constraints and indexes are written differently after a restore, so their names are compared.
GUARDS: Final[dict[str, LiteralString]] = {
    "trigger": """
        SELECT c.relname || '.' || t.tgname, concat_ws(' ', t.tgenabled::text, t.tgtype, p.proname)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace
    """,
    "function": """
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid)
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
    """,
    "constraint": """
        SELECT coalesce(c.relname, '') || '.' || k.conname, concat_ws(' ', k.contype::text, k.convalidated, k.condeferrable)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.connamespace = 'public'::regnamespace
    """,
    "index": """
        SELECT i.indexrelid::regclass::text, concat_ws(' ', i.indisvalid, i.indisunique)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
    """,
    "grant": """
        WITH granted AS (
            SELECT c.relname AS name, c.relowner AS owner,
                   coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)) AS acl
            FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            UNION ALL
            SELECT p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
            FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'the schema', n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
            FROM pg_namespace n WHERE n.nspname = 'public'
        )
        SELECT name || ' to ' || coalesce(nullif(a.grantee, 0)::regrole::text, 'everyone') || ': ' || a.privilege_type,
               owner::regrole::text || ' ' || bool_or(a.is_grantable)::text
        FROM granted CROSS JOIN LATERAL aclexplode(acl) a GROUP BY name, owner, a.grantee, a.privilege_type
    """,
}

PLURALS: Final = {
    "trigger": "triggers",
    "function": "functions",
    "constraint": "constraints",
    "index": "indexes",
    "grant": "grants",
}
"""What each kind of guard is called."""

TABLES: Final = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"

MIGRATIONS: Final = "SELECT app || '.' || name FROM django_migrations ORDER BY 1"

COLUMNS: Final = """
    SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname
"""

ROLES: Final = """
    SELECT DISTINCT rolname FROM pg_roles
    WHERE oid IN (SELECT refobjid FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
                  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))
          OR oid IN (SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    ORDER BY rolname
"""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a database holds: rows by table, a digest over every column of every event, migrations, and what guards it.

    `guards` has triggers, functions, constraints, indexes and grants by name, each with a digest of its definition. `roles` are
    those that own something in it or were granted something: they belong to the server, and are not in a dump.
    """

    rows: dict[str, int]
    trail_sha256: str
    newest_event: str | None
    migrations: list[str]
    guards: dict[str, str]
    roles: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as the manifest stores it."""
        return asdict(self)


def read_content(connection: psycopg.Connection[Any]) -> Content:
    """Read it all within the connection's transaction. Takes seconds for each million of events."""
    connection.execute("SET LOCAL TimeZone = 'UTC'")
    connection.execute("SET LOCAL DateStyle = 'ISO'")
    connection.execute("SET LOCAL search_path = public")
    rows = {
        table: _one(connection, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        for (table,) in connection.execute(TABLES).fetchall()
    }
    newest: datetime | None = _one(connection, sql.SQL("SELECT max(occurred_at) FROM {}").format(sql.Identifier(TRAIL)))
    return Content(
        rows=rows,
        trail_sha256=_digest_of_trail(connection),
        newest_event=newest.isoformat() if newest else None,
        migrations=[name for (name,) in connection.execute(MIGRATIONS).fetchall()],
        guards={
            f"{kind} {name}": hashlib.sha256(definition.encode()).hexdigest()[:16]
            for kind, query in GUARDS.items()
            for name, definition in connection.execute(query).fetchall()
        },
        roles=[name for (name,) in connection.execute(ROLES).fetchall()],
    )


def differences(expected: Content, found: Content) -> list[str]:
    """Return what is not as it was backed up, one sentence each."""
    said = [
        f"{table} has {found.rows.get(table, 'no')} rows instead of {count}"
        for table, count in expected.rows.items()
        if found.rows.get(table) != count
    ]
    said += [f"the table {table} was not backed up" for table in sorted(found.rows.keys() - expected.rows.keys())]
    if expected.trail_sha256 != found.trail_sha256:
        said.append("the audit trail is not the one that was backed up")
    said += [f"the migration {name} is missing" for name in expected.migrations if name not in found.migrations]
    said += [f"the migration {name} is new" for name in found.migrations if name not in expected.migrations]
    said += [
        f"the {name} is {'missing' if name not in found.guards else 'different'}"
        for name, digest in expected.guards.items()
        if found.guards.get(name) != digest
    ]
    said += [f"the {name} is new" for name in found.guards.keys() - expected.guards.keys()]
    return said


def _digest_of_trail(connection: psycopg.Connection[Any]) -> str:
    """Return a digest over every column of every event, in the order of their ids."""
    columns = [name for (name,) in connection.execute(COLUMNS, [TRAIL]).fetchall()]
    query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY id) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(TRAIL)
    )
    digest = hashlib.sha256()
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for part in copy:
            digest.update(part)
    return digest.hexdigest()


def _one(connection: psycopg.Connection[Any], query: sql.Composed) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
