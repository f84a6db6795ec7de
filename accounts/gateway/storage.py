"""How the tradovate package's stores use PostgreSQL: committed immediately, or refused."""

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
    """Make the function raise `StoreUnavailable` when PostgreSQL fails."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            message = f"PostgreSQL can't be used: {error}"
            raise StoreUnavailable(message) from error

    return guarded


def stored_at_once(function: Callable[P, T]) -> Callable[P, T]:
    """Make the function refuse to run inside a transaction, where its row would be invisible or undone: `InsideTransaction`.

    Calling Tradovate inside a transaction is always a mistake.
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
            # The call follows, and no database connection should be held while waiting for Tradovate.
            connection.close()

    return guarded
