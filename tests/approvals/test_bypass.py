"""Nothing gets round an approval: every attempt by name is refused, nothing is sent, and the attempt of a person is recorded."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from celery import Celery
from django.db import transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.changes.models import Change, Item
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.claim import claim
from accounts.execution.models import Call
from riskadmin.audit.models import Event
from tests.approvals.bypass import ATTEMPTS, LIST, Attempt, by_action, by_page, by_sql, lines
from tests.approvals.bypass.world import World, make_world
from tests.changes.world import ORIGIN

pytestmark = pytest.mark.django_db

assert by_page.page
assert by_action.action
assert by_sql.STATEMENTS


@pytest.fixture(scope="module")
def shared_world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """What attempts are made on, made once: each test's transaction is a savepoint within the one that is rolled back here."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world()
        transaction.set_rollback(True)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, redis_client: redis.Redis) -> list[str]:
    """The tasks that were sent to workers."""
    names: list[str] = []
    monkeypatch.setattr(Celery, "send_task", lambda _app, name, **_: names.append(name))
    return names


def approved(change: Change) -> bool:
    return change.state in {ChangeState.RUNNING, ChangeState.SCHEDULED, ChangeState.PAUSED, ChangeState.STOPPING}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)
def test_it_is_refused(shared_world: World, published: list[str], attempt: Attempt) -> None:
    calls, started = Call.objects.count(), {each.pk for each in Change.objects.all() if approved(each)}
    last = Event.objects.latest("pk").pk

    attempt.run(shared_world)

    assert {each.pk for each in Change.objects.all() if approved(each)} <= started
    for change in Change.objects.exclude(pk=shared_world.alone.pk):
        assert claim(change, calls=10, origin=ORIGIN, read_since=timezone.now() - timedelta(hours=1)) == []
    assert Call.objects.count() == calls
    assert not Item.objects.filter(state=ItemState.SENDING).exists()
    assert not Item.objects.exclude(claimed_at=None).exists()
    assert published == []
    if attempt.leaves_event:
        refusals = Event.objects.filter(pk__gt=last, tag__endswith="refused", staff_id__isnull=False)
        assert refusals.exists()


def test_the_list_in_the_documentation_is_that_of_the_tests() -> None:
    assert len(ATTEMPTS) >= 60
    assert LIST.read_text(encoding="utf-8") == "\n".join(lines())


def test_names_are_unique() -> None:
    names = [str(each) for each in ATTEMPTS]
    assert len(names) == len(set(names))
