"""Give the application's and the auditor's role what the models declare, after every migration, as the owner of the tables."""

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from riskadmin.database.privileges import Privileges, privileges_of

COLUMNS = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
    GROUP BY c.relname ORDER BY c.relname
"""
FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace AND pg_get_userbyid(proowner) = current_user
"""
SEQUENCES = """
    SELECT s.relname, t.relname, a.attname
    FROM pg_class AS s
    LEFT JOIN pg_depend AS d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_class AS t ON t.oid = d.refobjid
    LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE s.relnamespace = 'public'::regnamespace AND s.relkind = 'S'
"""


def grant_roles() -> None:
    """Grant the roles of DATABASE_URL and DATABASE_AUDITOR_URL what is declared, as the owner; nothing if there is no owner.

    With a single role for everything, as in a developer's own database, there is no one to grant anything to.
    """
    if settings.DATABASE_OWNER is None:
        return
    auditor = settings.DATABASE_AUDITOR
    grant_all(application=settings.APPLICATION_ROLE, auditor=auditor["USER"] if auditor else None)


def grant_all(*, application: str, auditor: str | None) -> None:
    """Grant both roles exactly what is declared; what they had besides is taken away. `auditor` is None where there is none.

    Call it as the owner of the tables. Everything happens in one transaction, or nothing.
    """
    app = sql.Identifier(application)
    reader = sql.Identifier(auditor) if auditor else None
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        tables: dict[str, list[str]] = dict(cursor.fetchall())
        cursor.execute(SEQUENCES)
        sequences = cursor.fetchall()
        cursor.execute(FUNCTIONS)
        functions = [signature for (signature,) in cursor.fetchall()]
        statements = [
            *_on_schema(app, reader),
            *(each for signature in functions for each in _on_function(signature, app)),
            *(each for table, columns in tables.items() for each in _on_table(table, columns, app, reader)),
            *(each for name, table, column in sequences for each in _on_sequence(name, table, column, app, reader)),
        ]
        cursor.execute(sql.SQL(";\n").join(statements).as_string(cursor.connection))


def _on_schema(app: sql.Identifier, reader: sql.Identifier | None) -> Iterator[sql.Composable]:
    everyone = _everyone(app, reader)
    yield sql.SQL("REVOKE ALL ON SCHEMA public FROM {}").format(everyone)
    yield sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.SQL(", ").join([app, reader] if reader else [app]))


def _on_function(signature: str, app: sql.Identifier) -> Iterator[sql.Composable]:
    """Let the application ask what policy wants, and count the API budget. Triggers need no right to be called."""
    yield sql.SQL("REVOKE ALL ON FUNCTION {} FROM PUBLIC, {}").format(sql.SQL(signature), app)
    yield sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(signature), app)


def _on_table(table: str, columns: list[str], app: sql.Identifier, reader: sql.Identifier | None) -> Iterator[sql.Composable]:
    name, may = sql.Identifier(table), privileges_of(table)
    yield sql.SQL("REVOKE ALL ON {} FROM {}").format(name, _everyone(app, reader))  # of its columns too
    yield sql.SQL("GRANT {} ON {} TO {}").format(_of_application(may, columns), name, app)
    if reader and may.hidden is not None:
        shown = _listed([column for column in columns if column not in may.hidden]) if may.hidden else sql.SQL("")
        yield sql.SQL("GRANT SELECT {} ON {} TO {}").format(shown, name, reader)


def _of_application(may: Privileges, columns: list[str]) -> sql.Composable:
    granted: list[sql.Composable] = [sql.SQL("SELECT")]
    if may.insert:
        given = [column for column in columns if column not in may.stamped]
        granted.append(sql.SQL("INSERT {}").format(_listed(given)) if may.stamped else sql.SQL("INSERT"))
    if may.update is None:
        granted.append(sql.SQL("UPDATE"))
    elif present := [column for column in may.update if column in columns]:  # not all, when migrations were taken back
        granted.append(sql.SQL("UPDATE {}").format(_listed(present)))
    if may.delete:
        granted.append(sql.SQL("DELETE"))
    return sql.SQL(", ").join(granted)


def _on_sequence(
    name: str, table: str | None, column: str | None, app: sql.Identifier, reader: sql.Identifier | None
) -> Iterator[sql.Composable]:
    """Let the application take numbers ahead, as bulk writes do; not those of a column that only the database fills."""
    sequence = sql.Identifier(name)
    yield sql.SQL("REVOKE ALL ON SEQUENCE {} FROM {}").format(sequence, _everyone(app, reader))
    if table is not None and privileges_of(table).insert and column not in privileges_of(table).stamped:
        yield sql.SQL("GRANT USAGE ON SEQUENCE {} TO {}").format(sequence, app)


def _everyone(app: sql.Identifier, reader: sql.Identifier | None) -> sql.Composable:
    return sql.SQL(", ").join([sql.SQL("PUBLIC"), app, *([reader] if reader else [])])


def _listed(columns: Sequence[str]) -> sql.Composable:
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
