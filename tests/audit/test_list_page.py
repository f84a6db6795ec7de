"""The audit page: for compliance alone, exact under every filter, and cheap at any depth."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from riskadmin.audit import queries
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin, Subject
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from riskadmin.web.paging import DEFAULT_SIZE
from tests.audit.events import LOCKED, SUE, write, write_old
from tests.staff.people import make_person

AUDIT = reverse("audit:list")
REQUEST = "0123456789abcdef" * 2
# 08:00 in Chicago, where the pages' times are.
AT = datetime(2026, 11, 2, 14, 0, 0, tzinfo=UTC)


@pytest.fixture
def compliance(client: Client, db: None) -> Client:
    client.force_login(make_person(Role.COMPLIANCE))
    return client


def shown(client: Client, **filters: str | int) -> list[int]:
    """The ids of the events on the page."""
    response = client.get(AUDIT, filters)
    assert response.status_code == 200
    return [line.event.pk for line in response.context["table"].rows if line.event.tag != Tag.PAGE_VIEWED]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.SUPPORT, 403), (Role.SUPERVISOR, 403), (Role.ADMINISTRATOR, 403), (Role.COMPLIANCE, 200), (None, 302)],
)
@pytest.mark.parametrize("as_htmx", [False, True])
def test_the_trail_is_open_to_compliance_alone(client: Client, role: Role | None, status: int, *, as_htmx: bool) -> None:
    event = write(Tag.ITEM_SETTLED, subject=LOCKED, reason_text="a-secret-reason", detail={"text": "a-secret-answer"})
    if role:
        client.force_login(make_person(role))
    headers = {"HX-Request": "true"} if as_htmx else {}

    for address in (f"{AUDIT}?every=on", f"{AUDIT}?account=101", reverse("audit:event", args=[event.pk])):
        response = client.get(address, headers=headers)
        expected = 401 if as_htmx and role is None else status
        assert response.status_code == expected
        assert (b"a-secret" in response.content) == (status == 200)
        if role is None:
            assert as_htmx or response["Location"].startswith(reverse("staff:sign_in"))


class TestFilters:
    @pytest.fixture(autouse=True)
    def trail(self, compliance: Client) -> None:
        self.client = compliance
        self.first = Event.objects.latest("id").pk  # the person who looks was added
        self.asked = write(Tag.CHANGE_SUBMITTED, subject=LOCKED, change_id=5, reason_code="Other", reason_text="Runaway")
        self.approved = write(Tag.CHANGE_APPROVED, actor=SUE, change_id=5, origin=Origin(request_id=REQUEST))
        live = Subject(environment="live", account_id=101, account_name="101")
        self.settled = write(Tag.ITEM_SETTLED, actor=SUE, subject=live, change_id=6, item_id=9)
        other = Subject(environment="demo", account_id=9, account_name="eval-101")
        self.sent = write(Tag.ITEM_SENT, subject=other, change_id=6, origin=Origin(job="execution.send"))
        self.mine = [self.sent.pk, self.settled.pk, self.approved.pk, self.asked.pk]

    def test_every_event_is_shown_newest_first_or_folded_into_its_change(self) -> None:
        assert shown(self.client, every="on") == [*self.mine, self.first]
        assert shown(self.client) == [self.approved.pk, self.asked.pk, self.first]

    def test_what(self) -> None:
        assert shown(self.client, what=Tag.ITEM_SENT) == [self.sent.pk]
        assert shown(self.client, what="item") == [self.sent.pk, self.settled.pk]
        assert shown(self.client, what="change") == [self.approved.pk, self.asked.pk]
        assert shown(self.client, what="staff") == [self.first]
        assert shown(self.client, what="api") == []

    def test_who(self) -> None:
        assert shown(self.client, person="8", every="on") == [self.settled.pk, self.approved.pk]
        assert shown(self.client, person="7") == [self.asked.pk]
        assert shown(self.client, person="7", part="requester") == [self.approved.pk, self.asked.pk]
        assert shown(self.client, person="8", part="approver", every="on") == [self.approved.pk, self.asked.pk]
        assert shown(self.client, person="7", part="approver") == []
        assert shown(self.client, person="system") == [self.first]

    def test_account_by_number_in_either_environment_and_by_a_name_that_is_a_number(self) -> None:
        assert shown(self.client, account="101") == [self.settled.pk, self.asked.pk]
        assert shown(self.client, account=" 101 ", environment="demo") == [self.asked.pk]
        assert shown(self.client, account="9") == [self.sent.pk]

    def test_account_by_its_whole_name_in_any_case(self) -> None:
        assert shown(self.client, account="Eval-101") == [self.sent.pk, self.asked.pk]
        assert shown(self.client, account="eval") == []
        assert shown(self.client, account="%") == []
        assert shown(self.client, account="9" * 30) == []
        assert shown(self.client, account="²") == []

    def test_change_environment_and_request(self) -> None:
        assert shown(self.client, change=5) == [self.approved.pk, self.asked.pk]
        assert shown(self.client, environment="live", every="on") == [self.settled.pk]
        assert shown(self.client, request=REQUEST) == [self.approved.pk]

    def test_reason_ticket_outcome_and_text(self) -> None:
        ticketed = write(Tag.CHANGE_SUBMITTED, actor=SUE, change_id=8, detail={"ticket": "HELP-1"})
        settled = write(Tag.ITEM_SETTLED, actor=SUE, change_id=8, item_id=4, detail={"outcome": "rejected"})
        commented = write(Tag.CHANGE_COMMENTED, change_id=8, detail={"comment": "He 100% agreed"})
        assert shown(self.client, reason="Other") == [self.asked.pk]
        assert shown(self.client, ticket="help-1") == [commented.pk, ticketed.pk]
        assert shown(self.client, ticket="HELP") == []
        assert shown(self.client, outcome="rejected") == [settled.pk]
        assert shown(self.client, text="0% AGREED", last="7") == [commented.pk]
        assert shown(self.client, text="runaway", last="30") == [self.asked.pk]
        assert shown(self.client, text="runa%", last="30") == []

    def test_a_text_is_searched_for_in_a_limited_time(self) -> None:
        for period in ({}, {"since": "2020-01-01T00:00"}, {"since": "2020-01-01T00:00", "before": "2020-06-01T00:00"}):
            response = self.client.get(AUDIT, {"text": "runaway", **period})
            assert response.status_code == 422
            assert list(response.context["form"].errors) == ["text"]

    def test_filters_narrow_each_other(self) -> None:
        assert shown(self.client, change=5, person="8") == [self.approved.pk]
        assert shown(self.client, change=5, person="8", what="item") == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("what", "nothing"),
            ("person", "x"),
            ("person", "999"),
            ("change", "0"),
            ("change", str(2**63)),
            ("environment", "replay"),
            ("since", "yesterday"),
            ("before", "2026-13-01"),
            ("since", "2026-03-08T02:30"),  # skipped by the clocks
            ("before", "2026-11-01T01:30"),  # repeated
            ("request", "0123"),
            ("request", "G" * 32),
            ("account", "x" * 65),
            ("account", "a\x00"),
            ("trader", "x" * 65),
            ("last", "8"),
            ("outcome", "perfect"),
            ("reason", "none"),
        ],
    )
    def test_invalid_filters_are_reported_at_their_field_and_list_nothing(self, field: str, value: str) -> None:
        response = self.client.get(AUDIT, {field: value})
        assert response.status_code == 422
        assert list(response.context["form"].errors) == [field]
        assert f'id="id_{field}_error"'.encode() in response.content
        assert b"Runaway" not in response.content

    def test_an_address_can_be_passed_on(self) -> None:
        page = self.client.get(AUDIT, {"account": "EVAL-101", "what": "item", "since": "2026-11-02T08:00"})
        assert b'value="EVAL-101"' in page.content
        assert b'<option value="item" selected>' in page.content
        assert b'value="2026-11-02T08:00"' in page.content

    def test_a_cursor_of_somewhere_else_is_refused(self) -> None:
        assert self.client.get(AUDIT, {"cursor": "forged"}).status_code == 400


class TestTimes:
    @pytest.fixture(autouse=True)
    def trail(self, compliance: Client) -> None:
        self.client = compliance
        self.ids = [write_old(1, at=AT + timedelta(seconds=seconds))[0].pk for seconds in (-1, 0, 1)]

    def test_from_is_included_and_before_is_not(self) -> None:
        early, exact, late = self.ids
        assert shown(self.client, since="2026-11-02T08:00:00", what="item") == [late, exact]
        assert shown(self.client, before="2026-11-02T08:00:00", what="item") == [early]
        assert shown(self.client, since="2026-11-02T08:00:00", before="2026-11-02T08:00:01", what="item") == [exact]

    def test_both_spellings_of_a_time(self) -> None:
        assert shown(self.client, since="2026-11-02 08:00", before="2026-11-02 08:01", what="item") == self.ids[:0:-1]

    def test_an_empty_stretch_is_shown(self) -> None:
        response = self.client.get(AUDIT, {"since": "2026-11-02T08:00", "before": "2026-11-02T08:00"})
        assert response.status_code == 422
        assert list(response.context["form"].errors) == ["before"]

    def test_times_are_shown_to_the_second_with_exact_utc(self) -> None:
        page = self.client.get(AUDIT, {"what": "item"}).content.decode()
        assert 'title="2026-11-02 14:00:00.000 UTC">2026-11-02 08:00:00</time>' in page


class TestPaging:
    def test_events_of_one_moment_are_each_shown_once(self, compliance: Client) -> None:
        written = write_old(3 * DEFAULT_SIZE + 7, at=AT)
        wanted = [event.pk for event in reversed(written)]

        pages: list[list[int]] = []
        cursor: str | None = ""
        while cursor is not None:
            response = compliance.get(AUDIT, {"what": "item", "cursor": cursor})
            pages.append([line.event.pk for line in response.context["table"].rows])
            cursor = response.context["page"].next_cursor

        assert [len(page) for page in pages] == [DEFAULT_SIZE, DEFAULT_SIZE, DEFAULT_SIZE, 7]
        assert [pk for page in pages for pk in page] == wanted

    def test_paging_back_shows_the_same(self, compliance: Client) -> None:
        write_old(2 * DEFAULT_SIZE + 1, at=AT)
        first = compliance.get(AUDIT, {"what": "item"})
        second = compliance.get(AUDIT, {"what": "item", "cursor": first.context["page"].next_cursor})
        back = compliance.get(AUDIT, {"what": "item", "cursor": second.context["page"].previous_cursor})
        assert [line.event.pk for line in back.context["table"].rows] == [line.event.pk for line in first.context["table"].rows]

    def test_what_happens_meanwhile_does_not_move_the_next_page(self, compliance: Client) -> None:
        written = write_old(DEFAULT_SIZE + 1, at=AT)
        first = compliance.get(AUDIT, {"what": "item"})
        write_old(10, at=AT)
        second = compliance.get(AUDIT, {"what": "item", "cursor": first.context["page"].next_cursor})
        assert [line.event.pk for line in second.context["table"].rows] == [written[0].pk]

    def test_links_keep_the_filters(self, compliance: Client) -> None:
        write_old(DEFAULT_SIZE + 1, at=AT)
        assert b'href="?what=item&amp;cursor=' in compliance.get(AUDIT, {"what": "item"}).content


@pytest.mark.parametrize("count", [20, 200])
def test_it_costs_the_same_for_any_number(
    compliance: Client, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    write_old(count, at=AT, staff_id=3, staff_name="Sam", environment="demo", account_id=1, account_name="A", change_id=4)
    compliance.get(AUDIT)  # the first view within the hour is recorded

    # Session, person, their roles; who is in the trail; the time limit and the page between savepoint and release; the view.
    with django_assert_num_queries(10):
        response = compliance.get(AUDIT, {"what": "item"})
    assert len(response.context["table"].rows) == min(count, DEFAULT_SIZE)


def test_an_event_opens_below_its_row_over_all_columns(compliance: Client) -> None:
    write(Tag.CHANGE_SUBMITTED)
    compliance.cookies["columns-audit"] = "who"
    compliance.get(AUDIT)
    page = compliance.get(AUDIT).content
    assert page.count(b'class="event-detail" colspan="3"') == Event.objects.count() > 1


def test_everybody_in_the_trail_can_be_chosen_under_their_newest_name(compliance: Client) -> None:
    write_old(2, at=AT, staff_id=2, staff_name="Zoe Old")
    write_old(1, at=AT + timedelta(days=1), staff_id=2, staff_name="Zoe New")
    write_old(3, at=AT, staff_id=9, staff_name="adam")
    assert queries.people() == [(9, "adam"), (2, "Zoe New")]


@pytest.mark.django_db(transaction=True)
def test_a_search_that_takes_too_long_is_ended_and_explained(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    monkeypatch.setattr(queries, "people", list)
    # That the page is read is not recorded: it would wait for the lock, which stands for a slow search here.
    monkeypatch.setattr("riskadmin.staff.read_pages.record_once", lambda *_, **__: None)
    monkeypatch.setattr(queries, "STATEMENT_TIMEOUT_MS", 100)
    settings = connection.get_connection_params()
    rival = psycopg.connect(**{key: settings[key] for key in ("dbname", "user", "host", "port") if settings.get(key)})
    try:
        rival.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        response = client.get(AUDIT)
    finally:
        rival.close()

    assert response.status_code == 200
    assert b"Narrow your filters" in response.content
    assert response.context["table"].rows == []
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
