"""Emergency codes: what they stand in for, that they work once, and who learns of it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.notifications.models import Message
from riskadmin.notifications.topics import Channel
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in.models import EmergencyCode
from tests.staff.people import PASSWORD, make_person
from tests.staff.sign_in.factors import has_app

pytestmark = pytest.mark.django_db

SIGN_IN, STEP, EMERGENCY = reverse("staff:sign_in"), reverse("sign_in:second_factor"), reverse("sign_in:emergency")


@pytest.fixture(autouse=True)
def person() -> Staff:
    make_person(Role.ADMINISTRATOR)
    person = make_person(Role.SUPERVISOR)
    has_app(person)
    return person


def give(*options: str, username: str = "supervisor") -> str:
    out = StringIO()
    call_command("emergency_access", username, "--operator", "Olga", "--reason", "Phone lost", *options, stdout=out)
    return out.getvalue().splitlines()[0]


def step(typed: str) -> Any:
    client = Client()
    client.post(SIGN_IN, {"username": "supervisor", "password": PASSWORD})
    return client.post(STEP, {"code": typed})


def test_it_stands_in_for_the_second_factor_once(settings: Settings) -> None:
    settings.SECOND_FACTOR_REQUIRED = "everyone"
    code = give()

    assert step(code.lower()).status_code == 303
    assert step(code).status_code == 422
    event = Event.objects.get(tag=Tag.STAFF_SIGNED_IN)
    assert event.detail["proven_by"] == "password, emergency code"
    used = Event.objects.get(tag=Tag.STAFF_EMERGENCY_USED)
    assert (used.detail["operator"], used.reason_text) == ("Olga", "Phone lost")


def test_it_is_short_lived_and_stored_as_a_digest() -> None:
    code = give()
    assert code.replace("-", "") not in str(EmergencyCode.objects.values())
    EmergencyCode.objects.update(expires_at=F("expires_at") - timedelta(minutes=16))
    assert step(code).status_code == 422


def test_it_is_for_one_person_and_one_purpose(client: Client) -> None:
    make_person(Role.SUPPORT)
    assert step(give(username="support")).status_code == 422
    assert client.post(EMERGENCY, {"username": "supervisor", "code": give()}).status_code == 422
    assert step(give("--instead-of-sign-in")).status_code == 422
    assert not EmergencyCode.objects.exclude(used_at=None).exists()


def test_it_stands_in_for_single_sign_on_and_the_second_factor_is_still_asked_for(client: Client) -> None:
    code = give("--instead-of-sign-in")

    assert client.post(EMERGENCY, {"username": "supervisor", "code": code})["Location"] == STEP
    assert "_auth_user_id" not in client.session
    assert client.post(EMERGENCY, {"username": "supervisor", "code": code}).status_code == 422


def test_who_is_switched_off_gets_none_and_can_use_none(client: Client) -> None:
    code = give("--instead-of-sign-in")
    Staff.objects.update(is_active=False)

    assert client.post(EMERGENCY, {"username": "supervisor", "code": code}).status_code == 422
    with pytest.raises(CommandError, match="no person"):
        give()


def test_the_trail_names_the_operator_and_all_administrators_are_informed(person: Staff) -> None:
    give()

    event = Event.objects.get(tag=Tag.STAFF_EMERGENCY_GIVEN)
    assert event.detail == {"username": "supervisor", "staff_id": person.pk, "operator": "Olga", "stead": "the second factor"}
    assert event.reason_text == "Phone lost"
    messages = Message.objects.filter(channel=Channel.PAGE)
    assert {message.person.username for message in messages if message.person} == {"administrator", "supervisor"}
    with pytest.raises(CommandError):
        call_command("emergency_access", "supervisor", "--operator", "Olga", "--reason", " ")


def test_people_are_informed_when_their_factors_change(person: Staff, client: Client) -> None:
    client.force_login(person)
    client.post(reverse("sign_in:remove_app"))

    [message] = Message.objects.filter(channel=Channel.PAGE)
    assert (message.person, message.subject) == (person, "A second factor was removed from your account")
