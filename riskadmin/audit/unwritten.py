"""How many events could not be written: counted in Redis, since PostgreSQL is what failed. `/metrics` shows it."""

import contextlib
from typing import Final

import redis
from django.conf import settings

COUNTER: Final = "audit:unwritten"


def note_unwritten(events: int) -> None:
    """Count events that could not be written. Without Redis they are not counted: their own error is what matters."""
    with contextlib.suppress(redis.RedisError), _client() as client:
        client.incrby(COUNTER, events)


def unwritten() -> int:
    """Return how many events could not be written since Redis was last emptied. Raises RedisError."""
    with _client() as client:
        return int(client.get(COUNTER) or 0)


def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
