"""Seal what was written: give each row its leaf, grow the tree, and sign what it is now."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from riskadmin.audit.proof.horizon import advance
from riskadmin.audit.proof.keys import signed_note, signing_key
from riskadmin.audit.proof.merkle import Tree
from riskadmin.audit.proof.models import Checkpoint, Horizon, Node
from riskadmin.audit.proof.rows import Texts, complete_rows, hash_of, incomplete_ids, rows_between
from riskadmin.audit.proof.sources import Source, sources
from riskadmin.audit.proof.verify_export import Checkpoint as Signed

ROWS_AT_ONCE: Final = 20_000
"""Rows of a table that one round seals at most, so that its transaction stays short."""

SALT_BYTES: Final = 16
_ALONE: Final = "SELECT pg_try_advisory_xact_lock(hashtextextended('sealing of the audit trail', 0))"
_CLOCK: Final = "SELECT clock_timestamp()"


@dataclass
class Sealed:
    """What one round did. `has_more`: there are rows that could be sealed at once."""

    rows: int = 0
    has_more: bool = False
    checkpoint: Checkpoint | None = None


@dataclass
class _Leaves:
    """The new leaves of a round, in their order."""

    tree: Tree
    leaves: list[tuple[int, str, int, bytes, bytes]] = field(default_factory=list)

    def add(self, source: Source, rows: Sequence[Texts]) -> None:
        begin = self.tree.size + len(self.leaves)
        salts = secrets.token_bytes(SALT_BYTES * len(rows))
        for number, texts in enumerate(rows):
            salt = salts[SALT_BYTES * number : SALT_BYTES * (number + 1)]
            self.leaves.append((begin + number, source.table, int(texts[0] or 0), salt, hash_of(source, texts, salt)))


def seal() -> Sealed:
    """Seal the rows of all tables that can be sealed now, in one transaction, and sign a checkpoint if there were any.

    Only one process does so at a time: another call finds nothing to do. Raises NoKey, before anything is written.
    """
    signing_key()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ALONE)
            if not cursor.fetchone()[0]:
                return Sealed()
        last = Checkpoint.objects.order_by("-size").first()
        found = _Leaves(Tree(last.size, bytes(last.edge)) if last else Tree(0, b""))
        sealed = Sealed()
        for source in sources():
            sealed.has_more |= _collect(source, found)
        if found.leaves:
            sealed.rows, sealed.checkpoint = len(found.leaves), _write(found)
        return sealed


def seal_everything() -> int:
    """Seal round after round until nothing more can be sealed now; return how many rows. Raises NoKey."""
    total = 0
    while True:
        sealed = seal()
        total += sealed.rows
        if not sealed.has_more:
            return total


def _collect(source: Source, found: _Leaves) -> bool:
    """Take the rows of a table that can be sealed now; return whether there are more."""
    horizon, _ = Horizon.objects.get_or_create(table=source.table)
    rows = complete_rows(source, horizon.pending)
    done = {int(texts[0] or 0) for texts in rows}
    pending = [row_id for row_id in horizon.pending if row_id not in done]
    reached = advance(source, horizon)
    has_more = False
    if reached > horizon.reached:
        # What is complete is looked at before the rows are read: a row that is completed in between waits for the next round.
        later = incomplete_ids(source, after=horizon.reached, to=reached)
        fresh = rows_between(source, after=horizon.reached, to=reached, limit=ROWS_AT_ONCE)
        has_more = len(fresh) == ROWS_AT_ONCE
        if has_more:
            horizon.candidate, horizon.waits_for = reached, []  # nothing more to wait for up to there
            reached = int(fresh[-1][0] or 0)
        horizon.reached = reached
        pending += sorted(row_id for row_id in later if row_id <= reached)
        rows += [texts for texts in fresh if int(texts[0] or 0) not in later]
    horizon.pending = pending
    horizon.save()
    found.add(source, rows)
    return has_more


def _write(found: _Leaves) -> Checkpoint:
    nodes = list(found.tree.append([leaf for *_, leaf in found.leaves]))
    with connection.cursor() as cursor, connection.wrap_database_errors:
        with cursor.copy('COPY proof_leaf (position, "table", row_id, salt, hash) FROM STDIN') as copy:
            for leaf in found.leaves:
                copy.write_row(leaf)
        cursor.execute(_CLOCK)
        made_at = cursor.fetchone()[0]
    Node.objects.bulk_create(Node(level=level, position=position, hash=node) for level, position, node in nodes)
    tree = found.tree
    note = signed_note(Signed(origin=settings.AUDIT_ORIGIN, size=tree.size, root=tree.root, at=made_at).body)
    return Checkpoint.objects.create(size=tree.size, root=tree.root, edge=tree.edge, note=note, made_at=made_at)
