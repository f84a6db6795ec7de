"""Who may open what: one table over every address of the project and every role, and proof that a refusal did nothing."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
from django.apps import apps
from django.contrib.auth.models import update_last_login
from django.contrib.auth.signals import user_logged_in
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import DjangoDbBlocker

from accounts.gateway.connections.actions import WorkingConnection
from accounts.pages.read_now import Outcome
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.read_pages import EMPTY
from riskadmin.staff.roles import Role
from riskadmin.staff.sessions.models import StaffSession
from riskadmin.web.access import mark_of
from tests.permission_table import TABLE, WHO, Row
from tests.permission_world import World, make_world
from tests.staff.people import make_proof_old

pytestmark = pytest.mark.django_db

ASKED_BY_CONTENT = {"changes:new", "approvals:edit_policy"}
"""Addresses that ask for a recent proof depending on what is sent."""

OF_READING = (*(Tag.PAGE_VIEWED.value, Tag.FILE_EXPORTED.value), *(Tag.TRAIL_PRINTED.value, Tag.CHANGE_PREVIEWED.value))
"""The events of what people only read."""

Rows = dict[str, str | None]
"""A digest of the rows of each table."""


@pytest.fixture(scope="module")
def untouched(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[tuple[World, Rows]]:
    """What there is to be opened, made once, and a digest of it: each test's transaction is a savepoint within this one."""
    uid = "update_last_login"
    user_logged_in.disconnect(dispatch_uid=uid)  # signing in changes no row but the session's
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        yield world, everything()
        transaction.set_rollback(True)
    user_logged_in.connect(update_last_login, dispatch_uid=uid)


@pytest.fixture
def world(untouched: tuple[World, Rows], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> World:
    """What there is to be opened, with an empty Redis and without a Tradovate."""
    monkeypatch.setattr("accounts.pages.views.read_now", lambda _account: Outcome())
    tested = WorkingConnection(seconds=0.1, categories=5)
    monkeypatch.setattr("accounts.gateway.connections.actions.try_connection", lambda **_: tested)
    return untouched[0]


@pytest.fixture
def before(untouched: tuple[World, Rows]) -> Rows:
    """A digest of the world as every test finds it."""
    return untouched[1]


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row} {number}") for number, row in enumerate(TABLE)])
def test_it_answers_as_the_table_says(world: World, before: Rows, redis_client: redis.Redis, row: Row) -> None:
    for who, expected in zip(WHO, row.answers, strict=True):
        redis_client.flushdb()
        begun = transaction.savepoint()  # the same world for everybody: what one has done is taken back
        answers(row, expected, world, before, who)
        transaction.savepoint_rollback(begun)


def answers(row: Row, expected: int, world: World, before: Rows, who: str) -> None:
    """Open an address as one person, or signed out, with and without htmx; what is refused must change nothing."""
    client = Client()
    sent = row.sent(world)
    if who in world.people:
        client.force_login(world.people[who])

    for headers in ({}, {"HX-Request": "true"}) if expected in {302, 403} else ({},):
        response = client.generic(
            row.method,
            address(row, world),
            **_body(row.method, sent),
            headers=headers,
        )
        if expected == 302 and headers:
            assert (response.status_code, response["X-Session"]) == (401, "sign-in"), who
        else:
            assert response.status_code == expected, who
            is_file = response.get("Content-Disposition", "").startswith("attachment") and row.name not in EMPTY
            assert row.asks_proof or not is_file, "a file asks for a recent proof"
        if expected == 302 and not headers:
            assert response["Location"].split("?")[0] == reverse("staff:sign_in")

    if expected in {302, 403, 409} or row.method == "GET":
        assert everything() == before, who
    if expected in {403, 404, 409} and row.method == "POST" and who in world.people:
        assert Event.objects.filter(tag__endswith=":refused").count() == (2 if expected == 403 else 1), who


@pytest.mark.parametrize("row", [row for row in TABLE if row.asks_proof], ids=str)
def test_with_an_old_proof_it_asks_for_another_and_does_nothing(
    world: World, before: Rows, redis_client: redis.Redis, row: Row
) -> None:
    for who, expected in zip(WHO, row.answers, strict=True):
        if expected in {302, 403}:
            continue  # who may not open it at all is told that first
        client = Client()
        client.force_login(world.people[who])
        make_proof_old(client)
        sent = {**_body(row.method, row.sent(world)), "headers": {"Referer": "http://testserver/home/?a=1"}}
        asked = client.generic(row.method, address(row, world), **sent)
        by_script = client.generic(row.method, address(row, world), **{**sent, "headers": {"HX-Request": "true"}})
        assert (asked.status_code, asked["Location"].split("?")[0]) == (303, reverse("sessions:prove")), who
        assert (by_script.status_code, by_script["X-Session"]) == (401, "prove"), who
        assert everything() == before, who


