"""Verify an export of riskadmin's audit trail, offline. Needs Python 3.11 or later, and the package `cryptography`.

    python verify_export.py EXPORT.zip [--anchors FILE]... [--key KEY]... [--row TABLE:ID]

EXPORT.zip is the file that was downloaded. FILE holds checkpoints that were kept outside (the anchors' file, an object of the
bucket, an e-mail): whatever is in it is ignored but for the checkpoints. KEY is a public key that you know from elsewhere. The
exit code is 0 if everything holds, 1 if something was altered, and 2 if the file can't be read. docs/security/proof.md of
riskadmin says how the tree, the leaves and the signatures are made; riskadmin itself uses the functions of this file.
"""

import argparse
import base64
import csv
import hashlib
import io
import json
import re
import sys
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT: Final = 1
HASH_BYTES: Final = 32
SHOWN: Final = 20  # missing rows are named, the others counted
TILE_HEIGHT: Final = 8
TILE: Final = 1 << TILE_HEIGHT
"""Hashes in a whole tile."""

BACKDATED_BY: Final = timedelta(hours=1)
"""A row is sealed seconds after it was written, and no transaction lasts this long."""

NULL: Final = "\\N"
ESCAPED: Final = ("'", "=", "+", "-", "@", "\t", "\r", "\\")
"""Values that begin with one of these have an apostrophe in front in CSV: no spreadsheet takes them for a formula."""

_ED25519: Final = b"\x01"


# --- Leaves -------------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """Return JSON as RFC 8785 has it. Values are texts, null, whole numbers, and objects of them."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def group_salt(salt: bytes, group: str) -> bytes:
    """Return the salt of one group of columns; from it neither the row's salt nor that of another group can be computed."""
    return hashlib.sha256(salt + group.encode()).digest()


def commitment(salt: bytes, values: Mapping[str, str]) -> bytes:
    """Return what a leaf has in place of the columns of a group."""
    return hashlib.sha256(salt + canonical(values)).digest()


def leaf_hash(table: str, row: Mapping[str, str | None], groups: Mapping[str, bytes]) -> bytes:
    """Return the hash of a row's leaf: of the columns of no group, and each group's commitment. NULL is left out."""
    shown = {name: value for name, value in row.items() if value is not None}
    hidden = {name: found.hex() for name, found in groups.items()}
    return hashlib.sha256(b"\x00" + canonical({"form": FORMAT, "groups": hidden, "row": shown, "table": table})).digest()


# --- The tree -----------------------------------------------------------------------------------------------------------


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees together."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(edge: Sequence[bytes]) -> bytes:
    """Return the root of a tree that consists of these whole subtrees, the largest first."""
    if not edge:
        return hashlib.sha256(b"").digest()
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node_hash(left, root)
    return root


