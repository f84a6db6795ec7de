"""The audit page filtered by an account or trader finds who allowed what was done to it, and nothing about others."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.tracking import control
from accounts.models import Source, Trader
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from tests.changes.world import LOCKED, ORIGIN, approve, ask, make_account
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

AUDIT = reverse("audit:list")


@pytest.fixture
def compliance(client: Client) -> Client:
    client.force_login(make_person(Role.COMPLIANCE))
    return client


def found(client: Client, **filters: str) -> set[tuple[str, int | None]]:
    """What the page lists: each event's tag and change."""
    response = client.get(AUDIT, filters)
    assert response.status_code == 200
    return {(line.event.tag, line.event.change_id) for line in response.context["table"].rows}


def test_approvals_and_acts_on_its_changes_are_found_and_those_of_others_are_not(compliance: Client) -> None:
    support, supervisor = make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)
    trader = Trader.objects.create(
        environment="demo", tradovate_id=77, name="ana.garcia", fresh_at=timezone.now(), source=Source.SYNC
    )
    make_account(101, LOCKED, trader=trader)
    for number in (102, 103):
        make_account(number, LOCKED)
    both = ask(support, "unlock", 101, 102)
    other = ask(support, "unlock", 103)
    approve(supervisor, both)
    control.pause(actor=supervisor, origin=ORIGIN, change_id=both.pk)
    approve(supervisor, other)

    acts = {(tag.value, both.pk) for tag in (Tag.CHANGE_SUBMITTED, Tag.CHANGE_APPROVED, Tag.CHANGE_PAUSED)}
    for filters in ({"account": "101"}, {"account": "ktr50k-000101"}, {"trader": "ANA.GARCIA"}, {"trader": "77"}):
        assert acts <= found(compliance, **filters), filters
        assert not {change for _, change in found(compliance, **filters)} - {both.pk, None}, filters
    assert found(compliance, account="101", what=Tag.CHANGE_APPROVED) == {(Tag.CHANGE_APPROVED, both.pk)}
    assert found(compliance, account="101", environment="live") == set()
    assert found(compliance, trader="nobody") == found(compliance, account="104") == set()
    assert Event.objects.filter(account_id=101, tag=Tag.CHANGE_APPROVED).count() == 0


def test_a_bulk_change_does_not_flood_the_page_nor_its_accounts(compliance: Client) -> None:
    support = make_person(Role.SUPPORT)
    for number in range(101, 161):
        make_account(number, LOCKED)
    bulk = ask(support, "unlock", *range(101, 161))
    own = Event(tag=Tag.ITEM_SETTLED, change_id=bulk.pk, item_id=1, environment="demo", account_id=101, account_name="A")
    others = [
        Event(tag=Tag.ITEM_SETTLED, change_id=bulk.pk, item_id=number, environment="demo", account_id=number)
        for number in range(102, 161)
    ]
    Event.objects.bulk_create([own, *others])
    listed = compliance.get(AUDIT).context["table"].rows
    assert [line.event.tag for line in listed if line.event.change_id] == [Tag.CHANGE_SUBMITTED]
    of_account = compliance.get(AUDIT, {"account": "101"}).context["table"].rows
    assert [line.event.account_id for line in of_account] == [101, 101]
    assert len(compliance.get(AUDIT, {"every": "on"}).context["table"].rows) == 50
