"""Confirming who one is with a passkey and at the identity provider: only the person of the session can, and nothing else happens."""

import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.staff.sessions.proof_actions import NO_SECOND_FACTOR, NOT_ASKED, OTHERS_IDENTITY, OTHERS_PASSKEY
from riskadmin.staff.sign_in import sso_protocol
from tests.staff.people import make_person, make_proof_old
from tests.staff.sign_in.factors import code, has_app
from tests.staff.sign_in.provider import Provider, away, query_of, through
from tests.staff.sign_in.soft_passkey import SoftPasskey

pytestmark = pytest.mark.django_db

PROVE = reverse("sessions:prove")
FILE = reverse("accounts:csv")
BY_SSO = "sessions:prove_by_sso"


@pytest.fixture
def signed_in(client: Client, sue: Staff) -> Client:
    """Sue's client, whose last proof is old."""
    client.force_login(sue)
    make_proof_old(client)
    return client


def is_proven(client: Client) -> bool:
    return client.get(FILE).status_code == 200


def row(client: Client) -> StaffSession:
    return StaffSession.objects.get(session_key=client.cookies["sessionid"].value)


def by_passkey(client: Client, passkey: SoftPasskey, to: str = "") -> Any:
    options = client.post(reverse("sessions:passkey_options")).json()
    return client.post(reverse("sessions:prove_by_passkey"), {"credential": passkey.answer(options), "next": to})


def refusal(person: Staff) -> dict[str, Any]:
    """The one event of a refused proof, by the person of the session."""
    [event] = Event.objects.filter(tag=Tag.STAFF_PROOF_REFUSED)
    assert event.staff_id == person.pk
    return dict(event.detail)


def no_one_was_signed_in() -> bool:
    return not Event.objects.filter(tag__in=[Tag.STAFF_SIGNED_IN, Tag.STAFF_SIGNED_OUT]).exists()


def test_ones_own_passkey_confirms_it_and_the_session_goes_on(signed_in: Client, sue: Staff) -> None:
    passkey, before = SoftPasskey(sue), row(signed_in)

    proved = by_passkey(signed_in, passkey, f"{FILE}?q=1")

    assert (proved.status_code, proved["Location"]) == (303, f"{FILE}?q=1")
    assert is_proven(signed_in)
    after = row(signed_in)
    assert after.session_key != before.session_key
    assert (after.begun_at, after.expire_date, StaffSession.objects.count()) == (before.begun_at, before.expire_date, 1)
    assert Event.objects.get(tag=Tag.STAFF_PROVED).detail == {"username": "sue", "proven_by": "passkey"}
    assert no_one_was_signed_in()
    passkey.stored.refresh_from_db()
    assert passkey.stored.last_used_at is not None


def test_the_passkey_of_somebody_else_signs_no_one_in(signed_in: Client, sue: Staff) -> None:
    SoftPasskey(sue)
    others = SoftPasskey(make_person(Role.ADMINISTRATOR))

    answer = by_passkey(signed_in, others)

    assert (answer.status_code, answer.context["problem"]) == (422, OTHERS_PASSKEY)
    assert signed_in.session["_auth_user_id"] == str(sue.pk)
    assert not is_proven(signed_in)
    assert refusal(sue) == {"username": "sue", "why": "the passkey was somebody else's", "whose": "administrator"}
    assert no_one_was_signed_in()


def test_a_passkey_answers_the_question_of_its_own_session_once(signed_in: Client, sue: Staff) -> None:
    passkey = SoftPasskey(sue)
    sent = {"credential": passkey.answer(signed_in.post(reverse("sessions:passkey_options")).json())}
    other = Client()
    other.force_login(sue)
    other.post(reverse("sessions:passkey_options"))

    assert other.post(reverse("sessions:prove_by_passkey"), sent).status_code == 422
    assert signed_in.post(reverse("sessions:prove_by_passkey"), sent).status_code == 303
    assert signed_in.post(reverse("sessions:prove_by_passkey"), sent).status_code == 422


# --- At the identity provider ------------------------------------------------------------------------------------------------


@pytest.fixture
def linked(client: Client, server: Provider, sue: Staff) -> Client:
    """A client on which Sue has signed in at the provider a while ago."""
    through(client, server)
    make_proof_old(client)
    return client


def says_auth_time(server: Provider, subject: str, at: object, **more: Any) -> None:
    server.knows(subject, email="sue@firm.example", email_verified=True, auth_time=at, **more)


def test_the_provider_has_to_ask_and_its_answer_confirms_it(linked: Client, server: Provider) -> None:
    before = row(linked)
    sent = query_of(away(linked, page=BY_SSO))
    assert (sent["prompt"], sent["max_age"]) == ("login", "0")

    says_auth_time(server, "sub-1", int(time.time()) + 1)
    proved = through(linked, server, page=BY_SSO, next="/duty/")

    assert (proved.status_code, proved["Location"]) == (303, "/duty/")
    assert is_proven(linked)
    assert row(linked).begun_at == before.begun_at
    assert not StaffSession.objects.filter(session_key=before.session_key).exists()
    assert Event.objects.get(tag=Tag.STAFF_PROVED).detail == {"username": "sue", "proven_by": "single sign-on"}
    assert Event.objects.filter(tag=Tag.STAFF_SIGNED_IN).count() == 1


