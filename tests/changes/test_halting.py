"""Halting categories: marked by administrators, and a switch into one is like a lock, unless an account holds open positions."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.policy_versions import RuleDraft
from accounts.approvals.states import Direction
from accounts.changes.actions import NothingToDo
from accounts.changes.kinds import KINDS, sendable
from accounts.changes.kinds.kind import Kind
from accounts.changes.models import Change
from accounts.changes.plan import Plan, moved_since, plan
from accounts.changes.states import ChangeState, ItemState
from accounts.models import RiskCategory, Source
from accounts.pages.actions import NotAllowed, mark_category
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.approvals.policies import SUPERVISOR, put_policy_in_force
from tests.changes.world import ORIGIN, ask, hold_position, make_account, open_item
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

Sent = list[tuple[str, list[int], str]]
KIND = KINDS["risk_category"]


@pytest.fixture
def halting(db: None) -> RiskCategory:
    """A category that an administrator has marked."""
    fresh = {"fresh_at": timezone.now(), "source": Source.SYNC}
    category = RiskCategory.objects.create(environment="demo", tradovate_id=31, name="No orders", **fresh)
    administrator = make_person(Role.ADMINISTRATOR)
    return mark_category(actor=administrator, origin=ORIGIN, category_id=category.pk, is_halting=True)


@pytest.fixture(autouse=True)
def policy(db: None) -> None:
    """What only tightens runs at once, as a new installation has it."""
    looser = RuleDraft(directions=(Direction.LOOSENING, Direction.MIXED), stages=SUPERVISOR)
    put_policy_in_force(
        [RuleDraft(directions=(Direction.TIGHTENING,)), looser, RuleDraft(from_liquidations=1, stages=SUPERVISOR)]
    )


def into(category: RiskCategory, *, at_once: bool = True) -> dict[str, Any]:
    """The parameters of a switch, as the form gives them."""
    return dict(KIND.parameters({"category": category, "at_once": at_once}))


def planned(category: RiskCategory, *ids: int, at_once: bool = True) -> Plan:
    return plan(KIND, environment=Environment.DEMO, target_ids=ids, parameters=into(category, at_once=at_once))


def test_a_switch_of_accounts_without_positions_is_like_a_lock(
    halting: RiskCategory, support: Staff, sent: Sent, django_capture_on_commit_callbacks: Any
) -> None:
    for number in (101, 102):
        make_account(number)
    with django_capture_on_commit_callbacks(execute=True):
        change = ask(support, "risk_category", 101, 102, parameters=into(halting))
    assert (change.state, change.approval.needed, change.lane) == (ChangeState.RUNNING, 0, Lane.URGENT)
    assert set(change.items.values_list("state", flat=True)) == {ItemState.QUEUED}
    assert sent == [("execution.run_change", [change.pk], "urgent")]


def test_those_with_positions_are_left_out_and_keep_the_approvals(halting: RiskCategory, support: Staff, sent: Sent) -> None:
    make_account(101)
    hold_position(make_account(102), 2)
    make_account(103, positions_read_at=None)
    found = planned(halting, 101, 102, 103)
    assert [row.target_id for row in found.sent] == [101]
    assert [row.skip_reason for row in found.skipped] == [
        "Holds open positions and may be liquidated: request its switch by itself, with approvals",
        "Its positions were never read: read the account first",
    ]
    with pytest.raises(NothingToDo):
        ask(support, "risk_category", 102, parameters=into(halting))
    assert (Change.objects.count(), sent) == (0, [])
    change = ask(support, "risk_category", 101, 102, parameters=into(halting, at_once=False))
    assert (change.state, change.approval.needed, sent) == (ChangeState.PENDING, 1, [])


def test_a_waiting_item_is_skipped_when_a_position_was_opened(halting: RiskCategory, support: Staff, sent: Sent) -> None:
    account = make_account(101)
    change = ask(support, "risk_category", 101, parameters=into(halting))
    items, kind = list(change.items.all()), sendable(change)
    assert moved_since(kind, items, kind.subjects(Environment.DEMO, [101])) == []
    hold_position(account, 1)
    ((_, now),) = moved_since(kind, items, kind.subjects(Environment.DEMO, [101]))
    assert now == {"category_id": None, "open_positions": 1}


@pytest.mark.parametrize("state", [ItemState.WAITING, ItemState.QUEUED, ItemState.UNKNOWN])
@pytest.mark.parametrize("kind_name", ["unlock", "risk_category"])
def test_nothing_pending_holds_it_up(halting: RiskCategory, support: Staff, state: ItemState, kind_name: str) -> None:
    open_item(support, make_account(101), kind_name, state, parameters={"id": 9, "name": "C", "environment": "demo"})
    assert len(planned(halting, 101).sent) == 1
    assert planned(halting, 101, at_once=False).sent == ()


def test_once_the_mark_is_removed_nothing_is_sent_at_once(halting: RiskCategory, support: Staff, sent: Sent) -> None:
    make_account(101)
    parameters = into(halting)
    administrator = Staff.objects.get(username="administrator")
    mark_category(actor=administrator, origin=ORIGIN, category_id=halting.pk, is_halting=False)
    with pytest.raises(NothingToDo):
        ask(support, "risk_category", 101, parameters=parameters)
    assert (Change.objects.count(), sent) == (0, [])


def test_out_of_it_is_loosening_and_into_it_tightening(halting: RiskCategory) -> None:
    fresh = {"fresh_at": timezone.now(), "source": Source.SYNC}
    other = RiskCategory.objects.create(environment="demo", tradovate_id=32, name="Evaluation", **fresh)
    make_account(101, risk_category=halting)
    make_account(102, risk_category=other)
    (row,) = planned(other, 101).sent
    assert row.effects is not None
    assert row.effects.is_looser
    (row,) = planned(halting, 102).sent
    assert row.effects is not None
    assert (row.effects.is_tighter, row.effects.is_looser) == (True, False)
    halted: Kind = KIND.of(into(halting))
    assert (halted.is_protective, KIND.of(into(other)).is_protective) == (True, False)


class TestMarking:
    def test_only_administrators_mark_with_an_event_each_time(self, halting: RiskCategory, client: Client) -> None:
        for role in (Role.SUPPORT, Role.SUPERVISOR, Role.COMPLIANCE):
            with pytest.raises(NotAllowed):
                mark_category(actor=make_person(role), origin=ORIGIN, category_id=halting.pk, is_halting=False)
        assert RiskCategory.objects.get().is_halting
        (marked,) = Event.objects.filter(tag=Tag.CATEGORY_MARKED)
        assert marked.detail == {"category": "No orders", "category_id": 31, "environment": "demo"}

        client.force_login(Staff.objects.get(username="administrator"))
        address = reverse("accounts:mark_category", args=[halting.pk])
        assert client.post(address, {"halting": "perhaps"}).status_code == 400
        assert client.post(address, {"halting": "no"}).status_code == 303
        assert not RiskCategory.objects.get().is_halting
        assert Event.objects.filter(tag=Tag.CATEGORY_UNMARKED).count() == 1
        client.post(address, {"halting": "no"})
        assert Event.objects.filter(tag=Tag.CATEGORY_UNMARKED).count() == 1

    def test_it_is_shown_where_a_category_is_named(self, halting: RiskCategory, client: Client) -> None:
        make_account(101, risk_category=halting)
        make_account(102)
        client.force_login(make_person(Role.SUPPORT))
        new = f"{reverse('changes:new', args=['risk_category'])}?account=demo:102"
        preview = f"{new}&preview=1&category={halting.pk}&at_once=on"
        pages = ("accounts:categories", "accounts:list", "accounts:csv")
        for address in (*map(reverse, pages), reverse("accounts:detail", args=["demo", 101]), new, preview):
            answer = client.get(address)
            shown = b"".join(answer) if answer.streaming else answer.content
            assert b"halting" in shown, address
        assert client.get(preview).context["plan"].kind.is_protective
