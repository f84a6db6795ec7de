"""What the processes of a race test run. A module of its own, so that they import nothing more."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

import redis

from riskadmin.tradovate.budget import WINDOW_S, Budget
from riskadmin.tradovate.endpoints import ACCOUNTS
from riskadmin.tradovate.errors import NotHandled, NotHandledReason
from riskadmin.tradovate.tokens import TokenSource
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.tradovate.names import CREDENTIALS
from tests.tradovate.stores import SqliteLedger, SqliteTokenStore

PROCESSES = 8


def admissions(
    redis_url: str, ledger_path: Path, *, calls_per_hour: int, window_s: float, enough: int, lane: Lane
) -> list[datetime]:
    """Reserve without pause until `enough` attempts are on record or, with the real window, the hour is used up."""
    ledger = SqliteLedger(ledger_path)
    admitted: list[datetime] = []
    with closing(redis.Redis.from_url(redis_url)) as client:
        budget = Budget(client, ledger, user="desk", calls_per_hour=calls_per_hour, safety_margin=0, window_s=window_s)
        while len(ledger.endpoints()) < enough:
            try:
                admitted.append(budget.reserve(ACCOUNTS, lane).at)
            except NotHandled as refusal:
                if refusal.reason is NotHandledReason.NO_BUDGET and window_s == WINDOW_S:
                    break
    return admitted


def _source(redis_client: redis.Redis, directory: Path, base_url: str) -> TokenSource:
    return TokenSource(
        environment=Environment.DEMO,
        base_url=base_url,
        store=SqliteTokenStore(directory / "token.sqlite"),
        credentials=CREDENTIALS,
        budget=Budget(redis_client, SqliteLedger(directory / "ledger.sqlite"), user="desk"),
    )


def a_token(redis_url: str, directory: Path, base_url: str) -> str:
    """Ask for a token as one process of many."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        return _source(client, directory, base_url).get()


def another_token(redis_url: str, directory: Path, base_url: str, refused: str) -> str:
    """Report a refused token as one process of many, and ask for the next."""
    with closing(redis.Redis.from_url(redis_url)) as client:
        source = _source(client, directory, base_url)
        source.refuse(refused)
        return source.get()
