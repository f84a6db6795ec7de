"""Signing in and out: what is opened, what is written, and what a stranger learns."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from riskadmin import settings as project_settings
from riskadmin.audit.actions import NoTransaction
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.actions import set_password
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.staff.sign_in import actions
from riskadmin.staff.sign_in.views import FAILURE
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

SIGN_IN = reverse("staff:sign_in")
SIGN_OUT = reverse("staff:sign_out")


@pytest.fixture
def person() -> Staff:
    return make_person(Role.SUPPORT)


def post(
    client: Client, *, username: str = "support", password: str = PASSWORD, to: str = "", address: str = "127.0.0.1"
) -> Any:
    fields = {"username": username, "password": password, "next": to}
    return client.post(SIGN_IN, fields, REMOTE_ADDR=address)


def events(*tags: Tag) -> list[Event]:
    return list(Event.objects.filter(tag__in=tags).order_by("id"))


def test_the_right_password_opens_a_session_and_is_recorded(client: Client, person: Staff) -> None:
    response = post(client, address="192.0.2.7")

    assert response.status_code == 303
    assert response["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(person.pk)
    [event] = events(Tag.STAFF_SIGNED_IN)
    assert (event.staff_id, event.staff_name, event.staff_role) == (person.pk, "support", "support")
    assert event.address == "192.0.2.7"
    assert event.request_id == response["X-Request-ID"]
    assert event.detail == {"username": "support", "proven_by": "password"}
    person.refresh_from_db()
    assert person.last_login is not None


@pytest.mark.parametrize("typed", ["SUPPORT", "  support ", "\N{LATIN SMALL LETTER LONG S}upport"])
def test_a_username_is_found_however_it_is_typed(client: Client, person: Staff, typed: str) -> None:
    assert post(client, username=typed).status_code == 303


def test_the_session_key_is_a_new_one(client: Client, person: Staff) -> None:
    session = client.session
    session["planted"] = "by an attacker"
    session.save()
    planted = session.session_key

    post(client)

    assert client.session.session_key != planted
    assert not StaffSession.objects.filter(session_key=planted).exists()


def test_every_failure_says_the_same_and_opens_nothing(client: Client, person: Staff) -> None:
    switched_off = make_person(Role.SUPPORT, "gone")
    Staff.objects.filter(pk=switched_off.pk).update(is_active=False)
    tries = [("support", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)]

    answers = [post(client, username=username, password=password) for username, password in tries]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert [answer.context["form"].non_field_errors() for answer in answers] == [[FAILURE]] * 3
    assert not any(password in answer.content.decode() for answer, (_, password) in zip(answers, tries, strict=True))
    assert "_auth_user_id" not in client.session
    assert [event.detail for event in events(Tag.STAFF_SIGN_IN_REFUSED)] == [
        {"username": "support", "staff_id": person.pk, "active": True},
        {},
        {"username": "gone", "staff_id": switched_off.pk, "active": False},
    ]
    assert all(event.staff_id is None and event.staff_name == "" for event in events(Tag.STAFF_SIGN_IN_REFUSED))


def test_a_password_typed_as_username_reaches_neither_trail_nor_tries(client: Client, person: Staff) -> None:
    post(client, username=PASSWORD.replace(" ", ""))

    from django.db import connection

    with connection.cursor() as cursor:
        for table in ("audit_event", "sign_in_attempt"):
            cursor.execute(f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s", ["%horse%"])
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(("username", "password"), [("", PASSWORD), ("support", ""), ("x" * 65, PASSWORD), ("a\x00b", "x")])
def test_what_no_person_can_have_is_refused_at_the_field(client: Client, person: Staff, username: str, password: str) -> None:
    assert post(client, username=username, password=password).status_code == 422
    assert events(Tag.STAFF_SIGNED_IN, Tag.STAFF_SIGN_IN_REFUSED) == []


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        " //evil.example",
        "/\t/evil.example",
        "http://testserver/accounts/",
        "accounts/",
    ],
)
def test_it_never_continues_to_another_site(client: Client, person: Staff, elsewhere: str) -> None:
    assert post(client, to=elsewhere)["Location"] == reverse("home")
    assert client.get(SIGN_IN, {"next": elsewhere})["Location"] == reverse("home")


def test_it_continues_to_the_page_that_was_requested(client: Client, person: Staff) -> None:
    wanted = "/accounts/demo/17/?tab=limits"
    page = client.get(SIGN_IN, {"next": wanted})
    assert page.status_code == 200
    assert page.context["form"]["next"].value() == wanted
    assert post(client, to=wanted)["Location"] == wanted
    assert client.get(SIGN_IN, {"next": wanted})["Location"] == wanted


def test_the_next_parameter_is_escaped(client: Client) -> None:
    assert b"<script>x" not in client.get(SIGN_IN, {"next": '"><script>x'}).content


def test_a_forged_form_is_refused(person: Staff) -> None:
    client = Client(enforce_csrf_checks=True)

    assert post(client).status_code == 403
    assert events(Tag.STAFF_SIGNED_IN, Tag.STAFF_SIGN_IN_REFUSED) == []

    client.get(SIGN_IN)
    token = client.cookies["csrftoken"].value
    fields = {"username": "support", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert client.post(SIGN_IN, fields).status_code == 303
    assert client.post(SIGN_OUT).status_code == 403
    assert "_auth_user_id" in client.session


def test_without_the_trail_no_session_is_opened(client: Client, person: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise NoTransaction

    monkeypatch.setattr(actions, "record", broken)
    client.raise_request_exception = False

    assert post(client).status_code == 500
    assert StaffSession.objects.count() == 0
    assert "sessionid" not in client.cookies


def test_signing_out_ends_the_session_and_is_recorded(client: Client, person: Staff) -> None:
    post(client)
    key = client.session.session_key

    response = client.post(SIGN_OUT)

    assert (response.status_code, response["Location"]) == (303, SIGN_IN)
    assert not StaffSession.objects.filter(session_key=key).exists()
    [event] = events(Tag.STAFF_SIGNED_OUT)
    assert (event.staff_id, event.request_id) == (person.pk, response["X-Request-ID"])


def test_signing_out_is_not_a_link(client: Client, person: Staff) -> None:
    post(client)
    assert client.get(SIGN_OUT).status_code == 405
    assert "_auth_user_id" in client.session


def test_signing_out_twice_records_once(client: Client, person: Staff) -> None:
    post(client)
    client.post(SIGN_OUT)
    assert client.post(SIGN_OUT).status_code == 303
    assert len(events(Tag.STAFF_SIGNED_OUT)) == 1


def test_a_new_password_ends_the_sessions(client: Client, person: Staff) -> None:
    from riskadmin.audit.origin import SYSTEM, Origin

    post(client)
    set_password(SYSTEM, origin=Origin(job="tests"), person=person, password="another long one")

    assert client.get(SIGN_IN).status_code == 200  # a stranger again: somebody signed in would be sent on
    assert [event.detail for event in events(Tag.STAFF_PASSWORD_SET)] == [{"username": "support", "staff_id": person.pk}]


def test_passwords_are_hashed_with_argon2() -> None:
    assert project_settings.PASSWORD_HASHERS[0] == "django.contrib.auth.hashers.Argon2PasswordHasher"


def test_there_is_no_superuser() -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="There are no superusers here"):
        Staff.objects.create_superuser(username="root", password="x")
    assert Staff.objects.count() == 0
    assert not hasattr(Staff, "is_superuser")
    assert not hasattr(Staff, "user_permissions")
