"""Django's settings of a database as an address for psycopg."""

from collections.abc import Mapping
from typing import Any

from psycopg.conninfo import make_conninfo


def address(database: Mapping[str, Any]) -> str:
    """Return the address, with its password: don't log it. Django's own options, such as the pool, are left out."""
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    given = {parameter: database[name] for parameter, name in names.items() if database.get(name)}
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if name != "pool"}
    return make_conninfo("", **given, **options)
