"""What the processes of a race test run. A module of its own, so that they import nothing more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import django

django.setup()  # before the models of the ledger are imported

from django.db import connection  # noqa: E402

from accounts.gateway.ledger import PostgresLedger  # noqa: E402
from accounts.models.api import ApiAttempt  # noqa: E402
from riskadmin.tradovate.budget import WINDOW_S, Budget  # noqa: E402
from riskadmin.tradovate.endpoints import ACCOUNTS  # noqa: E402
from riskadmin.tradovate.errors import NotHandled, NotHandledReason  # noqa: E402
from riskadmin.tradovate.tokens import TokenSource  # noqa: E402
from riskadmin.tradovate.vocabulary import Environment, Lane  # noqa: E402
from tests.tradovate.names import CREDENTIALS  # noqa: E402
from tests.tradovate.stores import SqliteTokenStore  # noqa: E402

PROCESSES = 8


def database_of_this_test() -> str:
    """The name to pass to a process of a race: by itself it would use another database."""
    return str(connection.settings_dict["NAME"])


def _budget(database: str, *, calls_per_hour: int = 5000, safety_margin: int = 25, window_s: float = WINDOW_S) -> Budget:
    connection.settings_dict["NAME"] = database
    return Budget(
        PostgresLedger(),
        user="desk",
        calls_per_hour=calls_per_hour,
        safety_margin=safety_margin,
        urgent_share_pct=10,
        window_s=window_s,
    )


def admissions(
    database: str, *, calls_per_hour: int, window_s: float, enough: int, lane: Lane, withdraw_each: int = 0
) -> list[datetime]:
    """Reserve without pause until `enough` attempts are on record or, with the real window, the hour is used up.

    Every `withdraw_each`-th is withdrawn at once, if that is not 0.
    """
    budget = _budget(database, calls_per_hour=calls_per_hour, safety_margin=0, window_s=window_s)
    admitted: list[datetime] = []
    asked = 0
    while ApiAttempt.objects.count() < enough:
        try:
            admission = budget.reserve(ACCOUNTS, lane)
        except NotHandled as refusal:
            if refusal.reason is NotHandledReason.NO_BUDGET and window_s == WINDOW_S:
                break
            continue
        asked += 1
        if withdraw_each and asked % withdraw_each == 0:
            budget.withdraw(admission)
        else:
            admitted.append(admission.at)
    return admitted


def _source(database: str, directory: Path, base_url: str) -> TokenSource:
    return TokenSource(
        environment=Environment.DEMO,
        base_url=base_url,
        store=SqliteTokenStore(directory / "token.sqlite"),
        credentials=CREDENTIALS,
        budget=_budget(database),
    )


def a_token(database: str, directory: Path, base_url: str) -> str:
    """Ask for a token as one process of many."""
    return _source(database, directory, base_url).get()


def another_token(database: str, directory: Path, base_url: str, refused: str) -> str:
    """Report a refused token as one process of many, and ask for the next."""
    source = _source(database, directory, base_url)
    source.refuse(refused)
    return source.get()
