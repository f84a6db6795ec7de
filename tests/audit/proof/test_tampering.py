"""What the owner of the database may try: every alteration is found offline, given what was handed outside before.

TAMPERINGS says how many; `make tamperings` tries a thousand and more.
"""

import io
import os
import random
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.proof.actions import seal
from riskadmin.audit.proof.export import Wanted, write_export
from riskadmin.audit.proof.models import Checkpoint, Leaf
from riskadmin.audit.proof.sources import Source, sources
from riskadmin.audit.proof.verify_export import Export, Findings, notes_in
from riskadmin.audit.tags import Tag
from tests.audit.events import write
from tests.changes.world import approve
from tests.permission_world import make_world

TAMPERINGS = int(os.environ.get("TAMPERINGS", "60"))
OTHER_KEY = "QW5vdGhlciBrZXksIG9mIHdob2V2ZXIgb3ducyBpdC4="
PROOF = ("proof_leaf", "proof_node", "proof_checkpoint")

pytestmark = pytest.mark.django_db

UNGUARD = """
DO $$
DECLARE
    found record;
BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    FOR found IN SELECT conrelid::regclass AS name, conname FROM pg_constraint
                 WHERE conrelid::regclass::text = ANY({tables}) AND contype IN ('c', 'f', 'p', 'u') OR confrelid::regclass::text = ANY({tables})
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', found.name, found.conname);
    END LOOP;
    FOR found IN SELECT unnest({tables}) AS name
    LOOP
        EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', found.name);
    END LOOP;
END;
$$
"""
"""The owner of tables may take away whatever guards them."""


def run(statement: str, *values: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return int(cursor.rowcount)


@pytest.fixture
def anchors() -> str:
    """A trail with everything in it, sealed in several rounds, and what was handed outside then. Nothing guards it any more."""
    world = make_world()
    seal()
    approve(world.people["supervisor"], world.change)
    seal()
    for at in range(12):
        write(reason_text=f"Event {at}", before={"at": at})
        if at % 3 == 0:
            seal()
    seal()
    tables = [*(source.table for source in sources()), *PROOF]
    run(UNGUARD.replace("{tables}", f"ARRAY{tables}::text[]"))
    return "\n".join(Checkpoint.objects.order_by("size").values_list("note", flat=True))


def verified(anchors: str, wanted: Wanted | None = None) -> Findings:
    file = io.BytesIO()
    write_export(file, wanted or Wanted())
    with zipfile.ZipFile(file) as archive:
        return Export(archive, anchors=notes_in(anchors)).verify()


class Owner:
    """Somebody who owns the database, and draws what to do to it."""

    def __init__(self, draw: random.Random, settings: Settings) -> None:
        self.draw = draw
        self.settings = settings

    def source(self) -> Source:
        return self.draw.choice(sources())

    def row_of(self, source: Source) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {source.table} WHERE {source.complete.replace('row_.', '') or 'true'}")
            return int(self.draw.choice(cursor.fetchall())[0])

    def edits(self) -> int:
        """One column of one row, any of them."""
        source = self.source()
        column = self.draw.choice(source.columns)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
                [source.table, column],
            )
            kind = cursor.fetchone()[0]
        values = {
            "jsonb": ["'{\"x\": 1}'", "NULL", f"jsonb_build_array({column})"],
            "inet": ["'10.9.8.7'", "NULL"],
            "timestamp with time zone": [f"{column} - interval '1 microsecond'", "now()"],
            "boolean": [f"NOT {column}"],
        }
        numbers = [f"coalesce({column}, 0) + 1", f"coalesce({column}, 0) + 999"]
        texts = ["'x'", f"left({column} || 'y', 8)", f"reverse({column})", "''"]
        new = self.draw.choice(values.get(kind) or (numbers if "int" in kind else texts))
        if kind == "jsonb" and new == "NULL" and column in {"detail", "excluded"}:
            new = "'[1]'"
        where = (
            f"id = {self.row_of(source)} AND {column} IS DISTINCT FROM {new}{'::' + kind if kind in {'jsonb', 'inet'} else ''}"
        )
        return run(f"UPDATE {source.table} SET {column} = {new} WHERE {where}")

    def deletes(self) -> int:
        """One row, or some; sometimes their leaves as well."""
        source = self.source()
        row = self.row_of(source)
        if self.draw.random() < 0.5:
            run('DELETE FROM proof_leaf WHERE "table" = %s AND row_id = %s', source.table, row)
        return run(f"DELETE FROM {source.table} WHERE id = %s", row)

    def inserts(self) -> int:
        """A copy of a row, at an id that was never used."""
        source = self.source()
        columns = ", ".join(source.columns[1:])
        return run(
            f"INSERT INTO {source.table} (id, {columns}) OVERRIDING SYSTEM VALUE SELECT %s, {columns} FROM {source.table} WHERE id = %s",
            -self.draw.randint(1, 999),
            self.row_of(source),
        )

    def back_dates(self) -> int:
        """A new event that is said to be from yesterday, sealed by riskadmin itself as any other."""
        done = run(
            "INSERT INTO audit_event (occurred_at, tag, staff_name, staff_role, job, request_id, environment, account_name, reason_code, reason_text, detail)"
            " SELECT now() - interval '1 day', tag, staff_name, staff_role, job, request_id, environment, account_name, reason_code, 'Allowed', detail FROM audit_event WHERE id = %s",
            self.row_of(next(each for each in sources() if each.model is Event)),
        )
        assert seal().rows == 1
        return done

    def reorders(self) -> int:
        """Two leaves change places, or only the rows that they are said to be of."""
        one, two = self.draw.sample(list(Leaf.objects.all()), 2)
        for leaf in (one, two):
            Leaf.objects.filter(pk=leaf.pk).update(row_id=-leaf.pk - 1)
        whole = self.draw.random() < 0.5
        for leaf, other in ((one, two), (two, one)):
            given = {"salt": other.salt, "hash": other.hash} if whole else {}
            Leaf.objects.filter(pk=leaf.pk).update(table=other.table, row_id=other.row_id, **given)
        return 2

    def swaps(self) -> int:
        """Two rows of a table change their ids, or the values of one column."""
        source = next(each for each in sources() if each.model is Event)
        one, two = self.row_of(source), self.row_of(source)
        if self.draw.random() < 0.5:
            run("UPDATE audit_event SET id = 0 WHERE id = %s", one)
            moved = run("UPDATE audit_event SET id = %s WHERE id = %s", one, two)
            run("UPDATE audit_event SET id = %s WHERE id = 0", two)
            return moved and one != two
        column = self.draw.choice(source.columns[1:])
        changed = f"UPDATE audit_event AS a SET {column} = b.{column} FROM audit_event AS b WHERE a.id + b.id = %s + %s AND a.id IN (%s, %s) AND b.id IN (%s, %s)"
        return run(f"{changed} AND a.id <> b.id AND a.{column} IS DISTINCT FROM b.{column}", one, two, one, two, one, two)

    def signs_again(self) -> int:
        """Everything is sealed again after an edit, with another key; sometimes the real one is said to be an earlier one."""
        from riskadmin.audit.proof.keys import public_key

        done = self.edits()
        real = str(public_key())
        for table in (*PROOF, "proof_horizon"):
            run(f"DELETE FROM {table}")
        self.settings.AUDIT_SIGNING_KEY = OTHER_KEY
        self.settings.AUDIT_PUBLIC_KEYS = [real] if self.draw.random() < 0.5 else []
        seal()
        return done

    def cuts_the_tail(self) -> int:
        """The newest rows are gone, with their leaves and checkpoints, as in an old copy; sometimes work goes on from there."""
        sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
        kept = self.draw.choice(sizes[:-1])
        for source in sources():
            run(
                f'DELETE FROM {source.table} WHERE id IN (SELECT row_id FROM proof_leaf WHERE "table" = %s AND position >= %s)',
                source.table,
                kept,
            )
        run("DELETE FROM proof_leaf WHERE position >= %s", kept)
        run("DELETE FROM proof_checkpoint WHERE size > %s", kept)
        if self.draw.random() < 0.5:
            for _ in range(self.draw.randint(1, sizes[-1])):
                write(reason_text="Since then")
            seal()
        return sizes[-1] - kept


