"""The second factor: when it is asked for, what gets past it, and that nothing else does."""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.actions import set_password
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in import recovery_codes, throttle
from riskadmin.staff.sign_in.models import Attempt
from riskadmin.staff.sign_in.requirement import is_required_of
from tests.staff.people import PASSWORD, make_person
from tests.staff.sign_in.factors import NOW, SECRET, AppClock, code, has_app

pytestmark = pytest.mark.django_db

SIGN_IN = reverse("staff:sign_in")
STEP = reverse("sign_in:second_factor")
SECURITY = reverse("sign_in:security")
HOME = reverse("home")


@pytest.fixture
def person() -> Staff:
    person = make_person(Role.SUPERVISOR)
    has_app(person)
    return person


def password(client: Client, *, to: str = "", username: str = "supervisor", typed: str = PASSWORD) -> Any:
    return client.post(SIGN_IN, {"username": username, "password": typed, "next": to})


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_after_the_password_the_code_is_asked_for_and_opens_the_session(client: Client, person: Staff) -> None:
    asked = password(client, to="/accounts/?q=1")

    assert (asked.status_code, asked["Location"]) == (303, STEP)
    assert not is_signed_in(client)
    assert client.get(HOME).status_code == 302
    before = client.session.session_key

    response = client.post(STEP, {"code": code()})

    assert (response.status_code, response["Location"]) == (303, "/accounts/?q=1")
    assert client.session["_auth_user_id"] == str(person.pk)
    assert client.session.session_key != before
    [event] = Event.objects.filter(tag=Tag.STAFF_SIGNED_IN)
    assert event.detail == {"username": "supervisor", "proven_by": "password, authenticator app"}


@pytest.mark.parametrize("typed", ["000000", "", "12345", "x" * 41, "١٢٣٤٥٦", "0-AAAAA-AAAAA"])
def test_a_wrong_code_opens_nothing(client: Client, person: Staff, typed: str) -> None:
    password(client)
    response = client.post(STEP, {"code": typed})

    assert response.status_code == 422
    assert response.context["form"].errors["code"]
    assert not is_signed_in(client)


def test_a_wrong_code_is_in_the_trail(client: Client, person: Staff) -> None:
    password(client)
    client.post(STEP, {"code": "000000"})

    [event] = Event.objects.filter(tag=Tag.STAFF_SIGN_IN_REFUSED)
    assert event.detail == {"username": "supervisor", "staff_id": person.pk, "active": True, "step": "second factor"}


def test_a_code_works_once(client: Client, person: Staff, app_clock: AppClock, settings: Settings) -> None:
    settings.MFA_TOTP_TOLERANCE = 1
    password(client)
    client.post(STEP, {"code": code()})
    thief = Client()
    password(thief)

    assert thief.post(STEP, {"code": code()}).status_code == 422
    assert thief.post(STEP, {"code": code(NOW - 1)}).status_code == 422  # older than the one that was used
    assert not is_signed_in(thief)
    app_clock.period += 1
    assert thief.post(STEP, {"code": code(NOW + 1)}).status_code == 303


def test_a_code_is_taken_only_while_it_is_shown(client: Client, person: Staff, app_clock: AppClock, settings: Settings) -> None:
    password(client)
    for shown in (NOW - 1, NOW + 1):
        assert client.post(STEP, {"code": code(shown)}).status_code == 422
    settings.MFA_TOTP_TOLERANCE = 1
    app_clock.period += 1
    assert client.post(STEP, {"code": code(NOW)}).status_code == 303


def test_the_step_alone_proves_nothing(client: Client, person: Staff) -> None:
    for response in (client.get(STEP), client.post(STEP, {"code": code()})):
        assert response["Location"] == SIGN_IN
    assert not is_signed_in(client)


def test_guessing_codes_is_throttled_and_right_passwords_in_between_do_not_help(client: Client, person: Staff) -> None:
    for _ in range(throttle.FAILURES):
        password(client)
        assert client.post(STEP, {"code": "000000"}).status_code == 422

    assert client.post(STEP, {"code": code()}).status_code == 422
    assert password(client).status_code == 422
    assert not is_signed_in(client)
    assert Attempt.objects.filter(outcome=Attempt.Outcome.FAILED).count() == throttle.FAILURES


