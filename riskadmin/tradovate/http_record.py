"""The HTTP request to Tradovate and its answer: the evidence stored with every call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from riskadmin.tradovate.encoding import to_json
from riskadmin.tradovate.vocabulary import Environment

RESPONSE_TEXT_MAX = 64 * 1024
"""Characters of an answer kept in an ``HttpRecord``. Longer answers are cut there."""

WITHHELD = "[withheld]"
"""Replaces a secret in an ``HttpRecord``."""

VALUE_MAX = 200
"""Characters that are kept as evidence of a value that can't be read."""


@dataclass(frozen=True, slots=True)
class HttpRecord:
    """One HTTP request and its answer, without secrets, so that it can be stored and shown.

    ``endpoint`` is the name in ``endpoints.ENDPOINTS``; ``path`` includes the query. ``status`` is None when no status line
    was received. ``elapsed_ms`` is the time from just before the connection is used to the last byte read.
    """

    endpoint: str
    environment: Environment
    method: str
    path: str
    request_body: Mapping[str, object] | None
    status: int | None
    response_text: str
    sent_at: datetime
    elapsed_ms: int

    @property
    def request_text(self) -> str:
        """The body byte for byte as it was sent (a ``Decimal`` keeps its digits). Empty where there was none."""
        return "" if self.request_body is None else to_json(self.request_body)


def describe_unreadable(field: str, value: str) -> str:
    """Describe the value of the field, or fields, of an ``UnreadableRow``."""
    return f"{field or 'the whole record'} {'are' if ', ' in field else 'is'} {value}"


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """One row of an answer that can't be read, with what is known about its owner.

    ``id`` is the row's own. ``account_id`` and ``position_limit_id`` are set where the row names its account or its
    position limit. ``field`` is Tradovate's name of the field that can't be read: several are separated by commas, and it
    is empty where the row is not an object. ``value`` is the field's value as JSON (several are given by name), storable,
    cut at ``VALUE_MAX`` characters.
    """

    id: int | None
    account_id: int | None
    position_limit_id: int | None = None
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """Tradovate's answer to a call that it accepted, with the HTTP record that proves it.

    A list holds the rows that can be read; ``unreadable`` holds the others.
    """

    value: T_co
    http_record: HttpRecord
    unreadable: tuple[UnreadableRow, ...] = ()
