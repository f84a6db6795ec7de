"""A reset can remove a person's second factors: with a reason, an event each, and by two administrators for who decides."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.people import rights
from riskadmin.staff.people.models import Act, RightsRequest
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in import recovery_codes
from tests.staff.people import PASSWORD, make_person
from tests.staff.sign_in.factors import has_app

pytestmark = pytest.mark.django_db

REASON = "Phone lost, called back at home"


@pytest.fixture
def ada(client: Client) -> Staff:
    person = make_person(Role.ADMINISTRATOR, "ada")
    client.force_login(person)
    return person


def with_factors(role: Role, username: str) -> Staff:
    person = make_person(role, username)
    has_app(person)
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop"})
    recovery_codes.make(person)
    return person


def reset(client: Client, person: Staff, **sent: str) -> int:
    return client.post(reverse("people:reset", args=[person.pk]), sent).status_code


def removed() -> list[tuple[str, str, str]]:
    events = Event.objects.filter(tag=Tag.STAFF_FACTORS_RESET).order_by("pk")
    return [(event.staff_name, event.detail["factor"], event.detail["comment"]) for event in events]


def test_by_one_administrator_for_who_decides_nothing(client: Client, ada: Staff) -> None:
    sam, other = with_factors(Role.SUPPORT, "sam"), with_factors(Role.SUPPORT, "other")

    assert reset(client, sam, factors="on", reason=REASON) == 200

    assert not Authenticator.objects.filter(user=sam).exists()
    assert not Staff.objects.get(pk=sam.pk).has_usable_password()  # what was guessed with a lost phone opens nothing
    factors = ["authenticator app", "passkey Laptop", "recovery codes"]
    assert removed() == [("ada", factor, REASON) for factor in factors]
    assert Authenticator.objects.filter(user=other).count() == 3


def test_without_a_reason_nothing_is_done(client: Client, ada: Staff) -> None:
    sam = with_factors(Role.SUPPORT, "sam")
    assert reset(client, sam, factors="on", reason=" ") == 422
    assert Authenticator.objects.filter(user=sam).count() == 3
    assert Staff.objects.get(pk=sam.pk).check_password(PASSWORD)
    assert removed() == []


def test_a_reason_that_would_be_dropped_is_refused(client: Client, ada: Staff) -> None:
    sam = with_factors(Role.SUPPORT, "sam")
    assert reset(client, sam, reason=REASON) == 422
    assert Staff.objects.get(pk=sam.pk).check_password(PASSWORD)


def test_a_reset_alone_leaves_them(client: Client, ada: Staff) -> None:
    sam = with_factors(Role.SUPPORT, "sam")
    assert reset(client, sam) == 200
    assert Authenticator.objects.filter(user=sam).count() == 3


def test_by_two_for_who_decides(client: Client, ada: Staff) -> None:
    sue, bob = with_factors(Role.SUPERVISOR, "sue"), make_person(Role.ADMINISTRATOR, "bob")

    assert reset(client, sue, factors="on", reason=REASON) == 303

    assert Authenticator.objects.filter(user=sue).count() == 3
    request = RightsRequest.objects.get()
    assert (request.act, request.reason) == (Act.RESET_FACTORS, REASON)
    rights.confirm(bob, origin=Origin(job="tests"), request_id=request.pk)
    assert not Authenticator.objects.filter(user=sue).exists()
    assert {who for who, _, _ in removed()} == {"bob"}


def test_who_has_none_is_not_asked_about(client: Client, ada: Staff) -> None:
    sue = make_person(Role.SUPERVISOR, "sue")
    page = client.get(reverse("people:detail", args=[sue.pk])).content.decode()
    assert "Remove the second factors" not in page
    with pytest.raises(rights.NotAllowed, match="no second factor"):
        rights.request_rights(ada, origin=Origin(job="tests"), person=sue, act=Act.RESET_FACTORS, reason=REASON)
