"""Many unknown outcomes: what is known of each, reading them again, and one decision about those with the same evidence."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes.kinds.kind import Finding
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.changes.tracking import control
from accounts.execution import resolving
from accounts.execution import unknown_item as questioning
from accounts.execution.models import Call, Purpose
from accounts.execution.resolving import Resolution, Resolved, Seen, WrongCount, read_again_many, resolve_many
from accounts.execution.unknown_item import Shown, question, questions
from accounts.execution.unknown_items import Filters, examine
from accounts.models import RiskStatus
from riskadmin.audit.actions import record_all
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from tests.changes.pages import text_of
from tests.changes.world import ACTED_AT, CLOSING_ONLY, LOCKED, NORMAL
from tests.execution.unknown_items import (
    AS_BEFORE,
    AS_INTENDED,
    ELSEWHERE,
    WHY,
    everything,
    make_call,
    read_as,
    seen,
    states,
    unknown,
    unknown_many,
)
from tests.execution.worker import ORIGIN

pytestmark = pytest.mark.django_db

LIST = "execution:unresolved"


@pytest.fixture
def browser(client: Client, person: Staff) -> Client:
    """The supervisor's browser."""
    client.force_login(person)
    return client


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The changes that were announced to the workers."""
    changes: list[int] = []

    def keep(*, change_id: int, lane: str) -> None:
        changes.append(change_id)

    monkeypatch.setattr(resolving, "dispatch_on_commit", keep)
    return changes


def say(person: Staff, what: Seen, resolution: Resolution, **fields: Any) -> Resolved:
    return resolve_many(actor=person, origin=ORIGIN, seen=what, resolution=resolution, **{"comment": "Looked", **fields})


class TestShown:
    @pytest.mark.parametrize(
        ("observed", "note", "shown"),
        [
            (AS_BEFORE, WHY, Shown.AS_BEFORE),
            (AS_INTENDED, WHY, Shown.AS_INTENDED),
            (ELSEWHERE, WHY, Shown.NEITHER),
            (None, WHY, Shown.NO_RESULT),
            (None, "Tradovate left it out of its answers", Shown.NOT_NAMED),
            (AS_BEFORE, "Tradovate left it out of its answers", Shown.NOT_NAMED),
            (AS_BEFORE, "Tradovate sent something unreadable: adminTimestamp 0001", Shown.UNREADABLE),
            ({"admin_action": NORMAL}, WHY, Shown.UNREADABLE),
            ({}, WHY, Shown.UNREADABLE),
        ],
    )
    def test_the_last_reading(self, observed: dict[str, Any] | None, note: str, shown: Shown) -> None:
        item = unknown()
        read_as(observed, item, note=note)
        assert question(Item.objects.get()).shown == shown

    def test_a_reading_before_the_last_call_says_nothing_of_it(self) -> None:
        item = unknown()
        read_as(AS_INTENDED, item)
        make_call(item)
        assert question(Item.objects.get()).shown == Shown.NO_RESULT

    def test_a_kind_that_can_not_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        item = unknown()
        monkeypatch.setattr(type(question(item).kind), "is_read_back", False)
        assert question(item).shown == Shown.NO_ENDPOINT

    def test_every_finding_has_its_words(self) -> None:
        assert set(questioning._SHOWN_BY_FINDING) == set(Finding)

    def test_what_is_neither_is_grouped_by_what_differs(self) -> None:
        looser = unknown(101)
        read_as(ELSEWHERE, looser)
        asked = question(Item.objects.get())
        assert [(each.label, each.before, each.after) for each in asked.moved] == [
            ("Risk action", "Normal", "Closing orders only")
        ]
        assert asked.evidence.fields == ("Risk action tighter",)
        assert asked.evidence.words == "Lock on demo: Neither as before nor as intended (Risk action tighter)"
        assert asked.evidence.key.startswith("demo-lock-0-neither-")


class TestReadAgainMany:
    def test_one_event_for_each_change(self, person: Staff) -> None:
        many, single = unknown_many([101, 102, 103]), unknown(104)
        ids = [*many.items.values_list("pk", flat=True), single.pk]
        assert read_again_many(actor=person, origin=ORIGIN, item_ids=ids) == 4
        assert Item.objects.filter(not_before__lte=timezone.now(), state=ItemState.UNKNOWN).count() == 4
        of_many, of_single = Event.objects.filter(tag=Tag.ITEM_READ_AGAIN).order_by("change_id")
        assert (of_many.change_id, of_many.item_id, of_many.detail["items"]) == (many.pk, None, 3)
        assert of_many.detail["text"] == "3 items. Asked for by supervisor"
        assert (of_single.change_id, of_single.item_id, of_single.staff_id) == (single.change_id, single.pk, person.pk)

    def test_what_is_left_as_it_is(self, person: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        due, settled, unreadable = unknown(101), unknown(102), unknown(103, "unlock")
        Item.objects.filter(pk=due.pk).update(not_before=timezone.now() - timedelta(seconds=1))
        Item.objects.filter(pk=settled.pk).update(state=ItemState.APPLIED)
        monkeypatch.setattr(type(question(unreadable).kind), "is_read_back", False)
        before = everything()
        ids = [due.pk, settled.pk, unreadable.pk, 4711]
        assert read_again_many(actor=person, origin=ORIGIN, item_ids=ids) == 0
        assert everything() == before

    def test_what_waits_longer_is_brought_forward(self, person: Staff) -> None:
        item = unknown()
        Item.objects.update(not_before=timezone.now() + timedelta(hours=1))
        assert read_again_many(actor=person, origin=ORIGIN, item_ids=[item.pk]) == 1
        assert question(Item.objects.get()).is_due

    def test_all_that_match_from_the_list(self, browser: Client) -> None:
        as_before, other = unknown_many([101, 102], observed=AS_BEFORE), unknown(103)
        key = "demo-lock-0-as_before"
        response = browser.post(reverse("execution:selection"), {"do": "read_again", "all": "1", "evidence": key})
        assert (response.status_code, response["Location"]) == (303, f"{reverse(LIST)}?evidence={key}")
        assert as_before.items.exclude(not_before=None).count() == 2
        assert Item.objects.get(pk=other.pk).not_before is None
        assert "2 items are read from Tradovate again" in text_of(browser.get(response["Location"]))
        browser.post(reverse("execution:selection"), {"do": "read_again", "all": "1"})
        assert Item.objects.filter(not_before=None).count() == 0

    def test_pressed_twice_it_is_one_event(self, browser: Client) -> None:
        item = unknown()
        for _ in range(2):
            browser.post(reverse("execution:selection"), {"do": "read_again", "item": item.pk})
        assert Event.objects.filter(tag=Tag.ITEM_READ_AGAIN).count() == 1


class TestDecideMany:
    def test_each_is_settled_with_its_event_and_its_change_finished(self, person: Staff, announced: list[int]) -> None:
        many, single = unknown_many([101, 102], observed=AS_BEFORE), unknown(103)
        read_as(AS_BEFORE, single)
        items = [*many.items.order_by("pk"), single]
        what = seen(*items)

        resolved = say(person, what, Resolution.CANCELLED)

        assert ([item.pk for item in resolved.items], resolved.left_out) == ([item.pk for item in items], [])
        for item in Item.objects.all():
            assert (item.state, item.resolved_by) == (ItemState.CANCELLED, person)
            assert item.note == "It was not applied, and is left, says supervisor: Looked"
            event = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_RESOLVED)
            assert (event.staff_id, event.detail["outcome"], event.detail["comment"]) == (person.pk, "cancelled", "Looked")
            assert (event.detail["items"], event.detail["digest"]) == (3, what.digest)
            assert (event.detail["seen_call"], event.detail["shown"]) == (what.calls[item.pk], "As before")
        assert set(Change.objects.values_list("state", flat=True)) == {ChangeState.FINISHED}
        assert Event.objects.filter(tag=Tag.CHANGE_FINISHED).count() == 2
        assert announced == []

    def test_they_are_sent_again(self, person: Staff, announced: list[int]) -> None:
        change = unknown_many([101, 102], observed=AS_BEFORE)
        change.items.update(attempts=3, ticket="t", not_before=timezone.now())
        say(person, seen(*change.items.all()), Resolution.QUEUED)
        for item in change.items.all():
            assert (item.state, item.attempts, item.ticket, item.not_before) == (ItemState.QUEUED, 0, "", None)
            assert (item.observed, item.note) == (None, "Sent again by supervisor: Looked")
        assert Event.objects.filter(tag=Tag.ITEM_RESENT).count() == 2
        assert announced == [change.pk]

    def test_what_has_changed_meanwhile_is_left_out(self, person: Staff) -> None:
        right, settled, called, moved = (unknown(number) for number in range(101, 105))
        for item in (right, settled, called, moved):
            read_as(AS_BEFORE, item)
        what = seen(right, settled, called, moved)
        Item.objects.filter(pk=settled.pk).update(state=ItemState.UNCHANGED)
        read_as(AS_BEFORE, called)
        Item.objects.filter(pk=moved.pk).update(observed=ELSEWHERE)
        events = Event.objects.count()

        resolved = say(person, what, Resolution.APPLIED)

        assert [item.pk for item in resolved.items] == [right.pk]
        assert [(item.pk, reason) for item, reason in resolved.left_out] == [
            (settled.pk, "This is settled meanwhile: unchanged."),
            (called.pk, "Another call was made for it since this page was shown."),
            (moved.pk, "Its evidence is another one than that of the others."),
        ]
        assert states(right, settled, called, moved) == ["applied", "unchanged", "unknown", "unknown"]
        assert Event.objects.count() == events + 2  # the item's, and its change's end

    def test_items_with_different_evidence_are_not_decided_together(self, person: Staff) -> None:
        as_before, elsewhere = unknown(101), unknown(102)
        read_as(AS_BEFORE, as_before)
        read_as(ELSEWHERE, elsewhere)
        resolved = say(person, seen(as_before, elsewhere), Resolution.APPLIED)
        assert [item.pk for item in resolved.items] == [as_before.pk]
        assert states(elsewhere) == ["unknown"]

    def test_the_requester_decides_about_none_of_their_own(self, person: Staff) -> None:
        own, other = unknown(101, requested_by=person), unknown(102)
        resolved = say(person, seen(own, other), Resolution.APPLIED)
        assert [item.pk for item in resolved.items] == [other.pk]
        assert [reason for _, reason in resolved.left_out] == ["You requested this change, so somebody else has to decide."]
        assert states(own) == ["unknown"]

    def test_nothing_is_sent_for_a_change_that_does_not_run(self, person: Staff, announced: list[int]) -> None:
        paused, running = unknown(101), unknown(102)
        control.pause(actor=person, origin=ORIGIN, change_id=paused.change_id)
        resolved = say(person, seen(paused, running), Resolution.QUEUED)
        assert [item.pk for item in resolved.items] == [running.pk]
        assert announced == [running.change_id]
        assert states(paused) == ["unknown"]

    @pytest.mark.parametrize("resolution", Resolution)
    def test_what_may_do_harm_twice_wants_the_number_typed(self, person: Staff, resolution: Resolution) -> None:
        items = [unknown(number, "liquidate") for number in (101, 102)]
        before = everything()
        for typed in (None, 0, 1, 3):
            with pytest.raises(WrongCount, match=r"^Type 2, the number of items, to continue\.$"):
                say(person, seen(*items), resolution, typed_count=typed)
        assert everything() == before
        assert len(say(person, seen(*items), resolution, typed_count=2).items) == 2

    def test_each_change_is_a_transaction_of_its_own(self, person: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = unknown(101), unknown(102)

        def fail_for_the_second(entries: Any) -> None:
            found = list(entries)
            if found[0].item_id == second.pk:
                raise DatabaseError("The trail can't be written")
            record_all(found)

        monkeypatch.setattr(resolving, "record_all", fail_for_the_second)
        with pytest.raises(DatabaseError, match="The trail"):
            say(person, seen(first, second), Resolution.APPLIED)
        assert states(first, second) == ["applied", "unknown"]

    def test_three_hundred(self, person: Staff) -> None:
        change = unknown_many(range(101, 401), observed=AS_BEFORE)
        what = seen(*change.items.all())
        assert len(what.calls) == 300
        with CaptureQueriesContext(connection) as queries:
            assert len(say(person, what, Resolution.CANCELLED).items) == 300
        assert len(queries) < 40  # whatever the number of items
        assert set(change.items.values_list("state", flat=True)) == {ItemState.CANCELLED}
        assert Event.objects.filter(tag=Tag.ITEM_RESOLVED).count() == 300
        assert Change.objects.get().state == ChangeState.FINISHED

    def test_the_digest_is_of_exactly_the_items_their_calls_and_the_evidence(self) -> None:
        one = Seen(evidence_key="a", calls={1: 2, 3: 4})
        assert one.digest == Seen(evidence_key="a", calls={3: 4, 1: 2}).digest
        others = [
            Seen(evidence_key="b", calls={1: 2, 3: 4}),
            Seen(evidence_key="a", calls={1: 2}),
            Seen(evidence_key="a", calls={1: 2, 3: 5}),
        ]
        assert len({one.digest, *(other.digest for other in others)}) == 4


def test_the_last_calls_of_items() -> None:
    first, second = unknown(101), unknown(102)
    write = Call.objects.get(items=first)
    read = read_as(AS_BEFORE, first, second)
    failed = make_call(first, purpose=Purpose.READ_BACK)
    found = {asked.item.pk: asked.calls for asked in questions(Item.objects.select_related("change"))}
    assert (found[first.pk].last, found[first.pk].write, found[first.pk].read_back) == (failed.pk, write.pk, read.pk)
    assert found[second.pk].last == read.pk


def test_examining_names_nothing_that_is_settled() -> None:
    unknown(101)
    Item.objects.update(state=ItemState.APPLIED)
    assert list(examine(Filters()).found) == []


class TestMirror:
    """What the mirror read after the last call is a reading too, where the item's own read-back left nothing."""

    @pytest.mark.parametrize(
        ("columns", "shown"),
        [
            ({"admin_action": NORMAL}, Shown.AS_BEFORE),
            ({"admin_action": LOCKED, "admin_at": ACTED_AT}, Shown.AS_INTENDED),
            ({"admin_action": CLOSING_ONLY, "admin_at": ACTED_AT}, Shown.NEITHER),
        ],
    )
    def test_what_was_read_since(self, columns: dict[str, Any], shown: Shown) -> None:
        item = unknown()
        RiskStatus.objects.update(fresh_at=timezone.now(), **columns)
        assert question(item).shown == shown

    def test_what_was_read_before_the_call(self) -> None:
        item = unknown()
        RiskStatus.objects.update(admin_action=LOCKED, admin_at=ACTED_AT)
        assert question(item).shown == Shown.NO_RESULT

    def test_its_own_reading_comes_first(self) -> None:
        item = unknown()
        read_as(ELSEWHERE, item)
        RiskStatus.objects.update(fresh_at=timezone.now())
        assert question(Item.objects.get()).shown == Shown.NEITHER

    def test_one_that_the_mirror_does_not_have_whole(self) -> None:
        item = unknown()
        RiskStatus.objects.all().delete()
        assert question(item).shown == Shown.NO_RESULT

    def test_a_mirror_that_moves_after_the_page_takes_the_item_out(self, person: Staff) -> None:
        item = unknown()
        RiskStatus.objects.update(fresh_at=timezone.now())
        what = seen(item)
        RiskStatus.objects.update(fresh_at=timezone.now(), admin_action=LOCKED, admin_at=ACTED_AT)
        resolved = say(person, what, Resolution.CANCELLED)
        assert [reason for _, reason in resolved.left_out] == ["Its evidence is another one than that of the others."]
        assert states(item) == ["unknown"]
