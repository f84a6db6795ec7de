"""Writing many mirror rows in one statement, where the newer read always wins.

Reads overlap: a full read that began before a lock was confirmed must not undo the confirmation's row. Every row records when
its read began (`fresh_at`), and PostgreSQL compares the two in the very statement that writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, models

from accounts.models import MirrorRow

BATCH = 2_000

Row = Mapping[str, Any]


def upsert(model: type[MirrorRow], rows: Sequence[Row], *, key: tuple[str, ...]) -> int:
    """Insert the rows, or update those that exist and are not from a newer read; return how many were written.

    A row maps the model's columns (`account_id`, not `account`) to values, with the same columns in each row; `key` are the
    columns of a unique constraint. If several rows have the same key, the last one counts. Rows are written in the order of
    their key, so that two writers can't deadlock, and in statements of `BATCH` rows.
    """
    unique = {tuple(row[column] for column in key): row for row in rows}
    ordered = [unique[value] for value in sorted(unique)]
    return sum(_write(model, ordered[start : start + BATCH], key) for start in range(0, len(ordered), BATCH))


def locked_where_differing(model: type[MirrorRow], rows: Sequence[Row], *, key: tuple[str, ...]) -> list[int]:
    """Lock the rows that exist already, in the order of their key, and return the ids of those that `upsert` would modify.

    A different age alone is not a difference. `rows` and `key` are those of `upsert`; needs an open transaction.
    """
    fields = {column: _field(model, column) for column in rows[0]}
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in fields)
    arrays = ", ".join(f"%s::{_base_type(field)}[]" for field in fields.values())
    differs = " OR ".join(
        # Cast to the column's own type, so that a number is compared as it would be stored: rounded.
        f"held.{quote(column)} IS DISTINCT FROM given.{quote(column)}::{field.db_type(connection)}"
        for column, field in fields.items()
        if column not in {*key, "fresh_at", "source"}
    )
    statement = (
        f"SELECT held.id, held.fresh_at <= given.fresh_at AND ({differs})"  # noqa: S608  (names are the model's own)
        f" FROM {quote(model._meta.db_table)} AS held JOIN unnest({arrays}) AS given ({names})"
        f" ON {' AND '.join(f'held.{quote(column)} = given.{quote(column)}' for column in key)}"
        f" ORDER BY {', '.join(f'held.{quote(column)}' for column in key)} FOR NO KEY UPDATE OF held"
    )
    values = [_values(field, [row[column] for row in rows]) for column, field in fields.items()]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [pk for pk, is_other in cursor.fetchall() if is_other]


def _write(model: type[MirrorRow], rows: Sequence[Row], key: tuple[str, ...]) -> int:
    fields = {column: _field(model, column) for column in rows[0]}
    quote = connection.ops.quote_name
    columns = ", ".join(quote(column) for column in fields)
    arrays = ", ".join(f"%s::{_base_type(field)}[]" for field in fields.values())
    updates = ", ".join(f"{quote(column)} = EXCLUDED.{quote(column)}" for column in fields if column not in key)
    table = quote(model._meta.db_table)
    statement = (
        f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608  (names are the model's own)
        f" ON CONFLICT ({', '.join(quote(column) for column in key)}) DO UPDATE SET {updates}"
        f" WHERE {table}.fresh_at <= EXCLUDED.fresh_at"
    )
    values = [_values(field, [row[column] for row in rows]) for column, field in fields.items()]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def _values(field: "models.Field[Any, Any]", values: list[Any]) -> list[Any]:
    """A column's values for psycopg, which adapts everything that rows hold by itself, except JSON."""
    if isinstance(field, models.JSONField):
        return [field.get_db_prep_save(value, connection) for value in values]
    return values


def _field(model: type[MirrorRow], column: str) -> "models.Field[Any, Any]":
    """The field of a column; a foreign key's column is named after it, with `_id`."""
    by_column = {field.column: field for field in model._meta.concrete_fields}
    return by_column[column]


def _base_type(field: "models.Field[Any, Any]") -> str:
    """The column's type without its length: casting to `varchar(64)` would cut a text silently, inserting it does not."""
    return str(field.db_type(connection)).partition("(")[0]
