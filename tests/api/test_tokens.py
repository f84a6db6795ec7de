"""Tokens: shown once, for less than their person's rights, ended by hand or by time, and each use in the trail."""

from datetime import timedelta

import pytest
import redis
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.staff.people import actions as people
from riskadmin.staff.people import rights
from riskadmin.staff.people.models import Act
from riskadmin.staff.people.sign_in_history import newest_fact
from riskadmin.staff.roles import Role, all_capabilities
from riskadmin.staff.tokens.bearer import Bearer
from riskadmin.staff.tokens.models import AccessToken, Scope
from riskadmin.staff.tokens.queries import digest_of
from tests.api.programs import Program
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    """A program of a supervisor, with the larger scope."""
    return Program(make_person(Role.SUPERVISOR))


def test_a_token_is_shown_once_and_only_its_digest_is_kept(client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    answer = client.post(reverse("tokens:page"), {"name": "report", "scope": "read", "days": "7"})
    token = AccessToken.objects.get()
    shown = [word for word in answer.content.decode().replace('"', " ").split() if digest_of(word) == token.digest]
    assert shown
    assert answer["Cache-Control"] == "no-store"
    assert shown[0] not in client.get(reverse("tokens:page")).content.decode()
    assert shown[0] not in str(Event.objects.values_list("detail", flat=True))


@pytest.mark.parametrize("typed", [{"name": ""}, {"scope": "approve"}, {"days": "36500"}])
def test_a_token_that_is_not_offered_is_refused_at_its_field(client: Client, typed: dict[str, str]) -> None:
    client.force_login(make_person(Role.SUPPORT))
    answer = client.post(reverse("tokens:page"), {"name": "report", "scope": "read", "days": "7"} | typed)
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == list(typed)
    assert not AccessToken.objects.exists()


def test_no_token_allows_more_than_is_named_for_programs(program: Program) -> None:
    """Above all not to approve, to resolve, to change the policy, people or webhooks."""
    may = {each for each in all_capabilities() if Bearer(program.token).may(each)}
    assert {each for each in may if not each.startswith("changes:request:")} == {"accounts:view", "changes:view"}
    assert may <= program.token.person.capabilities


def test_a_reading_token_requests_nothing() -> None:
    bearer = Bearer(Program(make_person(Role.SUPERVISOR), Scope.READ).token)
    assert {each for each in all_capabilities() if bearer.may(each)} == {"accounts:view", "changes:view"}


@pytest.mark.parametrize("ended", ["revoked", "expired", "switched off", "unknown", "absent", "of another kind"])
def test_an_ended_token_opens_nothing_and_is_recorded_once_a_minute(
    program: Program, ended: str, redis_client: redis.Redis
) -> None:
    now = timezone.now()
    if ended == "revoked":
        AccessToken.objects.update(revoked_at=now)
    elif ended == "expired":
        AccessToken.objects.update(created_at=now - timedelta(days=2), expires_at=now - timedelta(seconds=1))
    elif ended == "switched off":
        person = program.token.person
        person.is_active = False
        person.save()
    headers = {"unknown": "Bearer rat_x", "absent": "", "of another kind": f"Basic {program.secret}"}
    sent = headers.get(ended, f"Bearer {program.secret}")
    answer = Client().get("/api/v1/status", headers={"Authorization": sent})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="riskadmin"')
    assert not Event.objects.filter(tag="staff:token:used").exists()
    Client().get("/api/v1/status", headers={"Authorization": sent})  # within the same minute
    recorded = list(Event.objects.filter(tag="staff:token:refused"))
    assert len(recorded) == (ended not in {"absent", "of another kind"})
    for event in recorded:
        whose = (
            {} if ended == "unknown" else {"token": str(program.token), "token_id": program.token.pk, "username": "supervisor"}
        )
        assert (event.staff_id, event.address) == (None, "127.0.0.1")
        assert event.detail == {"method": "GET", "path": "/api/v1/status", **whose}


def test_a_session_opens_nothing_of_the_api(client: Client) -> None:
    client.force_login(make_person(Role.SUPERVISOR))
    assert client.get("/api/v1/status").status_code == 401
    assert client.post("/api/v1/changes", {}, content_type="application/json").status_code == 401


def test_a_token_opens_no_page(program: Program) -> None:
    answer = program.client.get(reverse("changes:list"))
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("staff:sign_in"))


def test_each_use_is_in_the_trail(program: Program) -> None:
    assert program.get("/changes/4711").status_code == 404
    event = Event.objects.latest("pk")
    assert (event.tag, event.staff_id, event.detail["path"], event.detail["status"]) == (
        "staff:token:used",
        program.token.person_id,
        "/api/v1/changes/4711",
        404,
    )
    program.token.refresh_from_db()
    assert (program.token.last_used_at is not None, program.token.last_used_from) == (True, "127.0.0.1")


def test_without_the_trail_nothing_is_answered(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("trail full")

    monkeypatch.setattr("riskadmin.staff.tokens.bearer.note_use", fail)
    program.client.raise_request_exception = False
    assert program.get("/accounts").status_code == 500


def test_one_revokes_ones_own_token(client: Client, program: Program) -> None:
    client.force_login(program.token.person)
    client.post(reverse("tokens:revoke", args=[program.token.pk]))
    assert program.get("/status").status_code == 401
    assert Event.objects.filter(tag="staff:token:revoked", staff_id=program.token.person_id).count() == 1


@pytest.mark.parametrize("address", ["end_sessions", "reset", "switch_off"])
def test_what_ends_a_persons_sessions_ends_their_tokens(client: Client, address: str) -> None:
    program, other = Program(make_person(Role.SUPPORT, "sam")), Program(make_person(Role.SUPPORT, "other"))
    administrator, sam = make_person(Role.ADMINISTRATOR, "ada"), program.token.person
    client.force_login(administrator)
    assert program.token.hint in client.get(reverse("people:detail", args=[sam.pk])).content.decode()

    assert client.post(reverse(f"people:{address}", args=[sam.pk]), {"comment": "Left"}).status_code < 400

    assert (program.get("/status").status_code, other.get("/status").status_code) == (401, 200)
    revoked = Event.objects.get(tag="staff:token:revoked")
    assert (revoked.staff_id, revoked.detail["staff_id"]) == (administrator.pk, sam.pk)
    page = client.get(reverse("people:detail", args=[sam.pk])).content.decode()
    assert page.count(f"ada revoked the access token {program.token}") == 1  # only in the history


def test_a_token_stays_ended_when_its_person_is_switched_on_again(program: Program) -> None:
    ada, bob = make_person(Role.ADMINISTRATOR, "ada"), make_person(Role.ADMINISTRATOR, "bob")
    person, origin = program.token.person, Origin(job="tests")
    people.switch_off(ada, origin=origin, person=person, to=None, comment="Left")
    asked = rights.request_rights(ada, origin=origin, person=person, act=Act.SWITCH_ON, reason="Came back")
    rights.confirm(bob, origin=origin, request_id=asked.pk, newest_read=newest_fact(person))
    person.refresh_from_db()
    assert (person.is_active, program.get("/status").status_code) == (True, 401)


def test_an_administrator_revokes_a_token_on_its_persons_page(client: Client, program: Program) -> None:
    client.force_login(make_person(Role.ADMINISTRATOR, "ada"))
    answer = client.post(reverse("tokens:revoke", args=[program.token.pk]), {"back": "person"})
    assert answer["Location"] == reverse("people:detail", args=[program.token.person_id])
    assert program.get("/status").status_code == 401
