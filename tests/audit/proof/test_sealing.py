"""Sealing: every committed row gets one leaf, whatever is in flight meanwhile; the tree is that of RFC 6962."""

import hashlib
import random
from collections.abc import Sequence

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import DatabaseError
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.proof.actions import seal, seal_everything
from riskadmin.audit.proof.keys import NoKey, known_keys, public_key, signed_note
from riskadmin.audit.proof.merkle import Tree
from riskadmin.audit.proof.models import Checkpoint, Horizon, Leaf, Node
from riskadmin.audit.proof.sources import sources
from riskadmin.audit.proof.start import refuse_missing_key
from riskadmin.audit.proof.verify_export import Checkpoint as Signed
from riskadmin.audit.proof.verify_export import Key, edge_at, fold, opened, root_at
from riskadmin.database.addresses import address
from tests.audit.events import write

EVENT = "INSERT INTO audit_event (tag, staff_name, staff_role, job, request_id, environment, account_name, reason_code, reason_text, detail) VALUES ('a:b:c', '', '', '', '', '', '', '', %s, '{}')"


def reference_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + reference_root(leaves[:half]) + reference_root(leaves[half:])).digest()


def test_a_growing_tree_is_the_one_of_the_rfc_at_every_size() -> None:
    draw = random.Random(9162)
    leaves = [draw.randbytes(32) for _ in range(70_000)]
    nodes: dict[tuple[int, int], bytes] = {}
    tree = Tree(0, b"")
    marks = sorted({*range(18), 255, 256, 257, 511, 512, 4095, 65_535, 65_536, 65_537, 70_000})
    for size in marks:
        nodes |= {(level, at): node for level, at, node in tree.append(leaves[tree.size : size])}
        tree = Tree(tree.size, tree.edge)
        assert (tree.size, tree.root) == (size, reference_root(leaves[:size]))

    def load(level: int, position: int) -> list[bytes]:
        if level == 0:
            return leaves[position * 256 : position * 256 + 256]
        return [nodes[level, at] for at in range(position * 256, position * 256 + 256) if (level, at) in nodes]

    for size in marks:  # all earlier trees are found in the tiles of the last one
        assert root_at(size, load) == reference_root(leaves[:size])
        assert fold(edge_at(size, load)) == root_at(size, load)


def test_a_note_counts_only_as_it_was_signed(settings: Settings) -> None:
    note = signed_note("riskadmin/audit\n3\nAAAA\n")
    assert opened(note, known_keys()) == "riskadmin/audit\n3\nAAAA\n"
    stranger = Key(name=settings.AUDIT_ORIGIN, public=bytes(32))
    assert Key.parse(str(public_key())) == public_key()
    for altered, keys in ((note.replace("3", "4", 1), known_keys()), (note, [stranger]), (note + "x", known_keys()), ("", [])):
        with pytest.raises(ValueError, match="signed"):
            opened(altered, keys)
    earlier = str(public_key())
    settings.AUDIT_SIGNING_KEY = "B" * 43 + "="
    assert opened(signed_note("x\n"), known_keys()) == "x\n"
    with pytest.raises(ValueError, match="known keys"):
        opened(note, known_keys())
    settings.AUDIT_PUBLIC_KEYS = [earlier]
    assert opened(note, known_keys())


@pytest.mark.django_db
def test_each_row_is_sealed_once_and_the_checkpoint_is_signed() -> None:
    events = [write() for _ in range(3)]
    assert seal().rows == 3
    assert seal().rows == 0
    events.append(write())
    sealed = seal()
    assert list(Leaf.objects.order_by("position").values_list("position", "table", "row_id")) == [
        (at, "audit_event", event.pk) for at, event in enumerate(events)
    ]
    assert sealed.checkpoint
    signed = Signed.parse(opened(sealed.checkpoint.note, known_keys()))
    assert (signed.size, signed.at, signed.origin) == (4, sealed.checkpoint.made_at, settings.AUDIT_ORIGIN)
    assert signed.root == reference_root([bytes(leaf.hash) for leaf in Leaf.objects.order_by("position")])


