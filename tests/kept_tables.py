"""Copies of tables, kept in a schema of their own in the test database, to be put back for later tests."""

from django.db import connection

KEEP = """
DO $$
DECLARE
    filled record;
    has_rows boolean;
BEGIN
    DROP SCHEMA IF EXISTS {schema} CASCADE;
    CREATE SCHEMA {schema};
    FOR filled IN SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND {which}
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', filled.name) INTO has_rows;
        IF has_rows THEN
            EXECUTE format('CREATE TABLE {schema}.%1$I AS TABLE public.%1$I', filled.name);
        END IF;
    END LOOP;
END;
$$
"""


def keep(schema: str, *, which: str = "true") -> None:
    """Copy the tables that have rows into a new schema; `which` is a condition on `pg_tables`."""
    with connection.cursor() as cursor:
        cursor.execute(KEEP.format(schema=schema, which=which))
