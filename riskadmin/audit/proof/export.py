"""Write an export: one ZIP file with rows, proofs, checkpoints and the verifier, which a stranger can check offline."""

import base64
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, cast

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from psycopg import sql

from riskadmin.audit.models import Event
from riskadmin.audit.proof import verify_export
from riskadmin.audit.proof.keys import known_keys, signed_note
from riskadmin.audit.proof.models import Checkpoint, Horizon
from riskadmin.audit.proof.sources import Source, sources
from riskadmin.audit.proof.stored import StoredTree, chosen_checkpoints
from riskadmin.audit.proof.verify_export import ESCAPED, FORMAT, NULL, TILE, commitment, group_salt, written

README: Final = Path(__file__).with_name("export_readme.txt")
FORMATS: Final = ("jsonl", "csv")
COMPRESSION: Final = 1
"""More takes several times as long, and hashes don't shrink."""

FETCHED_AT_ONCE: Final = 2000

ROWS: Final = """
    {with_} SELECT leaf.position, encode(leaf.salt, 'base64'), {texts}
    FROM {table} AS row_ LEFT JOIN proof_leaf AS leaf ON leaf."table" = {name} AND leaf.row_id = row_.{id}
    WHERE (leaf.position < {size} OR leaf.position IS NULL AND row_.{id} <= {sealed} AND row_.{id} <> ALL({pending}::bigint[]))
          AND {about}
    ORDER BY leaf.position NULLS FIRST
"""
SEALED: Final = 'SELECT coalesce(max(row_id), 0) FROM proof_leaf WHERE "table" = %s'


