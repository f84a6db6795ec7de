"""Changes of limits against a real simulator: many accounts a call, whole records, each level by itself."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, Purpose
from accounts.models import Account, AutoLiqLimits, RiskStatus, Source
from accounts.sync.actions import sync
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.approvals.policies import one_approval_at_most
from tests.changes.world import approve, ask
from tests.execution.worker import ORIGIN, later, read_back_due, reconciled, run, send_batch, send_item, the_item, writes
from tests.simulator.driver import UPDATE_LIMITS, Simulator

KIND = KINDS["auto_liq_limits"]
FIRM_READ, TRADER_READ = "/userAccountAutoLiq/ldeps", "/permissionedAccountAutoLiq/ldeps"

SENT_AS = {
    "daily_loss_alert_usd": "dailyLossAlert",
    "daily_loss_liq_only_usd": "dailyLossLiqOnly",
    "daily_loss_auto_liq_usd": "dailyLossAutoLiq",
    "daily_loss_auto_liq_pct": "dailyLossPercentageAutoLiq",
    "weekly_loss_auto_liq_usd": "weeklyLossAutoLiq",
    "trailing_max_drawdown_usd": "trailingMaxDrawdown",
    "trailing_max_drawdown_limit_usd": "trailingMaxDrawdownLimit",
    "trailing_max_drawdown_mode": "trailingMaxDrawdownMode",
    "margin_alert_pct": "marginPercentageAlert",
    "do_not_unlock": "doNotUnlock",
    "changes_locked": "changesLocked",
    "flatten_at": "flattenTimestamp",
    "stepped_cooldown": "steppedCooldown",
    "stepped_unlimited": "steppedUnlimited",
}


def account_ids(count: int, skip: int = 0) -> list[int]:
    """Open demo accounts on which nothing acted; others when some are skipped."""
    accounts = Account.objects.filter(environment="demo", archived=False, risk_status__liquidate_only_at=None)
    return list(accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[skip : skip + count])


def decided(support: Staff, supervisor: Staff, ids: list[int], **parameters: Any) -> Change:
    """Ask for new limits as they are planned now, and have them approved."""
    return approve(supervisor, ask(support, KIND.name, *ids, parameters=parameters))


def run_batches(change: Change) -> dict[str, int]:
    """Do what the bulk worker does until no call is left, then read back; return how many items ended how."""
    while send_batch(change.pk, origin=ORIGIN):
        pass
    read_back_due(origin=ORIGIN)
    states = list(change.items.values_list("state", flat=True))
    return {state: states.count(state) for state in set(states)}


def read_long_ago() -> None:
    """Let the mirror's limits be older than what counts as read right before a call."""
    AutoLiqLimits.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))


def as_sent(item: Item) -> dict[str, Any]:
    """What `after` says, in Tradovate's terms: numbers as they are written, digit for digit."""
    after = dict(item.after or {})
    sent: dict[str, Any] = {"accountId": item.target_id, "asOwner": after.pop("level") == "firm"}
    for name, value in after.items():
        sent[SENT_AS[name]] = json.loads(value) if name.endswith(("_usd", "_pct")) else value
    if "stepped_cooldown" in after:
        sent["steppedCooldown"] = {
            "steps": [
                {
                    "stepNumber": step["step"],
                    "stepDistance": json.loads(step["distance_usd"]),
                    "cooldownMinutes": step["cooldown_minutes"],
                }
                for step in after["stepped_cooldown"]
            ]
        }
    if "flatten_at" in after:
        at = datetime.fromisoformat(after["flatten_at"]).astimezone(UTC)
        sent["flattenTimestamp"] = at.isoformat().replace("+00:00", "Z")
    return sent


def sent_items(change: Change) -> list[dict[str, Any]]:
    """Everything that was sent for a change, in order."""
    return [item for body in writes(change) for item in json.loads(body)["items"]]


def test_new_limits_are_applied_and_the_others_stay(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    (account_id,) = account_ids(1)
    before = mirror.account(account_id)

    change = decided(
        support,
        supervisor,
        [account_id],
        weekly_loss_auto_liq_usd="6100.25",
        margin_alert_pct="87.5",
        flatten_at="2090-01-01T20:00:00+00:00",
        stepped_cooldown=[{"step": 1, "distance_usd": "250.5", "cooldown_minutes": 15}],
        stepped_unlimited=True,
    )
    read_long_ago()
    item = run(the_item(change))

    assert (item.state, item.note, item.change.state) == (ItemState.APPLIED, "", ChangeState.FINISHED)
    now = mirror.account(account_id)
    assert now["userAccountAutoLiq"] == {
        **before["userAccountAutoLiq"],
        "weeklyLossAutoLiq": 6100.25,
        "marginPercentageAlert": 87.5,
        "flattenTimestamp": "2090-01-01T20:00:00Z",
        "steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": 250.5, "cooldownMinutes": 15}]},
        "steppedUnlimited": True,
    }
    assert now["permissionedAccountAutoLiq"] == before["permissionedAccountAutoLiq"]
    assert sent_items(change) == [as_sent(item)]
    kept = AutoLiqLimits.objects.get(account__tradovate_id=account_id, account__environment="demo", level="firm")
    assert (str(kept.weekly_loss_auto_liq_usd), kept.source) == ("6100.25", Source.CONFIRM)
    settled = Event.objects.get(item_id=item.pk, tag=Tag.ITEM_SETTLED)
    assert (settled.detail["outcome"], settled.after) == ("applied", item.after)
    assert (mirror.call_count(UPDATE_LIMITS), mirror.call_count(FIRM_READ)) == (1, 2)  # right before, and afterwards


