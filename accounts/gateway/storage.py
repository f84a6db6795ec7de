"""How the tradovate package's stores use PostgreSQL: at once, or not at all."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from riskadmin.tradovate.errors import StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")


class InsideTransaction(RuntimeError):
    """Tradovate was about to be called inside a database transaction."""


def stored(function: Callable[P, T]) -> Callable[P, T]:
    """Have the function say `StoreUnavailable` when PostgreSQL fails."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            message = f"PostgreSQL can't be used: {error}"
            raise StoreUnavailable(message) from error

    return guarded


def stored_at_once(function: Callable[P, T]) -> Callable[P, T]:
    """Have the function refuse to run inside a transaction, where its row would be invisible or undone: `InsideTransaction`.

    Nobody calls Tradovate inside a transaction except by mistake.
    """
    write = stored(function)

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        if connection.in_atomic_block:
            message = "Tradovate must not be called inside a database transaction."
            raise InsideTransaction(message)
        try:
            return write(*args, **kwargs)
        finally:
            # The call follows, and nobody should hold a connection while Tradovate is waited for.
            connection.close()

    return guarded
