"""People, policy and a broker that keeps quiet; what no one asks for is not there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from celery import Celery
from django.test import Client
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import CAPABILITIES, Role
from tests.approvals.policies import SUPERVISOR, add_rule
from tests.changes.fake_kind import FakeKind
from tests.changes.stopped import NOW, Stopped, connect
from tests.staff.people import make_person


@pytest.fixture
def support(db: None) -> Staff:
    """A person who asks."""
    return make_person(Role.SUPPORT)


@pytest.fixture
def supervisor(db: None) -> Staff:
    """A person who decides."""
    return make_person(Role.SUPERVISOR)


@pytest.fixture
def second_supervisor(db: None) -> Staff:
    """Another person who decides."""
    return make_person(Role.SUPERVISOR, "supervisor2")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int], str]]:
    """What was sent to the broker: task, arguments, queue. Nothing arrives anywhere."""
    messages: list[tuple[str, list[int], str]] = []

    def keep(_app: Celery, name: str, *, args: list[int], queue: str, **_: Any) -> None:
        messages.append((name, args, queue))

    monkeypatch.setattr(Celery, "send_task", keep)  # of whichever app a thread takes for the current one
    return messages


@pytest.fixture
def support_client(client: Client, support: Staff, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> Client:
    """Support's browser, with the fake kind to ask for."""
    kind = FakeKind()
    monkeypatch.setitem(KINDS, kind.name, kind)
    for role in (Role.SUPPORT, Role.SUPERVISOR):
        monkeypatch.setitem(CAPABILITIES, role, CAPABILITIES[role] | {kind.capability})
    add_rule(kinds=(kind.name,), stages=SUPERVISOR)
    client.force_login(support)
    return client


@pytest.fixture
def two_o_clock() -> Iterator[None]:
    """Two o'clock in Chicago, where the clock stands still."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[[Stopped], None]:
    """Have something stopped."""
    return lambda stopped: connect(monkeypatch, settings, stopped)