@pytest.mark.django_db
def test_what_was_sealed_stays() -> None:
    write()
    seal()
    for table in ("proof_leaf", "proof_node", "proof_checkpoint"):
        for statement in (f"TRUNCATE {table}", *([f"DELETE FROM {table}"] if table != "proof_node" else [])):
            with pytest.raises(DatabaseError, match="stays"), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
    with pytest.raises(DatabaseError, match="stays"), transaction.atomic():
        Checkpoint.objects.update(note="")
    assert (Leaf.objects.count(), Node.objects.count()) == (1, 0)


@pytest.mark.django_db
def test_without_a_key_nothing_is_sealed_and_nothing_starts(settings: Settings) -> None:
    settings.AUDIT_SIGNING_KEY = ""
    write()
    with pytest.raises(NoKey):
        seal()
    assert not Leaf.objects.exists()
    with pytest.raises(SystemExit, match="AUDIT_SIGNING_KEY"):
        refuse_missing_key()
    settings.DEBUG = True
    refuse_missing_key()


@pytest.mark.django_db(transaction=True)
class TestRowsInFlight:
    """An id is drawn before its row is committed: no row may be passed over, however slow its transaction."""

    def test_a_slow_transaction_holds_sealing_up_until_it_ends(self) -> None:
        with psycopg.connect(address(connection.settings_dict)) as slow:
            slow.execute(EVENT, ["slow"])  # draws a lower id
            after = write(reason_text="after")
            assert seal().rows == 0  # the next round, and the one after it, wait without blocking
            assert seal_everything() == 0
            later = write(reason_text="later")
            slow.commit()
        assert seal().rows == 2  # what waited, in the order of ids
        assert seal().rows == 1
        sealed = list(Leaf.objects.order_by("position").values_list("row_id", flat=True))
        assert sealed == [after.pk - 1, after.pk, later.pk]
        assert list(Event.objects.filter(pk=sealed[0]).values_list("reason_text", flat=True)) == ["slow"]

    def test_one_that_is_rolled_back_leaves_a_gap(self) -> None:
        with psycopg.connect(address(connection.settings_dict)) as slow:
            slow.execute(EVENT, ["never"])
            after = write()
            assert seal().rows == 0
            slow.rollback()
            assert seal().rows == 1
        assert list(Leaf.objects.values_list("row_id", flat=True)) == [after.pk]

    def test_later_writers_don_t_hold_up_what_was_there_before(self) -> None:
        with (
            psycopg.connect(address(connection.settings_dict)) as first,
            psycopg.connect(address(connection.settings_dict)) as second,
        ):
            first.execute(EVENT, ["first"])
            write()
            assert seal().rows == 0
            second.execute(EVENT, ["second"])  # never ends while the first one does
            first.commit()
            assert seal().rows == 2
            write()
            assert seal().rows == 0
        assert seal().rows == 2

    def test_random_orders_of_commits_lose_nothing(self) -> None:
        draw = random.Random(6962)
        open_ones: list[psycopg.Connection] = []
        written = 0
        try:
            for _ in range(120):
                step = draw.random()
                if step < 0.35:
                    one = psycopg.connect(address(connection.settings_dict))
                    for _ in range(draw.randint(1, 3)):
                        one.execute(EVENT, ["in flight"])
                        written += 1
                    open_ones.append(one)
                elif step < 0.7 and open_ones:
                    one = open_ones.pop(draw.randrange(len(open_ones)))
                    one.commit()
                    one.close()
                else:
                    seal()
        finally:
            for one in open_ones:
                one.commit()
                one.close()
        while seal().rows or Horizon.objects.exclude(candidate=None).exists():
            pass
        assert set(Leaf.objects.values_list("row_id", flat=True)) == set(Event.objects.values_list("pk", flat=True))
        assert Event.objects.count() == Leaf.objects.count() == written


@pytest.mark.django_db
def test_every_table_under_proof_is_covered_column_by_column() -> None:
    assert [source.table for source in sources()] == [
        "approvals_approval",
        "audit_event",
        "execution_call",
        "execution_callitem",
    ]
    for source in sources():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [source.table],
            )
            assert {name for (name,) in cursor.fetchall()} == set(source.columns)
        assert {name for columns in source.groups.values() for name in columns} <= set(source.columns)
