"""Every address of the project, opened by somebody whose access does not include what it is about.

The rows are those of the permission matrix, so an address that is added is tried here, too: unless it is listed below as one
that is about no account, it has to answer as it does for something that does not exist.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import redis
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.access.models import AccessLimit
from accounts.approvals.models import Approval
from accounts.changes.models import Change, Item
from accounts.gateway.connections.actions import WorkingConnection
from accounts.models import Account, AccountNote, RiskCategory, Source
from accounts.pages.read_now import Outcome
from riskadmin.staff.models import Staff
from tests.permission_table import TABLE, WHO, Row
from tests.permission_world import World, make_world
from tests.test_permission_matrix import address

pytestmark = pytest.mark.django_db

ABOUT_NO_ACCOUNT: Final = {
    "duty:switch": "people",
    "duty:remove_hours": "people",
    "duty:end_delegation": "people",
    "access:limits": "people",
    "people:detail": "people",
    "story:person": "people; what they did to accounts that are outside is left out",
    "people:details": "people",
    "people:add_role": "people",
    "people:remove_role": "people",
    "people:switch_off": "people",
    "people:switch_on": "people",
    "people:hand_over": "people",
    "people:reset": "people",
    "people:withdraw_link": "people",
    "people:lift_throttle": "people",
    "people:end_sessions": "people",
    "people:decide": "people",
    "sessions:end": "a session",
    "tokens:revoke": "a token",
    "connections:test": "the connection to an environment",
    "connections:replace": "the connection to an environment",
    "approvals:policy_version": "the policy",
    "approvals:decide_policy": "the policy",
    "approvals:withdraw_policy": "the policy",
    "reasons:add": "the firm's reasons",
    "reasons:edit": "the firm's reasons",
    "reasons:move": "the firm's reasons",
    "reasons:retire": "the firm's reasons",
    "reasons:restore": "the firm's reasons",
    "notifications:read": "a message that the person has",
    "notifications:retry": "a message",
    "notifications:test_webhook": "a webhook",
    "notifications:remove_webhook": "a webhook",
    "changes:new": "a kind; the accounts are in the form",
    "changes:name_targets": "a kind; the accounts are in the form",
    "changes:csv_template": "a kind",
    "changes:account_stops": "what is stopped in an environment; the account is not looked up",
    "audit:account_history": "empty, as for a number that the trail does not know",
    "audit:change_history": "empty, as for a number that the trail does not know",
    "limit_templates:detail": "a template, which is the firm's; what it is for is shown within one's access",
    "limit_templates:propose": "a template",
    "limit_templates:apply": "a template; the accounts are in the form",
    "limit_templates:correct": "a template; the accounts are those within one's access",
    "limit_templates:assign": "a template; the form offers what is within one's access",
    "limit_templates:withdraw": "a template",
}
"""The addresses with arguments that name no account, nor anything that has accounts, and what they are about instead."""

ALLOWED: Final = ("supervisor", "support", "compliance", "administrator")


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """What there is to be opened, made once; all of it is on demo, in one program."""
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        Account.objects.update(risk_category=category(1))
        category(2)
        yield world
        transaction.set_rollback(True)


@pytest.fixture
def world(made: World, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same, with an empty Redis and without a Tradovate."""
    monkeypatch.setattr("accounts.pages.views.read_now", lambda _account: Outcome())
    tested = WorkingConnection(seconds=0.1, categories=5)
    monkeypatch.setattr("accounts.gateway.connections.actions.try_connection", lambda **_: tested)
    return made


def category(number: int) -> RiskCategory:
    """A program on demo."""
    return RiskCategory.objects.create(
        environment="demo", tradovate_id=number, name=f"Program {number}", fresh_at=timezone.now(), source=Source.SYNC
    )


LIMITS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "the other environment": lambda: {"environments": ["live"]},
    "another program": lambda: {"categories": [RiskCategory.objects.get(tradovate_id=2).pk]},
    "nothing": dict,
}


def limit(person: Staff, **lists: Any) -> None:
    AccessLimit.objects.update_or_create(person=person, defaults={"environments": [], "categories": [], **lists})


def somebody(row: Row, world: World) -> Staff | None:
    """Somebody whom the permission matrix lets open an address; None if it lets no one, or everybody, also signed out."""
    answers = dict(zip(WHO, row.answers, strict=True))
    if answers["signed out"] != 302:
        return None
    return next((world.people[role] for role in ALLOWED if answers[role] not in {302, 403}), None)


def opened(row: Row, world: World, person: Staff) -> Any:
    client = Client()
    client.force_login(person)
    path = address(row, world)
    if row.method == "GET":
        return client.get(path)
    return client.post(path, urlencode(row.sent(world)), content_type="application/x-www-form-urlencoded")


def text_of(response: Any) -> str:
    content: bytes = b"".join(response) if response.streaming else response.content
    return content.decode()


def done() -> tuple[object, ...]:
    """What somebody may have done to accounts and changes."""
    return (
        Item.objects.count(),
        Approval.objects.count(),
        AccountNote.objects.count(),
        list(Change.objects.order_by("pk").values_list("pk", "state", "priority")),
        list(Item.objects.order_by("pk").values_list("pk", "state", "not_before")),
    )


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row} {number}") for number, row in enumerate(TABLE)])
def test_what_is_outside_does_not_exist(world: World, row: Row, redis_client: redis.Redis) -> None:
    person = somebody(row, world)
    if person is None:
        return
    about_accounts = row.arguments(world) and row.name not in ABOUT_NO_ACCOUNT and not is_template(row, world)
    before = done()
    for name, lists in LIMITS.items():
        begun = transaction.savepoint()
        redis_client.flushdb()
        limit(person, **lists())
        response = opened(row, world, person)
        if about_accounts:
            assert response.status_code == 404, name
        elif response.status_code != 404:
            said = text_of(response)
            assert "KTR50K-" not in said, name
            assert f"/changes/{world.change.pk}/" not in said, name
        if row.name not in {"approvals:decide", "approvals:decide_policy"}:
            assert done() == before, name
        transaction.savepoint_rollback(begun)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row} {number}") for number, row in enumerate(TABLE)])
def test_what_is_within_answers_as_ever(world: World, row: Row, redis_client: redis.Redis) -> None:
    """So nothing above is missing for another reason than the limit."""
    person = somebody(row, world)
    if person is None:
        return
    begun = transaction.savepoint()
    redis_client.flushdb()
    limit(person, categories=[RiskCategory.objects.get(tradovate_id=1).pk])
    expected = dict(zip(WHO, row.answers, strict=True))[next(role for role in ALLOWED if world.people[role] == person)]
    expected = IN_A_PROGRAM.get(row.name, expected)
    assert opened(row, world, person).status_code == expected
    transaction.savepoint_rollback(begun)


IN_A_PROGRAM: Final = {
    "limit_templates:assign": 422,  # to a size: that are accounts of any program
    "limit_templates:unassign": 404,
    # The messages of the whole firm: for administrators with access to every account.
    "notifications:outbox": 403,
    "notifications:retry": 403,
    "notifications:webhooks": 403,
    "notifications:test_webhook": 403,
    "notifications:remove_webhook": 403,
    "notifications:caught_mail": 403,
}
"""What somebody is answered whose access is a program, and not all of demo."""


def is_template(row: Row, world: World) -> bool:
    """Whether a request is about a template."""
    return row.name == "approvals:decide" and row.arguments(world) == (world.version.approval_id,)


def test_the_list_above_names_addresses_that_there_are() -> None:
    assert ABOUT_NO_ACCOUNT.keys() <= {row.name for row in TABLE}
