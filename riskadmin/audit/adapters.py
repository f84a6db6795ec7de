"""Every text and every JSON value sent to PostgreSQL is made storable here, whichever code sends it.

Text from Tradovate and from people reaches many columns. A rule that each writer had to remember would sooner or later be
forgotten, and then one character would keep an answer from Tradovate from being stored.
"""

from contextlib import suppress
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import DataError
from psycopg.adapt import Buffer
from psycopg.types.json import Json, Jsonb, JsonbDumper, JsonDumper
from psycopg.types.string import StrDumperUnknown

from riskadmin.audit.storable import is_storable_json, storable, storable_text


class StorableTextDumper(StrDumperUnknown):
    """Sends a text as psycopg does. A text that PostgreSQL would refuse is sent as `storable_text` makes it."""

    def dump(self, obj: str) -> Buffer | None:
        """Return the text's bytes. The second try is almost never needed, and psycopg's own first one is in C."""
        with suppress(UnicodeEncodeError, DataError):
            return super().dump(obj)
        return super().dump(storable_text(obj))


class StorableJsonDumper(JsonDumper):
    """Sends a JSON value as psycopg does. A value that PostgreSQL would refuse is sent as `storable` makes it."""

    def dump(self, obj: Any) -> Buffer | None:
        """Return the value's JSON."""
        with suppress(UnicodeEncodeError):
            data = super().dump(obj)
            if data is None or is_storable_json(bytes(data)):
                return data
        return super().dump(_storable_wrapped(obj))


class StorableJsonbDumper(StorableJsonDumper):
    """The same for `jsonb`."""

    oid = JsonbDumper.oid


def _storable_wrapped(wrapped: Json | Jsonb) -> Json | Jsonb:
    return type(wrapped)(storable(wrapped.obj), wrapped.dumps)


def send_only_what_is_storable(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Make a new Django connection use these adapters for parameters, arrays and COPY."""
    adapters = connection.connection.adapters
    adapters.register_dumper(str, StorableTextDumper)
    adapters.register_dumper(Json, StorableJsonDumper)
    adapters.register_dumper(Jsonb, StorableJsonbDumper)
