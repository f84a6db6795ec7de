"""Many unknown outcomes: what the list shows of their evidence, reading them again, and one decision about those that share it."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.changes import control
from accounts.changes.kinds.kind import Finding
from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution import question as questioning
from accounts.execution import resolve as resolving
from accounts.execution import unknown as listing
from accounts.execution.forms import SEEN_SALT, SeenField
from accounts.execution.models import Call, Purpose
from accounts.execution.question import Shown, question, questions
from accounts.execution.resolve import Decided, Resolution, Seen, WrongCount, read_again_many, resolve_many
from accounts.execution.unknown import Filters, examine
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.changes.answers import text_of
from tests.changes.mirror import ACTED_AT, CLOSING_ONLY, LOCKED, NORMAL
from tests.execution.conftest import ORIGIN
from tests.execution.unknown_items import AS_BEFORE, WHY, everything, make_call, read_as, unknown, unknown_many
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

AS_INTENDED = {"admin_action": LOCKED, "admin_at": ACTED_AT.isoformat(), "stopped_by_limit": False}
ELSEWHERE = {"admin_action": CLOSING_ONLY, "admin_at": ACTED_AT.isoformat(), "stopped_by_limit": False}

LIST = "execution:unresolved"


@pytest.fixture
def person() -> Staff:
    """A supervisor."""
    return make_person(Role.SUPERVISOR)


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


def seen(*items: Item) -> Seen:
    """What a page would show of these items now."""
    asked = [question(Item.objects.select_related("change").get(pk=item.pk)) for item in items]
    return Seen(evidence_key=asked[0].evidence.key, calls={each.item.pk: each.calls.last for each in asked})


def say(person: Staff, what: Seen, resolution: Resolution, **fields: Any) -> Decided:
    return resolve_many(actor=person, origin=ORIGIN, seen=what, resolution=resolution, **{"comment": "Looked", **fields})


def states(*items: Item) -> list[str]:
    return [Item.objects.get(pk=item.pk).state for item in items]


class TestShown:
    @pytest.mark.parametrize(
        ("observed", "note", "shown"),
        [
            (AS_BEFORE, WHY, Shown.AS_BEFORE),
            (AS_INTENDED, WHY, Shown.AS_INTENDED),
            (ELSEWHERE, WHY, Shown.NEITHER),
            (None, WHY, Shown.NO_RESULT),
            (None, "Tradovate did not name it when it was read back", Shown.NOT_NAMED),
            (AS_BEFORE, "Tradovate did not name it when it was read back", Shown.NOT_NAMED),
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
        assert question(item).shown == Shown.NO_WAY

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
        assert asked.evidence.words == "Lock, demo: neither as before nor as intended (Risk action tighter)"
        assert asked.evidence.key.startswith("demo-lock-0-neither-")


class TestList:
    def test_what_it_says_of_each(self, browser: Client) -> None:
        item = unknown()
        read_as(ELSEWHERE, item)
        Item.objects.update(not_before=timezone.now() - timedelta(seconds=1))
        page = " ".join(text_of(browser.get(reverse(LIST))).split())
        assert "Lock KTR50K-000101" in page
        assert "Neither as before nor as intended" in page
        assert f"{WHY}." in page
        assert "It is read again as soon as Tradovate can be reached" in page
        assert reverse("changes:detail", args=[item.change_id]) in page

    def test_the_filters(self, browser: Client) -> None:
        lock, unlock = unknown(101), unknown(102, "unlock")
        read_as(AS_BEFORE, lock)

        def shown(**query: Any) -> list[int]:
            return [row.item.pk for row in browser.get(reverse(LIST), query).context["rows"]]

        assert shown() == [lock.pk, unlock.pk]
        assert shown(change=unlock.change_id) == [unlock.pk]
        assert shown(kind="lock") == [lock.pk]
        assert shown(environment="demo") == [lock.pk, unlock.pk]
        assert shown(environment="live") == []
        assert shown(evidence="demo-lock-0-as_before") == [lock.pk]
        assert shown(evidence="demo-lock-0-no_result") == []
        assert "No unknown outcome matches" in text_of(browser.get(reverse(LIST), {"environment": "live"}))

    @pytest.mark.parametrize("query", [{"change": "x"}, {"change": "0"}, {"kind": "nothing"}, {"environment": "moon"}])
    def test_bad_filters(self, browser: Client, query: dict[str, str]) -> None:
        unknown()
        response = browser.get(reverse(LIST), query)
        assert response.status_code == 422
        assert list(response.context["form"].errors) == list(query)
        assert "KTR50K-000101" not in text_of(response)

    def test_the_groups_with_their_counts(self, browser: Client) -> None:
        unknown_many([101, 102, 103], observed=AS_BEFORE)
        read_as(ELSEWHERE, unknown(104))
        groups = browser.get(reverse(LIST)).context["examined"].groups
        assert [(group.evidence.shown, group.count) for group in groups] == [(Shown.AS_BEFORE, 3), (Shown.NEITHER, 1)]

    def test_page_by_page(self, browser: Client) -> None:
        change = unknown_many(range(101, 221))
        ids = list(change.items.order_by("pk").values_list("pk", flat=True))
        response = browser.get(reverse(LIST))
        read: list[int] = []
        while True:
            read += [row.item.pk for row in response.context["rows"]]
            cursor = response.context["page"].next_cursor
            if cursor is None:
                break
            response = browser.get(reverse(LIST), {"cursor": cursor})
        assert read == ids

    def test_the_oldest_where_there_are_too_many_to_compare(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        change = unknown_many(range(101, 106))
        monkeypatch.setattr(listing, "EXAMINED_MAX", 3)
        response = browser.get(reverse(LIST))
        ids = list(change.items.order_by("pk").values_list("pk", flat=True))
        assert [row.item.pk for row in response.context["rows"]] == ids[:3]
        assert (response.context["examined"].total, response.context["examined"].is_cut) == (5, True)
        assert "Not all are shown" in text_of(response)

    def test_it_costs_the_same_for_many(self, browser: Client) -> None:
        def cost() -> int:
            with CaptureQueriesContext(connection) as queries:
                browser.get(reverse(LIST))
            return len(queries)

        unknown(1)
        cost()
        few = cost()
        unknown_many(range(101, 141), observed=AS_BEFORE)
        assert cost() == few

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, Role.ADMINISTRATOR])
    def test_who_may_only_look(self, client: Client, role: Role) -> None:
        unknown()
        client.force_login(make_person(role, "another"))
        page = text_of(client.get(reverse(LIST)))
        assert "A supervisor decides what became of each." in page
        assert 'name="item"' not in page
        assert reverse("execution:selection") not in page

    def test_home_and_the_change_lead_to_it(self, browser: Client) -> None:
        item = unknown()
        unknown(102)
        assert "All 2 unknown outcomes" in text_of(browser.get(reverse("home")))
        page = text_of(browser.get(reverse("changes:detail", args=[item.change_id])))
        assert f'{reverse(LIST)}?change={item.change_id}"' in page


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


class TestSelection:
    def test_it_leads_to_the_decision(self, browser: Client) -> None:
        items = [unknown(number) for number in (101, 102)]
        before = everything()
        sent = {"do": "cancelled", "item": [item.pk for item in items]}
        response = browser.post(reverse("execution:selection"), sent)
        assert response.status_code == 303
        assert parse_qs(urlsplit(response["Location"]).query) == {
            "resolution": ["cancelled"],
            "item": [str(item.pk) for item in items],
        }
        assert browser.get(response["Location"]).status_code == 200
        assert everything() == before

    def test_all_that_match_are_looked_up_there(self, browser: Client) -> None:
        change, _ = unknown_many([101, 102]), unknown(103)
        sent = {"do": "applied", "all": "1", "change": change.pk}
        response = browser.get(browser.post(reverse("execution:selection"), sent)["Location"])
        assert response.context["count"] == 2

    @pytest.mark.parametrize(
        "sent",
        [
            {"do": "applied"},
            {"do": "applied", "item": "x"},
            {"do": "applied", "item": list(range(1, 202))},
            {"do": "rejected", "item": "1"},
            {"item": "1"},
            {"do": "applied", "all": "1", "change": "x"},
        ],
    )
    def test_a_bad_form(self, browser: Client, sent: dict[str, Any]) -> None:
        unknown()
        before = everything()
        assert browser.post(reverse("execution:selection"), sent).status_code == 400
        assert everything() == before


class TestDecideMany:
    def test_each_is_settled_with_its_event_and_its_change_finished(self, person: Staff, announced: list[int]) -> None:
        many, single = unknown_many([101, 102], observed=AS_BEFORE), unknown(103)
        read_as(AS_BEFORE, single)
        items = [*many.items.order_by("pk"), single]
        what = seen(*items)

        decided = say(person, what, Resolution.CANCELLED)

        assert ([item.pk for item in decided.items], decided.left_out) == ([item.pk for item in items], [])
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

        decided = say(person, what, Resolution.APPLIED)

        assert [item.pk for item in decided.items] == [right.pk]
        assert [(item.pk, reason) for item, reason in decided.left_out] == [
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
        decided = say(person, seen(as_before, elsewhere), Resolution.APPLIED)
        assert [item.pk for item in decided.items] == [as_before.pk]
        assert states(elsewhere) == ["unknown"]

    def test_the_requester_decides_about_none_of_their_own(self, person: Staff) -> None:
        own, other = unknown(101, requested_by=person), unknown(102)
        decided = say(person, seen(own, other), Resolution.APPLIED)
        assert [item.pk for item in decided.items] == [other.pk]
        assert [reason for _, reason in decided.left_out] == ["You requested this change, so somebody else has to decide."]
        assert states(own) == ["unknown"]

    def test_nothing_is_sent_for_a_change_that_does_not_run(self, person: Staff, announced: list[int]) -> None:
        paused, running = unknown(101), unknown(102)
        control.pause(actor=person, origin=ORIGIN, change_id=paused.change_id)
        decided = say(person, seen(paused, running), Resolution.QUEUED)
        assert [item.pk for item in decided.items] == [running.pk]
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
        record_all = resolving.record_all

        def fail_for_the_second(happenings: Any) -> None:
            found = list(happenings)
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
        assert len(queries) < 25
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


class TestDecidePage:
    @staticmethod
    def open(browser: Client, resolution: str, *items: Item) -> Any:
        return browser.get(reverse("execution:decide"), {"resolution": resolution, "item": [item.pk for item in items]})

    @staticmethod
    def post(browser: Client, page: Any, **fields: Any) -> Any:
        form = page.context["form"]
        sent = {name: form.initial[name] for name in ("resolution", "seen")}
        return browser.post(reverse("execution:decide"), {**sent, "comment": "Seen in its dashboard", **fields})

    def test_it_shows_the_evidence_and_takes_the_decision(self, browser: Client, person: Staff) -> None:
        change = unknown_many(range(101, 121), observed=AS_BEFORE)
        page = self.open(browser, "cancelled", *change.items.all())
        text = " ".join(text_of(page).split())
        assert "It was not applied; leave it: 20 items" in text
        assert "Lock, demo: as before" in text
        assert "The first 10 of 20, oldest first." in text
        assert "KTR50K-000110" in text
        assert "KTR50K-000111" not in text
        assert f'{WHY}.</span> <span class="count">20</span>' in text
        assert "The last reading says otherwise" not in text
        assert "id_count" not in text

        response = self.post(browser, page)
        assert (response.status_code, response["Location"]) == (303, f"{reverse(LIST)}?change={change.pk}")
        assert "20 items: it was not applied; leave it. It is on record." in text_of(browser.get(response["Location"]))
        assert set(change.items.values_list("state", "resolved_by")) == {("cancelled", person.pk)}

    def test_a_reading_that_says_otherwise(self, browser: Client) -> None:
        item = unknown()
        read_as(AS_BEFORE, item)
        assert "The last reading says otherwise" in text_of(self.open(browser, "applied", item))

    def test_different_evidence_is_refused_and_each_group_offered(self, browser: Client) -> None:
        as_before, elsewhere = unknown(101), unknown(102)
        read_as(AS_BEFORE, as_before)
        read_as(ELSEWHERE, elsewhere)
        before = everything()
        for query in ({"item": [as_before.pk, elsewhere.pk]}, {"all": "1"}):
            response = browser.get(reverse("execution:decide"), {"resolution": "applied", **query})
            assert response.status_code == 422
            offers = response.context["offers"]
            assert sorted(group.evidence.shown for group, _ in offers) == [Shown.AS_BEFORE, Shown.NEITHER]
            found = [browser.get(url).context["rows"] for _, url in offers]
            assert sorted(row.item.pk for rows in found for row in rows) == [as_before.pk, elsewhere.pk]
        assert everything() == before

    def test_nothing_typed_is_lost_on_a_422(self, browser: Client) -> None:
        items = [unknown(number, "liquidate") for number in (101, 102)]
        page = self.open(browser, "queued", *items)
        assert "Type 2, the number of items, to continue" in text_of(page)
        before = everything()
        for fields in ({"count": "3"}, {"count": ""}, {"count": "many"}, {"count": "2", "comment": ""}):
            response = self.post(browser, page, **fields)
            assert response.status_code == 422
            form = response.context["form"]
            assert form["seen"].value() == page.context["form"].initial["seen"]
            assert (form["count"].value(), form["comment"].value()) == (
                fields["count"],
                fields.get("comment", "Seen in its dashboard"),
            )
        assert everything() == before
        assert self.post(browser, page, count="2").status_code == 303
        assert states(*items) == ["queued", "queued"]

    def test_settled_between_page_and_form(self, browser: Client) -> None:
        first, second = unknown(101), unknown(102)
        page = self.open(browser, "applied", first, second)
        Item.objects.filter(pk=first.pk).update(state=ItemState.UNCHANGED)
        response = self.post(browser, page)
        assert response.status_code == 303
        text = text_of(browser.get(response["Location"]))
        assert "1 item: it was applied. It is on record." in text
        assert "Left out: KTR50K-000101. This is settled meanwhile: unchanged." in text
        assert states(first, second) == ["unchanged", "applied"]

    def test_a_double_click_decides_once(self, browser: Client) -> None:
        items = [unknown(number) for number in (101, 102)]
        page = self.open(browser, "applied", *items)
        assert self.post(browser, page).status_code == 303
        before = everything()
        response = self.post(browser, page)
        assert response.status_code == 409
        assert "KTR50K-000101, KTR50K-000102: This is settled meanwhile: applied." in text_of(response)
        assert everything() == before
        assert Event.objects.filter(tag=Tag.ITEM_RESOLVED).count() == 2

    def test_a_forged_form_of_the_requester(self, browser: Client, person: Staff) -> None:
        item = unknown(requested_by=person)
        response = self.open(browser, "applied", item)
        assert response.status_code == 409
        assert "You requested this change, so somebody else has to decide." in text_of(response)
        before = everything()
        for resolution in Resolution:
            forged = {"resolution": resolution.value, "seen": SeenField.signed(seen(item)), "comment": "Mine"}
            assert browser.post(reverse("execution:decide"), forged).status_code == 409
        assert everything() == before

    def test_own_items_among_others_are_left_out_and_named(self, browser: Client, person: Staff) -> None:
        own, other = unknown(101, requested_by=person), unknown(102)
        page = self.open(browser, "applied", own, other)
        assert page.context["count"] == 1
        assert "Left out: KTR50K-000101" in text_of(page)
        assert self.post(browser, page).status_code == 303
        assert states(own, other) == ["unknown", "applied"]

    def test_a_list_that_was_tampered_with(self, browser: Client) -> None:
        item = unknown()
        good = SeenField.signed(seen(item))
        before = everything()
        others = signing.dumps(["x", [[item.pk, 1]]], salt="another")
        for bad in ("", "x", good[:-1], others, signing.dumps([], salt=f"{SEEN_SALT}.")):
            sent = {"resolution": "applied", "seen": bad, "comment": "Looked"}
            assert browser.post(reverse("execution:decide"), sent).status_code == 400
        assert browser.post(reverse("execution:decide"), {"resolution": "x", "seen": good, "comment": "y"}).status_code == 400
        assert everything() == before

    @pytest.mark.parametrize("query", [{}, {"resolution": "rejected", "all": "1"}, {"resolution": "applied"}])
    def test_a_bad_address(self, browser: Client, query: dict[str, str]) -> None:
        unknown()
        assert browser.get(reverse("execution:decide"), query).status_code == 400

    def test_three_hundred_by_filter(self, browser: Client) -> None:
        change = unknown_many(range(101, 401), observed=AS_BEFORE)
        page = browser.get(reverse("execution:decide"), {"resolution": "applied", "all": "1", "change": change.pk})
        assert page.context["count"] == 300
        assert self.post(browser, page).status_code == 303
        assert set(change.items.values_list("state", flat=True)) == {ItemState.APPLIED}

    def test_at_most_so_many_at_once(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        change = unknown_many(range(101, 106))
        monkeypatch.setattr(listing, "DECIDED_AT_ONCE", 3)
        page = browser.get(reverse("execution:decide"), {"resolution": "applied", "all": "1"})
        assert (page.context["count"], page.context["is_cut"]) == (3, True)
        self.post(browser, page)
        assert change.items.filter(state=ItemState.UNKNOWN).count() == 2


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