def test_the_table_says_of_every_address_whether_it_asks_for_a_recent_proof() -> None:
    marks = {name: mark_of(view) for name, view in views()}
    for row in TABLE:
        mark = marks[row.name]
        assert mark is not None
        if mark.wants_proof(row.method):
            assert row.asks_proof, row
        elif row.asks_proof:
            assert row.name in ASKED_BY_CONTENT, row


@pytest.mark.parametrize("row", [row for row in TABLE if row.method == "POST"], ids=str)
def test_every_post_needs_the_token_of_its_form(world: World, before: Rows, row: Row) -> None:
    strict = Client(enforce_csrf_checks=True)
    for person in world.people.values():
        strict.force_login(person)
        response = strict.post(address(row, world), row.sent(world))
        assert response.status_code == 403
    assert everything() == before


def test_compliance_may_do_nothing_but_look() -> None:
    compliance = WHO.index(Role.COMPLIANCE.value)
    sessions = {row.name for row in TABLE if row.name.startswith("sessions:")}
    own = {"tokens:page", "notifications:read", "notifications:read_all", "notifications:settings", "approvals:comment"}
    own |= {"preferences:page"}
    frame = (
        {"web:theme", "web:columns", "staff:sign_in", "staff:sign_out", "accounts:refresh", "reasons:download", "audit:exports"}
        | {"people:welcome"}
        | own
        | sessions
    )
    frame |= {row.name for row in TABLE if row.name.startswith("sign_in:")}
    assert {row.answers[compliance] for row in TABLE if row.method == "POST" and row.name not in frame} == {403}


def test_every_address_has_a_row() -> None:
    pages = {name for name in names() if not name.startswith("api:")}  # tests/api has a table of its own for programs
    assert sorted({row.name for row in TABLE}) == sorted(pages)


def test_every_view_that_takes_a_form_has_a_row_for_it(client: Client, world: World) -> None:
    """GET on a POST row's address, and POST on a GET row's, is either in the table too or refused as a method."""
    known = {(row.method, row.name) for row in TABLE}
    for row in TABLE:
        other = "POST" if row.method == "GET" else "GET"
        if (other, row.name) in known:
            continue
        for person in world.people.values():
            client.force_login(person)
            response = client.generic(other, address(row, world))
            assert response.status_code in {403, 405}, row


def names() -> Iterator[str]:
    """The name of every address."""
    return (name for name, _ in views())


def views(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, Callable[..., object]]]:
    """The name and view of every address; one without a name can't be walked, and is a fault."""
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLPattern):
            assert each.name, each.pattern
            yield prefix + each.name, each.callback
        else:
            yield from views(each, f"{prefix}{each.namespace}:" if each.namespace else prefix)


def address(row: Row, world: World) -> str:
    path = reverse(row.name, args=row.arguments(world))
    sent = row.sent(world)
    if row.method == "GET" and "account" in sent:
        return f"{path}?account={sent['account']}"
    query = row.query(world)
    return f"{path}?{urlencode(query)}" if query else path


def everything() -> Rows:
    """A digest of every row of every table, but for sessions, since the test itself signs in, and events of refusals and reads."""
    tables = [model._meta.db_table for model in apps.get_models() if model is not StaffSession and model._meta.managed]
    digest = "SELECT '{0}', md5(string_agg(one::text, '|' ORDER BY one::text)) FROM {0} AS one"
    queries = [digest.format(table) for table in tables if table != Event._meta.db_table]
    events = f"{digest.format(Event._meta.db_table)} WHERE one.tag NOT LIKE '%:refused' AND one.tag NOT IN {OF_READING}"
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([*queries, events]))
        return dict(cursor.fetchall())


def _body(method: str, sent: dict[str, Any]) -> dict[str, Any]:
    if method == "GET":
        return {}
    return {"data": urlencode(sent), "content_type": "application/x-www-form-urlencoded"}
