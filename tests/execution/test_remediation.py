"""Remediation against a real simulator: balance, peak, unlock, each after the one before, and locked until the last."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.models import Item
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState
from accounts.models import Account, RiskStatus
from accounts.sync.actions import Part, refresh
from riskadmin.audit.models import Event
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import approve, ask
from tests.execution.worker import ORIGIN, reconciled, run, send_item, the_item, worker_dies, writes
from tests.simulator.driver import SET_ACTION, Simulator

CHANGE_BALANCE = "/cashBalance/changedemobalance"
SET_PEAK = "/accountRiskStatus/updatemaxnetliq"
PATHS = (CHANGE_BALANCE, SET_PEAK, SET_ACTION)
LOCK = "LockTradingImmediately"


@dataclass(frozen=True)
class Kept:
    """An account as the simulator has it."""

    simulator: Simulator
    id: int

    @property
    def cash(self) -> Decimal:
        return Decimal(str(self.simulator.account(self.id)["cashBalances"][0]["amount"]))

    @property
    def peak(self) -> Decimal:
        return Decimal(str(self.simulator.account(self.id)["accountRiskStatus"]["maxNetLiq"]))

    @property
    def action(self) -> str:
        return str(self.simulator.account(self.id)["accountRiskStatus"]["adminAction"])

    @property
    def booked(self) -> int:
        return len(self.simulator.effects(account_id=self.id, source="call", action="demo_balance_changed"))

    def read(self) -> None:
        """Bring the mirror up to now."""
        refresh(Environment.DEMO, [self.id], lane=Lane.BULK, parts=frozenset({Part.CASH, Part.POSITIONS}))
        self.simulator.reset_counters()


@pytest.fixture
def account(mirror: Simulator) -> Kept:
    """A flat account with a peak, whose used-up drawdown has locked it."""
    accounts = Account.objects.filter(
        environment="demo",
        archived=False,
        positions=None,
        risk_status__admin_action="Normal",
        risk_status__liquidate_only_at=None,
        risk_status__max_net_liq_usd__isnull=False,
    )
    found = Kept(mirror, accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[0])
    mirror.breach(found.id, "trailing")
    found.read()
    assert found.action == LOCK
    return found


@pytest.fixture
def item(account: Kept, support: Staff, supervisor: Staff) -> Item:
    """What puts it right, asked for and approved."""
    wanted = {
        "amount_usd": format(account.cash + 1500, "f"),
        # Neither the peak as it is nor as the change of the balance moves it: what is seen is the second call's own doing.
        "max_net_liq_usd": format(account.peak + Decimal("1457.11"), "f"),
        "comment": "Feed was down",
    }
    return the_item(approve(supervisor, ask(support, "remediation", account.id, parameters=wanted)))


def fault(simulator: Simulator, kind: str, step: int, **fields: object) -> None:
    simulator.fault(kind, endpoint=PATHS[step], count=1, **fields)


def counts(simulator: Simulator) -> list[int]:
    return [simulator.call_count(path) for path in PATHS]


def test_each_step_follows_the_proof_of_the_one_before(mirror: Simulator, account: Kept, item: Item) -> None:
    assert item.after is not None
    wanted = {name: Decimal(item.after[name]) for name in ("amount_usd", "max_net_liq_usd")}

    first = run(item)
    assert (first.state, first.step, first.is_half_done) == (ItemState.QUEUED, 1, True)
    assert (account.cash, account.action) == (wanted["amount_usd"], LOCK)
    second = run(item)
    assert (second.state, second.step) == (ItemState.QUEUED, 2)
    assert (account.peak, account.action) == (wanted["max_net_liq_usd"], LOCK)
    done = run(item)

    assert (done.state, done.is_half_done, done.change.state) == (ItemState.APPLIED, False, ChangeState.FINISHED)
    assert (account.cash, account.peak, account.action) == (wanted["amount_usd"], wanted["max_net_liq_usd"], "Normal")
    assert counts(mirror) == [1, 1, 1]
    # What was shown is what is sent, digit for digit.
    assert writes(done.change) == [
        f'{{"accountId": {account.id}, "cashChange": {item.after["cash_change_usd"]}, "comment": "Feed was down"}}',
        f'{{"accountId": {account.id}, "maxNetLiq": {item.after["max_net_liq_usd"]}}}',
        (
            f'{{"accountId": {account.id}, "adminAction": "{item.after["admin_action"]}", '
            '"adminActionReasonCode": "Other", "adminActionReason": "A test"}'
        ),
    ]
    assert done.observed is not None
    assert {name: Decimal(done.observed[name]) for name in wanted} == wanted
    assert (done.observed["admin_action"], done.observed["stopped_by_limit"]) == ("Normal", False)
    assert Event.objects.get(item_id=item.pk, tag=Tag.ITEM_SETTLED).after == done.observed
    steps = Event.objects.filter(item_id=item.pk, tag=Tag.ITEM_STEP_DONE).order_by("pk")
    assert [event.detail["text"] for event in steps] == ["Set the balance", "Set the max net liq"]


def test_the_plan_counts_three_calls(mirror: Simulator, account: Kept) -> None:
    wanted = {"amount_usd": format(account.cash + 1, "f"), "max_net_liq_usd": "1000"}
    planned = plan(KINDS["remediation"], environment=Environment.DEMO, target_ids=[account.id], parameters=wanted)
    assert planned.calls_needed == 3
    assert planned.rows[0].is_sent


def test_an_account_that_is_not_locked_is_put_right_all_the_same(
    mirror: Simulator, account: Kept, support: Staff, supervisor: Staff
) -> None:
    mirror.patch("accountRiskStatus", account.id, adminAction="Normal", adminTimestamp=None, liquidateOnly=None)
    account.read()
    wanted = {"amount_usd": format(account.cash + 5, "f"), "max_net_liq_usd": format(account.cash + 5, "f")}

    done = reconciled(the_item(approve(supervisor, ask(support, "remediation", account.id, parameters=wanted))))

    assert done.state == ItemState.APPLIED
    assert (account.cash, account.action) == (Decimal(wanted["amount_usd"]), "Normal")


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("text", ["Access is denied", "Account Id should be greater than 0"])
def test_a_refused_step_ends_it_locked_and_says_what_is_done(
    mirror: Simulator, account: Kept, item: Item, step: int, text: str
) -> None:
    fault(mirror, "errorText", step, text=text)

    ended = reconciled(item)

    half_done = ["", "Half done (Set the balance). ", "Half done (Set the balance, Set the max net liq). "][step]
    assert (ended.state, ended.note) == (ItemState.REJECTED, f"{half_done}Tradovate answered: {text}")
    assert ended.is_half_done == (step > 0)
    assert account.action == LOCK
    assert counts(mirror) == [1, int(step > 0), int(step > 1)]


def test_a_half_done_one_is_shown(mirror: Simulator, account: Kept, item: Item, client: Client, support: Staff) -> None:
    fault(mirror, "errorText", 1, text="Access is denied")
    reconciled(item)
    client.force_login(support)

    page = client.get(reverse("changes:detail", args=[item.change_id])).content.decode()

    assert "Half done</span>" in page
    assert "Half done (Set the balance). Tradovate answered: Access is denied" in page


@pytest.mark.parametrize("kind", ["cut", "500", "html"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_an_unclear_end_that_had_its_effect_continues(
    mirror: Simulator, account: Kept, item: Item, step: int, kind: str
) -> None:
    booked = account.booked
    fault(mirror, kind, step, when="after")

    assert reconciled(item, rounds=5).state == ItemState.APPLIED
    assert account.action == "Normal"
    assert account.booked == booked + 1
    assert counts(mirror) == [1, 1, 1]


@pytest.mark.parametrize("step", [1, 2])
def test_peak_and_unlock_are_sent_again_when_they_had_no_effect(
    mirror: Simulator, account: Kept, item: Item, step: int
) -> None:
    fault(mirror, "cut", step, when="before")

    assert reconciled(item, rounds=6).state == ItemState.APPLIED
    assert account.action == "Normal"
    assert counts(mirror) == [1, 1 + (step == 1), 1 + (step == 2)]


def test_a_peak_that_the_balance_has_moved_to_where_it_should_be_needs_no_second_call(
    mirror: Simulator, account: Kept, support: Staff, supervisor: Staff
) -> None:
    wanted = {"amount_usd": format(account.cash + 1500, "f"), "max_net_liq_usd": format(account.peak + 1500, "f")}
    item = the_item(approve(supervisor, ask(support, "remediation", account.id, parameters=wanted)))
    fault(mirror, "cut", 1, when="before")

    assert reconciled(item, rounds=5).state == ItemState.APPLIED
    assert (account.cash, account.peak) == (Decimal(wanted["amount_usd"]), Decimal(wanted["max_net_liq_usd"]))
    assert counts(mirror) == [1, 1, 1]


def test_a_balance_without_effect_waits_for_a_person_and_nothing_follows_it(
    mirror: Simulator, account: Kept, item: Item
) -> None:
    fault(mirror, "cut", 0, when="before")

    left = reconciled(item)

    assert (left.state, left.step, left.not_before) == (ItemState.UNKNOWN, 0, None)
    assert account.action == LOCK
    assert counts(mirror) == [1, 0, 0]


@pytest.mark.parametrize("step", [1, 2])
def test_a_worker_killed_between_two_steps(mirror: Simulator, account: Kept, item: Item, step: int) -> None:
    booked = account.booked
    for _ in range(step):
        run(item)
    Item.objects.filter(pk=item.pk).update(state=ItemState.SENDING, attempts=1)  # claimed, and never sent
    worker_dies(item)

    assert reconciled(item, rounds=5).state == ItemState.APPLIED
    assert account.booked == booked + 1
    assert counts(mirror) == [1, 1, 1]


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_worker_killed_after_an_answer(mirror: Simulator, account: Kept, item: Item, step: int) -> None:
    booked = account.booked
    for _ in range(step):
        run(item)
    send_item(item.pk, origin=ORIGIN)
    worker_dies(item)

    assert reconciled(item, rounds=5).state == ItemState.APPLIED
    assert account.booked == booked + 1
    assert counts(mirror) == [1, 1, 1]


def test_a_lock_that_somebody_sets_meanwhile_is_not_taken_away(
    mirror: Simulator, account: Kept, item: Item, support: Staff
) -> None:
    run(item)
    run(item)
    mirror.patch("accountRiskStatus", account.id, adminAction="LiquidateImmediately", adminTimestamp="2026-11-21T15:00:00.000Z")
    RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))

    left = run(item)

    assert left.state == ItemState.SKIPPED
    assert left.note == (
        "Half done (Set the balance, Set the max net liq). "
        "The account has changed since this was decided (Risk action: Locked (no orders), stopped by a limit → Liquidated and "
        "locked, stopped by a limit); request it again if it is still wanted"
    )
    assert left.is_half_done
    assert account.action == "LiquidateImmediately"
    assert counts(mirror) == [1, 1, 0]


def test_an_account_that_moved_before_it_began_is_left_alone(mirror: Simulator, account: Kept, item: Item) -> None:
    cash = mirror.account(account.id)["cashBalances"][0]
    mirror.patch("cashBalance", cash["id"], amount=cash["amount"] + 1)
    RiskStatus.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))

    left = run(item)

    assert (left.state, left.is_half_done) == (ItemState.SKIPPED, False)
    assert counts(mirror) == [0, 0, 0]
