"""Rows that vanish from Tradovate's lists: a few may, more than half only if a person vouches for it, by name."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from accounts.models import Account, SyncRun, Trader
from accounts.sync.actions import FEW, sync
from accounts.sync.store import LEFT_OUT_FOR
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.test_sync import content, synced
from tests.simulator.driver import Simulator
from tests.staff.people import make_person

ACCEPTED = Tag.MIRROR_MISSING_ACCEPTED


@pytest.fixture
def few_traders(simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]) -> list[int]:
    """An environment with 6 traders, read into the mirror; their ids."""
    ids = sorted(each["id"] for each in upstream("user"))
    simulator.fault("omit", entity="user", ids=ids[6:])
    simulator.fault("omit", entity="tradingPermission")
    synced()
    assert Trader.objects.count() == 6
    return ids[:6]


@pytest.fixture
def half_gone(simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]) -> int:
    """A mirror of everything, and a Tradovate that leaves out more than half of the traders; how many."""
    synced()
    ids = sorted(each["id"] for each in upstream("user"))
    simulator.fault("omit", entity="user", ids=ids[5:])
    return len(ids) - 5


def later() -> None:
    """Let so much time pass that a row which is left out again is missing."""
    Trader.objects.update(left_out_at=F("left_out_at") - LEFT_OUT_FOR - timedelta(seconds=1))


def missing() -> int:
    return Trader.objects.filter(missing_since__isnull=False).count()


def failure() -> str:
    run = sync(Environment.DEMO)
    assert run is not None
    return run.failure


def accept(username: str) -> str:
    out = StringIO()
    call_command("sync_mirror", "demo", "--operator", "tests", "--accept-missing", username, stdout=out)
    return out.getvalue()


def test_a_few_rows_may_vanish_even_if_they_are_most_of_an_environment(simulator: Simulator, few_traders: list[int]) -> None:
    simulator.fault("omit", entity="user", ids=few_traders[1:])

    synced()
    assert Trader.objects.exclude(left_out_at=None).count() == FEW == 5
    assert missing() == 0  # one answer proves nothing yet
    later()
    synced()
    assert missing() == 5
    assert not Event.objects.filter(tag=ACCEPTED).exists()


def test_an_empty_list_is_no_evidence_about_even_a_few(simulator: Simulator, few_traders: list[int]) -> None:
    Trader.objects.exclude(tradovate_id=few_traders[0]).update(missing_since=F("fresh_at"))
    before = content()
    simulator.fault("omit", entity="user", ids=few_traders)

    assert failure() == "1 of 1 traders are missing from what Tradovate answered. Nothing was stored."
    assert content() == before


def test_more_than_a_few_are_refused_until_a_person_accepts_it_once(simulator: Simulator, half_gone: int) -> None:
    administrator = make_person(Role.ADMINISTRATOR)
    total = Trader.objects.count()
    refusal = f"{half_gone} of {total} traders are missing from what Tradovate answered. Nothing was stored."
    for _ in range(2):
        assert failure() == refusal
    assert not Trader.objects.exclude(left_out_at=None).exists()

    assert accept("administrator").startswith("demo: ")

    event = Event.objects.get(tag=ACCEPTED)
    assert (event.staff_id, event.staff_name, event.job) == (administrator.pk, administrator.display_name, "sync_mirror")
    assert event.detail == {"environment": "demo", "missing": {"traders": f"{half_gone} of {total}"}}
    # The next full reads go on by themselves.
    assert missing() == 0
    assert failure() == ""
    later()
    assert failure() == ""
    assert missing() == half_gone
    assert Event.objects.filter(tag=ACCEPTED).count() == 1


def test_what_was_accepted_covers_no_other_rows(simulator: Simulator, half_gone: int) -> None:
    make_person(Role.SUPERVISOR)
    accept("supervisor")
    simulator.fault("omit", entity="account")
    before = content()

    assert f"{Account.objects.filter(archived=False).count()} accounts are missing" in failure()
    assert content() == before


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.COMPLIANCE, None])
def test_nothing_is_accepted_in_the_name_of_anyone_else(simulator: Simulator, half_gone: int, role: Role | None) -> None:
    if role:
        make_person(role, "somebody")
    before, runs = content(), SyncRun.objects.count()

    with pytest.raises(CommandError, match="somebody is not an active supervisor or administrator"):
        accept("somebody")

    assert content() == before
    assert SyncRun.objects.count() == runs
    assert not Event.objects.filter(tag=ACCEPTED).exists()


def test_nothing_is_recorded_when_nothing_was_missing(simulator: Simulator) -> None:
    make_person(Role.ADMINISTRATOR)
    accept("administrator")
    assert not Event.objects.filter(tag=ACCEPTED).exists()
