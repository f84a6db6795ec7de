"""The way to Tradovate: clients built from the settings, over stores in PostgreSQL and Redis.

What is built is kept for the life of the process, so that threads share one pool of Redis connections and one token, and
each keeps its connection to Tradovate.
"""

from functools import cache

import redis
from django.conf import settings

from accounts.ledger import PostgresLedger
from accounts.token_store import PostgresTokenStore
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.tokens import Credentials, TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane


class NotConnected(Exception):  # noqa: N818  (like its siblings in the tradovate room, it says what is the case)
    """The environment has no address in the settings."""

    def __init__(self, environment: Environment) -> None:
        """Name the variable that would connect it."""
        super().__init__(f"Tradovate's {environment} environment is not connected: TRADOVATE_{environment.upper()}_URL is not set.")
        self.environment = environment


def connected_environments() -> list[Environment]:
    """Return the environments that have an address."""
    return [environment for environment in Environment if settings.TRADOVATE_URLS.get(environment)]


def client(environment: Environment, lane: Lane) -> Client:
    """Return the client of an environment and lane. Raises `NotConnected`; safe for threads."""
    base_url = settings.TRADOVATE_URLS.get(environment)
    if not base_url:
        raise NotConnected(environment)
    extra_hosts = tuple(settings.TRADOVATE_EXTRA_HOSTS)
    return _client(environment, lane, base_url, extra_hosts, _credentials(), settings.SECRET_KEY, budget())


def budget() -> Budget:
    """Return the rate budget of our Tradovate user, which both environments share."""
    return _budget(
        settings.REDIS_URL,
        settings.TRADOVATE_USERNAME,
        settings.BUDGET_CALLS_PER_HOUR,
        settings.BUDGET_SAFETY_MARGIN,
        settings.BUDGET_URGENT_SHARE_PCT,
    )


def _credentials() -> Credentials:
    return Credentials(
        username=settings.TRADOVATE_USERNAME,
        password=settings.TRADOVATE_PASSWORD,
        app_id=settings.TRADOVATE_APP_ID,
        app_version=settings.TRADOVATE_APP_VERSION,
        cid=settings.TRADOVATE_CID,
        sec=settings.TRADOVATE_SEC,
        device_id=settings.TRADOVATE_DEVICE_ID,
    )


@cache
def _client(  # noqa: PLR0913  (all that it depends on, so that other settings make another client)
    environment: Environment,
    lane: Lane,
    base_url: str,
    extra_hosts: tuple[str, ...],
    credentials: Credentials,
    secret_key: str,
    shared_budget: Budget,
) -> Client:
    tokens = _tokens(environment, base_url, extra_hosts, credentials, secret_key, shared_budget)
    return Client(
        environment=environment,
        base_url=base_url,
        tokens=tokens,
        budget=shared_budget,
        lane=lane,
        extra_hosts=extra_hosts,
    )


@cache
def _tokens(  # noqa: PLR0913  (likewise)
    environment: Environment,
    base_url: str,
    extra_hosts: tuple[str, ...],
    credentials: Credentials,
    secret_key: str,
    shared_budget: Budget,
) -> TokenSource:
    store = PostgresTokenStore(
        environment=environment, base_url=base_url, user=credentials.username, secret_key=secret_key
    )
    return TokenSource(
        environment=environment,
        base_url=base_url,
        store=store,
        credentials=credentials,
        budget=shared_budget,
        extra_hosts=extra_hosts,
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
