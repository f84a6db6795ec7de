"""The pages of unknown outcomes: the list with its filters, what is done with chosen items, and the page of a decision."""

from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import signing
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.models import Item
from accounts.changes.states import ItemState
from accounts.execution import unknown_items as listing
from accounts.execution.forms import SEEN_SALT, SeenField
from accounts.execution.resolving import Resolution
from accounts.execution.unknown_item import NOT_NAMED, Shown
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.changes import stopped as having
from tests.changes.pages import text_of
from tests.changes.stopped import Stopped, connect
from tests.execution.unknown_items import (
    AS_BEFORE,
    ELSEWHERE,
    WHY,
    everything,
    read_as,
    refused_since,
    seen,
    states,
    unknown,
    unknown_many,
)
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

LIST = "execution:unresolved"


@pytest.fixture
def browser(client: Client, person: Staff) -> Client:
    """The supervisor's browser."""
    client.force_login(person)
    return client


class TestList:
    def test_what_it_says_of_each(self, browser: Client) -> None:
        item = unknown()
        read_as(ELSEWHERE, item)
        Item.objects.update(not_before=timezone.now() - timedelta(seconds=1))
        page = " ".join(text_of(browser.get(reverse(LIST))).split())
        assert "Lock <bdi>KTR50K-000101</bdi>" in page
        assert "Neither as before nor as intended" in page
        assert f"{WHY}." in page
        assert "It is read again within seconds" in page
        assert reverse("changes:detail", args=[item.change_id]) in page

    def test_it_and_the_page_of_the_item_say_the_same_of_the_next_reading(
        self, browser: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        item, now = unknown(), timezone.now()
        evidence = {"resolution": "applied", "item": item.pk}
        pages: list[tuple[str, dict[str, Any]]] = [
            (reverse(LIST), {}),
            (reverse("execution:item", args=[item.pk]), {}),
            (reverse("execution:resolve_many"), evidence),
        ]

        def says(words: str, not_before: datetime | None, stopped: Stopped) -> bool:
            connect(monkeypatch, settings, stopped)
            Item.objects.update(not_before=not_before)
            return all(words in " ".join(unescape(text_of(browser.get(*page))).split()) for page in pages)

        denied = having.endpoint("accountRiskStatus/ldeps", "Access is denied", environment=Environment.DEMO)
        assert says("It is read again within seconds", now - timedelta(seconds=1), Stopped())
        assert says("It is to be read again, which waits until 2026-11-21 15:00:00: Too many calls", now, having.everything())
        assert says("It is to be read again, which waits until Tradovate allows access again: Access is denied", now, denied)
        assert says("It is not read again by itself; a full read that proves what came of it settles it", None, Stopped())

    def test_evidence_is_named_in_sentences(self, browser: Client) -> None:
        read_as(None, unknown(), note=f"Tradovate {NOT_NAMED}")
        form = browser.get(reverse(LIST)).context["form"]
        assert [words for _, words in form.fields["evidence"].widget.choices] == [
            "Any",
            "Lock on demo: Tradovate did not name it (1)",
        ]

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
    def test_a_reader_is_refused(self, client: Client, role: Role) -> None:
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


class TestDecidePage:
    @staticmethod
    def open(browser: Client, resolution: str, *items: Item) -> Any:
        query: dict[str, Any] = {"resolution": resolution, "item": [item.pk for item in items]}
        return browser.get(reverse("execution:resolve_many"), query)

    @staticmethod
    def post(browser: Client, page: Any, **fields: Any) -> Any:
        form = page.context["form"]
        sent = {name: form.initial[name] for name in ("resolution", "seen")}
        return browser.post(reverse("execution:resolve_many"), {**sent, "comment": "Seen in its dashboard", **fields})

    def test_it_shows_the_evidence_and_takes_the_decision(self, browser: Client, person: Staff) -> None:
        change = unknown_many(range(101, 121), observed=AS_BEFORE)
        page = self.open(browser, "cancelled", *change.items.all())
        text = " ".join(text_of(page).split())
        assert "It was not applied; leave it: 20 items" in text
        assert "<dd> As before </dd>" in text
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
        queries: list[dict[str, Any]] = [{"item": [as_before.pk, elsewhere.pk]}, {"all": "1"}]
        for query in queries:
            response = browser.get(reverse("execution:resolve_many"), {"resolution": "applied", **query})
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
            assert browser.post(reverse("execution:resolve_many"), forged).status_code == 409
        assert refused_since(before, person) == list(Resolution)

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
            assert browser.post(reverse("execution:resolve_many"), sent).status_code == 400
        assert (
            browser.post(reverse("execution:resolve_many"), {"resolution": "x", "seen": good, "comment": "y"}).status_code
            == 400
        )
        assert everything() == before

    @pytest.mark.parametrize("query", [{}, {"resolution": "rejected", "all": "1"}, {"resolution": "applied"}])
    def test_a_bad_address(self, browser: Client, query: dict[str, str]) -> None:
        unknown()
        assert browser.get(reverse("execution:resolve_many"), query).status_code == 400

    def test_three_hundred_by_filter(self, browser: Client) -> None:
        change = unknown_many(range(101, 401), observed=AS_BEFORE)
        query: dict[str, Any] = {"resolution": "applied", "all": "1", "change": change.pk}
        page = browser.get(reverse("execution:resolve_many"), query)
        assert page.context["count"] == 300
        assert self.post(browser, page).status_code == 303
        assert set(change.items.values_list("state", flat=True)) == {ItemState.APPLIED}

    def test_at_most_so_many_at_once(self, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        change = unknown_many(range(101, 106))
        monkeypatch.setattr(listing, "RESOLVED_TOGETHER", 3)
        page = browser.get(reverse("execution:resolve_many"), {"resolution": "applied", "all": "1"})
        assert (page.context["count"], page.context["is_cut"]) == (3, True)
        self.post(browser, page)
        assert change.items.filter(state=ItemState.UNKNOWN).count() == 2
