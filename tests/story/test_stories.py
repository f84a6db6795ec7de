"""Stories: in order, each change once, with who allowed it and what came of it, and nothing that the viewer may not see."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.access.models import AccessLimit
from accounts.changes.models import Change, Item
from accounts.changes.states import ItemState
from accounts.models import Account, MirrorMove, MoveSubject, Source, Trader
from accounts.story.entries import ChangeEntry, EventEntry, MoveEntry
from accounts.story.queries import PAGE
from riskadmin.audit.origin import Subject
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.audit.events import write
from tests.changes.world import LOCKED, approve, ask, make_account, make_accounts, open_item
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
ACCOUNT = reverse("story:account", args=["demo", 101])


@pytest.fixture
def support() -> Staff:
    return make_person(Role.SUPPORT)


@pytest.fixture
def supervisor() -> Staff:
    return make_person(Role.SUPERVISOR)


@pytest.fixture
def compliance(client: Client) -> Client:
    client.force_login(make_person(Role.COMPLIANCE))
    return client


def entries(client: Client, address: str, **query: str) -> list[Any]:
    response = client.get(address, query)
    assert response.status_code == 200
    shown: list[Any] = list(response.context["shown"].entries)
    return shown


def words(client: Client, address: str) -> str:
    response = client.get(address, headers=HTMX)
    assert response.status_code == 200
    assert b"<html" not in response.content
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def move(account: Account, days: int, before: str, after: str) -> MirrorMove:
    at = timezone.now() - timedelta(days=days)
    fields = {"admin_action": [before, after], "admin_at": [None, None], "liquidate_only_at": [None, None]}
    return MirrorMove.objects.create(
        account=account, subject=MoveSubject.STATUS, fields=fields, known_at=at, read_at=at, source=Source.SYNC
    )


def test_an_account_s_story_has_each_change_once_with_who_allowed_it(
    compliance: Client, support: Staff, supervisor: Staff
) -> None:
    trader = Trader.objects.create(
        environment="demo", tradovate_id=77, name="ana.garcia", fresh_at=timezone.now(), source=Source.SYNC
    )
    account = make_account(101, LOCKED, trader=trader)
    make_accounts(range(102, 163), LOCKED)
    seen = move(account, 2, "Normal", "LockTradingImmediately")
    bulk = ask(support, "unlock", *range(101, 162), reason_text="Runaway")
    approve(supervisor, bulk, comment="Go on")
    ask(support, "unlock", 162)
    subject = Subject(environment="demo", account_id=101, account_name=account.name)
    note = write(Tag.ACCOUNT_NOTED, subject=subject, detail={"text": "Called them"})

    for address in (ACCOUNT, reverse("story:trader", args=["demo", 77])):
        found = entries(compliance, address)
        shown = [
            (type(each), getattr(each, "change", None) or (getattr(each, "line", None) and each.line.event)) for each in found
        ]
        assert shown == [(EventEntry, note), (ChangeEntry, bulk), (MoveEntry, None)], address
        assert found[2].move == seen
        said = words(compliance, address)
        for part in ("Unlock 61 accounts", "Requested by", "Approved by", "Called them", "Locked (no orders)", "“ Runaway ”"):
            assert part in said.replace("“Runaway”", "“ Runaway ”"), part
        assert [each.at for each in entries(compliance, address, last="7")] == [each.at for each in found]
        day = (timezone.now() - timedelta(days=1)).isoformat()
        assert [type(each) for each in entries(compliance, address, before=day)] == [MoveEntry]
    assert compliance.get(ACCOUNT, {"last": "8"}).status_code == 422
    assert compliance.get(ACCOUNT, {"older": "yesterday"}).status_code == 400


def test_a_change_shows_step_by_step_what_was_asked_allowed_and_found(
    compliance: Client, support: Staff, supervisor: Staff
) -> None:
    account = make_account(101, LOCKED)
    make_account(102, LOCKED)
    change = ask(support, "unlock", 101, 102, reason_text="Runaway")
    approve(supervisor, change, comment="Go on")
    item = Item.objects.get(change=change, account=account)
    shown = words(compliance, reverse("story:change", args=[change.pk]))
    for part in ("Requested by", support.display_name, "Runaway", "Approved by", supervisor.display_name, "Go on"):
        assert part in shown, part
    assert "0 of 2 accounts moved in the mirror" in shown
    shown = words(compliance, reverse("story:item", args=[item.pk]))
    assert account.name in shown
    assert "The mirror has not seen it move in this time" in shown
    open_item(support, make_account(103), "lock", ItemState.APPLIED)
    done = Change.objects.latest("pk")
    assert "Policy asked for no approval" in words(compliance, reverse("story:account", args=["demo", 103])), done


def test_a_person_s_story_is_what_they_did_and_not_what_was_sent_for_it(compliance: Client, supervisor: Staff) -> None:
    support = make_person(Role.SUPPORT)
    make_accounts(range(101, 161), LOCKED)
    change = ask(support, "unlock", *range(101, 161))
    approve(supervisor, change)
    tags = [each.line.event.tag for each in entries(compliance, reverse("story:person", args=[supervisor.pk]))]
    assert tags == [Tag.CHANGE_APPROVED]
    assert [each.line.event.tag for each in entries(compliance, reverse("story:person", args=[support.pk]))] == [
        Tag.CHANGE_SUBMITTED
    ]


def test_what_the_viewer_may_not_see_is_left_out(client: Client, support: Staff) -> None:
    viewer = make_person(Role.COMPLIANCE)
    client.force_login(viewer)
    AccessLimit.objects.create(person=viewer, environments=["live"], categories=[])
    make_account(101, environment="live")
    make_account(101, LOCKED)
    ask(support, "unlock", 101)
    assert client.get(ACCOUNT).status_code == 404
    assert entries(client, reverse("story:account", args=["live", 101])) == []
    assert entries(client, reverse("story:person", args=[support.pk])) == []


def test_its_pages_follow_each_other_and_cost_the_same(
    compliance: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    account = make_account(101)
    for days in range(PAGE + 5):
        move(
            account,
            days,
            "Normal" if days % 2 else "LockTradingImmediately",
            "LockTradingImmediately" if days % 2 else "Normal",
        )
    first = compliance.get(ACCOUNT)
    older = first.context["shown"].older
    with django_assert_num_queries(8):
        second = entries(compliance, ACCOUNT, older=older.isoformat())
    both = [each.move.pk for each in (*first.context["shown"].entries, *second)]
    assert len(second) == 5
    assert both == list(MirrorMove.objects.order_by("-read_at").values_list("pk", flat=True))
    assert f"older={older.isoformat()}".replace("+", "%2B").replace(":", "%3A") in first.content.decode()
