"""The simulator's storage across restarts: one SQLite file, committed before each answer is sent.

Nothing is written while a call is handled: changes are queued here and ``flush`` commits them together with the row of the
call. Memory is lost with the process, so a kill always leaves the state after a whole number of calls.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from riskadmin.simulator.json_text import decode
from riskadmin.simulator.tables import PRIVATE_KINDS, PUBLIC_KINDS, Host
from riskadmin.simulator.vocabulary import Entity

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entity (
    host TEXT NOT NULL, kind TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (host, kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session (token TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticket (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block (subject TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS call (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, host TEXT NOT NULL, method TEXT NOT NULL,
    endpoint TEXT NOT NULL, ip TEXT NOT NULL, subject TEXT NOT NULL, user_id INTEGER,
    status INTEGER, outcome TEXT NOT NULL, fault TEXT NOT NULL, counted INTEGER NOT NULL, request TEXT, answer TEXT
);
CREATE TABLE IF NOT EXISTS effect (
    id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, host TEXT NOT NULL, source TEXT NOT NULL,
    call_id INTEGER, user_id INTEGER, endpoint TEXT, action TEXT NOT NULL, entity TEXT NOT NULL,
    entity_id INTEGER NOT NULL, account_id INTEGER, before TEXT, after TEXT, detail TEXT
);
CREATE INDEX IF NOT EXISTS effect_account ON effect (account_id, id);  -- GET /effects?account_id=
"""

PUT_ENTITY: Final = "INSERT OR REPLACE INTO entity (host, kind, id, body) VALUES (?, ?, ?, ?)"
DROP_ENTITY: Final = "DELETE FROM entity WHERE host = ? AND kind = ? AND id = ?"
PUT_META: Final = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
PUT_SESSION: Final = "INSERT OR REPLACE INTO session (token, body) VALUES (?, ?)"
PUT_TICKET: Final = "INSERT OR REPLACE INTO ticket (id, body) VALUES (?, ?)"
DROP_TICKET: Final = "DELETE FROM ticket WHERE id = ?"
PUT_BLOCK: Final = "INSERT OR REPLACE INTO block (subject, until_ms) VALUES (?, ?)"
PUT_CALL: Final = """INSERT OR REPLACE INTO call
    (id, at_ms, host, method, endpoint, ip, subject, user_id, status, outcome, fault, counted, request, answer)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
PUT_EFFECT: Final = """INSERT INTO effect
    (id, at_ms, host, source, call_id, user_id, endpoint, action, entity, entity_id, account_id, before, after, detail)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class StoreInUseError(RuntimeError):
    """Another simulator has this data directory open."""


class Store:
    """The file, and the statements waiting for the next commit."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raise StoreInUseError when another process has it open."""
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        self._db.row_factory = sqlite3.Row
        try:
            # Exclusive: a second simulator on the same data is refused, and WAL needs no shared memory.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            # NORMAL survives any end of the process. A power cut may lose the last calls, but never corrupts the file.
            self._db.execute("PRAGMA synchronous = NORMAL")
            # About 80 MB of log between checkpoints: each checkpoint stops the only thread.
            self._db.execute("PRAGMA wal_autocheckpoint = 20000")
            self._db.executescript(SCHEMA)
            self._add_new_columns()
        except sqlite3.OperationalError as error:
            raise StoreInUseError(f"{path} can't be opened, is another simulator using it? ({error})") from error
        self._pending: list[tuple[str, tuple[object, ...]]] = []

    def _add_new_columns(self) -> None:
        """Upgrade a file of an earlier version."""
        if "answer" not in {row["name"] for row in self._db.execute("PRAGMA table_info(call)")}:
            self._db.execute("ALTER TABLE call ADD COLUMN answer TEXT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def later(self, statement: str, parameters: tuple[object, ...]) -> None:
        """Queue a statement for the next flush."""
        self._pending.append((statement, parameters))

    def flush(self) -> None:
        """Commit everything queued, all or nothing."""
        pending, self._pending = self._pending, []
        if len(pending) == 1:  # a single statement is its own transaction, which keeps reads cheap
            self._db.execute(*pending[0])
            return
        self._db.execute("BEGIN")
        try:
            for statement, parameters in pending:
                self._db.execute(statement, parameters)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def put_entity(self, host: str, kind: str, key: int, body: bytes) -> None:
        """Queue one entity, given as JSON."""
        self.later(PUT_ENTITY, (host, kind, key, body.decode()))

    def drop_entity(self, host: str, kind: str, key: int) -> None:
        """Queue the deletion of one entity."""
        self.later(DROP_ENTITY, (host, kind, key))

    def put_meta(self, key: str, value: object) -> None:
        """Queue one value stored by name."""
        self.later(PUT_META, (key, json.dumps(value)))

    def meta(self, key: str) -> Any:
        """Return a value stored by name, or None."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def load(self, hosts: dict[str, Host]) -> None:
        """Fill the hosts. Owners come before their dependents."""
        for kind in (*PUBLIC_KINDS, *PRIVATE_KINDS):
            query = "SELECT host, body FROM entity WHERE kind = ? ORDER BY host, id"
            for row in self._db.execute(query, (kind,)):
                hosts[row["host"]].put(kind, decode(row["body"]))
        # The effects include deleted entities, so no id is used twice.
        query = "SELECT host, entity, max(entity_id) AS id FROM effect WHERE after IS NULL AND before IS NOT NULL GROUP BY 1, 2"
        for row in self._db.execute(query):
            table = hosts[row["host"]].tables[row["entity"]]
            table.next_id = max(table.next_id, row["id"] + 1)

    def bodies(self, table: str) -> list[Entity]:
        """Return the stored JSON of every session or ticket."""
        rows = self._db.execute(f"SELECT body FROM {table}")  # noqa: S608 - called with two literals
        return [json.loads(row["body"]) for row in rows]

    def next_id(self, table: str) -> int:
        """Return the id of the next call or effect."""
        row = self._db.execute(f"SELECT coalesce(max(id), 0) + 1 AS id FROM {table}").fetchone()  # noqa: S608 - two literals
        return int(row["id"])

    def rows(self, query: str, parameters: Iterable[object] = ()) -> list[dict[str, Any]]:
        """Return the rows of a query, for the control port and at start."""
        return [dict(row) for row in self._db.execute(query, tuple(parameters))]
