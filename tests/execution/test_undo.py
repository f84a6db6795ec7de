"""Undoing against a real simulator: what was done is taken back, and what somebody else has changed since is not."""

from typing import Any
from uuid import uuid4

import pytest

from accounts.changes.actions import submit
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState, Relation
from accounts.changes.targeting import targets
from accounts.changes.tracking.undo import left_alone, undo_of
from accounts.models import Account, RiskCategory
from accounts.sync.actions import Part, refresh
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.tradovate.vocabulary import Environment, Lane, ReasonCode
from tests.changes.world import approve, ask
from tests.execution.pre_trade import make_limited
from tests.execution.worker import ORIGIN, active_account, read_back_due, send_batch
from tests.simulator.driver import SWITCH_CATEGORY, Simulator
from tests.staff.people import make_person


def run(change: Change) -> Change:
    """Do what a worker does until nothing is due."""
    while send_batch(change.pk, origin=ORIGIN):
        read_back_due(origin=ORIGIN)
    change.refresh_from_db()
    assert change.state == ChangeState.FINISHED, list(change.items.values_list("state", "note"))
    return change


def undo(change: Change, support: Staff, supervisor: Staff, *, part: int = 0) -> Change:
    """Freeze a part of what would undo a change, ask for it as it is planned, have it decided, and let it run."""
    found = undo_of(change)
    wanted = found.parts[part]
    listed = targets.kept(support, targets.keep(support, found.chosen(wanted), kind=wanted.kind).pk)
    assert listed is not None
    chosen = targets.chosen_of(listed)
    kind = KINDS[listed.kind]
    planned = plan(
        kind,
        environment=chosen.environment,
        target_ids=chosen.ids,
        parameters=chosen.parameters,
        per_target=chosen.per_target,
        skip_reasons=left_alone(chosen.link, chosen.ids),
    )
    asked = submit(
        actor=support,
        origin=ORIGIN,
        kind=kind,
        environment=chosen.environment,
        target_ids=chosen.ids,
        parameters=chosen.parameters,
        per_target=chosen.per_target,
        reason_code=ReasonCode.OTHER,
        reason_text="It was a mistake",
        form_key=uuid4(),
        shown_digest=planned.digest,
        confirmed_count=len(planned.sent),
        source=targets.source_of(chosen),
        link=chosen.link,
    )
    assert (asked.of_change_id, asked.relation) == (change.pk, Relation.UNDOES)
    return run(approve(supervisor, asked) if asked.state == ChangeState.PENDING else asked)


def outcomes(change: Change) -> dict[int, str]:
    """How each target's item ended."""
    return {item.target_id: item.state for item in change.items.all()}


def action(simulator: Simulator, account_id: int) -> str:
    return str(simulator.account(account_id)["accountRiskStatus"]["adminAction"])


