"""Lists say that a running change waits, and until when; "Running" is what makes calls."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from riskadmin.staff.models import Staff
from tests.changes.pages import read_aloud
from tests.changes.stopped import CATEGORY, FREE, IN_AN_HOUR, LOCK, NOW, Stopped, endpoint, everything, outage
from tests.changes.world import ask, make_account, make_accounts, walk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("two_o_clock")]


@pytest.fixture
def lock(client: Client, support: Staff, sent: list[Any]) -> Change:
    """A lock that runs; support looks."""
    client.force_login(support)
    make_account(101)
    return ask(support, "lock", 101)


def states(client: Client) -> set[str]:
    """What both lists say of the only change."""
    found = set()
    for address in (reverse("changes:list"), reverse("home")):
        words = read_aloud(client.get(address))
        table = words[words.index("newest first" if address == reverse("changes:list") else "Latest changes") :]
        found.add(table.partition("Demo ")[2].partition(" Other")[0].strip())
    return found


@pytest.mark.parametrize(
    ("stopped", "said"),
    [
        (Stopped(), "Running"),
        (everything(), "Waiting until 15:00"),
        (endpoint(LOCK), "Waiting until 15:00"),
        (endpoint(LOCK, until=IN_AN_HOUR + timedelta(days=1)), "Waiting until 2026-11-22 15:00"),
        (endpoint(CATEGORY), "Running"),
        (outage(), "Waiting"),
        (Stopped(state=replace(FREE, left_bulk=0, bulk_free_at=IN_AN_HOUR)), "Running"),  # it goes in the urgent lane
    ],
)
def test_a_stop_that_holds_it_up(
    client: Client, lock: Change, stop: Callable[[Stopped], None], stopped: Stopped, said: str
) -> None:
    stop(stopped)
    assert states(client) == {said}


def test_a_hold_of_its_own(client: Client, lock: Change, stop: Callable[[Stopped], None]) -> None:
    stop(Stopped())
    Change.objects.update(held_until=NOW + timedelta(minutes=6), held_why="Penalty")
    assert states(client) == {"Waiting until 14:06"}
    Change.objects.update(held_until=NOW + timedelta(seconds=3))
    assert states(client) == {"Running"}


def test_items_that_are_not_due(client: Client, lock: Change, stop: Callable[[Stopped], None]) -> None:
    stop(Stopped())
    Item.objects.update(not_before=NOW + timedelta(minutes=6))
    assert states(client) == {"Waiting until 14:06"}
    Item.objects.update(not_before=NOW)
    assert states(client) == {"Running"}


def test_an_item_that_only_has_to_be_read_back_is_in_progress(
    client: Client, lock: Change, stop: Callable[[Stopped], None]
) -> None:
    stop(everything())
    walk(Item.objects.get(), ItemState.SENT)
    assert states(client) == {"Running"}


def test_any_number_costs_the_same(client: Client, support: Staff, lock: Change, stop: Callable[[Stopped], None]) -> None:
    stop(everything())

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("changes:list")).status_code == 200
        return len(captured)

    few = cost()
    make_accounts(range(1, 21))
    for number in range(1, 21):
        ask(support, "lock", number)
    assert cost() == few