@pytest.fixture
def again(settings: Settings) -> Callable[[], None]:
    """Puts the settings back after a tampering."""
    key = settings.AUDIT_SIGNING_KEY

    def put_back() -> None:
        settings.AUDIT_SIGNING_KEY, settings.AUDIT_PUBLIC_KEYS = key, []

    return put_back


def test_no_tampering_goes_unseen(anchors: str, settings: Settings, again: Callable[[], None]) -> None:
    draw = random.Random(int(os.environ.get("SEED", "16")))
    owner = Owner(draw, settings)
    ways = (
        [owner.edits] * 8
        + [owner.deletes] * 3
        + [owner.inserts] * 2
        + [owner.back_dates, owner.reorders, owner.swaps, owner.swaps, owner.signs_again, owner.cuts_the_tail]
    )
    assert verified(anchors).wrong == []
    done, unseen = Counter[str](), []
    while done.total() < TAMPERINGS:
        way = ways[done.total()] if done.total() < len(ways) else draw.choice(ways)
        save = transaction.savepoint()
        if way():
            done[way.__name__] += 1
            found = verified(anchors)
            if not found.wrong:
                unseen.append((way.__name__, done.total()))
        transaction.savepoint_rollback(save)
        again()
    assert unseen == []
    assert len(done) == 8
    assert verified(anchors).wrong == []


@pytest.mark.parametrize("data_format", ["jsonl", "csv"])
@pytest.mark.parametrize("withheld", [(), ("staff",), ("staff", "trader", "text")])
def test_a_clean_trail_raises_no_alarm(anchors: str, data_format: str, withheld: tuple[str, ...]) -> None:
    whole = Wanted(data_format=data_format, withheld=frozenset(withheld))
    found = verified(anchors, whole)
    assert (found.wrong, found.rows) == ([], Leaf.objects.count())
    some = replace(whole, events=Event.objects.exclude(change_id=None))
    found = verified(anchors, some)
    assert found.wrong == []
    assert 3 < found.rows < Leaf.objects.count()
    one = Event.objects.filter(tag=Tag.CHANGE_APPROVED).latest("pk")
    Event.objects.filter(pk=one.pk).update(reason_text="Rewritten")
    (wrong,) = verified(anchors, some).wrong
    assert f"audit_event {one.pk} is not what was sealed" in wrong
