"""The package's two protocols for its tests: tokens in a SQLite file, and the real ledger with its rows to look at."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.db import OperationalError, connection

from accounts.gateway.ledger import PostgresLedger
from accounts.models.api import ApiAttempt, ApiHalt
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.tokens import StoredToken

TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS token (id INTEGER PRIMARY KEY CHECK (id = 1), access_token TEXT, expires_at REAL,
  generation INTEGER NOT NULL DEFAULT 0, holder TEXT, leased_until REAL NOT NULL DEFAULT 0);
INSERT OR IGNORE INTO token (id) VALUES (1);
"""


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.away = False
        with closing(sqlite3.connect(path, timeout=30)) as file:
            file.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self.away:
            raise StoreUnavailable
        # Rivals queue for a file lock; SQLite's own waiting would put them to sleep for up to 100 ms.
        with (
            self.path.with_suffix(".lock").open("w") as queue,
            closing(sqlite3.connect(self.path, isolation_level=None)) as file,
        ):
            fcntl.flock(queue, fcntl.LOCK_EX)
            file.execute("PRAGMA synchronous = OFF")
            file.execute("BEGIN IMMEDIATE")
            yield file
            file.execute("COMMIT")


class WatchedLedger(PostgresLedger):
    """The real ledger, and what is recorded in it."""

    def endpoints(self) -> list[str]:
        """Of every attempt on record, oldest first."""
        return list(ApiAttempt.objects.order_by("pk").values_list("endpoint", flat=True))

    def lanes(self) -> list[str]:
        return list(ApiAttempt.objects.order_by("pk").values_list("lane", flat=True))

    def stops(self) -> list[str]:
        """The scope of every stop on record, oldest first."""
        return list(ApiHalt.objects.order_by("pk").values_list("endpoint", flat=True))

    def stops_in_the_trail(self) -> int:
        return Event.objects.filter(tag=Tag.API_HALTED).count()


@contextmanager
def database_away() -> Iterator[None]:
    """Let every query of this thread fail."""

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection")

    with connection.execute_wrapper(fail):
        yield


class SqliteTokenStore(_File):
    """`tokens.TokenStore`."""

    def load(self) -> StoredToken | None:
        with self.transaction() as file:
            row = file.execute("SELECT access_token, expires_at, generation FROM token").fetchone()
        return StoredToken(row[0], datetime.fromtimestamp(row[1], UTC), row[2]) if row[0] else None

    def lease(self, *, holder: str, seconds: float) -> bool:
        with self.transaction() as file:
            now = time.time()
            taken = file.execute(
                "UPDATE token SET holder = ?, leased_until = ? WHERE leased_until <= ? OR holder = ?",
                (holder, now + seconds, now, holder),
            )
            return taken.rowcount == 1

    def release(self, *, holder: str) -> None:
        with self.transaction() as file:
            file.execute("UPDATE token SET leased_until = 0 WHERE holder = ?", (holder,))

    def save(self, *, holder: str, access_token: str, expires_at: datetime, begins: str = "") -> bool:
        with self.transaction() as file:
            saved = file.execute(
                "UPDATE token SET access_token = ?, expires_at = ?, generation = generation + 1"
                " WHERE holder = ? AND leased_until > ?",
                (access_token, expires_at.timestamp(), holder, time.time()),
            )
            return saved.rowcount == 1

    def put(self, access_token: str, expires_at: datetime) -> None:
        """A token as another process left it."""
        assert self.lease(holder="another", seconds=60)
        assert self.save(holder="another", access_token=access_token, expires_at=expires_at)
        self.release(holder="another")
