"""The throttle against guessing: ten failures for one person at one place, and no one can stop somebody else with it."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse

from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.staff.sign_in import throttle
from riskadmin.staff.sign_in.actions import UNKNOWN_RECORDED, lift_throttle
from riskadmin.staff.sign_in.models import Attempt
from riskadmin.staff.sign_in.throttle import Place, network_of
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

SIGN_IN = reverse("staff:sign_in")
HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def person() -> Staff:
    return make_person(Role.SUPPORT)


def tries(client: Client, count: int, *, username: str = "support", password: str = "wrong", address: str = HERE) -> list[int]:
    fields = {"username": username, "password": password}
    return [client.post(SIGN_IN, fields, REMOTE_ADDR=address).status_code for _ in range(count)]


def guesses(count: int, *, username: str = "support") -> None:
    """Fail from as many networks as there are guesses; those that the throttle refuses are not counted."""
    for number in range(count):
        attempt = throttle.admit(username=username, place=Place(network=f"203.0.113.{number}"))
        if attempt:
            throttle.settle(attempt.pk, Attempt.Outcome.FAILED)


def signs_in(client: Client, *, address: str = HERE) -> bool:
    return tries(client, 1, password=PASSWORD, address=address) == [303]


def later(**span: float) -> None:
    """Let time pass: every attempt so far becomes older."""
    Attempt.objects.update(attempted_at=F("attempted_at") - timedelta(**span))


def refusals() -> list[Event]:
    return list(Event.objects.filter(tag=Tag.STAFF_SIGN_IN_REFUSED).order_by("id"))


def test_ten_failures_at_one_place_stop_the_person_there(client: Client) -> None:
    tries(client, 10)

    assert not signs_in(client)
    assert "_auth_user_id" not in client.session


def test_they_do_not_stop_the_person_elsewhere(client: Client) -> None:
    tries(client, 10, address=THERE)
    assert signs_in(client)


def test_they_stop_no_one_else_behind_the_same_address(client: Client) -> None:
    make_person(Role.SUPERVISOR)
    tries(client, 10)
    for number in range(40):
        tries(client, 1, username=f"guess{number}")
    assert tries(client, 1, username="supervisor", password=PASSWORD) == [303]


def test_a_known_device_is_not_stopped_by_failures_of_others_at_the_same_address(client: Client) -> None:
    signs_in(client)
    client.post(reverse("staff:sign_out"))
    tries(Client(), 10)

    assert not signs_in(Client())
    assert signs_in(client)


def test_a_known_device_is_not_stopped_by_guesses_from_everywhere(client: Client) -> None:
    signs_in(client)
    client.post(reverse("staff:sign_out"))
    guesses(120)

    assert not signs_in(Client(), address=THERE)
    assert signs_in(client, address=THERE)


def test_a_known_device_has_ten_failures_of_its_own(client: Client) -> None:
    signs_in(client)
    client.post(reverse("staff:sign_out"))
    tries(client, 5)
    tries(client, 5, address=THERE)

    assert not signs_in(client)
    assert signs_in(Client())


def test_a_device_is_known_for_those_who_signed_in_on_it_only(client: Client) -> None:
    make_person(Role.SUPERVISOR)
    signs_in(client)
    client.post(reverse("staff:sign_out"))
    tries(Client(), 10, username="supervisor")

    assert tries(client, 1, username="supervisor", password=PASSWORD) == [422]


@pytest.mark.parametrize("forged", ["", "x", "eyJuYW1lIjoiYSIsInBlb3BsZSI6eyIxIjo5OTk5OTk5OTk5fX0:1aaaaa:AAAA"])
def test_a_forged_device_is_an_unknown_one(client: Client, forged: str) -> None:
    tries(client, 10)
    client.cookies["device"] = forged
    assert not signs_in(client)


def test_guesses_from_many_networks_make_unknown_devices_wait_longer_and_longer(client: Client) -> None:
    guesses(throttle.FAILURES_ELSEWHERE - 1)
    new = Place(network=HERE)
    assert throttle.remaining(username="support", place=new) is None

    waits = []
    for _ in range(8):
        guesses(1)
        wait = throttle.remaining(username="support", place=new)
        assert wait is not None
        waits.append(round(wait / timedelta(seconds=30)))
        later(minutes=15)
        assert throttle.remaining(username="support", place=new) is None
        for _ in range(throttle.STEP - 1):
            guesses(1)
            later(minutes=15)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_success_clears_the_failures_of_its_place_only(client: Client) -> None:
    tries(client, 9)
    tries(Client(), 9, address=THERE)
    assert signs_in(Client())
    tries(Client(), 9)
    assert signs_in(Client())

    tries(Client(), 1, address=THERE)
    assert not signs_in(Client(), address=THERE)


def test_a_right_password_of_ones_own_does_not_clear_failures_for_others(client: Client) -> None:
    make_person(Role.SUPERVISOR)
    tries(client, 9, username="supervisor")
    assert signs_in(client)
    tries(client, 1, username="supervisor")
    assert tries(client, 1, username="supervisor", password=PASSWORD) == [422]


def test_it_holds_for_fifteen_minutes_and_no_longer(client: Client) -> None:
    tries(client, 10)
    later(minutes=14, seconds=50)
    assert not signs_in(client)
    later(seconds=11)
    assert signs_in(client)


def test_after_it_one_more_failure_does_not_stop_again(client: Client) -> None:
    tries(client, 10)
    later(minutes=15, seconds=1)
    tries(client, 1)
    assert signs_in(client)


def test_failures_further_apart_than_the_window_do_not_stop(client: Client) -> None:
    tries(client, 5)
    later(minutes=15, seconds=1)
    tries(client, 5)
    assert signs_in(client)


def test_trying_on_meanwhile_does_not_lengthen_it(client: Client) -> None:
    tries(client, 10)
    later(minutes=10)
    tries(client, 20)
    later(minutes=5, seconds=1)
    assert signs_in(client)


def test_the_trail_shows_when_it_began_and_can_not_be_flooded(client: Client) -> None:
    tries(client, 30)

    events = refusals()
    assert len(events) == 10
    assert [("locked_until" in event.detail) for event in events] == [False] * 9 + [True]
    assert Attempt.objects.count() == 10


def test_unknown_usernames_can_not_flood_the_trail_either(client: Client) -> None:
    for number in range(UNKNOWN_RECORDED + 5):
        tries(client, 1, username=f"guess{number}")
    assert len(refusals()) == UNKNOWN_RECORDED

    tries(client, 1)
    assert len(refusals()) == UNKNOWN_RECORDED + 1  # somebody who exists is always written


def test_unknown_usernames_are_throttled_alike(client: Client) -> None:
    answers = [
        client.post(SIGN_IN, {"username": name, "password": "wrong"}) for name in ("nobody", "support") for _ in range(11)
    ]

    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.context["form"].non_field_errors()[0] for answer in answers}) == 1
    assert [Attempt.objects.filter(username_digest=throttle.digest_of(name)).count() for name in ("NOBODY ", "support")] == [
        10,
        10,
    ]


def test_an_administrator_lifts_it(client: Client, person: Staff) -> None:
    administrator = make_person(Role.ADMINISTRATOR)
    tries(client, 10)
    guesses(40)

    lift_throttle(administrator, origin=Origin(job="tests"), person=person)

    assert signs_in(client)
    [event] = Event.objects.filter(tag=Tag.STAFF_THROTTLE_LIFTED)
    assert event.staff_id == administrator.pk
    assert event.detail == {"username": "support", "staff_id": person.pk, "failures": throttle.FAILURES_ELSEWHERE}


def test_an_ipv6_household_is_one_network() -> None:
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of(None) == ""


def test_old_attempts_are_forgotten(client: Client) -> None:
    tries(client, 3)
    later(days=1, seconds=1)
    tries(client, 1)
    assert Attempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_attempts_sent_at_once_do_not_outrun_the_count() -> None:
    admitted: list[Attempt | None] = []
    start = threading.Barrier(12)

    def attempt() -> None:
        try:
            start.wait(timeout=20)
            admitted.append(throttle.admit(username="support", place=Place(network=HERE)))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    # None of them has ended yet, so each counts as failed.
    assert sum(one is not None for one in admitted) == 10
    assert len(admitted) == 12