def test_300_accounts_are_three_calls_and_three_reads(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    ids = account_ids(300, skip=1)

    change = decided(support, supervisor, ids, weekly_loss_auto_liq_usd="7000", do_not_unlock=True)
    assert change.lane == Lane.BULK
    read_long_ago()
    assert run_batches(change) == {ItemState.APPLIED: 300}

    assert mirror.call_count(UPDATE_LIMITS) == 3
    reads = [call for call in mirror.calls(method="GET") if call["endpoint"].lower().startswith("/useraccountautoliq/")]
    assert len(reads) == 3  # two batches right before their calls, the third, and all of them afterwards
    assert [call.items.count() for call in Call.objects.filter(purpose=Purpose.WRITE).order_by("pk")] == [100, 100, 100]
    # What was shown is what was sent, account by account, in the order of the plan.
    assert sent_items(change) == [as_sent(item) for item in change.items.order_by("position")]
    assert {mirror.account(each)["userAccountAutoLiq"]["weeklyLossAutoLiq"] for each in ids[::29]} == {7000}
    assert Event.objects.filter(change_id=change.pk, tag=Tag.ITEM_SETTLED).count() == 300


def test_more_than_are_worth_asking_for_by_id_are_listed(
    mirror: Simulator, support: Staff, supervisor: Staff, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LIMITS_PER_CALL = 200
    for module in ("complete", "reads"):
        monkeypatch.setattr(f"accounts.sync.{module}.ASKED_BY_ID", 300)
    one_approval_at_most()
    ids = account_ids(320)
    change = decided(support, supervisor, ids, margin_auto_liq_pct="99.5")
    read_long_ago()
    assert run_batches(change) == {ItemState.APPLIED: 320}
    assert mirror.call_count(UPDATE_LIMITS) == 2
    assert (mirror.call_count("/userAccountAutoLiq/list"), mirror.call_count(FIRM_READ)) == (2, 0)  # before and after


def test_the_two_levels_are_two_records_and_two_reads(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    firms, traders = account_ids(2)
    before = mirror.account(traders)

    one = decided(support, supervisor, [firms], daily_loss_auto_liq_pct="9.5")
    other = decided(support, supervisor, [traders], level="trader", daily_loss_auto_liq_pct="8.5")
    read_long_ago()
    for change in (one, other):
        send_item(the_item(change).pk, origin=ORIGIN)
    read_back_due(origin=ORIGIN)

    assert [the_item(change).state for change in (one, other)] == [ItemState.APPLIED, ItemState.APPLIED]
    now = mirror.account(traders)
    assert now["userAccountAutoLiq"] == before["userAccountAutoLiq"]
    assert now["permissionedAccountAutoLiq"] == {**before["permissionedAccountAutoLiq"], "dailyLossPercentageAutoLiq": 8.5}
    assert sent_items(other) == [as_sent(the_item(other))]
    assert (mirror.call_count(FIRM_READ), mirror.call_count(TRADER_READ)) == (2, 2)  # before and after each call


def test_what_is_so_already_is_not_sent(mirror: Simulator) -> None:
    (account_id,) = account_ids(1, skip=5)
    drawdown = mirror.account(account_id)["userAccountAutoLiq"]["trailingMaxDrawdown"]
    parameters = {"trailing_max_drawdown_usd": f"{drawdown:.0f}"}
    (row,) = plan(KIND, environment=Environment.DEMO, target_ids=[account_id], parameters=parameters).rows
    assert row.skip_reason == "Already so"


@pytest.mark.parametrize(
    "text",
    [
        "Access is denied",
        "Daily Loss Auto Liq should be greater than or equal to 0",
        "Only 50 items are allowed in single operation",
    ],
)
def test_what_tradovate_refuses_is_rejected_in_its_words(
    mirror: Simulator, support: Staff, supervisor: Staff, text: str
) -> None:
    ids = account_ids(3)
    before = [mirror.account(each)["userAccountAutoLiq"] for each in ids]
    change = decided(support, supervisor, ids, weekly_loss_auto_liq_usd="6200")
    mirror.fault("errorText", endpoint=UPDATE_LIMITS, text=text, count=1)

    assert run_batches(change) == {ItemState.UNKNOWN: 3}  # an effect may still come
    assert later(change) == {ItemState.REJECTED: 3}

    assert set(change.items.values_list("note", flat=True)) == {f"Tradovate answered: {text}"}
    assert [mirror.account(each)["userAccountAutoLiq"] for each in ids] == before
    change.refresh_from_db()
    assert change.state == ChangeState.FINISHED


def test_unknown_ids_are_isolated_and_the_rest_is_applied(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    ids, gone = account_ids(20), [900_000_001, 900_000_002]
    template = AutoLiqLimits.objects.get(account__tradovate_id=ids[0], account__environment="demo", level="firm")
    fresh = {"fresh_at": template.fresh_at, "source": Source.SYNC}
    for account_id in gone:
        account = Account.objects.create(environment="demo", tradovate_id=account_id, name=f"GONE-{account_id}", **fresh)
        RiskStatus.objects.create(account=account, admin_action="Normal", **fresh)
        AutoLiqLimits.objects.create(account=account, level="firm", do_not_unlock=False, **fresh)

    change = decided(support, supervisor, [*ids[:10], *gone, *ids[10:]], weekly_loss_auto_liq_usd="6300")

    assert run_batches(change) == {ItemState.APPLIED: 20, ItemState.SKIPPED: 2}
    skipped = change.items.filter(state=ItemState.SKIPPED).order_by("position")
    assert [(item.target_id, item.note) for item in skipped] == [
        (account_id, "The account was archived or closed meanwhile") for account_id in gone
    ]
    assert mirror.call_count(UPDATE_LIMITS) == 1  # they were missed when they were read right before it


@pytest.mark.parametrize(
    ("fault", "when"),
    [("cut", "before"), ("cut", "after"), ("500", "before"), ("500", "after"), ("html", "after"), ("cut-body", "after")],
)
def test_an_unclear_end_is_reconciled_with_one_effect(
    mirror: Simulator, support: Staff, supervisor: Staff, fault: str, when: str
) -> None:
    (account_id,) = account_ids(1, skip=10)
    earlier = len(mirror.effects(account_id=account_id, source="call"))
    limit = "6400" if mirror.account(account_id)["userAccountAutoLiq"]["weeklyLossAutoLiq"] != 6400 else "6500"
    change = decided(support, supervisor, [account_id], weekly_loss_auto_liq_usd=limit)
    mirror.fault(fault, when=when, endpoint=UPDATE_LIMITS, count=1)
    send_item(the_item(change).pk, origin=ORIGIN)
    assert the_item(change).state == ItemState.UNKNOWN

    assert reconciled(the_item(change)).state == ItemState.APPLIED

    assert mirror.account(account_id)["userAccountAutoLiq"]["weeklyLossAutoLiq"] == float(limit)
    assert len(mirror.effects(account_id=account_id, source="call")) == earlier + 1


@pytest.mark.parametrize(
    "body",
    [
        {"userAutoLiqs": [{"userAccountAutoLiq": {"id": 1}}], "errorText": "Some failed"},  # a refusal with answers
        {"errorText": "Failed"},  # a refusal, and the effect all the same
        {"userAutoLiqs": [{"userAccountAutoLiq": {"id": 1}}]},  # another account's answer
        {"userAutoLiqs": [{"userAccountAutoLiq": {"id": "x"}}, None, 7]},  # what can't be read
        {"userAutoLiqs": []},  # an answer too few
    ],
)
def test_an_answer_that_does_not_fit_proves_nothing(
    mirror: Simulator, support: Staff, supervisor: Staff, body: dict[str, Any]
) -> None:
    (account_id,) = account_ids(1, skip=11)
    limit = "6400" if mirror.account(account_id)["userAccountAutoLiq"]["weeklyLossAutoLiq"] != 6400 else "6500"
    change = decided(support, supervisor, [account_id], weekly_loss_auto_liq_usd=limit)
    mirror.fault("answer", when="after", endpoint=UPDATE_LIMITS, count=1, status=200, body=body)

    send_item(the_item(change).pk, origin=ORIGIN)

    assert the_item(change).state in {ItemState.UNKNOWN, ItemState.SENT}
    read_back_due(origin=ORIGIN)
    assert the_item(change).state == ItemState.APPLIED


def test_a_limit_that_tradovate_dropped_is_left_to_people(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    (account_id,) = account_ids(1, skip=12)
    change = decided(support, supervisor, [account_id], weekly_loss_auto_liq_usd="6600")
    send_item(the_item(change).pk, origin=ORIGIN)
    mirror.patch("userAccountAutoLiq", account_id, dailyLossAutoLiq=None)

    read_back_due(origin=ORIGIN)

    item = the_item(change)
    assert (item.state, item.not_before) == (ItemState.UNKNOWN, None)
    assert item.note == "When it was read back, it was neither as before nor as intended"
    assert item.observed is not None
    assert "daily_loss_auto_liq_usd" not in item.observed


def test_a_limit_that_somebody_else_has_set_meanwhile_is_named_and_not_replaced(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    moved, steady = account_ids(2, skip=13)
    change = decided(support, supervisor, [moved, steady], weekly_loss_auto_liq_usd="6700")
    was = mirror.account(moved)["userAccountAutoLiq"]["weeklyLossAutoLiq"]
    mirror.patch("userAccountAutoLiq", moved, weeklyLossAutoLiq=1234.5)
    read_long_ago()

    assert run_batches(change) == {ItemState.SKIPPED: 1, ItemState.APPLIED: 1}

    skipped = change.items.get(state=ItemState.SKIPPED)
    assert skipped.target_id == moved
    assert skipped.note == (
        f"The account has changed since this was decided (Weekly loss: auto-liquidation: ${was:,.2f} → $1,234.50); "
        "request it again if it is still wanted"
    )
    assert mirror.account(moved)["userAccountAutoLiq"]["weeklyLossAutoLiq"] == 1234.5


def test_fields_that_are_not_named_keep_the_exact_value_at_tradovate(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    """Between preview and call somebody tightens other limits; unknown fields and long numbers are in the record too."""
    (account_id,) = account_ids(1, skip=14)
    change = decided(support, supervisor, [account_id], weekly_loss_auto_liq_usd="6800")
    elsewhere: dict[str, Any] = {
        "trailingMaxDrawdown": 500,
        "doNotUnlock": True,
        "marginPercentageAlert": 66.66666667,
        "newRule": {"steps": [1.25, None, "x"]},
    }
    mirror.patch("userAccountAutoLiq", account_id, **elsewhere)
    read_long_ago()
    expected = {**mirror.account(account_id)["userAccountAutoLiq"], "weeklyLossAutoLiq": 6800}

    assert run_batches(change) == {ItemState.APPLIED: 1}

    assert mirror.account(account_id)["userAccountAutoLiq"] == expected
    (sent,) = sent_items(change)
    assert {name: sent[name] for name in elsewhere} == elsewhere
    item = the_item(change)
    assert item.before is not None
    assert item.after is not None
    assert item.found == {
        **item.before,
        "trailing_max_drawdown_usd": "500",
        "do_not_unlock": True,
        "margin_alert_pct": "66.6667",
    }
    assert item.after["weekly_loss_auto_liq_usd"] == "6800"  # what was approved stays as it was shown


def test_what_the_trader_does_to_the_own_record_stops_nothing_of_the_firms(
    mirror: Simulator, support: Staff, supervisor: Staff
) -> None:
    (account_id,) = account_ids(1, skip=15)
    change = ask(support, KIND.name, account_id, parameters={"weekly_loss_auto_liq_usd": "6800"})
    mirror.patch("permissionedAccountAutoLiq", account_id, dailyLossAutoLiq=432.1)
    assert sync(Environment.DEMO) is not None

    approve(supervisor, change)

    assert run(the_item(change)).state == ItemState.APPLIED
    assert mirror.account(account_id)["permissionedAccountAutoLiq"]["dailyLossAutoLiq"] == 432.1


def test_whom_the_plan_says_it_would_liquidate_is_liquidated(mirror: Simulator, support: Staff, supervisor: Staff) -> None:
    losing = Account.objects.filter(
        environment="demo",
        archived=False,
        positions__isnull=False,
        cash__realized_pnl_usd__lt=-50,
        risk_status__liquidate_only_at=None,
        risk_status__admin_action="Normal",
    ).select_related("cash")
    account = losing.order_by("cash__realized_pnl_usd").distinct().first()
    assert account is not None
    mirror.control("POST", f"/demo/accounts/{account.tradovate_id}/pnl", {"open_pnl": 0.0})
    loss = -(account.cash.realized_pnl_usd or 0)
    parameters = {"daily_loss_auto_liq_usd": f"{loss - 10}", "daily_loss_liq_only_usd": "2", "daily_loss_alert_usd": "1"}

    (row,) = plan(KIND, environment=Environment.DEMO, target_ids=[account.tradovate_id], parameters=parameters).rows
    assert row.warnings[0].startswith("Would auto-liquidate now, on realised figures: ")
    assert "would be liquidated" in row.warnings[2]

    change = decided(support, supervisor, [account.tradovate_id], **parameters)
    assert run(the_item(change)).state == ItemState.APPLIED

    now = mirror.account(account.tradovate_id)
    assert now["breach"] == "daily"
    assert {position["netPos"] for position in now["positions"]} == {0}
