"""One administrator alone never gets a sign-in together with rights: each way that was found is tried again here."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from riskadmin.audit.origin import Origin
from riskadmin.notifications.delivery import deliver_due
from riskadmin.notifications.models import Message
from riskadmin.notifications.topics import Channel
from riskadmin.staff.models import Staff
from riskadmin.staff.people import sign_in_history
from riskadmin.staff.people.models import RightsRequest, SignInLink
from riskadmin.staff.roles import Role
from riskadmin.staff.tokens.actions import make_token
from riskadmin.staff.tokens.models import Scope
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(job="tests")
THEIRS = "chosen by somebody else"


def signed_in(role: Role, username: str) -> Client:
    client = Client()
    client.force_login(make_person(role, username))
    return client


@pytest.fixture
def ada() -> Client:
    return signed_in(Role.ADMINISTRATOR, "ada")


@pytest.fixture
def bob(ada: Client) -> Client:
    del ada  # made first, so that there are two
    return signed_in(Role.ADMINISTRATOR, "bob")


def act(client: Client, name: str, person: Staff, **fields: Any) -> Any:
    return client.post(reverse(f"people:{name}", args=[person.pk]), fields)


def decide(client: Client, **fields: Any) -> Any:
    """Confirm the newest request with what the page's form has, and these fields."""
    asked = RightsRequest.objects.latest("pk")
    return client.post(reverse("people:decide", args=[asked.pk, "confirm"]), fields)


def read(client: Client) -> str:
    return client.get(reverse("people:requests")).content.decode()


def newest(person: Staff) -> int:
    return sign_in_history.newest_fact(person)


def set_password(link: str) -> int:
    code = link.partition("#")[2]
    return Client().post(reverse("people:welcome"), {"code": code, "password": THEIRS, "again": THEIRS}).status_code


def reset_link(client: Client, person: Staff) -> str:
    answer = act(client, "reset", person)
    assert answer.status_code == 200
    return str(answer.context["made"].url)


def test_taking_the_role_first_opens_neither_a_reset_nor_another_address(ada: Client, bob: Client) -> None:
    sue = make_person(Role.SUPERVISOR, "sue")
    Staff.objects.filter(pk=sue.pk).update(email="sue@firm.example")
    assert act(ada, "remove_role", sue, role="supervisor").status_code == 303

    assert act(ada, "details", sue, email="", first_name="", last_name="").status_code == 422  # it asks why: two decide
    assert act(ada, "reset", sue, reason="Lost").status_code == 303
    sue.refresh_from_db()
    assert (sue.email, sue.check_password(PASSWORD)) == ("sue@firm.example", True)
    assert not SignInLink.objects.exists()
    assert RightsRequest.objects.get().act == "reset"

    assert "took the role" in read(bob)


def test_who_confirms_a_role_reads_what_was_done_to_the_sign_in(ada: Client, bob: Client) -> None:
    sam = make_person(Role.SUPPORT, "sam")
    Staff.objects.filter(pk=sam.pk).update(email="sam@firm.example")
    assert act(ada, "details", sam, email="", first_name="Sam", last_name="").status_code == 303
    link = reset_link(ada, sam)
    assert set_password(link) == 303
    assert act(ada, "add_role", sam, role="supervisor", reason="Removed by mistake this morning").status_code == 303

    page = read(bob)
    for fact in ("sam@firm.example", "reset the sign-in of", "who made it saw it", "set a password with a one-time link"):
        assert fact in page
    assert decide(bob).status_code == 409
    assert decide(bob, newest_read=newest(sam) - 1).status_code == 409
    assert "supervisor" not in Staff.objects.get(pk=sam.pk).role_names
    assert f'name="newest_read" value="{newest(sam)}"' in page
    assert decide(bob, newest_read=newest(sam)).status_code == 303
    assert "supervisor" in Staff.objects.get(pk=sam.pk).role_names


def test_what_was_opened_before_a_role_ends_with_it(ada: Client, bob: Client) -> None:
    sam = make_person(Role.SUPPORT, "sam")
    link = reset_link(ada, sam)
    theirs = Client()
    theirs.force_login(Staff.objects.get(pk=sam.pk))
    token, _ = make_token(actor=sam, origin=ORIGIN, name="x", scope=Scope.READ, lasts=timedelta(days=1))
    act(ada, "add_role", sam, role="supervisor", reason="Covers the night")

    answer = decide(bob, newest_read=newest(sam))

    assert set_password(link) == 422
    assert theirs.get(reverse("home")).status_code == 302
    token.refresh_from_db()
    assert token.revoked_at
    assert set_password(str(answer.context["made"].url)) == 303  # who waits for a link has one, from the second administrator


def test_the_server_shows_it_before_it_confirms(ada: Client, capsys: pytest.CaptureFixture[str]) -> None:
    sam = make_person(Role.SUPPORT, "sam")
    reset_link(ada, sam)
    act(ada, "add_role", sam, role="supervisor", reason="Covers the night")
    number = str(RightsRequest.objects.get().pk)

    with pytest.raises(CommandError, match="--newest-read"):
        call_command("confirm_rights", number, operator="Grace Hopper")
    assert "reset the sign-in of" in capsys.readouterr().out
    call_command("confirm_rights", number, operator="Grace Hopper", newest_read=newest(sam))
    assert "supervisor" in Staff.objects.get(pk=sam.pk).role_names


@pytest.mark.usefixtures("bob")
def test_a_person_gets_a_message_about_each_step_also_at_the_address_before(ada: Client, settings: Settings) -> None:
    settings.EMAIL_IS_ON, settings.EMAIL_BACKEND = True, "django.core.mail.backends.locmem.EmailBackend"
    sam = make_person(Role.SUPPORT, "sam")
    Staff.objects.filter(pk=sam.pk).update(email="sam@firm.example")
    act(ada, "details", sam, email="other@firm.example", first_name="Sam", last_name="")
    deliver_due()
    assert {tuple(sent.to): sent.subject for sent in mail.outbox} == {
        ("other@firm.example",): "[riskadmin] An administrator changed your e-mail address",
        ("sam@firm.example",): "[riskadmin] The e-mail address of your account was changed",
    }
    act(ada, "details", sam, email="", first_name="Sam", last_name="")
    assert set_password(reset_link(ada, sam)) == 303
    act(ada, "remove_role", sam, role="support")

    subjects = list(Message.objects.filter(person=sam, channel=Channel.PAGE).order_by("pk").values_list("subject", flat=True))
    assert subjects == [
        "An administrator changed your e-mail address",
        "An administrator changed your e-mail address",
        "An administrator reset your sign-in",
        "A one-time link was used to set your password",
        "A role was taken from you",
    ]
