"""How long a run waits after its last fault: an hour passes again for a stop that was noted late, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import pytest
from django.db import connection
from django.utils import timezone

from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.models.api import ApiHalt
from riskadmin.staff.roles import Role
from tests.changes.world import ask, make_accounts
from tests.faults import runner
from tests.faults.runner import HOURS_MORE, QUIET_WITHIN_S, until_quiet
from tests.faults.world import STOPPED, World
from tests.staff.people import make_person

HOUR = timedelta(hours=1)


@dataclass
class StoppedWorld:
    """A world in which everything waits for an hour to pass, so many times."""

    hours_left: int
    jumps: int = 0

    def is_quiet(self) -> bool:
        return self.hours_left == 0

    def is_stopped(self, for_s: float) -> bool:
        assert for_s == runner.QUIET_WITHIN_S
        return self.hours_left > 0

    def jump(self) -> None:
        self.jumps += 1
        self.hours_left -= 1

    def supervise(self) -> None:
        pass


class Clock:
    """A clock on which only waiting takes time, whatever else the machine does."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "time", Clock())


@pytest.mark.parametrize(
    ("hours", "stops_calls", "jumps"),
    [(0, True, 0), (1, True, 1), (HOURS_MORE, True, HOURS_MORE), (HOURS_MORE + 1, True, HOURS_MORE), (1, False, 0)],
)
def test_an_hour_passes_again_while_calls_are_stopped_and_only_then(*, hours: int, stops_calls: bool, jumps: int) -> None:
    world = StoppedWorld(hours)
    until_quiet(cast("World", world), stops_calls=stops_calls)
    assert world.jumps == jumps
    assert world.is_quiet() == (hours == jumps)


def is_stopped() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(STOPPED, [QUIET_WITHIN_S, QUIET_WITHIN_S])
        return bool(cursor.fetchone()[0])


@pytest.fixture
def change(db: None) -> Change:
    """A change of which one item is queued."""
    make_accounts([1])
    return ask(make_person(Role.SUPPORT), "lock", 1)


def test_what_is_open_and_waits_for_long_is_stopped(change: Change) -> None:
    item = change.items.get()
    assert item.state == ItemState.QUEUED
    assert not is_stopped()
    for held_until, not_before in ((HOUR, None), (None, HOUR), (None, None)):
        now = timezone.now()
        Change.objects.filter(pk=change.pk).update(held_until=now + held_until if held_until else None)
        Item.objects.filter(pk=item.pk).update(not_before=now + not_before if not_before else None)
        assert is_stopped() == bool(held_until or not_before)
    ApiHalt.objects.create(api_user="desk", until=timezone.now() + HOUR, reason="423")
    assert is_stopped()


def test_a_short_wait_is_none(change: Change) -> None:
    Change.objects.filter(pk=change.pk).update(held_until=timezone.now() + timedelta(seconds=60))
    assert not is_stopped()


@pytest.mark.django_db
def test_a_stop_that_nothing_waits_for_is_none() -> None:
    ApiHalt.objects.create(api_user="desk", until=timezone.now() + HOUR, reason="423")
    assert not is_stopped()