def test_a_new_password_or_switching_off_ends_a_sign_in_that_waits(client: Client, person: Staff) -> None:
    password(client)
    set_password(SYSTEM, origin=Origin(job="tests"), person=person, password="another long one")
    assert client.post(STEP, {"code": code()})["Location"] == SIGN_IN

    password(client, typed="another long one")
    Staff.objects.update(is_active=False)
    assert client.post(STEP, {"code": code()})["Location"] == SIGN_IN
    assert not is_signed_in(client)


def test_the_code_of_somebody_else_does_not_work(client: Client, person: Staff) -> None:
    other = make_person(Role.SUPPORT)
    has_app(other)
    Authenticator.objects.filter(user=other).update(data={"secret": "sealed", "last_counter": -1})
    with transaction.atomic():
        [theirs, *_] = recovery_codes.make(other)
    password(client)
    assert client.post(STEP, {"code": theirs}).status_code == 422


def test_signing_in_as_somebody_else_signs_out_first(client: Client, person: Staff) -> None:
    make_person(Role.SUPPORT)
    password(client, username="support")
    password(client)

    assert not is_signed_in(client)
    assert client.get(HOME).status_code == 302
    assert Event.objects.filter(tag=Tag.STAFF_SIGNED_OUT).count() == 1


def test_a_recovery_code_works_once_however_it_is_typed(client: Client, person: Staff) -> None:
    with transaction.atomic():
        first, second, *_ = recovery_codes.make(person)
    password(client)
    assert client.post(STEP, {"code": first.lower().replace("-", " ")}).status_code == 303
    assert Event.objects.get(tag=Tag.STAFF_SIGNED_IN).detail["proven_by"] == "password, recovery code"
    assert recovery_codes.left(person) == 9

    again = Client()
    password(again)
    assert again.post(STEP, {"code": first}).status_code == 422
    assert again.post(STEP, {"code": second}).status_code == 303


def test_secrets_are_stored_sealed_and_recovery_codes_hashed(person: Staff) -> None:
    with transaction.atomic():
        codes = recovery_codes.make(person)
    stored = "".join(str(each.data) for each in Authenticator.objects.all())
    assert SECRET not in stored
    assert not any(code.replace("-", "")[1:] in stored for code in codes)


# --- Who has to have one --------------------------------------------------------------------------------------------------


def test_it_is_derived_from_what_a_person_may_do(settings: Settings) -> None:
    people = {role: make_person(role) for role in Role}

    settings.SECOND_FACTOR_REQUIRED = "acting"
    assert {role for role, each in people.items() if is_required_of(each)} == set(Role) - {Role.COMPLIANCE}
    settings.SECOND_FACTOR_REQUIRED = "everyone"
    assert all(is_required_of(each) for each in people.values())
    settings.SECOND_FACTOR_REQUIRED = "off"
    assert not any(is_required_of(each) for each in people.values())


def test_without_one_nothing_opens_but_its_setup(client: Client, settings: Settings) -> None:
    make_person(Role.SUPERVISOR)
    settings.SECOND_FACTOR_REQUIRED = "acting"
    assert password(client)["Location"] == HOME

    for name in ("home", "accounts:list", "approvals:inbox", "changes:list", "notifications:settings", "sign_in:password"):
        assert client.get(reverse(name))["Location"] == SECURITY, name
    fragment = client.get(reverse("status"), headers={"HX-Request": "true"})
    assert fragment["HX-Redirect"] == SECURITY
    for name in ("notifications:read_all", "sign_in:recovery_codes", "sign_in:remove_app"):
        assert client.post(reverse(name))["Location"] == SECURITY, name
    page = client.get(SECURITY).content.decode()
    assert "Set up a second factor to go on" in page
    assert 'id="navigation"' not in page
    assert client.post(reverse("staff:sign_out")).status_code == 303


def test_once_it_is_set_up_everything_opens(client: Client, settings: Settings) -> None:
    person = make_person(Role.SUPERVISOR)
    settings.SECOND_FACTOR_REQUIRED = "acting"
    password(client)
    page = client.get(reverse("sign_in:app"))
    secret = page.context["secret"].replace(" ", "")

    assert client.post(reverse("sign_in:app"), {"code": "000000"}).status_code == 422
    assert client.get(HOME)["Location"] == SECURITY
    response = client.post(reverse("sign_in:app"), {"code": code(NOW, secret)})

    assert len(response.context["codes"]) == 10
    assert client.get(HOME).status_code == 200
    added, made = Event.objects.filter(tag__in=(Tag.STAFF_FACTOR_ADDED, Tag.STAFF_RECOVERY_CODES_MADE)).order_by("id")
    assert added.detail == {"username": "supervisor", "staff_id": person.pk, "factor": "authenticator app"}
    assert made.staff_id == person.pk
    again = Client()
    password(again)
    assert again.post(STEP, {"code": response.context["codes"][3]}).status_code == 303
    assert again.get(HOME).status_code == 200


