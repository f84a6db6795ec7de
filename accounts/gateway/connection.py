"""The connection to Tradovate: clients built from the settings, with stores in PostgreSQL and the breaker in Redis.

What is built is kept for the life of the process, so that threads share one pool of Redis connections and one token.
"""

from dataclasses import dataclass, field
from functools import cache
from threading import BoundedSemaphore
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.gateway import credentials
from accounts.gateway.ledger import PostgresLedger
from accounts.gateway.token_store import PostgresTokenStore
from riskadmin.tradovate.breaker import Breaker, Outage
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.tokens import Credentials, TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane


class NotConnected(Exception):
    """The environment has no address in the settings, or its credentials can't be read."""

    def __init__(self, environment: Environment, why: str = "") -> None:
        """Say why; by default that the environment variable is not set that would connect it."""
        super().__init__(
            why or f"Tradovate's {environment} environment is not connected: TRADOVATE_{environment.upper()}_URL is not set."
        )
        self.environment = environment


def connected_environments() -> list[Environment]:
    """Return the environments that have an address."""
    return [environment for environment in Environment if settings.TRADOVATE_URLS.get(environment)]


def client(environment: Environment, lane: Lane) -> Client:
    """Return the client of an environment and lane. Raises `NotConnected`; thread-safe."""
    try:
        access = _access(environment, credentials.credentials(environment))
    except credentials.CannotOpen as error:
        raise NotConnected(environment, str(error)) from error
    return _client(access, lane, settings.CALLS_AT_ONCE)


def log_in_with(environment: Environment, wanted: Credentials, *, why: str) -> None:
    """Begin a session with other credentials than those in use, for all processes. Raises `NotConnected` and `NotHandled`."""
    _tokens(_access(environment, wanted)).log_in(why)


def budget() -> Budget:
    """Return the API budget of our Tradovate user, which both environments share."""
    return _budget(
        user=settings.TRADOVATE_USERNAME,
        address=settings.BUDGET_ADDRESS,
        calls_per_hour=settings.BUDGET_CALLS_PER_HOUR,
        safety_margin=settings.BUDGET_SAFETY_MARGIN,
        urgent_share_pct=settings.BUDGET_URGENT_SHARE_PCT,
    )


def breaker(environment: Environment) -> Breaker:
    """Return the circuit breaker of an environment."""
    return _breaker(settings.REDIS_URL, environment)


def outage(environment: Environment) -> Outage | None:
    """Return since when an environment has not responded; None if it responds or this is not known. Asks Redis once."""
    try:
        return breaker(environment).outage()
    except redis.RedisError:
        return None


def outages() -> list[Outage]:
    """Return the outage of each connected environment that has one."""
    return [found for environment in connected_environments() if (found := outage(environment))]


def probe_outages() -> None:
    """Check, with one read for each environment that is down and due for a check, whether it responds again."""
    for environment in connected_environments():
        breaker(environment).probe(client(environment, Lane.URGENT).risk_categories)


def _access(environment: Environment, log_in_as: Credentials) -> "_Access":
    base_url = settings.TRADOVATE_URLS.get(environment)
    if not base_url:
        raise NotConnected(environment)
    return _Access(
        environment=environment,
        base_url=base_url,
        extra_hosts=tuple(settings.TRADOVATE_EXTRA_HOSTS),
        credentials=log_in_as,
        encryption_keys=tuple(settings.ENCRYPTION_KEYS),
        budget=budget(),
        breaker=breaker(environment),
    )


@dataclass(frozen=True, kw_only=True)
class _Access:
    """Everything that a client depends on, so that different settings build a different client."""

    environment: Environment
    base_url: str
    extra_hosts: tuple[str, ...]
    credentials: Credentials
    encryption_keys: tuple[str, ...] = field(repr=False)
    budget: Budget
    breaker: Breaker


@cache
def _client(access: _Access, lane: Lane, calls_at_once: int) -> Client:
    return Client(
        environment=access.environment,
        base_url=access.base_url,
        tokens=_tokens(access),
        budget=access.budget,
        breaker=access.breaker,
        at_once=_places(lane, calls_at_once),
        lane=lane,
        extra_hosts=access.extra_hosts,
    )


@cache
def _places(lane: Lane, calls_at_once: int) -> BoundedSemaphore:  # noqa: ARG001  (each lane has its own)
    """As many slots as this process may have calls of a lane in flight at Tradovate, whatever the environment."""
    return BoundedSemaphore(calls_at_once)


@cache
def _tokens(access: _Access) -> TokenSource:
    store = PostgresTokenStore(
        environment=access.environment,
        base_url=access.base_url,
        user=access.credentials.username,
    )
    return TokenSource(
        environment=access.environment,
        base_url=access.base_url,
        store=store,
        credentials=access.credentials,
        budget=access.budget,
        breaker=access.breaker,
        extra_hosts=access.extra_hosts,
    )


@cache
def _budget(**settings_of_it: Any) -> Budget:
    return Budget(PostgresLedger(), **settings_of_it)


@cache
def _breaker(redis_url: str, environment: Environment) -> Breaker:
    return Breaker(_redis(redis_url), environment=environment)


@cache
def _redis(redis_url: str) -> redis.Redis:
    # Retry once, immediately, if Redis has closed the connection; the library by default waits for seconds, on pages too.
    once_more = Retry(NoBackoff(), 1)
    return redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2, retry=once_more)
