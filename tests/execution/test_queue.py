"""The queue of a large change that PostgreSQL has no statistics of yet: its next items are found without reading the others."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.execution.claim import _write
from accounts.execution.models import Call
from accounts.execution.queue import first_items, with_work
from accounts.execution.timing import READING_LEASE, reading_lease
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Lane
from tests.changes.world import ORIGIN, ask, make_accounts
from tests.staff.people import make_person

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("real_broker")]


@pytest.fixture
def change() -> Change:
    """A thousand locks, asked for when PostgreSQL had last counted an empty queue."""
    person = make_person(Role.SUPPORT)
    make_accounts(range(1, 1501))
    done = ask(person, "lock", *range(1, 501))
    for state, later in (("queued", "sending"), ("sending", "sent"), ("sent", "applied")):
        done.items.filter(state=state).update(state=later)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return ask(person, "lock", *range(501, 1501))


def read_for_the_first(change: Change, *, locked: bool) -> tuple[list[int], int]:
    """Return the positions of the first eight items, and how many rows of items PostgreSQL looks at to find them."""

    def steps(step: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield step
        for part in step.get("Plans", ()):
            yield from steps(part)

    with transaction.atomic():
        with CaptureQueriesContext(connection) as asked:
            found = first_items(change, timezone.now(), count=8, locked=locked)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked[-1]['sql']}")
            ((explained,),) = cursor.fetchone()
    of_items = [step for step in steps(explained["Plan"]) if step.get("Relation Name") == Item._meta.db_table]
    assert of_items
    read = sum((step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"] for step in of_items)
    return [item.position for item in found], read


@pytest.mark.parametrize("locked", [True, False])
def test_the_first_are_found_by_the_index(change: Change, *, locked: bool) -> None:
    positions, read = read_for_the_first(change, locked=locked)
    assert positions == list(range(1, 9))
    assert read < 50


@pytest.mark.parametrize("locked", [True, False])
def test_also_when_half_of_it_is_done(change: Change, *, locked: bool) -> None:
    half_done(change)
    positions, read = read_for_the_first(change, locked=locked)
    assert positions == list(range(501, 509))
    assert read < 50 + 50  # those under way are looked at, too


def test_a_change_has_no_work_while_its_targets_are_in_progress_elsewhere() -> None:
    """Else its calls would be counted, and given back, at each look."""
    person = make_person(Role.SUPPORT)
    make_accounts([1, 2])
    first = ask(person, "lock", 1, 2)
    second = ask(person, "liquidate_only", 1)
    first.items.update(state="sending")
    assert (with_work(Lane.URGENT, timezone.now()), first_items(second, timezone.now(), count=1)) == ([], [])
    first.items.filter(target="demo:account:1").update(state="sent")
    assert with_work(Lane.URGENT, timezone.now()) == []
    first.items.filter(target="demo:account:1").update(state="applied")
    assert with_work(Lane.URGENT, timezone.now()) == [second]
    assert [item.change for item in first_items(second, timezone.now(), count=2)] == [second]


def half_done(change: Change) -> None:
    """Let 450 items be done, and fifty be under way."""
    change.items.filter(position__lte=500).update(state="sending")
    change.items.filter(position__lte=450).update(state="sent")
    change.items.filter(position__lte=450).update(state="applied")


def test_a_reader_of_more_items_has_them_to_itself_for_longer_and_never_past_the_recovery_time() -> None:
    """10,000 items of answers cut at 200 rows are 50 calls: a second reader must not make them again."""
    assert reading_lease(1) < reading_lease(8_000) < timedelta(seconds=60)
    assert reading_lease(10_000) >= READING_LEASE + timedelta(seconds=25)
    assert reading_lease(1_000_000) <= timedelta(seconds=50)


@pytest.mark.parametrize("state", ["sending", "unknown"])
def test_a_claim_of_an_item_that_is_not_queued_fails_and_leaves_nothing(change: Change, state: str) -> None:
    item = change.items.earliest("position")
    for each in ("sending", "unknown")[: ("sending", "unknown").index(state) + 1]:
        change.items.filter(pk=item.pk).update(state=each)

    with pytest.raises(IntegrityError, match="null value"), transaction.atomic():
        _write(change, KINDS["lock"].of({}), [[item]], at=timezone.now(), origin=ORIGIN)

    assert not Call.objects.exists()
    assert Item.objects.get(pk=item.pk).state == state
