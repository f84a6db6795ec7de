"""The lock-out against guessing: exactly ten, for exactly fifteen minutes, also when all come at once."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse

from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff import lockout
from riskadmin.staff.models import SignInAttempt, Staff
from riskadmin.staff.roles import Role
from tests.staff.people import PASSWORD, make_person

pytestmark = pytest.mark.django_db

SIGN_IN = reverse("staff:sign_in")
HERE = "192.0.2.1"


@pytest.fixture(autouse=True)
def person() -> Staff:
    return make_person(Role.SUPPORT)


def tries(client: Client, count: int, *, username: str = "support", password: str = "wrong", address: str = HERE) -> list[int]:
    fields = {"username": username, "password": password}
    return [client.post(SIGN_IN, fields, REMOTE_ADDR=address).status_code for _ in range(count)]


def later(**span: float) -> None:
    """Let time pass: every try so far becomes older."""
    SignInAttempt.objects.update(attempted_at=F("attempted_at") - timedelta(**span))


def refusals() -> list[Event]:
    return list(Event.objects.filter(tag=Tag.STAFF_SIGN_IN_REFUSED).order_by("id"))


def test_the_tenth_failure_locks_the_username_everywhere(client: Client) -> None:
    tries(client, 5, address="192.0.2.2")
    tries(client, 4, address="192.0.2.3")
    assert lockout.remaining(username="support", address=HERE) is None

    tries(client, 1, address="192.0.2.4")
    assert tries(client, 1, password=PASSWORD) == [422]
    assert "_auth_user_id" not in client.session


def test_a_success_wipes_the_slate_of_the_username(client: Client) -> None:
    tries(client, 9, address="192.0.2.2")
    tries(client, 1, password=PASSWORD)
    client.logout()
    tries(client, 9, address="192.0.2.3")
    assert tries(client, 1, password=PASSWORD) == [303]


def test_ten_failures_lock_the_address_whatever_the_usernames(client: Client) -> None:
    for number in range(10):
        tries(client, 1, username=f"guess{number}")
    assert tries(client, 1, password=PASSWORD) == [422]
    assert tries(client, 1, password=PASSWORD, address="192.0.2.2") == [303]


def test_a_success_does_not_wipe_the_slate_of_the_address(client: Client) -> None:
    for number in range(9):
        tries(client, 1, username=f"guess{number}")
    tries(client, 1, password=PASSWORD)
    client.logout()
    tries(client, 1, username="guess10")
    assert tries(client, 1, password=PASSWORD) == [422]


def test_it_holds_for_fifteen_minutes_and_no_longer(client: Client) -> None:
    tries(client, 10)
    later(minutes=14, seconds=50)
    assert tries(client, 1, password=PASSWORD) == [422]
    later(seconds=11)
    assert tries(client, 1, password=PASSWORD) == [303]


def test_after_it_one_more_failure_does_not_lock_again(client: Client) -> None:
    tries(client, 10)
    later(minutes=15, seconds=1)
    tries(client, 1)
    assert tries(client, 1, password=PASSWORD) == [303]


def test_failures_further_apart_than_the_window_do_not_lock(client: Client) -> None:
    tries(client, 5)
    later(minutes=15, seconds=1)
    tries(client, 5)
    assert tries(client, 1, password=PASSWORD) == [303]


def test_trying_on_while_locked_does_not_lengthen_it(client: Client) -> None:
    tries(client, 10)
    later(minutes=10)
    tries(client, 20)
    later(minutes=5, seconds=1)
    assert tries(client, 1, password=PASSWORD) == [303]


def test_the_trail_shows_when_it_began_and_can_not_be_flooded(client: Client) -> None:
    tries(client, 30)

    events = refusals()
    assert len(events) == 10
    assert [("locked_until" in event.detail) for event in events] == [False] * 9 + [True]
    assert SignInAttempt.objects.count() == 10


def test_unknown_usernames_are_locked_out_alike(client: Client) -> None:
    for number in range(10):
        tries(client, 1, username="nobody", address=f"192.0.2.{number + 10}")
    assert lockout.admit(username="NOBODY ", address="192.0.2.99") is None


def test_without_an_address_only_the_username_counts() -> None:
    for number in range(10):
        lockout.admit(username=f"guess{number}", address=None)
    assert lockout.admit(username="support", address=None) is not None


def test_old_tries_are_forgotten(client: Client) -> None:
    tries(client, 3)
    later(days=1, seconds=1)
    tries(client, 1)
    assert SignInAttempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_tries_sent_at_once_do_not_outrun_the_count() -> None:
    admitted: list[SignInAttempt | None] = []
    start = threading.Barrier(12)

    def attempt() -> None:
        try:
            start.wait(timeout=20)
            admitted.append(lockout.admit(username="support", address=HERE))
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
