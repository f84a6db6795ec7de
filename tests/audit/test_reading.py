"""What people read and take out, previews of what is risky, starts of processes and unused numbers leave events."""

import csv
from typing import Final
from urllib.parse import urlencode

import pytest
import redis
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.changes.numbers import record_unused_numbers
from accounts.gateway.connections.actions import WorkingConnection
from accounts.pages.read_now import Outcome
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from tests.changes.world import LOCKED, ask, make_account
from tests.permission_table import TABLE, WHO
from tests.permission_world import World, make_world
from tests.staff.people import make_person
from tests.test_permission_matrix import address

pytestmark = pytest.mark.django_db

NO_EVENT: Final = {
    "web:columns": "which columns a list shows, in a cookie",
    "web:theme": "the look of the pages, in a cookie",
    "accounts:refresh": "reads Tradovate, which the mirror notes",
    "changes:freeze": "chooses targets; nothing is requested yet",
    "changes:name_targets": "chooses targets; nothing is requested yet",
    "changes:retry": "chooses targets; nothing is requested yet",
    "changes:undo": "chooses targets; nothing is requested yet",
    "execution:selection": "chooses items; nothing is decided yet",
    "limit_templates:apply": "chooses targets; nothing is requested yet",
    "notifications:read": "one's own messages",
    "notifications:read_all": "one's own messages",
    "notifications:test_webhook": "sends a test, which the outbox lists",
    # There is nothing to do in this world, or what does it is replaced here.
    "connections:test": "its action is replaced here",
    "people:end_sessions": "nobody else is signed in here",
    "people:withdraw_link": "there is no link here",
    "reasons:restore": "no reason is retired here",
    "sessions:end_others": "there is no other session here",
    "sign_in:second_factor": "none is asked for here",
}
"""What is posted and leaves no event in this world, and why."""


def of(tag: Tag) -> list[Event]:
    return list(Event.objects.filter(tag=tag).order_by("pk"))


def test_a_sensitive_page_is_recorded_once_an_hour_for_each_person_and_page(client: Client) -> None:
    first, second = make_person(Role.COMPLIANCE), make_person(Role.COMPLIANCE, "second")
    for person in (first, first, second):
        client.force_login(person)
        for page in ("audit:list", "people:list", "people:list", "home"):
            assert client.get(reverse(page)).status_code == 200
    seen = [(event.staff_id, event.detail["page"]) for event in of(Tag.PAGE_VIEWED)]
    assert seen == [(who.pk, page) for who in (first, second) for page in ("audit:list", "people:list")]
    client.force_login(make_person(Role.SUPPORT))
    assert client.get(reverse("audit:list")).status_code == 403
    assert len(of(Tag.PAGE_VIEWED)) == 4


def test_each_file_is_recorded_with_what_it_was_filtered_by(client: Client) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    for _ in range(2):
        answer = client.get(reverse("accounts:csv"), {"environment": "demo"})
        assert list(csv.reader(b"".join(answer).decode().splitlines()))
    assert [event.detail["query"] for event in of(Tag.FILE_EXPORTED)] == ["environment=demo"] * 2
    assert "exported /accounts/accounts.csv with environment=demo" in EventLine(of(Tag.FILE_EXPORTED)[0]).sentence


def test_a_print_has_every_column_its_filter_the_zone_and_who_and_is_an_event(client: Client) -> None:
    support, compliance = make_person(Role.SUPPORT), make_person(Role.COMPLIANCE)
    make_account(101, LOCKED)
    change = ask(support, "unlock", 101, reason_text="He called")
    client.force_login(compliance)
    page = client.get(reverse("audit:print"), {"account": "101", "last": "30"}).content.decode()
    for part in ("Account: 101", "Period: Last 30 days", "America/Chicago", compliance.display_name, "He called", "0" * 32):
        assert part in page, part
    [printed] = of(Tag.TRAIL_PRINTED)
    assert printed.detail["events"] == Event.objects.filter(change_id=change.pk).count() == 1
    assert printed.detail["filter"] == "Period: Last 30 days; Account: 101"
    assert client.get(reverse("audit:print"), {"account": "x" * 65}).status_code == 400
    assert len(of(Tag.TRAIL_PRINTED)) == 1


def test_a_preview_of_what_loosens_is_recorded_once_and_of_what_protects_never(client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    make_account(101, LOCKED)
    make_account(102)
    for kind, number in (("unlock", 101), ("unlock", 101), ("lock", 102)):
        assert client.get(reverse("changes:new", args=[kind]), {"account": f"demo:{number}"}).status_code == 200
    assert [(event.detail["kind"], event.detail["items"]) for event in of(Tag.CHANGE_PREVIEWED)] == [("unlock", 1)]


def test_numbers_that_no_change_has_are_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    support = make_person(Role.SUPPORT)
    for number in (101, 102):
        make_account(number, LOCKED)
    first = ask(support, "unlock", 101)
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('changes_change', 'id')) FROM generate_series(1, 3)")
    second = ask(support, "unlock", 102)
    assert second.pk == first.pk + 4
    assert record_unused_numbers(origin=Origin(job="tests")) == 0  # a request with such a number may still be on its way
    monkeypatch.setattr("accounts.changes.numbers.SETTLED_AFTER_S", -86_400)
    for _ in range(2):
        record_unused_numbers(origin=Origin(job="tests"))
    found = [event.detail for event in of(Tag.CHANGE_NUMBERS_UNUSED)]
    assert found[-1] == {"first": first.pk + 1, "last": first.pk + 3}
    assert len({str(each) for each in found}) == len(found)


def test_every_act_leaves_an_event(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address that does something, by the first person who may: done or refused, something of it is in the trail."""
    monkeypatch.setattr("accounts.pages.views.read_now", lambda _account: Outcome())
    tested = WorkingConnection(seconds=0.1, categories=5)
    monkeypatch.setattr("accounts.gateway.connections.actions.try_connection", lambda **_: tested)
    world: World = make_world()
    without = set()
    for row in TABLE:
        who = next((who for who, answer in zip(WHO, row.answers, strict=True) if who in world.people and answer == 303), None)
        if row.method != "POST" or who is None:
            continue
        begun = transaction.savepoint()
        redis_client.flushdb()
        client = Client()
        client.force_login(world.people[who])
        before = Event.objects.count()
        body = urlencode(row.sent(world), doseq=True)
        client.post(address(row, world), body, content_type="application/x-www-form-urlencoded")
        if Event.objects.count() == before:
            without.add(row.name)
        transaction.savepoint_rollback(begun)
    assert sorted(without - set(NO_EVENT)) == []
