"""The tree as PostgreSQL stores it: its tiles, and the checkpoints that an export carries."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from django.db import connection

from riskadmin.audit.proof.models import Checkpoint
from riskadmin.audit.proof.verify_export import HASH_BYTES, TILE, TILE_HEIGHT

Tile = tuple[int, int]
"""A tile's level and its position from the left."""

NEWEST: Final = 20
LEAVES: Final = "SELECT position, hash FROM proof_leaf WHERE position >= %s AND position < %s"
NODES: Final = "SELECT position, hash FROM proof_node WHERE level = %s AND position >= %s AND position < %s"
CHOSEN: Final = """
    SELECT * FROM proof_checkpoint WHERE size <= %(size)s AND id IN (
        SELECT DISTINCT ON (date_trunc('day', made_at)) id FROM proof_checkpoint ORDER BY date_trunc('day', made_at), size DESC
    ) UNION SELECT * FROM (SELECT * FROM proof_checkpoint WHERE size <= %(size)s ORDER BY size DESC LIMIT %(newest)s) AS newest
    ORDER BY size
"""
_MISSING: Final = bytes(HASH_BYTES)


class StoredTree:
    """The tree of the first `size` leaves."""

    def __init__(self, size: int) -> None:
        """Read nothing yet."""
        self.size = size
        self.load = lru_cache(maxsize=512)(self._load)

    def _load(self, level: int, position: int) -> Sequence[bytes]:
        """Return the hashes of a tile. One that is missing in the database is returned as zeros: then no root fits."""
        first = position * TILE
        count = min(TILE, (self.size >> TILE_HEIGHT * level) - first)
        if count <= 0:
            raise KeyError((level, position))
        with connection.cursor() as cursor:
            if level:
                cursor.execute(NODES, [level, first, first + count])
            else:
                cursor.execute(LEAVES, [first, first + count])
            found = {at: bytes(node) for at, node in cursor.fetchall()}
        return [found.get(at, _MISSING) for at in range(first, first + count)]

    def needed(self, leaves: Iterable[int], sizes: Iterable[int]) -> list[Tile]:
        """Return the tiles that prove tiles of leaves, and the roots of earlier trees; the highest level first."""
        found = {(0, position) for position in leaves}
        for size in (*sizes, self.size):
            for level in range(size.bit_length() // TILE_HEIGHT + 1):
                rest = size >> TILE_HEIGHT * level
                if rest % TILE:
                    found.add((level, rest // TILE))
        for tile in list(found):
            found.update(self._above(tile))
        return sorted(found, key=lambda tile: (-tile[0], tile[1]))

    def _above(self, tile: Tile) -> Iterator[Tile]:
        level, position = tile
        while (position + 1) << TILE_HEIGHT * (level + 1) <= self.size:  # only a whole tile stands in one above
            level, position = level + 1, position // TILE
            yield level, position


def chosen_checkpoints(size: int) -> list[Checkpoint]:
    """Return the checkpoints that prove how the tree of a size grew: the last of each day, and the newest ones."""
    return list(Checkpoint.objects.raw(CHOSEN, {"size": size, "newest": NEWEST}))
