"""The two protocols of the package over a SQLite file: durable, and shared by threads and processes.

The real ones, over PostgreSQL, belong to `accounts` and are tested there; this package knows no database.
"""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from riskadmin.tradovate.errors import StoreUnavailable
from riskadmin.tradovate.ledger import Attempt, Halt, LoweredLimit
from riskadmin.tradovate.tokens import StoredToken
from riskadmin.tradovate.vocabulary import Lane

TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS attempt (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT, address TEXT, endpoint TEXT, lane TEXT,
  at REAL);
CREATE TABLE IF NOT EXISTS halt (user TEXT, address TEXT, endpoint TEXT, reason TEXT, until REAL, is_new INTEGER);
CREATE TABLE IF NOT EXISTS lowered (user TEXT PRIMARY KEY, calls INTEGER, counted INTEGER, at REAL, lasts REAL);
CREATE TABLE IF NOT EXISTS token (id INTEGER PRIMARY KEY CHECK (id = 1), access_token TEXT, expires_at REAL,
  generation INTEGER NOT NULL DEFAULT 0, holder TEXT, leased_until REAL NOT NULL DEFAULT 0);
INSERT OR IGNORE INTO token (id) VALUES (1);
"""


class _File:
    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock
        self.away = False
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            connection.executescript(TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self.away:
            raise StoreUnavailable
        # Rivals queue for a file lock; SQLite's own waiting would put them to sleep for up to 100 ms.
        with (
            self.path.with_suffix(".lock").open("w") as queue,
            closing(sqlite3.connect(self.path, isolation_level=None)) as connection,
        ):
            fcntl.flock(queue, fcntl.LOCK_EX)
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")


class SqliteLedger(_File):
    """`ledger.Ledger`; `before_recent` is called by the next `recent`, to put a rival there."""

    before_recent: Callable[[], None] | None = None

    def append(self, *, user: str, address: str, endpoint: str, lane: Lane, attempts: int) -> list[int]:
        ids = []
        with self.transaction() as connection:
            for _ in range(attempts):
                row = connection.execute(
                    "INSERT INTO attempt (user, address, endpoint, lane, at) VALUES (?, ?, ?, ?, ?)",
                    (user, address, endpoint, lane, self.clock()),
                )
                assert row.lastrowid
                ids.append(row.lastrowid)
        return ids

    def forget(self, attempt_ids: Sequence[int], /) -> None:
        with self.transaction() as connection:
            connection.executemany("DELETE FROM attempt WHERE id = ?", [(each,) for each in attempt_ids])

    def recent(self, *, user: str, address: str, within_s: float) -> list[Attempt]:
        with self.transaction() as connection:
            now = self.clock()
            rows = connection.execute(
                "SELECT id, endpoint, ? - at, user, address FROM attempt WHERE (user = ? OR address = ?) AND at >= ?",
                (now, user, address, now - within_s),
            ).fetchall()
        rival, self.before_recent = self.before_recent, None
        if rival:
            rival()
        return [Attempt(*row) for row in rows]

    def halts(self, *, user: str, address: str) -> list[Halt]:
        with self.transaction() as connection:
            now = self.clock()
            rows = connection.execute(
                "SELECT endpoint, reason, until - ?, user, address FROM halt"
                " WHERE (user = ? OR address = ? AND endpoint IS NOT NULL) AND until > ?",
                (now, user, address, now),
            ).fetchall()
        return [Halt(*row) for row in rows]

    def save_halt(
        self, *, user: str, address: str, endpoint: str | None, reason: str, seconds: float, is_new: bool = True
    ) -> None:
        with self.transaction() as connection:
            until = self.clock() + seconds
            row = (user, address, endpoint, reason, until, is_new)
            connection.execute("INSERT INTO halt VALUES (?, ?, ?, ?, ?, ?)", row)

    def stops(self) -> list[tuple[str | None, float, bool]]:
        """Of every halt on record, oldest first: its scope, its end, and whether it was a new one."""
        with self.transaction() as connection:
            rows = connection.execute("SELECT endpoint, until, is_new FROM halt ORDER BY rowid").fetchall()
        return [(endpoint, until, bool(is_new)) for endpoint, until, is_new in rows]

    def lowered(self, user: str, /) -> LoweredLimit | None:
        with self.transaction() as connection:
            row = connection.execute(
                "SELECT calls, counted, ? - at, lasts FROM lowered WHERE user = ?", (self.clock(), user)
            ).fetchone()
        return LoweredLimit(*row) if row else None

    def save_lowered(self, *, user: str, calls: int, counted: int, seconds: float) -> None:
        with self.transaction() as connection:
            row = (user, calls, counted, self.clock(), seconds)
            connection.execute("INSERT OR REPLACE INTO lowered VALUES (?, ?, ?, ?, ?)", row)

    def endpoints(self) -> list[str]:
        """Of every attempt on record, oldest first."""
        with self.transaction() as connection:
            return [row[0] for row in connection.execute("SELECT endpoint FROM attempt ORDER BY id")]

    def lanes(self) -> list[str]:
        with self.transaction() as connection:
            return [row[0] for row in connection.execute("SELECT lane FROM attempt ORDER BY id")]


class SqliteTokenStore(_File):
    """`tokens.TokenStore`."""

    def load(self) -> StoredToken | None:
        with self.transaction() as connection:
            row = connection.execute("SELECT access_token, expires_at, generation FROM token").fetchone()
        return StoredToken(row[0], datetime.fromtimestamp(row[1], UTC), row[2]) if row[0] else None

    def lease(self, *, holder: str, seconds: float) -> bool:
        with self.transaction() as connection:
            now = time.time()
            taken = connection.execute(
                "UPDATE token SET holder = ?, leased_until = ? WHERE leased_until <= ? OR holder = ?",
                (holder, now + seconds, now, holder),
            )
            return taken.rowcount == 1

    def release(self, *, holder: str) -> None:
        with self.transaction() as connection:
            connection.execute("UPDATE token SET leased_until = 0 WHERE holder = ?", (holder,))

    def save(self, *, holder: str, access_token: str, expires_at: datetime) -> bool:
        with self.transaction() as connection:
            saved = connection.execute(
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