class NothingSealed(Exception):
    """There is no checkpoint yet, so nothing could be proved."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is exported. `events` None is the whole trail, with all rows of the other tables; else what belongs to these events.

    `evidence`: whether approvals and calls are exported as well. `withheld` names the groups of personal data that are left
    out. `described` says in words and values what was filtered, and `made_by` who asked.
    """

    events: QuerySet[Event] | None = None
    evidence: bool = True
    data_format: str = "jsonl"
    withheld: frozenset[str] = frozenset()
    described: Mapping[str, Any] = field(default_factory=dict)
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether every row that was sealed is in it."""
        return self.events is None and self.evidence


class _Archive:
    """The ZIP file, and the digest of each file in it."""

    def __init__(self, out: IO[bytes] | io.RawIOBase) -> None:
        self._zip = zipfile.ZipFile(cast("IO[bytes]", out), "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION)
        self.digests: dict[str, str] = {}

    def write(self, name: str, parts: Iterator[str]) -> None:
        """Write a file from its parts, which are not held together."""
        digest = hashlib.sha256()
        with self._zip.open(name, "w", force_zip64=True) as stream:
            for part in parts:
                encoded = part.encode()
                digest.update(encoded)
                stream.write(encoded)
        self.digests[name] = digest.hexdigest()

    def close(self) -> None:
        """Finish it."""
        self._zip.close()


def write_export(out: IO[bytes] | io.RawIOBase, wanted: Wanted, *, progress: Callable[[int], None] = lambda _: None) -> int:
    """Write an export into a binary file; return how many rows it has. `progress` is told the number from time to time.

    Memory doesn't grow with the rows. Raises NothingSealed and NoKey.
    """
    last = Checkpoint.objects.order_by("-size").first()
    if last is None:
        raise NothingSealed("Nothing has been sealed yet. Try again in a few seconds.")
    tree, archive, touched = StoredTree(last.size), _Archive(out), set[int]()
    tables, total = {}, 0
    for source in sources():
        if source.model is not Event and not wanted.evidence:
            continue
        counted = _Counted(progress, total)
        name = f"data/{source.table}.{wanted.data_format}"
        archive.write(name, _blocks(_data(source, wanted, last.size, touched, counted)))
        total += counted.rows
        tables[source.table] = {
            "file": name,
            "rows": counted.rows,
            "columns": list(source.columns),
            "time": source.time,
            "groups": {group: list(columns) for group, columns in source.groups.items()},
        }
    checkpoints = chosen_checkpoints(last.size)
    lines = (_line({"note": each.note}) for each in checkpoints)
    archive.write("checkpoints.jsonl", lines)
    archive.write("tiles.jsonl", _tiles(tree, touched, [each.size for each in checkpoints]))
    archive.write("verify_export.py", iter([Path(verify_export.__file__).read_text(encoding="utf-8")]))
    archive.write("README.txt", iter([README.read_text(encoding="utf-8")]))
    archive.write("keys.txt", (f"{key}\n" for key in known_keys()))
    _sign(archive, wanted, last, tables)
    archive.close()
    progress(total)
    return total


@dataclass
class _Counted:
    progress: Callable[[int], None]
    before: int
    rows: int = 0

    def one_more(self) -> None:
        self.rows += 1
        if self.rows % 5000 == 0:
            self.progress(self.before + self.rows)


def _sign(archive: _Archive, wanted: Wanted, last: Checkpoint, tables: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        made_at = written(cursor.fetchone()[0])
    manifest = {
        "format": FORMAT,
        "origin": settings.AUDIT_ORIGIN,
        "made_at": made_at,
        "made_by": dict(wanted.made_by),
        "filter": dict(wanted.described),
        "whole": wanted.is_whole,
        "withheld": sorted(wanted.withheld),
        "data_format": wanted.data_format,
        "size": last.size,
        "root": base64.b64encode(bytes(last.root)).decode(),
        "keys": [str(key) for key in known_keys()],
        "tables": tables,
        "files": dict(archive.digests),
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    archive.write("manifest.json", iter([text]))
    archive.write("manifest.note", iter([signed_note(f"{settings.AUDIT_ORIGIN}\nexport\n{digest}\ntime {made_at}\n")]))


# --- Rows ---------------------------------------------------------------------------------------------------------------


def _data(source: Source, wanted: Wanted, size: int, touched: set[int], counted: _Counted) -> Iterator[str]:
    """Yield the lines of a table's file, and note the tiles of their leaves."""
    line = _csv_line if wanted.data_format == "csv" else _line
    if wanted.data_format == "csv":
        yield _csv_header(source, wanted.withheld)
    for position, salt, *texts in _rows(source, wanted, size):
        row = dict(zip(source.columns, texts, strict=True))
        counted.one_more()
        if position is None or salt is None:
            yield line({"leaf": None, **_proof(source, row, None, wanted.withheld), "row": row})
            continue
        touched.add(int(position) // TILE)
        proof = _proof(source, row, base64.b64decode(salt), wanted.withheld)
        yield line({"leaf": int(position), **proof, "row": row})


def _proof(source: Source, row: dict[str, str | None], salt: bytes | None, withheld: frozenset[str]) -> dict[str, Any]:
    """Return what a row's leaf is computed with, and take out of `row` what is withheld."""
    hidden = withheld & source.groups.keys()
    if not hidden:
        return {"salt": None if salt is None else base64.b64encode(salt).decode()}
    salts, commitments = {}, {}
    for group, columns in source.groups.items():
        of_group = group_salt(salt or b"", group)
        if group in hidden:
            values = {name: value for name in columns if (value := row.pop(name)) is not None}
            commitments[group] = commitment(of_group, values).hex()
        else:
            salts[group] = base64.b64encode(of_group).decode()
    return {"salts": salts, "withheld": commitments}


def _rows(source: Source, wanted: Wanted, size: int) -> Iterator[Sequence[str | None]]:
    with connection.cursor() as cursor:
        cursor.execute(SEALED, [source.table])
        sealed = cursor.fetchone()[0]
        pending = Horizon.objects.filter(table=source.table).values_list("pending", flat=True).first()
        with_, about, values = sql.SQL(""), sql.SQL("true"), ()
        if wanted.events is not None:
            chosen, values = wanted.events.order_by().values("id").query.sql_with_params()
            with_ = sql.SQL(f"WITH exported AS ({chosen})")
            about = sql.SQL(f"({source.about or 'false'})")
        query = sql.SQL(ROWS).format(
            with_=with_,
            texts=source.texts,
            table=sql.Identifier(source.table),
            name=sql.Literal(source.table),
            id=sql.Identifier(source.columns[0]),
            size=sql.Literal(size),
            sealed=sql.Literal(sealed),
            pending=sql.Literal(pending or []),
            about=sql.SQL("{} AND {}").format(about, sql.SQL(f"({source.complete or 'true'})")),
        )
    # A cursor of the server, and no COPY: between two fetches, the file is written into the same database.
    with connection.chunked_cursor() as rows:
        rows.execute(query.as_string(connection.connection), values)
        while fetched := rows.fetchmany(FETCHED_AT_ONCE):
            yield from fetched


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _csv_header(source: Source, withheld: frozenset[str]) -> str:
    hidden = withheld & source.groups.keys()
    shown = [name for group, columns in source.groups.items() if group in hidden for name in columns]
    salts = [f"salts:{group}" for group in source.groups if group not in hidden] if hidden else ["salt"]
    columns = [f"column:{name}" for name in source.columns if name not in shown]
    return _csv([*("leaf", *salts), *(f"withheld:{group}" for group in source.groups if group in hidden), *columns])


def _csv_line(value: Mapping[str, Any]) -> str:
    proof = [value["salt"]] if "salt" in value else [*value["salts"].values(), *value["withheld"].values()]
    leaf = None if value["leaf"] is None else str(value["leaf"])
    return _csv([_cell(text) for text in (leaf, *proof, *value["row"].values())])


def _cell(text: str | None) -> str:
    if text is None:
        return NULL
    return f"'{text}" if text.startswith(ESCAPED) else text


def _csv(cells: Sequence[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _blocks(lines: Iterator[str], size: int = 200) -> Iterator[str]:
    """Join lines into larger parts: each part is hashed and compressed by itself."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) == size:
            yield "".join(block)
            block = []
    yield "".join(block)


def _tiles(tree: StoredTree, touched: set[int], sizes: Sequence[int]) -> Iterator[str]:
    for level, position in tree.needed(touched, sizes):
        hashes = base64.b64encode(b"".join(tree.load(level, position))).decode()
        yield _line({"level": level, "position": position, "hashes": hashes})
