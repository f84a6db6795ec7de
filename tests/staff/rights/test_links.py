"""One-time links: they work once, for a while, for one person, and no one can read them anywhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.notifications.delivery import deliver_due
from riskadmin.notifications.models import Message
from riskadmin.staff.models import Staff
from riskadmin.staff.people import actions, links
from riskadmin.staff.people.forms import NO_LINK
from riskadmin.staff.people.models import SignInLink
from riskadmin.staff.roles import Role
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(job="tests")
WELCOME = reverse("people:welcome")
CHOSEN = "a very long new secret"


@pytest.fixture
def ada() -> Staff:
    return make_person(Role.ADMINISTRATOR, "ada")


def invite(ada: Staff, **more: Any) -> actions.Invited:
    entered = {"username": "newcomer", "first_name": "New", "last_name": "Comer", "email": "", "role": None, "reason": "Joins"}
    return actions.invite(ada, origin=ORIGIN, **{**entered, **more})


def code_of(invited: actions.Invited) -> str:
    assert invited.link
    assert invited.link.code
    return invited.link.code


def use(client: Client, code: str, password: str = CHOSEN, again: str | None = None) -> Any:
    return client.post(WELCOME, {"code": code, "password": password, "again": password if again is None else again})


def test_with_a_link_a_person_sets_a_password_and_signs_in(client: Client, ada: Staff) -> None:
    code = code_of(invite(ada))

    response = use(client, code)

    assert (response.status_code, response["Location"]) == (303, reverse("staff:sign_in"))
    response = client.post(reverse("staff:sign_in"), {"username": "newcomer", "password": CHOSEN})
    assert response.status_code == 303
    assert b"You have no role yet" in client.get(reverse("home")).content
    event = Event.objects.get(tag=Tag.STAFF_LINK_USED)
    assert (event.staff_name, event.detail["purpose"]) == ("New Comer", "invitation")


def test_it_works_once(client: Client, ada: Staff) -> None:
    code = code_of(invite(ada))
    use(client, code)
    response = use(client, code, "another long secret word")
    assert response.status_code == 422
    assert response.context["form"].errors == {"code": [NO_LINK]}
    assert Staff.objects.get(username="newcomer").check_password(CHOSEN)


def test_every_cause_is_answered_in_the_same_way(client: Client, ada: Staff) -> None:
    """Used, withdrawn, replaced, run out, of a person who is off, never made: no one learns which."""
    spoils: list[Callable[[Staff], object]] = [
        lambda person: actions.withdraw_link(ada, origin=ORIGIN, person=person),
        lambda person: actions.reset(ada, origin=ORIGIN, person=person),
        lambda person: SignInLink.objects.filter(person=person).update(expires_at=timezone.now() - timedelta(seconds=1)),
        lambda person: Staff.objects.filter(pk=person.pk).update(is_active=False),
    ]
    codes = []
    for number, spoil in enumerate(spoils):
        invited = invite(ada, username=f"newcomer{number}")
        spoil(invited.person)
        codes.append(code_of(invited))
    answers = {use(client, code).context["form"].errors.as_json() for code in (*codes, "never made")}
    assert len(answers) == 1
    assert not any(person.has_usable_password() for person in Staff.objects.exclude(pk=ada.pk))
    assert not Event.objects.filter(tag=Tag.STAFF_LINK_USED).exists()


@pytest.mark.parametrize(
    ("password", "again", "field"),
    [("brief", "brief", "password"), ("password1234", "password1234", "password"), (CHOSEN, f"{CHOSEN}x", "again")],
)
def test_a_password_that_is_refused_leaves_the_link(client: Client, ada: Staff, password: str, again: str, field: str) -> None:
    code = code_of(invite(ada))
    response = use(client, code, password, again)
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {field}
    assert use(client, code).status_code == 303


def test_only_a_digest_of_the_code_is_stored_anywhere(ada: Staff) -> None:
    code = code_of(invite(ada))
    link = SignInLink.objects.get()
    assert code not in str(vars(link))
    assert len(link.code_digest) == 64
    assert all(code not in str(vars(event)) for event in Event.objects.all())


def test_the_code_is_behind_the_sign_that_no_browser_sends(ada: Staff) -> None:
    made = invite(ada).link
    assert made
    path, _, fragment = made.url.partition("#")
    assert path.endswith(WELCOME)
    assert fragment == made.code


class TestByEmail:
    @pytest.fixture(autouse=True)
    def mail_is_on(self, settings: Settings) -> None:
        settings.EMAIL_IS_ON = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        settings.PUBLIC_URL = "https://risk.firm.example"

    def test_no_administrator_sees_the_link(self, client: Client, ada: Staff) -> None:
        client.force_login(ada)
        entered = {"username": "newcomer", "email": "new@firm.example", "reason": "Joins", "sign_in": "password"}
        response = client.post(reverse("people:invite"), entered)
        assert b"sent by e-mail" in response.content

        deliver_due()

        [sent] = mail.outbox
        assert sent.to == ["new@firm.example"]
        [code] = {word.partition("#")[2] for word in str(sent.body).split() if f"{WELCOME}#" in word}
        assert code.encode() not in response.content
        stored = " ".join(str(vars(row)) for model in (Message, Event, SignInLink) for row in model.objects.all())
        assert code not in stored
        assert use(Client(), code).status_code == 303

    def test_a_link_that_has_ended_is_not_sent(self, ada: Staff) -> None:
        invited = invite(ada, email="new@firm.example")
        actions.withdraw_link(ada, origin=ORIGIN, person=invited.person)
        deliver_due()
        assert mail.outbox == []
        assert Message.objects.get().state == "given_up"

    def test_before_it_is_sent_it_has_no_code(self, ada: Staff) -> None:
        invite(ada, email="new@firm.example")
        assert SignInLink.objects.get().code_digest == ""
        assert links.person_of("") is None