@pytest.mark.parametrize("auth_time", [None, "now", True, -60, 3600, 10**30])
def test_a_provider_that_did_not_ask_confirms_nothing(linked: Client, server: Provider, sue: Staff, auth_time: Any) -> None:
    """`auth_time` is in seconds from now where it is a number, or what the claim says instead."""
    is_offset = type(auth_time) is int and auth_time < 10**9
    says_auth_time(server, "sub-1", int(time.time()) + auth_time if is_offset else auth_time)

    answer = through(linked, server, page=BY_SSO, next="/duty/")

    assert (answer.status_code, answer.context["why"]) == (403, NOT_ASKED)
    assert answer.context["back"] == f"{PROVE}?next=%2Fduty%2F"
    assert not is_proven(linked)
    assert refusal(sue) == {"username": "sue", "why": NOT_ASKED}


def test_a_time_in_userinfo_alone_confirms_nothing(linked: Client, server: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = sso_protocol.Adapter._checked_id_token

    def without_time(*asked: Any) -> dict[str, Any]:
        return {name: value for name, value in checked(*asked).items() if name != "auth_time"}

    monkeypatch.setattr(sso_protocol.Adapter, "_checked_id_token", without_time)
    says_auth_time(server, "sub-1", int(time.time()) + 1)  # in both answers of the provider
    assert through(linked, server, page=BY_SSO).context["why"] == NOT_ASKED
    assert not is_proven(linked)


@pytest.mark.parametrize("whose", ["administrator", ""])
def test_the_identity_of_somebody_else_signs_no_one_in(linked: Client, server: Provider, sue: Staff, whose: str) -> None:
    other = make_person(Role.ADMINISTRATOR)
    server.knows("sub-9", email="ada@firm.example", email_verified=True, auth_time=int(time.time()) + 1)
    if whose:
        Staff.objects.filter(pk=other.pk).update(email="ada@firm.example")
        assert through(Client(), server, "sub-9").status_code == 303

    answer = through(linked, server, "sub-9", page=BY_SSO)

    assert (answer.status_code, answer.context["why"]) == (403, OTHERS_IDENTITY)
    assert linked.session["_auth_user_id"] == str(sue.pk)
    assert not is_proven(linked)
    assert refusal(sue) == {"username": "sue", "why": OTHERS_IDENTITY} | ({"whose": whose} if whose else {})


def test_a_second_factor_that_is_set_up_here_is_asked_for_too(linked: Client, server: Provider, sue: Staff) -> None:
    has_app(sue)
    says_auth_time(server, "sub-1", int(time.time()) + 1)

    asked = through(linked, server, page=BY_SSO, next=FILE)

    assert asked["Location"].startswith(f"{PROVE}?")
    assert not is_proven(linked)
    assert set(linked.get(asked["Location"]).context["form"].fields) == {"code", "next"}
    assert linked.post(PROVE, {"code": "000000", "next": FILE}).status_code == 422
    assert linked.post(PROVE, {"code": code(), "next": FILE})["Location"] == FILE
    assert is_proven(linked)
    make_proof_old(linked)
    assert linked.post(PROVE, {"code": code()}).status_code == 422  # the next proof begins at the provider again


def test_with_passkeys_alone_the_provider_has_to_ask_for_a_second_factor(
    linked: Client, server: Provider, sue: Staff, settings: Settings
) -> None:
    SoftPasskey(sue)
    settings.SSO_SECOND_FACTOR = ["mfa"]
    says_auth_time(server, "sub-1", int(time.time()) + 1)
    assert through(linked, server, page=BY_SSO).context["why"] == NO_SECOND_FACTOR
    assert not is_proven(linked)
    says_auth_time(server, "sub-1", int(time.time()) + 1, amr=["mfa"])
    assert through(linked, server, page=BY_SSO).status_code == 303
    assert is_proven(linked)


def test_who_is_not_let_in_any_more_confirms_nothing(linked: Client, server: Provider, settings: Settings) -> None:
    settings.SSO_ROLES = {"desk": "support"}
    says_auth_time(server, "sub-1", int(time.time()) + 1, groups=[])
    assert through(linked, server, page=BY_SSO).status_code == 403
    assert linked.get(FILE).status_code == 403  # their role is gone at once


def test_who_cancels_there_is_back_where_it_was_asked(linked: Client) -> None:
    state = query_of(away(linked, {"next": "/duty/"}, page=BY_SSO))["state"]
    cancelled = linked.get(reverse("sign_in:sso_callback"), {"state": state, "error": "access_denied"})
    assert cancelled["Location"] == f"{PROVE}?next=%2Fduty%2F"
