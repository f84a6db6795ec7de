"""The way to Tradovate: clients built from the settings, over stores in PostgreSQL and Redis.

What is built is kept for the life of the process, so that threads share one pool of Redis connections and one token, and
each keeps its connection to Tradovate.
"""

from dataclasses import dataclass, field
from functools import cache

import redis
from django.conf import settings

from accounts.ledger import PostgresLedger
from accounts.token_store import PostgresTokenStore
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.tokens import Credentials, TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane


class NotConnected(Exception):
    """The environment has no address in the settings."""

    def __init__(self, environment: Environment) -> None:
        """Name the variable that would connect it."""
        super().__init__(
            f"Tradovate's {environment} environment is not connected: TRADOVATE_{environment.upper()}_URL is not set."
        )
        self.environment = environment


def connected_environments() -> list[Environment]:
    """Return the environments that have an address."""
    return [environment for environment in Environment if settings.TRADOVATE_URLS.get(environment)]


def client(environment: Environment, lane: Lane) -> Client:
    """Return the client of an environment and lane. Raises `NotConnected`; safe for threads."""
    base_url = settings.TRADOVATE_URLS.get(environment)
    if not base_url:
        raise NotConnected(environment)
    credentials = Credentials(
        username=settings.TRADOVATE_USERNAME,
        password=settings.TRADOVATE_PASSWORD,
        app_id=settings.TRADOVATE_APP_ID,
        app_version=settings.TRADOVATE_APP_VERSION,
        cid=settings.TRADOVATE_CID,
        sec=settings.TRADOVATE_SEC,
        device_id=settings.TRADOVATE_DEVICE_ID,
    )
    access = _Access(
        environment=environment,
        base_url=base_url,
        extra_hosts=tuple(settings.TRADOVATE_EXTRA_HOSTS),
        credentials=credentials,
        secret_key=settings.SECRET_KEY,
        budget=budget(),
    )
    return _client(access, lane)


def budget() -> Budget:
    """Return the rate budget of our Tradovate user, which both environments share."""
    return _budget(
        settings.REDIS_URL,
        settings.TRADOVATE_USERNAME,
        settings.BUDGET_CALLS_PER_HOUR,
        settings.BUDGET_SAFETY_MARGIN,
        settings.BUDGET_URGENT_SHARE_PCT,
    )


@dataclass(frozen=True, kw_only=True)
class _Access:
    """All that a client depends on, so that other settings make another client."""

    environment: Environment
    base_url: str
    extra_hosts: tuple[str, ...]
    credentials: Credentials
    secret_key: str = field(repr=False)
    budget: Budget


@cache
def _client(access: _Access, lane: Lane) -> Client:
    return Client(
        environment=access.environment,
        base_url=access.base_url,
        tokens=_tokens(access),
        budget=access.budget,
        lane=lane,
        extra_hosts=access.extra_hosts,
    )


@cache
def _tokens(access: _Access) -> TokenSource:
    store = PostgresTokenStore(
        environment=access.environment,
        base_url=access.base_url,
        user=access.credentials.username,
        secret_key=access.secret_key,
    )
    return TokenSource(
        environment=access.environment,
        base_url=access.base_url,
        store=store,
        credentials=access.credentials,
        budget=access.budget,
        extra_hosts=access.extra_hosts,
    )


@cache
def _budget(redis_url: str, user: str, calls_per_hour: int, safety_margin: int, urgent_share_pct: int) -> Budget:
    return Budget(
        redis.Redis.from_url(redis_url, socket_timeout=5, socket_connect_timeout=2),
        PostgresLedger(),
        user=user,
        calls_per_hour=calls_per_hour,
        safety_margin=safety_margin,
        urgent_share_pct=urgent_share_pct,
    )
