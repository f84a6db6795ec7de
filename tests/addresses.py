"""Addresses of other databases on the same server."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
from psycopg import sql


def with_database(url: str, name: str) -> str:
    """Return a PostgreSQL address that leads to another database of the same server."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


def new_database(url: str) -> None:
    """Make the database of an address anew and empty."""
    name = sql.Identifier(urlsplit(url).path.lstrip("/"))
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))


def with_redis_number(url: str, number: int) -> str:
    """Return a Redis address that leads to another numbered database of the same server."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return f"{parts.scheme}://{parts.netloc}/{number}?{parts.query}"
