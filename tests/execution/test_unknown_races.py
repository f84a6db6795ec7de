"""Decisions about unknown items against each other and against a reading under way: whichever is first wins, once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.db import connection
from django.utils import timezone

from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.resolving import NotResolved, Resolution, Resolved, Seen, resolve, resolve_many
from accounts.execution.settle import settle
from accounts.execution.unknown_item import question
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.world import ask
from tests.execution.unknown_items import unknown_many
from tests.execution.worker import ORIGIN, active_account, make_due, read_back_due, send_item, the_item
from tests.simulator.driver import SET_ACTION, Simulator
from tests.staff.people import make_person
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*jobs: Callable[[], Any]) -> Sequence[Any]:
    """Run the jobs in threads that start together, each on a connection of its own; return what each returned or was refused."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=30)
            return job()
        except NotResolved as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def decides(person: Staff, item: Item, resolution: Resolution, seen_call: int) -> Item:
    return resolve(
        actor=person,
        origin=ORIGIN,
        item_id=item.pk,
        resolution=resolution,
        comment="Looked",
        seen_call=seen_call,
    )


def lost_answer(mirror: Simulator, support: Staff, *, when: str) -> Item:
    """An item whose call was cut off before or after its effect, long ago, and which is due to be read back."""
    change = ask(support, "lock", active_account())
    mirror.fault("cut", when=when, endpoint=SET_ACTION, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    item = the_item(change)
    assert item.state == ItemState.UNKNOWN
    make_due(item)
    return the_item(change)


def outcomes_recorded(item: Item) -> list[str]:
    tags = (Tag.ITEM_SETTLED, Tag.ITEM_RESOLVED, Tag.ITEM_RESENT, Tag.ITEM_UNKNOWN)
    return list(Event.objects.filter(item_id=item.pk, tag__in=tags).order_by("pk").values_list("tag", flat=True))


@pytest.mark.parametrize(("when", "resolution"), [("before", Resolution.APPLIED), ("after", Resolution.CANCELLED)])
def test_a_decision_while_it_is_being_read_wins(
    mirror: Simulator, support: Staff, monkeypatch: pytest.MonkeyPatch, when: str, resolution: Resolution
) -> None:
    supervisor = make_person(Role.SUPERVISOR)
    item = lost_answer(mirror, support, when=when)
    seen_call = question(item).calls.last
    read_step = Kind.read_step

    def decided_meanwhile(self: Kind, *args: Any) -> Any:
        reading = read_step(self, *args)
        decides(supervisor, item, resolution, seen_call)
        return reading

    monkeypatch.setattr(Kind, "read_step", decided_meanwhile)
    assert read_back_due(origin=ORIGIN) == 1
    item.refresh_from_db()
    assert (item.state, item.resolved_by, item.not_before) == (resolution.value, supervisor, None)
    assert outcomes_recorded(item) == [Tag.ITEM_UNKNOWN, Tag.ITEM_RESOLVED]
    assert Change.objects.get().state == ChangeState.FINISHED


def test_a_reading_that_is_first_wins(
    mirror: Simulator, support: Staff, supervisor: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision waits for the reading's row lock, and finds the item settled."""
    item = lost_answer(mirror, support, when="after")
    seen_call = question(item).calls.last
    answers: list[Any] = []

    def decide() -> None:
        try:
            answers.append(decides(supervisor, item, Resolution.CANCELLED, seen_call))
        except NotResolved as refusal:
            answers.append(str(refusal))
        finally:
            connection.close()

    deciding = threading.Thread(target=decide)

    def settle_and_keep_the_lock(*args: Any, **kwargs: Any) -> Any:
        settled = settle(*args, **kwargs)
        deciding.start()
        wait_until(somebody_waits_for_a_lock)
        return settled

    monkeypatch.setattr("accounts.execution.read_back_outcome.settle", settle_and_keep_the_lock)
    assert read_back_due(origin=ORIGIN) == 1
    deciding.join(timeout=30)
    assert answers == ["This is settled meanwhile: applied."]
    item.refresh_from_db()
    assert (item.state, item.resolved_by) == (ItemState.APPLIED, None)
    assert outcomes_recorded(item) == [Tag.ITEM_UNKNOWN, Tag.ITEM_SETTLED]


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_person_decides_though_every_reading_fails(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    item = lost_answer(mirror, support, when="before")
    mirror.fault("500", endpoint="/accountriskstatus/items")
    for _ in range(3):
        assert read_back_due(origin=ORIGIN) == 0
        item = the_item(item.change)
        assert item.not_before is not None
        Item.objects.update(not_before=timezone.now())
    decides(supervisor, item, Resolution.CANCELLED, question(item).calls.last)
    assert the_item(item.change).state == ItemState.CANCELLED


def test_two_people_who_decide_at_once(real_broker: redis.Redis) -> None:
    change = unknown_many(range(101, 141))
    first, second = make_person(Role.SUPERVISOR, "first"), make_person(Role.SUPERVISOR, "second")
    asked = [question(item) for item in change.items.select_related("change")]
    what = Seen(evidence_key=asked[0].evidence.key, calls={each.item.pk: each.calls.last for each in asked})

    def job(person: Staff, resolution: Resolution) -> Callable[[], Resolved]:
        return lambda: resolve_many(actor=person, origin=ORIGIN, seen=what, resolution=resolution, comment=str(uuid4()))

    one, other = at_once(job(first, Resolution.APPLIED), job(second, Resolution.CANCELLED))
    assert sorted([len(one.items), len(other.items)]) == [0, 40]
    assert sorted([len(one.left_out), len(other.left_out)]) == [0, 40]
    winner = (ItemState.APPLIED, first.pk) if one.items else (ItemState.CANCELLED, second.pk)
    assert set(change.items.values_list("state", "resolved_by")) == {winner}
    assert Event.objects.filter(tag=Tag.ITEM_RESOLVED).count() == 40
    assert Event.objects.filter(tag=Tag.CHANGE_FINISHED).count() == 1


def test_two_who_decide_about_one_item(real_broker: redis.Redis) -> None:
    item = unknown_many([101]).items.select_related("change").get()
    people = make_person(Role.SUPERVISOR, "first"), make_person(Role.SUPERVISOR, "second")
    call = question(item).calls.last
    answers = at_once(*(lambda person=person: decides(person, item, Resolution.APPLIED, call) for person in people))
    refusals = [str(answer) for answer in answers if isinstance(answer, NotResolved)]
    assert refusals == ["This is settled meanwhile: applied."]
    assert Event.objects.filter(tag=Tag.ITEM_RESOLVED).count() == 1
