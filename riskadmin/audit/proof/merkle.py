"""The Merkle tree (RFC 6962, RFC 9162), grown at its right edge. Hashes of whole tiles are handed out to be stored."""

from collections.abc import Iterator, Sequence

from riskadmin.audit.proof.verify_export import HASH_BYTES, TILE_HEIGHT, fold, node_hash

NodeAt = tuple[int, int, bytes]
"""A stored node: its level in tiles (1 is the root of 256 leaves, 2 of 65,536), its position from the left, its hash."""


class Tree:
    """A tree of `size` leaves, known by its edge: the roots of the whole subtrees that it consists of, from the left."""

    def __init__(self, size: int, edge: bytes) -> None:
        """Go on from a stored edge: the hashes one after the other."""
        self.size = size
        self._edge = [edge[at : at + HASH_BYTES] for at in range(0, len(edge), HASH_BYTES)]
        if len(self._edge) != size.bit_count():
            raise ValueError(f"A tree of {size} leaves has {size.bit_count()} whole subtrees, not {len(self._edge)}.")

    @property
    def edge(self) -> bytes:
        """What to store, so that the tree can grow later."""
        return b"".join(self._edge)

    @property
    def root(self) -> bytes:
        """The hash of the whole tree."""
        return fold(self._edge)

    def append(self, leaves: Sequence[bytes]) -> Iterator[NodeAt]:
        """Add leaf hashes, and yield each stored node that is complete now. Exhaust it: the tree grows meanwhile."""
        edge = self._edge
        for leaf in leaves:
            found, height, position = leaf, 0, self.size
            while position & 1:
                found = node_hash(edge.pop(), found)
                height, position = height + 1, position >> 1
                if height % TILE_HEIGHT == 0:
                    yield height // TILE_HEIGHT, position, found
            edge.append(found)
            self.size += 1