def test_a_lock_and_back_and_forth(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    lock = run(ask(support, "lock", account_id))
    assert action(mirror, account_id) == "LockTradingImmediately"

    unlock = undo(lock, support, supervisor)
    assert (unlock.kind, outcomes(unlock), action(mirror, account_id)) == ("unlock", {account_id: "applied"}, "Normal")

    again = undo(unlock, support, supervisor)
    assert (again.kind, again.approval.needed, action(mirror, account_id)) == ("lock", 0, "LockTradingImmediately")
    # The first lock is not undone twice: what stands there now is the third change's.
    assert undo_of(lock).parts[0].undoable == 0


def test_a_lock_over_closing_orders_only(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    run(ask(support, "liquidate_only", account_id))
    lock = run(ask(support, "lock", account_id))

    back = undo(lock, support, supervisor)

    assert (back.kind, back.approval.needed, outcomes(back)) == ("unlock", 1, {account_id: "applied"})
    assert action(mirror, account_id) == "LiquidateOnlyModeImmediately"
    undo(back, support, supervisor)
    assert action(mirror, account_id) == "LockTradingImmediately"


def test_limits_of_several_accounts_of_which_one_was_changed_since(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    accounts = Account.objects.filter(environment="demo", archived=False, risk_status__liquidate_only_at=None)
    first, second, third = accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[:3]
    before = {each: mirror.account(each)["userAccountAutoLiq"] for each in (first, second, third)}
    kind = KINDS["auto_liq_limits"]
    own: dict[int, dict[str, Any]] = {
        first: {"weekly_loss_auto_liq_usd": "6001"},
        second: {"weekly_loss_auto_liq_usd": "6002"},
        third: {"weekly_loss_auto_liq_usd": "6003", "do_not_unlock": not before[third]["doNotUnlock"]},
    }
    shown = plan(kind, environment=Environment.DEMO, target_ids=list(own), parameters={"level": "firm"}, per_target=own)
    change = submit(
        actor=support,
        origin=ORIGIN,
        kind=kind,
        environment=Environment.DEMO,
        target_ids=list(own),
        parameters={"level": "firm"},
        per_target=own,
        reason_code=ReasonCode.OTHER,
        reason_text="From a file",
        form_key=uuid4(),
        shown_digest=shown.digest,
    )
    run(approve(supervisor, change))
    # Somebody sets the same limit of one by hand, and another limit of another one.
    mirror.patch("userAccountAutoLiq", second, weeklyLossAutoLiq=7777)
    mirror.patch("userAccountAutoLiq", third, marginPercentageAlert=91)
    refresh(Environment.DEMO, [first, second, third], lane=Lane.BULK, parts=frozenset({Part.LIMITS}))

    back = undo(change, support, supervisor)

    assert outcomes(back) == {first: ItemState.APPLIED, second: ItemState.SKIPPED, third: ItemState.APPLIED}
    assert back.items.get(state=ItemState.SKIPPED).note == f"Changed since change {change.pk} left it"
    now = {each: mirror.account(each)["userAccountAutoLiq"] for each in (first, second, third)}
    assert now[first] == before[first]
    assert now[second]["weeklyLossAutoLiq"] == 7777
    assert now[third] == {**before[third], "marginPercentageAlert": 91}

    # And the undo of the undo sets again what the file had said, where the undo has taken it back.
    undo(back, support, supervisor)
    again = [mirror.account(each)["userAccountAutoLiq"]["weeklyLossAutoLiq"] for each in (first, second, third)]
    assert again == [6001, 7777, 6003]


def test_limits_that_were_not_set_before_are_named(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    account_id = active_account()
    # Other tests set limits of this account too, and the simulator keeps them.
    mirror.patch("userAccountAutoLiq", account_id, marginPercentageAlert=None)
    refresh(Environment.DEMO, [account_id], lane=Lane.BULK, parts=frozenset({Part.LIMITS}))
    parameters = {"level": "firm", "margin_alert_pct": "87.5", "weekly_loss_auto_liq_usd": "6004"}
    change = run(approve(supervisor, ask(support, "auto_liq_limits", account_id, parameters=parameters)))

    found = undo_of(change)

    assert found.parts == ()
    words = "Not set before, and Tradovate documents no way to clear it again: Margin in use: alert"
    assert [each.reason for each in found.left] == [words]


def test_a_category_back_to_each_accounts_own(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    wanted = min(RiskCategory.objects.filter(environment="demo"), key=lambda each: each.accounts.count())
    others = Account.objects.filter(environment="demo", archived=False, positions=None).exclude(risk_category=wanted)
    categories = others.values_list("risk_category", flat=True).distinct()
    some = [each for category in categories for each in others.filter(risk_category=category).order_by("tradovate_id")[:4]]
    was = {each.tradovate_id: each.risk_category.tradovate_id for each in some if each.risk_category}
    assert len(set(was.values())) > 1
    parameters = KINDS["risk_category"].parameters({"category": wanted})
    change = run(approve(supervisor, ask(support, "risk_category", *was, parameters=parameters)))
    mirror.reset_counters()

    parts = len(undo_of(change).parts)
    assert parts == len(set(was.values())), "one call names one category"
    for part in range(parts):
        undo(change, support, supervisor, part=part)

    assert {each: mirror.account(each)["account"]["riskCategoryId"] for each in was} == was
    assert mirror.call_count(SWITCH_CATEGORY) == parts


def test_a_position_limit_that_was_added_is_removed(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    limited = make_limited(mirror)
    before = limited.position_limits()
    new = {"action": "create", "total_by": "Product", "product_id": 7, "long_limit": 1, "description": "Gold"}
    change = run(approve(supervisor, ask(support, "position_limit", limited.account_id, parameters=new)))
    assert len(limited.position_limits()) == len(before) + 1

    back = undo(change, support, supervisor)
    assert limited.position_limits() == before

    undo(back, support, supervisor)
    (made,) = (each for number, each in limited.position_limits().items() if number not in before)
    assert (made["productId"], made["longLimit"], made["description"]) == (7, 1, "Gold")


def test_a_position_limit_that_was_changed(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    limited = make_limited(mirror)
    before = limited.position_limits()
    changed = {"action": "update", "limit": limited.limit, "exposed_limit": 5}
    change = run(approve(supervisor, ask(support, "position_limit", limited.account_id, parameters=changed)))
    undo(change, support, supervisor)
    assert limited.position_limits() == before


def test_a_balance_takes_back_the_amount_and_leaves_what_was_traded(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    account_id = active_account()
    cash = mirror.account(account_id)["cashBalances"][0]
    change = ask(support, "demo_balance", account_id, parameters={"cash_change_usd": "250"})
    run(approve(supervisor, change))

    back = undo(change, support, supervisor)

    assert outcomes(back) == {account_id: "applied"}
    assert mirror.account(account_id)["cashBalances"][0]["amount"] == pytest.approx(cash["amount"])


def test_a_liquidation_says_that_what_is_closed_stays_closed(mirror: Simulator, supervisor: Staff) -> None:
    account_id = active_account()
    change = run(approve(supervisor, ask(make_person(Role.SUPERVISOR, "another"), "liquidate", account_id)))
    found = undo_of(change)
    assert found.parts == ()
    assert [each.reason for each in found.left] == [
        "What was closed stays closed; the lock that it left can be lifted by an unlock"
    ]
