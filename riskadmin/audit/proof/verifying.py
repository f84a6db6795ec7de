"""Verify the whole trail in the database: rows against leaves, leaves against the tree, the tree against what was signed."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from riskadmin.audit.actions import AuditEntry, record
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Who
from riskadmin.audit.proof.keys import known_keys
from riskadmin.audit.proof.models import Anchor, Checkpoint, Horizon
from riskadmin.audit.proof.processes import prepare
from riskadmin.audit.proof.rows import copied, hash_of
from riskadmin.audit.proof.sources import Source, sources
from riskadmin.audit.proof.stored import LEAVES, NODES, StoredTree
from riskadmin.audit.proof.verify_export import TILE, TILE_HEIGHT, notes_in, opened, root_at, whole
from riskadmin.audit.proof.verify_export import Checkpoint as Signed
from riskadmin.audit.tags import Tag

LEAVES_AT_ONCE: Final = TILE * TILE
FINDINGS_MAX: Final = 50
"""Of one kind. More are left out."""

ROWS: Final = """
    SELECT leaf.position, leaf.row_id, encode(leaf.salt, 'hex'), encode(leaf.hash, 'hex'), {texts}
    FROM proof_leaf AS leaf LEFT JOIN {table} AS row_ ON row_.{id} = leaf.row_id
    WHERE leaf."table" = {name} AND leaf.position >= {begin} AND leaf.position < {end}
"""
UNSEALED: Final = """
    SELECT row_.{id} FROM {table} AS row_
    WHERE row_.{id} <= {reached} AND row_.{id} <> ALL({pending}::bigint[]) AND {complete}
          AND NOT EXISTS (SELECT FROM proof_leaf AS leaf WHERE leaf."table" = {name} AND leaf.row_id = row_.{id})
    LIMIT {most}
