"""Write many rows with one COPY, in a fraction of the seconds that `bulk_create` takes for ten thousand rows.

Triggers, constraints and the database's own defaults apply as for any INSERT.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from django.db import connection, models
from psycopg import sql

from riskadmin.audit.storable import storable_json

IDS: Final = "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)"


def copy_in(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new rows of a model in their order: values by column (a field's `attname`), the same columns in each row.

    Other columns get their default, which is the same in every row. JSON values are made storable. Raises DatabaseError, as
    saving the rows would.
    """
    if not rows:
        return
    fields = {field.attname: field for field in model._meta.concrete_fields}
    given = [(name, _dump(fields[name])) for name in rows[0]]
    left_out = [field for name, field in fields.items() if name not in rows[0] and not _is_given_by_database(field)]
    alike = [_dump(field)(field.get_default()) for field in left_out]
    columns = [sql.Identifier(str(field.column)) for field in (*(fields[name] for name in rows[0]), *left_out)]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(model._meta.db_table), sql.SQL(", ").join(columns))
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([*(dump(row[name]) for name, dump in given), *alike])


def new_ids(model: type[models.Model], count: int) -> list[int]:
    """Return ids for rows that will be written, ascending. An id whose row isn't written in the end leaves a gap."""
    with connection.cursor() as cursor:
        cursor.execute(IDS, [model._meta.db_table, model._meta.pk.column, count])
        return [row[0] for row in cursor.fetchall()]


def _is_given_by_database(field: "models.Field[Any, Any]") -> bool:
    return field.has_db_default() or field.primary_key


def _dump(field: "models.Field[Any, Any]") -> Callable[[Any], Any]:
    """Return a converter for a column's values. psycopg adapts everything that rows hold by itself, except JSON and enums."""
    if isinstance(field, models.JSONField):
        return lambda value: None if value is None else storable_json(value)
    if isinstance(field, models.CharField | models.TextField):
        return lambda value: None if value is None else str(value)
    return lambda value: value
