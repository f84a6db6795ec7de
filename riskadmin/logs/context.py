"""What the work of this thread is about, so that each of its log lines says so: a change, a call, a lane, a person."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

Field = str | int | Callable[[], str | int | None]
"""A value, or a function that finds it when a line is written."""

FIELDS: Final = ("person", "change", "call", "environment", "lane")

_current: ContextVar[Mapping[str, Field]] = ContextVar("log_fields", default=MappingProxyType({}))


@contextmanager
def log_fields(**fields: Field) -> Iterator[None]:
    """Add fields, of those in FIELDS, to every line that this thread logs within the block. Other threads are not affected."""
    unknown = fields.keys() - set(FIELDS)
    if unknown:
        raise ValueError(f"Log lines have no field {', '.join(sorted(unknown))}.")
    token = _current.set({**_current.get(), **fields})
    try:
        yield
    finally:
        _current.reset(token)


def fields_now() -> dict[str, str | int]:
    """Return the fields of this thread, with their values."""
    found = {name: field() if callable(field) else field for name, field in _current.get().items()}
    return {name: value for name, value in found.items() if value is not None}


class ContextFilter(logging.Filter):
    """Puts the fields onto each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        for name, value in fields_now().items():
            setattr(record, name, value)
        return True