"""


@dataclass(frozen=True)
class Verified:
    """What was verified: leaves from one to another, and what is wrong, in sentences."""

    begin: int
    end: int
    wrong: tuple[str, ...]


def verify_trail(*, actor: Who, origin: Origin, full: bool, processes: int = 1) -> Verified:
    """Verify the trail, and record in it what was found. Without `full`, leaves that were verified before are not read again.

    The tree is always compared with every checkpoint and anchor that there is. Raises DatabaseError.
    """
    last = Checkpoint.objects.order_by("-size").first()
    size = last.size if last else 0
    before = None if full else Event.objects.filter(tag=Tag.TRAIL_VERIFIED).order_by("-occurred_at", "-id").first()
    begin = min(int(before.detail.get("rows", 0)) if before else 0, size) // TILE * TILE
    wrong = [*_leaves(begin, size, processes), *_upper_nodes(size), *_signed(size), *_handed_outside(size), *_unsealed()]
    verified = Verified(begin=begin, end=size, wrong=tuple(wrong))
    tag = Tag.TRAIL_ALTERED if wrong else Tag.TRAIL_VERIFIED
    detail = {"rows": size, "verified_from": begin, **({"findings": wrong[:FINDINGS_MAX]} if wrong else {})}
    with transaction.atomic():
        record(AuditEntry(tag=tag, actor=actor, origin=origin, detail=detail))
    return verified


def _leaves(begin: int, size: int, processes: int) -> Iterator[str]:
    ranges = [(at, min(at + LEAVES_AT_ONCE, size)) for at in range(begin, size, LEAVES_AT_ONCE)]
    if processes > 1 and len(ranges) > 1:
        spawned = multiprocessing.get_context("spawn")  # a forked process would share this one's connections
        with ProcessPoolExecutor(processes, mp_context=spawned, initializer=prepare) as pool:
            for found in pool.map(verify_range, *zip(*ranges, strict=True)):
                yield from found
        return
    for one in ranges:
        yield from verify_range(*one)


def verify_range(begin: int, end: int) -> list[str]:
    """Return what is wrong with the leaves of a range, which begins with a tile: their rows, and the nodes above them."""
    with connection.cursor() as cursor:
        cursor.execute(LEAVES, [begin, end])
        leaves = {position: bytes(leaf) for position, leaf in cursor.fetchall()}
        cursor.execute(NODES, [1, begin // TILE, end // TILE])
        nodes = {position: bytes(node) for position, node in cursor.fetchall()}
    wrong = [f"leaf {at} is missing" for at in range(begin, end) if at not in leaves][:FINDINGS_MAX]
    for source in sources():
        wrong += _rows_of(source, begin, end)
    for tile in range(begin // TILE, end // TILE):
        hashes = [leaves.get(at, b"") for at in range(tile * TILE, (tile + 1) * TILE)]
        if whole(hashes) != nodes.get(tile):
            wrong.append(f"the leaves from {tile * TILE} on are not those of the tree")
    return wrong


def _rows_of(source: Source, begin: int, end: int) -> list[str]:
    query = sql.SQL(ROWS).format(
        texts=source.texts,
        table=sql.Identifier(source.table),
        name=sql.Literal(source.table),
        id=sql.Identifier(source.columns[0]),
        begin=sql.Literal(begin),
        end=sql.Literal(end),
    )
    wrong = []
    for position, row_id, salt, leaf, *texts in copied(query):
        if texts[0] is None:
            wrong.append(f"{source.table} {row_id} is missing (leaf {position})")
        elif hash_of(source, texts, bytes.fromhex(salt or "")).hex() != leaf:
            wrong.append(f"{source.table} {row_id} is not what was sealed as leaf {position}")
    return wrong[:FINDINGS_MAX]


def _upper_nodes(size: int) -> Iterator[str]:
    tree = StoredTree(size)
    for level in range(2, size.bit_length() // TILE_HEIGHT + 1):
        for position in range(size >> TILE_HEIGHT * level):
            if whole(tree.load(level - 1, position)) != tree.load(level, position // TILE)[position % TILE]:
                yield f"node {position} of level {level} is not that of the tree"


def _signed(size: int) -> Iterator[str]:
    tree, keys = StoredTree(size), known_keys()
    for checkpoint in Checkpoint.objects.order_by("size").iterator():
        try:
            signed = Signed.parse(opened(checkpoint.note, keys))
        except (ValueError, IndexError) as error:
            yield f"the checkpoint of {checkpoint.size} rows {error}"
            continue
        if (signed.size, signed.root) != (checkpoint.size, bytes(checkpoint.root)):
            yield f"the checkpoint of {checkpoint.size} rows is not the one that was signed"
        elif root_at(signed.size, tree.load) != signed.root:
            yield f"the tree is not the one whose {signed.size} rows were signed at {signed.at:%Y-%m-%d %H:%M:%S}"


def _handed_outside(size: int) -> Iterator[str]:
    """Compare with what was handed outside, as far as it can be read here: the file, and copies of the other receipts."""
    tree, keys = StoredTree(size), known_keys()
    for note in _notes():
        try:
            signed = Signed.parse(opened(note, keys))
        except (ValueError, IndexError) as error:
            yield f"a checkpoint that was handed outside {error}"
            continue
        if signed.size > size:
            yield f"the trail was cut: {signed.size} rows were handed outside at {signed.at:%Y-%m-%d %H:%M:%S}, {size} are left"
        elif root_at(signed.size, tree.load) != signed.root:
            yield f"the trail is not that of the {signed.size} rows that were handed outside"


def _notes() -> list[str]:
    found = list(Anchor.objects.order_by("size").values_list("note", flat=True))
    path = settings.AUDIT_ANCHOR_FILE
    if path and Path(path).exists():
        found += notes_in(Path(path).read_text(encoding="utf-8", errors="replace"))
    return list(dict.fromkeys(found))


def _unsealed() -> Iterator[str]:
    for source in sources():
        horizon = Horizon.objects.filter(table=source.table).first()
        if horizon is None:
            continue
        query = sql.SQL(UNSEALED).format(
            table=sql.Identifier(source.table),
            name=sql.Literal(source.table),
            id=sql.Identifier(source.columns[0]),
            reached=sql.Literal(horizon.reached),
            pending=sql.Literal(horizon.pending),
            complete=sql.SQL(f"({source.complete or 'true'})"),
            most=sql.Literal(FINDINGS_MAX),
        )
        for (row_id,) in _fetched(query):
            yield f"{source.table} {row_id} was never sealed, though rows after it were"


def _fetched(query: sql.Composed) -> Sequence[tuple[int]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        found: list[tuple[int]] = cursor.fetchall()
        return found
