"""Reading rows as PostgreSQL writes them, and hashing them as leaves."""

from collections.abc import Iterator, Sequence
from typing import Final

from django.db import connection
from psycopg import sql

from riskadmin.audit.proof.sources import Source
from riskadmin.audit.proof.verify_export import commitment, group_salt, leaf_hash

Texts = Sequence[str | None]
"""The columns of a row as texts, the id first; NULL is None."""

RANGE: Final = """
    SELECT {texts} FROM {table} AS row_ WHERE row_.{id} > {after} AND row_.{id} <= {to} ORDER BY row_.{id} LIMIT {limit}
"""
LISTED: Final = "SELECT {texts} FROM {table} AS row_ WHERE row_.{id} = ANY({ids}::bigint[]) AND {complete} ORDER BY row_.{id}"
INCOMPLETE: Final = """
    SELECT row_.{id} FROM {table} AS row_ WHERE row_.{id} > {after} AND row_.{id} <= {to} AND NOT {complete}
"""


def rows_between(source: Source, *, after: int, to: int, limit: int) -> list[Texts]:
    """Return the rows with ids after one and up to another, at most so many."""
    return list(copied(_query(RANGE, source, after=sql.Literal(after), to=sql.Literal(to), limit=sql.Literal(limit))))


def complete_rows(source: Source, ids: Sequence[int]) -> list[Texts]:
    """Return those of some rows that are complete."""
    return list(copied(_query(LISTED, source, ids=sql.Literal(list(ids))))) if ids else []


def incomplete_ids(source: Source, *, after: int, to: int) -> set[int]:
    """Return the ids in a range whose rows are not complete yet."""
    if not source.complete:
        return set()
    query = _query(INCOMPLETE, source, after=sql.Literal(after), to=sql.Literal(to))
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {row_id for (row_id,) in cursor.fetchall()}


def copied(query: sql.Composable) -> Iterator[Texts]:
    """Yield the rows of a query as PostgreSQL sends them, without holding them all."""
    statement = sql.SQL("COPY ({}) TO STDOUT").format(query)
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        yield from copy.rows()


def hash_of(source: Source, texts: Texts, salt: bytes) -> bytes:
    """Return the hash of a row's leaf."""
    row = dict(zip(source.columns, texts, strict=True))
    groups = {}
    for group, columns in source.groups.items():
        values = {name: value for name in columns if (value := row.pop(name)) is not None}
        groups[group] = commitment(group_salt(salt, group), values)
    return leaf_hash(source.table, row, groups)


def _query(query: str, source: Source, **values: sql.Composable) -> sql.Composed:
    return sql.SQL(query).format(
        texts=source.texts,
        table=sql.Identifier(source.table),
        id=sql.Identifier(source.columns[0]),
        complete=sql.SQL(f"({source.complete or 'true'})"),
        **values,
    )
