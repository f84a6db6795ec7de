"""How long a session lasts, what makes it last, the list of one's own, and how they end."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.actions import set_password
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.actions import end_sessions
from riskadmin.staff.sessions.devices import device_words
from riskadmin.staff.sessions.models import StaffSession
from tests.staff.people import PASSWORD, make_person, make_proof_old

pytestmark = pytest.mark.django_db

STATE = reverse("sessions:state")
HOME = reverse("accounts:list")
IDLE = timedelta(minutes=settings.SESSION_IDLE_MINUTES)
ALL = timedelta(seconds=settings.SESSION_COOKIE_AGE)
MINUTE = timedelta(minutes=1)
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def person() -> Staff:
    return make_person(Role.SUPPORT)


def signed_in(person: Staff, agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post(reverse("staff:sign_in"), {"username": person.username, "password": PASSWORD}, REMOTE_ADDR="192.0.2.7")
    return client


def row(client: Client) -> StaffSession:
    return StaffSession.objects.get(session_key=client.cookies["sessionid"].value)


def age(client: Client, *, unused: timedelta = timedelta(), old: timedelta = timedelta()) -> None:
    """Make a session one that was begun and used earlier."""
    now = timezone.now()
    session = client.session
    session["begun_at"] = (now - old).timestamp()
    session.save()
    StaffSession.objects.filter(session_key=session.session_key).update(used_at=now - unused)


def is_open(client: Client) -> bool:
    return client.get(HOME, headers={"X-Background": "1"}).status_code == 200


def test_it_ends_when_it_was_unused_for_too_long(person: Staff) -> None:
    client = signed_in(person)
    age(client, unused=IDLE - MINUTE)
    assert is_open(client)
    age(client, unused=IDLE)
    assert not is_open(client)


def test_it_ends_after_its_hours_however_it_is_used(person: Staff) -> None:
    client = signed_in(person)
    age(client, old=ALL - MINUTE)
    client.get(HOME)
    assert is_open(client)
    assert row(client).expire_date - timezone.now() <= MINUTE
    age(client, old=ALL)
    assert not is_open(client)


def test_using_it_makes_it_last_and_polls_do_not(person: Staff) -> None:
    client = signed_in(person)
    uses: list[tuple[Callable[[], object], bool]] = [
        (lambda: client.get(HOME), True),
        (lambda: client.get(HOME, headers={"HX-Request": "true"}), True),
        (lambda: client.post(STATE), True),
        (lambda: client.get(HOME, headers={"HX-Request": "true", "X-Background": "1"}), False),
        (lambda: client.get(STATE), False),
    ]
    for use, lasts in uses:
        age(client, unused=IDLE - MINUTE)
        use()
        assert (timezone.now() - row(client).used_at < MINUTE) is lasts


def test_a_poll_that_saves_the_session_does_not_make_it_last(person: Staff) -> None:
    client = signed_in(person)
    age(client, unused=IDLE - MINUTE)
    session = client.session
    session["anything"] = 1
    session.save()
    assert timezone.now() - row(client).used_at > IDLE - 2 * MINUTE


def test_a_use_is_written_once_a_minute(person: Staff) -> None:
    client = signed_in(person)
    before = row(client).used_at
    client.get(HOME)
    assert row(client).used_at == before


def test_the_page_learns_how_long_it_lasts(person: Staff) -> None:
    assert Client().get(STATE).json()["needs"] == "sign-in"
    client = signed_in(person)
    age(client, unused=IDLE - 2 * MINUTE)
    now = client.get(STATE).json()
    assert 100 < now["left_s"] <= 120
    assert (now["person"], now["is_extensible"], now["needs"]) == (str(person.pk), True, "")
    age(client, old=ALL - MINUTE)
    now = client.get(STATE).json()
    assert (now["left_s"] <= 60, now["is_extensible"]) == (True, False)


def test_the_page_learns_what_would_ask_for_a_proof(person: Staff) -> None:
    client = signed_in(person)
    csv, lock = reverse("accounts:csv"), reverse("changes:new", args=["lock"])
    asked = [(csv, "get"), (lock, "post"), ("prove", "post"), ("/nowhere/", "post")]

    def needs() -> list[str]:
        return [client.get(STATE, {"for": path, "method": method}).json()["needs"] for path, method in asked]

    assert needs() == ["", "", "", ""]
    make_proof_old(client)
    assert needs() == ["prove", "", "prove", ""]


def test_they_are_listed_without_the_key_that_opens_them(person: Staff) -> None:
    other, stranger = signed_in(person), signed_in(make_person(Role.SUPPORT, "colleague"))
    client = signed_in(person, "curl/8")
    page = client.get(reverse("sessions:list")).content.decode()

    lines = client.get(reverse("sessions:list")).context["lines"]
    assert [(line.device, line.address, line.is_this) for line in lines] == [
        ("Unknown browser", "192.0.2.7", True),
        ("Firefox on Windows", "192.0.2.7", False),
    ]
    assert lines[1].begun_at == row(other).begun_at
    for each in (client, other, stranger):
        assert row(each).session_key not in page


def test_one_is_ended(person: Staff) -> None:
    other, client = signed_in(person), signed_in(person)

    answer = client.post(reverse("sessions:end", args=[row(other).public_key]))

    assert (answer.status_code, is_open(other), is_open(client)) == (303, False, True)
    [event] = Event.objects.filter(tag=Tag.STAFF_SESSIONS_ENDED)
    assert (event.staff_id, event.detail) == (
        person.pk,
        {"username": person.username, "staff_id": person.pk, "sessions": 1},
    )


def test_no_one_ends_the_session_of_somebody_else(person: Staff) -> None:
    client, stranger = signed_in(person), signed_in(make_person(Role.SUPPORT, "colleague"))
    assert client.post(reverse("sessions:end", args=[row(stranger).public_key])).status_code == 404
    assert is_open(stranger)
    assert not Event.objects.filter(tag=Tag.STAFF_SESSIONS_ENDED).exists()


def test_all_others_are_ended(person: Staff) -> None:
    others, client = [signed_in(person), signed_in(person)], signed_in(person)
    client.post(reverse("sessions:end_others"))
    assert ([is_open(each) for each in others], is_open(client)) == ([False, False], True)
    assert Event.objects.get(tag=Tag.STAFF_SESSIONS_ENDED).detail["sessions"] == 2


def test_an_administrator_ends_them_all(person: Staff) -> None:
    client, administrator = signed_in(person), make_person(Role.ADMINISTRATOR)
    assert end_sessions(administrator, origin=Origin(job="tests"), person=person) == 1
    assert end_sessions(administrator, origin=Origin(job="tests"), person=person) == 0
    assert not is_open(client)
    assert Event.objects.get(tag=Tag.STAFF_SESSIONS_ENDED).staff_id == administrator.pk


def test_a_new_password_ends_them(person: Staff) -> None:
    client = signed_in(person)
    set_password(SYSTEM, origin=Origin(job="tests"), person=person, password="another long one")
    assert not is_open(client)
    assert not StaffSession.objects.filter(person=person).exists()


def test_they_end_when_the_person_is_switched_off(person: Staff) -> None:
    client = signed_in(person)
    Staff.objects.filter(pk=person.pk).update(is_active=False)
    assert not is_open(client)


def test_rows_of_sessions_that_ended_are_deleted(person: Staff) -> None:
    idle, old, alive = signed_in(person), signed_in(person), signed_in(person)
    age(idle, unused=IDLE + MINUTE)
    age(old, old=ALL + MINUTE)
    call_command("clearsessions")
    assert StaffSession.objects.get() == row(alive)


def test_signing_in_again_begins_another(person: Staff) -> None:
    client = signed_in(person)
    age(client, old=ALL - MINUTE)
    client.post(reverse("staff:sign_in"), {"username": person.username, "password": PASSWORD})
    assert row(client).expire_date - timezone.now() > ALL - MINUTE
    assert StaffSession.objects.count() == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140",
            "Edge on macOS",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        ("", "Unknown browser"),
    ],
)
def test_a_device_is_named_in_words(agent: str, words: str) -> None:
    assert device_words(agent) == words


@pytest.mark.parametrize("issuer", ["", "https://sso.example.com"])
def test_the_dialog_knows_who_signs_in_and_offers_what_the_sign_in_page_does(
    client: Client, person: Staff, issuer: str
) -> None:
    client.force_login(person)
    with override_settings(SSO_ISSUER=issuer):
        page = client.get(reverse("sessions:list")).content.decode()
    assert f'data-username="{person.username}"' in page
    assert ("Single sign-on opens one." in page) == bool(issuer)
