"""A person's own time zone and start page: what they change, and what they don't."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import reverse

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.outbox import next_digest
from riskadmin.staff.models import Staff
from riskadmin.staff.preferences.middleware import TimeZoneMiddleware
from riskadmin.staff.roles import Role
from riskadmin.web.clock import display_zone, firm_zone, shown_in
from riskadmin.web.formats import in_firm_zone
from riskadmin.web.local_time import LocalTimeField
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

PAGE = reverse("preferences:page")
TOKYO = ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)


@pytest.fixture
def person() -> Staff:
    return make_person(Role.SUPPORT)


def choose(client: Client, **chosen: str) -> int:
    return client.post(PAGE, {"time_zone": "", "start_page": "", **chosen}).status_code


def start(person: Staff, to: str = "") -> str:
    sent = {"username": person.username, "password": PASSWORD, "next": to}
    return str(Client().post(reverse("staff:sign_in"), sent)["Location"])


def test_times_are_shown_and_read_in_the_zone_that_was_chosen(client: Client, person: Staff) -> None:
    client.force_login(person)
    Staff.objects.filter(pk=person.pk).update(last_login=AT)
    assert "Times in America/Chicago" in client.get(PAGE).content.decode()

    assert choose(client, time_zone="Asia/Tokyo") == 303

    assert "Times in Asia/Tokyo (JST)" in client.get(PAGE).content.decode()
    assert display_zone() == firm_zone()  # the request is over
    with shown_in(TOKYO):
        assert LocalTimeField().clean("2026-11-21T03:30") == AT
    [event] = Event.objects.filter(tag=Tag.STAFF_PREFERENCES_SAVED)
    nothing = {"time_zone": "", "start_page": ""}
    assert (event.staff_id, event.before, event.after) == (person.pk, nothing, {**nothing, "time_zone": "Asia/Tokyo"})


def test_what_is_sent_bit_by_bit_is_in_that_zone_too_and_nothing_in_between(person: Staff) -> None:
    person.time_zone = "Asia/Tokyo"
    request = RequestFactory().get("/")
    request.user = person

    def parts() -> Iterator[bytes]:
        yield display_zone().key.encode()
        yield display_zone().key.encode()

    def answer(_: HttpRequest) -> HttpResponseBase:
        assert display_zone() == TOKYO
        return StreamingHttpResponse(parts())

    response = TimeZoneMiddleware(answer)(request)
    assert isinstance(response, StreamingHttpResponse)
    for part in response:
        assert (part, display_zone()) == (b"Asia/Tokyo", firm_zone())
    failing = TimeZoneMiddleware(lambda _: HttpResponse(str(1 / 0)))
    with pytest.raises(ZeroDivisionError):
        failing(request)
    assert display_zone() == firm_zone()


def test_what_others_read_or_the_clock_repeats_stays_in_the_zone_of_the_firm() -> None:
    with shown_in(TOKYO):
        assert in_firm_zone(AT) == "2026-11-20 12:30 CST"
        assert next_digest("daily", AT).tzinfo == firm_zone()


def test_people_begin_with_the_page_that_they_chose(client: Client, person: Staff) -> None:
    assert start(person) == reverse("home")
    client.force_login(person)
    choose(client, start_page="changes:calendar")
    assert start(person) == reverse("changes:calendar")
    assert start(person, to="/accounts/?q=1") == "/accounts/?q=1"

    Staff.objects.filter(pk=person.pk).update(start_page="audit:list")  # that they may no longer open
    assert start(person) == reverse("home")


@pytest.mark.parametrize(
    "sent", [{"time_zone": "Mars/Olympus"}, {"start_page": "audit:list"}, {"start_page": "staff:sign_out"}]
)
def test_what_is_not_offered_is_refused(client: Client, person: Staff, sent: dict[str, str]) -> None:
    client.force_login(person)
    assert choose(client, **sent) == 422
    person.refresh_from_db()
    assert (person.time_zone, person.start_page) == ("", "")
    assert not Event.objects.filter(tag=Tag.STAFF_PREFERENCES_SAVED).exists()


def test_a_zone_that_is_no_longer_known_is_the_firms(client: Client, person: Staff) -> None:
    Staff.objects.filter(pk=person.pk).update(time_zone="Mars/Olympus")
    client.force_login(person)
    assert "Times in America/Chicago" in client.get(PAGE).content.decode()
