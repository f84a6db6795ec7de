"""The category switch against a real simulator: many accounts a call, and one unknown id does not stop the rest."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, Purpose
from accounts.gateway.connection import client
from accounts.models import Account, RiskCategory, RiskStatus, Source
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode
from tests.changes.world import approve
from tests.execution.worker import ORIGIN, later, make_due, read_back_due, send_batch, sweep
from tests.simulator.driver import SWITCH_CATEGORY, Simulator

KIND = KINDS["risk_category"]


def category() -> RiskCategory:
    """The demo category that the fewest accounts are in."""
    return min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())


def account_ids(count: int) -> list[int]:
    """Open demo accounts that are in another category."""
    accounts = Account.objects.filter(environment="demo", archived=False, positions=None).exclude(risk_category=category())
    return list(accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[:count])


def switched(support: Staff, supervisor: Staff, ids: list[int]) -> Change:
    """Ask for the switch as it is planned now, and have it approved."""
    parameters = KIND.parameters({"category": category()})
    shown = plan(KIND, environment=Environment.DEMO, target_ids=ids, parameters=parameters)
    change = submit(
        actor=support,
        origin=ORIGIN,
        kind=KIND,
        environment=Environment.DEMO,
        target_ids=ids,
        parameters=parameters,
        reason_code=ReasonCode.OTHER,
        reason_text="Smaller lots tonight",
        form_key=uuid4(),
        shown_digest=shown.digest,
        confirmed_count=len(shown.sent),
    )
    return approve(supervisor, change)


def run(change: Change) -> dict[str, int]:
    """Do what the bulk worker does until nothing is due; return how many items ended how."""
    for _ in range(4):
        send_batch(change.pk, origin=ORIGIN)
        read_back_due(origin=ORIGIN)
    states = list(change.items.values_list("state", flat=True))
    return {state: states.count(state) for state in set(states)}


def test_many_accounts_are_one_call_and_two_reads(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    ids = account_ids(40)
    wanted = category()

    change = switched(support, supervisor, ids)
    Account.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))
    assert run(change) == {ItemState.APPLIED: 40}

    assert mirror.call_count(SWITCH_CATEGORY) == 1
    assert mirror.call_count("/account/items") + mirror.call_count("/account/list") == 2  # before and after
    (call,) = Call.objects.filter(purpose=Purpose.WRITE)
    assert json.loads(call.request_text) == {"accountIds": ids, "riskCategoryId": wanted.tradovate_id}
    assert call.items.count() == 40
    assert {mirror.account(each)["account"]["riskCategoryId"] for each in ids} == {wanted.tradovate_id}
    assert set(Account.objects.filter(tradovate_id__in=ids, environment="demo").values_list("risk_category", flat=True)) == {
        wanted.pk
    }
    settled = Event.objects.filter(change_id=change.pk, tag=Tag.ITEM_SETTLED)
    assert settled.count() == 40
    item = change.items.earliest("pk")
    was = (item.after or {})["was"]
    for event in Event.objects.filter(item_id=item.pk):  # asked for, claimed, sent, settled
        reported = [(field.label, field.before, field.after) for field in EventLine(event).changes]
        assert reported == [("Risk category", was, wanted.name)], event.tag
    change.refresh_from_db()
    assert change.state == ChangeState.FINISHED


def test_unknown_ids_are_isolated_and_the_rest_is_applied(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    ids = account_ids(30)
    other = RiskCategory.objects.filter(environment="demo").exclude(pk=category().pk).first()
    gone = [900_000_001, 900_000_002, 900_000_003]
    for account_id in gone:
        account = Account.objects.create(
            environment="demo",
            tradovate_id=account_id,
            name=f"GONE-{account_id}",
            risk_category=other,
            positions_read_at=timezone.now(),
            fresh_at=timezone.now(),
            source=Source.SYNC,
        )
        RiskStatus.objects.create(account=account, admin_action="Normal", fresh_at=timezone.now(), source=Source.SYNC)

    change = switched(support, supervisor, [*ids[:10], gone[0], *ids[10:20], *gone[1:], *ids[20:]])

    run(change)
    assert later(change) == {ItemState.APPLIED: 30, ItemState.REJECTED: 3}
    rejected = change.items.filter(state=ItemState.REJECTED).order_by("target")
    assert [item.target_id for item in rejected] == gone
    assert all("HTTP 404" in item.note and "does not know this id" in item.note for item in rejected)
    assert mirror.call_count(SWITCH_CATEGORY) == 2


def test_an_unknown_category_is_rejected_in_tradovates_words(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    ids = account_ids(3)
    earlier = len(mirror.effects(endpoint=SWITCH_CATEGORY, source="call"))
    RiskCategory.objects.filter(pk=category().pk).update(tradovate_id=999_999)
    change = switched(support, supervisor, ids)

    run(change)
    assert later(change) == {ItemState.REJECTED: 3}
    assert len(mirror.effects(endpoint=SWITCH_CATEGORY, source="call")) == earlier


def test_accounts_that_are_there_already_are_skipped(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    there = list(category().accounts.filter(archived=False).values_list("tradovate_id", flat=True)[:1])
    if not there:
        there = account_ids(1)
        run(switched(support, supervisor, there))
    shown = plan(
        KIND,
        environment=Environment.DEMO,
        target_ids=[*there, *account_ids(2)],
        parameters=KIND.parameters({"category": category()}),
    )
    assert [row.skip_reason for row in shown.rows] == ["Already in this category", "", ""]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_reconciled(mirror: Simulator, support: Staff, supervisor: Staff, when: str) -> None:
    ids, wanted = account_ids(5), category()
    change = switched(support, supervisor, ids)
    mirror.fault("cut", when=when, endpoint=SWITCH_CATEGORY, count=1)
    send_batch(change.pk, origin=ORIGIN)
    assert set(change.items.values_list("state", flat=True)) == {ItemState.UNKNOWN}

    for _ in range(3):
        for item in change.items.all():
            make_due(item)
        sweep(origin=ORIGIN)
        run(change)

    assert run(change) == {ItemState.APPLIED: 5}
    assert {mirror.account(each)["account"]["riskCategoryId"] for each in ids} == {wanted.tradovate_id}


@pytest.mark.parametrize("categories", ["readable", "away", "unlisted"])
def test_a_category_that_is_new_to_the_mirror_is_read_before_an_account_is_stored_in_it(
    mirror: Simulator, categories: str
) -> None:
    """Without it the account would be stored in none, and a preview would say so."""
    (account_id,) = account_ids(1)
    account = Account.objects.select_related("risk_category").get(tradovate_id=account_id, environment="demo")
    was = account.risk_category
    assert was is not None
    new = RiskCategory.objects.filter(environment="demo").exclude(accounts=None).exclude(pk=was.pk).order_by("pk")[0]
    number, name = new.tradovate_id, new.name
    mirror.patch("account", account_id, riskCategoryId=number)
    new.delete()
    if categories == "away":
        mirror.fault("500", endpoint="/riskCategory/list")
    if categories == "unlisted":
        mirror.fault("answer", endpoint="/riskCategory/list", body=[])
    mirror.reset_counters()

    reading = KIND.read(client(Environment.DEMO, Lane.BULK), [account_id])
    reading.keep()

    mirror.patch("account", account_id, riskCategoryId=was.tradovate_id)
    account.refresh_from_db()
    assert account.risk_category is not None
    if categories == "away":
        assert account.risk_category == was
        assert "the categories could not be read" in reading.unread[account_id].why
        assert account_id not in reading.observed
    else:
        assert account.risk_category.tradovate_id == number
        assert account.risk_category.name == (name if categories == "readable" else f"Category {number}")
        assert reading.observed[account_id] == {"category_id": number}
    assert mirror.call_count("/riskCategory/list") == 1


def test_categories_are_not_read_where_the_mirror_knows_them_all(mirror: Simulator) -> None:
    mirror.reset_counters()

    KIND.read(client(Environment.DEMO, Lane.BULK), account_ids(5)).keep()

    assert mirror.call_count("/riskCategory/list") == 0


def test_a_category_of_the_other_environment_fits_no_account(mirror: Simulator) -> None:
    parameters = {**KIND.parameters({"category": category()}), "environment": "live"}
    shown = plan(KIND, environment=Environment.DEMO, target_ids=account_ids(2), parameters=parameters)
    assert {row.skip_reason for row in shown.rows} == {"The category is one of the other environment"}
