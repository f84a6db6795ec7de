"""What was said to Tradovate and what came back: the evidence kept with every call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from riskadmin.tradovate.encoding import to_json
from riskadmin.tradovate.vocabulary import Environment

RESPONSE_TEXT_MAX = 64 * 1024
"""Characters of an answer kept in an ``Exchange``; longer ones are cut there."""

WITHHELD = "[withheld]"
"""Stands in an ``Exchange`` where a secret was."""

VALUE_MAX = 200
"""Characters of a value that can't be read that are kept as evidence."""


@dataclass(frozen=True, slots=True)
class HttpRecord:
    """One HTTP request and its answer, free of secrets: fit to be stored and shown.

    ``endpoint`` is the name in ``endpoints.ENDPOINTS``; ``path`` has the query. ``status`` is None when no status
    line came. ``elapsed_ms`` runs from just before the connection is used to the last byte read.
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
        """The body byte for byte as it was sent (a ``Decimal`` keeps its digits); empty where there was none."""
        return "" if self.request_body is None else to_json(self.request_body)


def what_stands(field: str, value: str) -> str:
    """Say what stands in the field, or fields, of an ``UnreadableRow``."""
    return f"{field or 'the whole record'} {'are' if ', ' in field else 'is'} {value}"


T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """One row of an answer that can't be read, as far as it says whose it is.

    ``id`` is the row's own. ``account_id`` and ``position_limit_id`` are set where the row names its account or its
    position limit. ``field`` is Tradovate's name of the field that can't be read, of several with commas between, empty where
    the row is no object. ``value`` is what stands there as JSON, of several by their names, fit to be stored, cut at
    ``VALUE_MAX`` characters.
    """

    id: int | None
    account_id: int | None
    position_limit_id: int | None = None
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """What Tradovate answered to a call it accepted, with the exchange that proves it.

    A list holds the rows that can be read; ``unreadable`` the others.
    """

    value: T_co
    http_record: HttpRecord
    unreadable: tuple[UnreadableRow, ...] = ()