def whole(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a whole subtree: of 1, 2, 4, 8... hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def split(hashes: bytes) -> list[bytes]:
    """Return the hashes that stand one after the other in a text of bytes."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


Load = Callable[[int, int], Sequence[bytes]]
"""Returns the hashes of a tile: those of 256 leaves at level 0, of 256 tiles of the level below above that. Raises KeyError."""


def edge_at(size: int, load: Load) -> list[bytes]:
    """Return the whole subtrees that the tree of the first `size` leaves consists of. Raises KeyError if a tile is missing."""
    edge = []
    for level in range(size.bit_length() // TILE_HEIGHT, -1, -1):
        rest = size >> TILE_HEIGHT * level
        count = rest % TILE
        if not count:
            continue
        hashes, at = load(level, rest // TILE), 0
        if len(hashes) < count:
            raise KeyError((level, rest // TILE))
        for bit in range(TILE_HEIGHT - 1, -1, -1):
            if count >> bit & 1:
                edge.append(whole(hashes[at : at + (1 << bit)]))
                at += 1 << bit
    return edge


def root_at(size: int, load: Load) -> bytes:
    """Return the root of the tree with the first `size` leaves. Raises KeyError."""
    return fold(edge_at(size, load))


# --- Signed notes (C2SP signed-note) and checkpoints (C2SP tlog-checkpoint) -----------------------------------------------

_NOTE: Final = re.compile(r"(?P<body>(?:[^\n]+\n)+)\n(?P<signatures>(?:\u2014 \S+ \S+\n)+)")


@dataclass(frozen=True)
class Key:
    """A public key: the name of the signer, and the key's id in signatures."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The first four bytes of a hash over name and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        """The key as a line to hand on: name, id, key."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read such a line. Raises ValueError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        decoded = base64.b64decode(encoded, validate=True)
        key = cls(name=name, public=decoded[1:])
        if decoded[:1] != _ED25519 or len(key.public) != HASH_BYTES or key.id.hex() != key_id:
            raise ValueError(f"{text!r} is no key: it is written NAME+ID+KEY")
        return key

    def signed(self, body: str, signature: bytes) -> bool:
        """Whether the signature is this key's, over exactly this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, body.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


def opened(note: str, keys: Iterable[Key]) -> str:
    """Return the text of a signed note. Raises ValueError if none of the keys has signed it."""
    found = _NOTE.fullmatch(note)
    if found is None:
        raise ValueError("is no signed note")
    known = list(keys)
    for line in found["signatures"].splitlines():
        _, name, encoded = line.split(" ")
        try:
            signature = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise ValueError("has a signature that can't be read") from error
        for key in known:
            if (key.name, key.id) == (name, signature[:4]) and key.signed(found["body"], signature[4:]):
                return found["body"]
    raise ValueError("is not signed by any of the known keys")


@dataclass(frozen=True)
class Checkpoint:
    """What was signed of a tree: its size, its root, and when."""

    origin: str
    size: int
    root: bytes
    at: datetime

    @classmethod
    def parse(cls, body: str) -> "Checkpoint":
        """Read a checkpoint's text. Raises ValueError."""
        origin, size, root, *rest = body.splitlines()
        times = [line.removeprefix("time ") for line in rest if line.startswith("time ")]
        return cls(
            origin=origin, size=int(size), root=base64.b64decode(root, validate=True), at=datetime.fromisoformat(times[0])
        )

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {written(self.at)}\n"


def written(at: datetime) -> str:
    """Return a moment in UTC with microseconds, as rows have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def notes_in(text: str) -> list[str]:
    """Return the checkpoints that a text holds, whatever stands between them."""
    return [each.group() for each in _NOTE.finditer(text.replace("\r\n", "\n")) if "\ntime " in each["body"]]


# --- An export ----------------------------------------------------------------------------------------------------------


class Unreadable(Exception):
    """The file is no export, or one of a newer version."""


@dataclass
class Findings:
    """What is wrong, each with its place, and what is worth knowing."""

    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    shown: dict[str, Any] | None = None


class Export:
    """An export's file, and the keys and anchors that it is compared with."""

    def __init__(self, file: zipfile.ZipFile, *, keys: Sequence[Key] = (), anchors: Sequence[str] = ()) -> None:
        """Read what says how the rest is to be read. Raises Unreadable."""
        self._file = file
        self._anchors = anchors
        self.found = Findings()
        try:
            self._written = file.read("manifest.json")
            self.manifest: dict[str, Any] = json.loads(self._written)
            self.size = int(self.manifest["size"])
            stated = [Key.parse(each) for each in self.manifest["keys"]]
        except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise Unreadable(f"this is no export of an audit trail ({error!r})") from error
        if self.manifest.get("format") != FORMAT:
            raise Unreadable(f"version {self.manifest.get('format')} of exports is not known here")
        self.keys = list(keys) or stated
        if not keys:
            self.found.notes.append("The public keys are those that the export names itself; pass --key to use yours.")
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._checkpoints: list[Checkpoint] = []

    def verify(self, row: tuple[str, str] | None = None) -> Findings:
        """Verify everything, or the proof of one row, named by its table and id."""
        for part in (self._check_files, self._check_checkpoints, self._check_tree, self._check_anchors):
            try:
                part()
            except (KeyError, ValueError, TypeError, IndexError, AttributeError, zipfile.BadZipFile) as error:
                self.found.wrong.append(f"{part.__name__.removeprefix('_check_')} can't be read: {error!r}")
        self._check_rows(row)
        return self.found

    def load(self, level: int, position: int) -> Sequence[bytes]:
        """Return a tile of the export. Raises KeyError."""
        return self._tiles[level, position]

    def _check_files(self) -> None:
        """The manifest is signed, and names each file with its digest."""
        digest = base64.b64encode(hashlib.sha256(self._written).digest()).decode()
        try:
            body = opened(self._file.read("manifest.note").decode(), self.keys)
        except ValueError as error:
            self.found.wrong.append(f"manifest.note {error}")
        else:
            if body.splitlines()[1:4] != ["export", digest, f"time {self.manifest['made_at']}"]:
                self.found.wrong.append("manifest.json is not the one that was signed")
        for name, stated in self.manifest["files"].items():
            hashed = hashlib.sha256()
            with self._file.open(name) as stream:
                while block := stream.read(1 << 20):
                    hashed.update(block)
            if hashed.hexdigest() != stated:
                self.found.wrong.append(f"{name} is not the file that was exported")

    def _check_checkpoints(self) -> None:
        for number, line in enumerate(self._lines("checkpoints.jsonl"), 1):
            where = f"checkpoints.jsonl line {number}"
            try:
                checkpoint = Checkpoint.parse(opened(json.loads(line)["note"], self.keys))
            except (ValueError, KeyError, IndexError) as error:
                self.found.wrong.append(f"{where}: the checkpoint {error}")
                continue
            if checkpoint.origin != self.manifest["origin"]:
                self.found.wrong.append(f"{where}: the checkpoint is of another trail, {checkpoint.origin}")
            self._checkpoints.append(checkpoint)
        self._checkpoints.sort(key=lambda each: each.size)
        for before, after in zip(self._checkpoints, self._checkpoints[1:], strict=False):
            if before.at > after.at:
                self.found.wrong.append(f"the checkpoint of {after.size} rows is older than that of {before.size}")

    def _check_tree(self) -> None:
        """Each whole tile is what the tile above says, the edge gives the signed root, and earlier roots are of this tree."""
        for line in self._lines("tiles.jsonl"):
            tile = json.loads(line)
            self._tiles[tile["level"], tile["position"]] = split(base64.b64decode(tile["hashes"]))
        for (level, position), hashes in self._tiles.items():
            if len(hashes) == TILE:
                above = self._tiles.get((level + 1, position // TILE))
                if above is None or above[position % TILE : position % TILE + 1] != [whole(hashes)]:
                    first = position << TILE_HEIGHT * (level + 1)
                    self.found.wrong.append(f"tiles.jsonl: the hashes from leaf {first} on are not those of the tree")
        if not self._checkpoints or self._checkpoints[-1].size != self.size:
            self.found.wrong.append(f"checkpoints.jsonl has no valid checkpoint of the {self.size} rows of this export")
        for checkpoint in self._checkpoints:
            if not self._is_in_tree(checkpoint):
                when = written(checkpoint.at)
                self.found.wrong.append(f"the tree is not the one whose {checkpoint.size} rows were signed at {when}")

    def _is_in_tree(self, checkpoint: Checkpoint) -> bool:
        try:
            return checkpoint.size <= self.size and root_at(checkpoint.size, self.load) == checkpoint.root
        except KeyError:
            return False

    def _check_anchors(self) -> None:
        """The newest checkpoint that was kept outside is of this tree, and none is of a longer one that there was already."""
        kept = []
        for note in self._anchors:
            try:
                kept.append(Checkpoint.parse(opened(note, self.keys)))
            except (ValueError, IndexError) as error:
                self.found.wrong.append(f"anchors: the checkpoint “{' '.join(note.split()[:2])}” {error}")
        made_at = datetime.fromisoformat(self.manifest["made_at"])
        known = {each.size: each.root for each in self._checkpoints}
        newest = max((each.size for each in kept if each.size <= self.size), default=None)
        for anchor in sorted(kept, key=lambda each: each.size):
            when = f"the checkpoint of {anchor.size} rows that was kept outside at {written(anchor.at)}"
            if anchor.size > self.size:
                if anchor.at <= made_at:
                    self.found.wrong.append(f"the trail was cut: it ends after {self.size} rows, before {when}")
            elif anchor.size in known and known[anchor.size] != anchor.root:
                self.found.wrong.append(f"the trail is not that of {when}")
            elif anchor.size == newest and not self._is_in_tree(anchor):
                self.found.wrong.append(f"the trail can't be the one of {when}")
        if not self._anchors:
            self.found.notes.append("No anchors were given: a trail that was replaced as a whole, or cut, is not noticed.")
        elif newest is not None and newest < self.size:
            self.found.notes.append(f"Rows from leaf {newest} on are newer than the anchors, and rest on the signature alone.")

    def _check_rows(self, only: tuple[str, str] | None) -> None:
        seen = bytearray(self.size // 8 + 1)
        for table, spec in self.manifest["tables"].items():
            if only and table != only[0]:
                continue
            count = 0
            for count, (place, found) in enumerate(self._rows(table, spec), 1):  # noqa: B007
                if only and found["row"].get(spec["columns"][0]) != only[1]:
                    continue
                self.found.shown = found if only else None
                self.found.rows += 1
                try:
                    self._check_row(table, spec, place, found, seen)
                except (KeyError, ValueError, TypeError, AttributeError) as error:
                    self.found.wrong.append(f"{place}: can't be read ({error!r})")
            if count != spec["rows"]:
                self.found.wrong.append(f"{spec['file']}: has {count} rows, and {spec['rows']} were exported")
        if only and self.found.shown is None:
            self.found.wrong.append(f"{only[0]} {only[1]} is not in this export")
        if self.manifest["whole"] and not only:
            self._check_all_seen(seen)

    def _check_all_seen(self, seen: bytearray) -> None:
        missing = [at for at in range(self.size) if not seen[at // 8] >> at % 8 & 1]
        self.found.wrong.extend(f"the row of leaf {at} is missing" for at in missing[:SHOWN])
        if len(missing) > SHOWN:
            self.found.wrong.append(f"and {len(missing) - SHOWN} more are missing")

    def _check_row(self, table: str, spec: Mapping[str, Any], place: str, found: Mapping[str, Any], seen: bytearray) -> None:
        row: dict[str, str | None] = dict(found["row"])
        named = f"{place}: {table} {row.get(spec['columns'][0])}"
        if found["leaf"] is None:
            self.found.wrong.append(f"{named} was never sealed, though rows after it were: it was inserted later")
            return
        leaf = int(found["leaf"])
        if not 0 <= leaf < self.size:
            self.found.wrong.append(f"{named} names a leaf that the tree does not have, {leaf}")
            return
        if seen[leaf // 8] >> leaf % 8 & 1:
            self.found.wrong.append(f"{named} has the same leaf as another row, {leaf}")
        seen[leaf // 8] |= 1 << leaf % 8
        at = row.get(spec["time"]) if spec.get("time") else None
        if set(row) - set(spec["columns"]):
            self.found.wrong.append(f"{named} has columns that the table does not have")
        computed = leaf_hash(table, row, groups_of(spec["groups"], row, found))
        tile = self._tiles.get((0, leaf // TILE), [])
        if tile[leaf % TILE : leaf % TILE + 1] != [computed]:
            self.found.wrong.append(f"{named} is not what was sealed as leaf {leaf}")
        elif at and (before := self._last_before(leaf)) and datetime.fromisoformat(at) < before.at - BACKDATED_BY:
            self.found.wrong.append(f"{named} is dated {at}, and was not there yet at {written(before.at)}")

    def _last_before(self, leaf: int) -> Checkpoint | None:
        """Return the newest checkpoint that did not hold a leaf."""
        count = bisect_right(self._checkpoints, leaf, key=lambda each: each.size)
        return self._checkpoints[count - 1] if count else None

    def _rows(self, table: str, spec: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each row of a table's file with its place."""
        if self.manifest["data_format"] == "csv":
            for number, columns in enumerate(csv.DictReader(self._lines(spec["file"], newline="")), 2):
                yield f"{spec['file']} row {number}", from_csv(columns)
            return
        for number, line in enumerate(self._lines(spec["file"]), 1):
            place = f"{spec['file']} line {number}"
            try:
                found = json.loads(line)
                yield place, {**found, "row": dict(found["row"])}
            except (ValueError, TypeError, KeyError) as error:
                self.found.wrong.append(f"{place}: {table} can't be read ({error!r})")

    def _lines(self, name: str, newline: str = "\n") -> TextIO:
        return io.TextIOWrapper(self._file.open(name), encoding="utf-8", newline=newline)


def groups_of(spec: Mapping[str, Sequence[str]], row: dict[str, str | None], found: Mapping[str, Any]) -> dict[str, bytes]:
    """Take the columns of groups out of `row`, and return each group's commitment: computed, or as given if withheld."""
    commitments = {}
    salt = base64.b64decode(found["salt"]) if found.get("salt") else None
    for group, columns in spec.items():
        values = {name: value for name in columns if (value := row.pop(name, None)) is not None}
        withheld = (found.get("withheld") or {}).get(group)
        if withheld is not None:
            if values:
                raise ValueError(f"has values of {group}, which is withheld")
            commitments[group] = bytes.fromhex(withheld)
        else:
            of_group = group_salt(salt, group) if salt is not None else base64.b64decode(found["salts"][group])
            commitments[group] = commitment(of_group, values)
    return commitments


def from_csv(line: Mapping[str, str]) -> dict[str, Any]:
    """Return a line of CSV as JSON Lines has it."""
    found: dict[str, Any] = {"salts": {}, "withheld": {}, "row": {}}
    for name, text in line.items():
        value = None if text == NULL else text[1:] if text[:1] == "'" else text
        kind, _, rest = name.partition(":")
        if kind == "column":
            found["row"][rest] = value
        elif kind in {"salts", "withheld"}:
            if value is not None:
                found[kind][rest] = value
        else:
            found[kind] = value
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of riskadmin's audit trail, offline.")
    parser.add_argument("export", help="the ZIP file that was downloaded")
    parser.add_argument("--anchors", action="append", default=[], help="a file with checkpoints that were kept outside")
    parser.add_argument("--key", action="append", default=[], help="a public key, as NAME+ID+KEY")
    parser.add_argument("--row", help="verify one row alone and show it, such as audit_event:123")
    asked = parser.parse_args(arguments)
    try:
        anchors = [
            note for name in asked.anchors for note in notes_in(Path(name).read_text(encoding="utf-8", errors="replace"))
        ]
        table, _, row_id = (asked.row or "").partition(":")
        with zipfile.ZipFile(asked.export) as file:
            export = Export(file, keys=[Key.parse(each) for each in asked.key], anchors=anchors)
            found = export.verify((table, row_id) if asked.row else None)
    except (Unreadable, OSError, ValueError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"{asked.export}: {error}\n")
        return 2
    if found.shown is not None:
        sys.stdout.write(json.dumps(found.shown["row"], indent=2, ensure_ascii=False) + "\n")
    for note in found.notes:
        sys.stdout.write(f"note: {note}\n")
    for wrong in found.wrong:
        sys.stdout.write(f"WRONG: {wrong}\n")
    if found.wrong:
        return 1
    compared = f", compared with {len(anchors)} anchors" if anchors else ""
    sys.stdout.write(f"OK: {found.rows} rows are as sealed in a tree of {export.size} rows{compared}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