def test_a_session_from_before_it_was_required_ends(client: Client, settings: Settings, person: Staff) -> None:
    client.force_login(person)
    settings.SECOND_FACTOR_REQUIRED = "acting"

    assert client.get(HOME)["Location"] == SIGN_IN
    assert not is_signed_in(client)


def test_the_record_of_somebody_else_proves_nothing(client: Client, settings: Settings, person: Staff) -> None:
    password(client)
    client.post(STEP, {"code": code()})
    records = {name: value for name, value in client.session.items() if name.startswith("account_authentication")}
    settings.SECOND_FACTOR_REQUIRED = "acting"
    other = make_person(Role.SUPPORT)
    client.force_login(other)
    session = client.session
    session.update(records)
    session.save()

    assert client.get(HOME)["Location"] == SECURITY


def test_the_last_one_stays_where_it_is_required(client: Client, settings: Settings, person: Staff) -> None:
    settings.SECOND_FACTOR_REQUIRED = "acting"
    password(client)
    client.post(STEP, {"code": code()})

    response = client.post(reverse("sign_in:remove_app"))
    assert response.status_code == 422
    assert Authenticator.objects.filter(user=person).count() == 1
    assert not Event.objects.filter(tag=Tag.STAFF_FACTOR_REMOVED).exists()

    settings.SECOND_FACTOR_REQUIRED = "off"
    assert client.post(reverse("sign_in:remove_app")).status_code == 303
    assert not Authenticator.objects.filter(user=person).exists()
    assert Event.objects.filter(tag=Tag.STAFF_FACTOR_REMOVED).count() == 1


# --- One's own password -------------------------------------------------------------------------------------------------


def test_changing_the_password_asks_for_the_current_one_and_ends_other_sessions(client: Client) -> None:
    person = make_person(Role.SUPPORT)
    password(client, username="support")
    other = Client()
    password(other, username="support")
    fields = {"current": "wrong", "new": "plenty of words in a row"}

    assert client.post(reverse("sign_in:password"), fields).status_code == 422
    assert Event.objects.filter(tag=Tag.STAFF_PASSWORD_SET).count() == 0
    assert client.post(reverse("sign_in:password"), {**fields, "current": PASSWORD}).status_code == 303

    assert client.get(HOME).status_code == 200
    assert other.get(HOME).status_code == 302
    [event] = Event.objects.filter(tag=Tag.STAFF_PASSWORD_SET)
    assert event.staff_id == person.pk


def test_recovery_codes_are_replaced(client: Client, person: Staff) -> None:
    with transaction.atomic():
        old = recovery_codes.make(person)
    client.force_login(person)
    new = client.post(reverse("sign_in:recovery_codes")).context["codes"]

    assert not set(old) & set(new)
    step = Client()
    password(step)
    assert step.post(STEP, {"code": old[0]}).status_code == 422
    assert step.post(STEP, {"code": new[0]}).status_code == 303


def test_another_persons_factors_are_out_of_reach(client: Client, person: Staff) -> None:
    passkey = Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={"name": "Laptop"})
    client.force_login(make_person(Role.ADMINISTRATOR))

    for name in ("sign_in:rename_passkey", "sign_in:remove_passkey"):
        assert client.post(reverse(name, args=[passkey.pk]), {"name": "Mine"}).status_code == 404
    assert client.post(reverse("sign_in:remove_app")).status_code == 404
    assert Authenticator.objects.filter(user=person).count() == 2


@pytest.mark.parametrize("credential", ["", "x", "[]", "{}", '{"response": 1}', '{"response": {"userHandle": "MQ"}, "id": 3}'])
def test_what_no_passkey_answers_opens_nothing(client: Client, person: Staff, credential: str) -> None:
    client.post(reverse("sign_in:passkey_options"))
    assert client.post(reverse("sign_in:passkey"), {"credential": credential}).status_code == 422
    client.force_login(person)
    client.post(reverse("sign_in:new_passkey_options"))
    answer = client.post(reverse("sign_in:add_passkey"), {"credential": credential, "name": "Laptop"})
    assert answer.status_code == 422
    assert not Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN).exists()
