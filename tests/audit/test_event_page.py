"""One event with everything recorded, and the histories that stand on other packages' pages."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject
from riskadmin.audit.queries import PANEL_SIZE
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from tests.audit.events import LOCKED, write, write_old
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 2, 14, 0, 0, tzinfo=UTC)
HTMX = {"HX-Request": "true"}
ACCOUNT = reverse("audit:account_history", args=["demo", 101])
CHANGE = reverse("audit:change_history", args=[5])


@pytest.fixture
def compliance(client: Client) -> Client:
    client.force_login(make_person(Role.COMPLIANCE))
    return client


@pytest.fixture
def event() -> Event:
    return write(
        Tag.ITEM_SETTLED,
        origin=Origin(request_id="ab" * 16, address="2001:db8::7"),
        subject=LOCKED,
        change_id=5,
        item_id=6,
        call_id=77,
        reason_code="Other",
        reason_text="He <b>asked</b>\nfor it",
        before={"admin_action": "Normal"},
        after={"admin_action": "LockTradingImmediately"},
        detail={"outcome": "applied", "text": "Read back", "status": 200, "response": '{"adminAction": "Löcked"}'},
    )


def test_it_shows_everything_recorded(compliance: Client, event: Event) -> None:
    page = compliance.get(reverse("audit:event", args=[event.pk])).content.decode()
    for recorded in (
        "Applied",
        "item:outcome:settled",
        "Read back",
        "Sam Support, support",
        "2001:db8::7",
        "ab" * 16,
        "EVAL-101",
        reverse("accounts:detail", args=["demo", 101]),
        reverse("changes:detail", args=[5]),
        "item 6",
        "77",
        "He &lt;b&gt;asked&lt;/b&gt;<br>for it",
        "Locked (no orders)",
        "LockTradingImmediately",
        "Löcked",
        event.occurred_at.isoformat(),
    ):
        assert recorded in page, recorded
    assert "intended" not in page


def test_for_htmx_it_is_a_fragment(compliance: Client, event: Event) -> None:
    response = compliance.get(reverse("audit:event", args=[event.pk]), headers=HTMX)
    assert response.content.lstrip().startswith(b"<details open>")
    assert b"<html" not in response.content


@pytest.mark.parametrize("pk", [0, 404404, 2**63 - 1, 2**63, 10**30])
def test_what_is_not_there_is_not_found(compliance: Client, pk: int) -> None:
    assert compliance.get(f"/audit/{pk}/").status_code == 404


def test_events_cannot_be_posted_to(compliance: Client, event: Event) -> None:
    for address in (reverse("audit:list"), reverse("audit:event", args=[event.pk]), ACCOUNT, CHANGE):
        assert compliance.post(address).status_code == 405
        assert compliance.delete(address).status_code == 405


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("address", [ACCOUNT, CHANGE])
def test_histories_are_open_to_every_role(client: Client, event: Event, role: Role, address: str) -> None:
    client.force_login(make_person(role))
    response = client.get(address)
    assert response.status_code == 200
    assert [line.event.pk for line in response.context["table"].rows] == [event.pk]
    # The way on into the trail itself, and where people sit, stay with compliance.
    assert f"/audit/{event.pk}/".encode() not in response.content
    assert b"2001:db8::7" not in response.content


@pytest.mark.parametrize("address", [ACCOUNT, CHANGE])
def test_histories_are_closed_to_strangers_and_people_without_a_role(client: Client, event: Event, address: str) -> None:
    assert client.get(address).status_code == 302
    from riskadmin.staff.models import Staff

    client.force_login(Staff.objects.create_user("norole"))
    response = client.get(address)
    assert response.status_code == 403
    assert b"asked" not in response.content


def test_an_accounts_history_is_of_its_environment(compliance: Client, event: Event) -> None:
    write(subject=Subject(environment="live", account_id=101, account_name="EVAL-101"))
    write(subject=Subject(environment="demo", account_id=102, account_name="EVAL-101"))
    assert [line.event.pk for line in compliance.get(ACCOUNT).context["table"].rows] == [event.pk]
    assert compliance.get("/audit/-/account/replay/101/").status_code == 404
    assert compliance.get(f"/audit/-/account/demo/{2**63}/").status_code == 404


def test_a_history_is_a_panel_and_a_page(compliance: Client, event: Event) -> None:
    page, panel = compliance.get(ACCOUNT), compliance.get(ACCOUNT, headers=HTMX)
    assert b"<html" in page.content
    assert b"<html" not in panel.content
    assert panel.content.strip() in page.content


def test_a_history_is_paged_within_its_panel(compliance: Client) -> None:
    written = write_old(PANEL_SIZE + 5, at=AT, environment="demo", account_id=101)
    first = compliance.get(ACCOUNT, headers=HTMX)
    cursor = first.context["page"].next_cursor
    assert len(first.context["table"].rows) == PANEL_SIZE

    # The link is the panel's own address, wherever the panel stands.
    from urllib.parse import quote

    assert f'hx-get="{ACCOUNT}?cursor={quote(cursor, safe="")}"'.encode() in first.content
    second = compliance.get(ACCOUNT, {"cursor": cursor}, headers=HTMX)
    assert [line.event.pk for line in second.context["table"].rows] == [event.pk for event in reversed(written[:5])]


def test_without_events_it_says_so(compliance: Client) -> None:
    assert b"Nothing has been recorded yet" in compliance.get(CHANGE).content


@pytest.mark.parametrize("count", [20, 200])
@pytest.mark.parametrize("address", [ACCOUNT, CHANGE])
def test_a_history_costs_the_same_for_any_number(
    compliance: Client, django_assert_num_queries: DjangoAssertNumQueries, address: str, count: int
) -> None:
    write_old(count, at=AT, environment="demo", account_id=101, change_id=5)
    # Session, person, their roles; the time limit and the page between savepoint and release.
    with django_assert_num_queries(8):
        assert len(compliance.get(address).context["table"].rows) == min(count, PANEL_SIZE)
