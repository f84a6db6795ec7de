"""What matters most asks again who somebody is; a refused request has had no effect."""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from accounts.changes.models import Change
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.staff.sessions.views import FAILURE
from tests.staff.people import PASSWORD, make_person, make_proof_old
from tests.staff.sign_in.factors import AppClock, code, has_app

pytestmark = pytest.mark.django_db

PROVE = reverse("sessions:prove")
FILE = reverse("accounts:csv")


@pytest.fixture
def person() -> Staff:
    return make_person(Role.SUPERVISOR)


@pytest.fixture
def signed_in(client: Client, person: Staff) -> Client:
    """A client whose last proof is old."""
    client.force_login(person)
    make_proof_old(client)
    return client


def test_signing_in_is_a_proof(client: Client, person: Staff) -> None:
    client.post(reverse("staff:sign_in"), {"username": person.username, "password": PASSWORD})
    assert client.get(FILE).status_code == 200
    make_proof_old(client)
    assert client.get(FILE).status_code == 303


def test_a_download_asks_and_follows_the_proof(signed_in: Client, person: Staff) -> None:
    asked = signed_in.get(f"{FILE}?q=1")["Location"]
    assert (urlsplit(asked).path, parse_qs(urlsplit(asked).query)["next"]) == (PROVE, [f"{FILE}?q=1"])
    key = signed_in.session.session_key

    proved = signed_in.post(PROVE, {"password": PASSWORD, "next": f"{FILE}?q=1"})

    assert (proved.status_code, proved["Location"]) == (303, f"{FILE}?q=1")
    assert signed_in.get(FILE).status_code == 200
    assert signed_in.session.session_key != key
    assert not StaffSession.objects.filter(session_key=key).exists()
    [event] = Event.objects.filter(tag=Tag.STAFF_PROVED)
    assert (event.staff_id, event.detail) == (person.pk, {"username": "supervisor", "proven_by": "password"})


def test_a_form_leads_back_to_the_page_that_it_was_on(signed_in: Client) -> None:
    others = reverse("sessions:end_others")
    for referer, back in (("http://testserver/changes/7/?a=1", ["/changes/7/?a=1"]), ("http://elsewhere.example/x", None)):
        asked = signed_in.post(others, headers={"Referer": referer})["Location"]
        assert parse_qs(urlsplit(asked).query).get("next") == back


def test_the_wrong_password_proves_nothing_and_is_recorded(signed_in: Client) -> None:
    answer = signed_in.post(PROVE, {"password": "wrong", "next": FILE})

    assert answer.status_code == 422
    assert FAILURE in answer.content.decode().replace("&#x27;", "'")
    assert signed_in.get(FILE).status_code == 303
    assert Event.objects.filter(tag=Tag.STAFF_PROOF_REFUSED).count() == 1


def test_tries_are_limited_with_those_of_the_sign_in(signed_in: Client) -> None:
    for _ in range(10):
        signed_in.post(PROVE, {"password": "wrong"})
    assert signed_in.post(PROVE, {"password": PASSWORD}).status_code == 422
    assert signed_in.get(FILE).status_code == 303


def test_who_has_an_app_proves_with_its_code_too_and_with_each_code_once(
    signed_in: Client, person: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_app(person)
    AppClock().use(monkeypatch)
    shown = code()
    assert 'name="code"' in signed_in.get(PROVE).content.decode()
    for typed in ({}, {"code": ""}, {"code": "000000" if shown != "000000" else "111111"}):
        assert signed_in.post(PROVE, {"password": PASSWORD, **typed}).status_code == 422
        assert signed_in.get(FILE).status_code == 303
    assert signed_in.post(PROVE, {"password": PASSWORD, "code": shown}).status_code == 303
    assert signed_in.get(FILE).status_code == 200
    make_proof_old(signed_in)
    assert signed_in.post(PROVE, {"password": PASSWORD, "code": shown}).status_code == 422
    assert signed_in.get(FILE).status_code == 303


def test_who_has_passkeys_alone_is_not_believed_for_a_password(signed_in: Client, person: Staff) -> None:
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={})
    assert 'name="password"' not in signed_in.get(PROVE).content.decode()
    assert signed_in.post(PROVE, {"password": PASSWORD}).status_code == 422
    assert signed_in.get(FILE).status_code == 303


def test_a_proof_never_leads_to_another_site(signed_in: Client) -> None:
    assert signed_in.post(PROVE, {"password": PASSWORD, "next": "//evil.example/"})["Location"] == reverse("home")


def test_the_proof_of_one_session_is_none_for_another(signed_in: Client, person: Staff) -> None:
    other = Client()
    other.force_login(person)
    assert (other.get(FILE).status_code, signed_in.get(FILE).status_code) == (200, 303)


def test_a_lock_never_asks(signed_in: Client) -> None:
    from tests.changes.world import make_account, planned

    make_account(102)
    sent = {
        "account": "demo:102",
        "reason_code": "CloseFraud",
        "form_key": "6f2f3a58-9f1b-4a7e-8a2a-1f1f6a3f8c11",
        "digest": planned("lock", 102).digest,
    }
    assert signed_in.post(reverse("changes:new", args=["lock"]), sent).status_code == 303
    assert Change.objects.get().kind == "lock"
