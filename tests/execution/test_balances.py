"""Balances, peaks and auto-liq resets against a real simulator: money is never sent twice by itself."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.stored import State
from accounts.changes.models import Item
from accounts.changes.plan import plan
from accounts.changes.states import ChangeState, ItemState
from accounts.execution.models import Call, CallState, Purpose
from accounts.models import Account, Cash, RiskStatus
from accounts.sync.actions import refresh
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.changes.world import approve, ask
from tests.execution.worker import (
    ORIGIN,
    active_account,
    make_due,
    read_back_due,
    reconciled,
    run,
    send_item,
    the_item,
    worker_dies,
    writes,
)
from tests.simulator.driver import Simulator

CHANGE_BALANCE = "/cashBalance/changedemobalance"
SET_PEAK = "/accountRiskStatus/updatemaxnetliq"
RESET = "/accountRiskStatus/resetautoliqstatus"


@pytest.fixture
def account_id(mirror: Simulator) -> int:
    """A flat account on which no one acted, with a peak and less than 50,000 dollars."""
    accounts = Account.objects.filter(
        environment="demo",
        archived=False,
        positions=None,
        risk_status__admin_action="Normal",
        risk_status__liquidate_only_at=None,
        risk_status__max_net_liq_usd__isnull=False,
        cash__amount_usd__lt=49_000,
    )
    return accounts.order_by("tradovate_id").values_list("tradovate_id", flat=True)[0]


def cash_of(simulator: Simulator, account_id: int) -> Decimal:
    return Decimal(str(simulator.account(account_id)["cashBalances"][0]["amount"]))


def peak_of(simulator: Simulator, account_id: int) -> Decimal:
    return Decimal(str(simulator.account(account_id)["accountRiskStatus"]["maxNetLiq"]))


def booked(simulator: Simulator, account_id: int) -> list[dict[str, Any]]:
    """Every change of the account's balance that a call has made."""
    return simulator.effects(account_id=account_id, source="call", action="demo_balance_changed")


def approved(support: Staff, supervisor: Staff, kind_name: str, account_id: int, parameters: State | None = None) -> Item:
    return the_item(approve(supervisor, ask(support, kind_name, account_id, parameters=parameters)))


def traded(simulator: Simulator, account_id: int, profit: str) -> None:
    """Let the trader realise a profit or loss, which Tradovate books as cash and counts in day and week."""
    cash = simulator.account(account_id)["cashBalances"][0]
    names = ("amount", "realizedPnL", "weekRealizedPnL")
    simulator.patch("cashBalance", cash["id"], **{name: round(cash[name] + float(profit), 2) for name in names})


class TestBalance:
    """changedemobalance: a difference, so that nothing but a person ever makes a call again."""

    @pytest.fixture
    def item(self, account_id: int, support: Staff, supervisor: Staff) -> Item:
        parameters = {"cash_change_usd": "250.5", "comment": "Fill that was not theirs"}
        return approved(support, supervisor, "demo_balance", account_id, parameters)

    def test_a_change_is_applied_and_read_back(self, mirror: Simulator, account_id: int, item: Item) -> None:
        before, peak = cash_of(mirror, account_id), peak_of(mirror, account_id)

        done = run(item)

        assert (done.state, done.note) == (ItemState.APPLIED, "")
        assert done.change.state == ChangeState.FINISHED
        assert cash_of(mirror, account_id) == before + Decimal("250.5")
        assert peak_of(mirror, account_id) == peak + Decimal("250.5")  # as Tradovate is said to do, and the page warns
        assert done.after is not None
        assert Decimal(done.after["amount_usd"]) == before + Decimal("250.5")
        assert Cash.objects.get(account__tradovate_id=account_id, account__environment="demo").amount_usd == before + Decimal(
            "250.5"
        )
        # What was shown is what is sent, digit for digit.
        assert writes(done.change) == [
            f'{{"accountId": {account_id}, "cashChange": {done.after["cash_change_usd"]}, "comment": "Fill that was not theirs"}}'
        ]
        assert '"totalCashValue"' in Call.objects.get(purpose=Purpose.WRITE).response_text

    def test_a_target_sends_what_is_missing(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        wanted = cash_of(mirror, account_id) - Decimal("99.99")
        done = run(approved(support, supervisor, "demo_balance", account_id, {"amount_usd": format(wanted, "f")}))

        assert done.state == ItemState.APPLIED
        assert cash_of(mirror, account_id) == wanted
        assert writes(done.change) == [f'{{"accountId": {account_id}, "cashChange": -99.99}}']

    def test_what_it_has_already_is_no_call(self, mirror: Simulator, account_id: int) -> None:
        has = format(cash_of(mirror, account_id), "f")
        planned = plan(
            KINDS["demo_balance"], environment=Environment.DEMO, target_ids=[account_id], parameters={"amount_usd": has}
        )
        assert [row.skip_reason for row in planned.rows] == ["Has this balance already"]

    @pytest.mark.parametrize(
        "text",
        [
            "Access denied",
            "Account Id should be greater than 0",
            "Cash Change should be greater than -1000000",
            "Cash Change should be less than 1000000",
            "Comment should be no longer than 64",
            "Demo account is closed",
            "Maximum cash amount in the simulation account must be less than or equal to $50,000",
            "One change to the simulation cash balance is permitted per hour. Please try again later.",
            "This endpoint should be called on demo.tradovateapi.com",
        ],
    )
    def test_every_documented_refusal_is_shown_in_tradovates_words(
        self, mirror: Simulator, account_id: int, item: Item, text: str
    ) -> None:
        before = cash_of(mirror, account_id)
        mirror.fault("errorText", endpoint=CHANGE_BALANCE, text=text, count=1)

        refused = reconciled(item)

        assert (refused.state, refused.note) == (ItemState.REJECTED, f"Tradovate answered: {text}")
        assert cash_of(mirror, account_id) == before
        assert mirror.call_count(CHANGE_BALANCE) == 1

    def test_an_account_that_was_closed_meanwhile(self, mirror: Simulator, account_id: int, item: Item) -> None:
        mirror.patch("account", account_id, closed=True)
        try:
            refused = run(item)
        finally:
            mirror.patch("account", account_id, closed=False)
        assert (refused.state, refused.note) == (ItemState.REJECTED, "Tradovate answered: Demo account is closed")

    def test_an_account_that_it_does_not_know(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        Account.objects.filter(tradovate_id=account_id, environment="demo").update(tradovate_id=987_654_321)

        refused = run(approved(support, supervisor, "demo_balance", 987_654_321, {"cash_change_usd": "1"}))

        assert (refused.state, refused.note) == (ItemState.REJECTED, "Tradovate answered: Access denied")

    def test_the_largest_balance_where_it_binds_admins(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        mirror.set(demo_cash_cap_for_admins=True)
        try:
            item = approved(support, supervisor, "demo_balance", account_id, {"amount_usd": "50000.01"})
            refused = run(item)
        finally:
            mirror.set(demo_cash_cap_for_admins=False)
        assert refused.state == ItemState.REJECTED
        assert refused.note.endswith("must be less than or equal to $50,000")

    @pytest.mark.parametrize("fault", ["cut", "500", "html", "cut-body"])
    def test_an_unclear_end_that_had_its_effect_is_applied(
        self, mirror: Simulator, account_id: int, item: Item, fault: str
    ) -> None:
        earlier = len(booked(mirror, account_id))
        mirror.fault(fault, when="after", endpoint=CHANGE_BALANCE, count=1)

        done = reconciled(item)

        assert done.state == ItemState.APPLIED
        reported = {
            "cut": "No answer came",
            "500": "Tradovate answered HTTP 500",
            "html": "Tradovate answered 200 with a body that is not JSON",
            "cut-body": "no whole answer from Tradovate (ProtocolError)",
        }
        assert done.note == f"{reported[fault]}, but the read-back shows it"
        assert len(booked(mirror, account_id)) == earlier + 1

    @pytest.mark.parametrize("fault", ["cut", "500", "html"])
    def test_an_unclear_end_without_effect_waits_for_a_person(
        self, mirror: Simulator, account_id: int, item: Item, fault: str
    ) -> None:
        earlier = len(booked(mirror, account_id))
        mirror.fault(fault, when="before", endpoint=CHANGE_BALANCE, count=1)

        left = reconciled(item)

        assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
        assert left.note == "The read-back shows no effect, and it is not sent again by itself"
        assert mirror.call_count(CHANGE_BALANCE) == 1
        assert len(booked(mirror, account_id)) == earlier

    def test_trading_before_the_read_back_is_recognised_by_the_weeks_profit(
        self, mirror: Simulator, account_id: int, item: Item
    ) -> None:
        mirror.fault("cut", when="after", endpoint=CHANGE_BALANCE, count=1)
        send_item(item.pk, origin=ORIGIN)
        traded(mirror, account_id, "-12.34")

        assert reconciled(item).state == ItemState.APPLIED

    def test_trading_alone_is_no_effect(self, mirror: Simulator, account_id: int, item: Item) -> None:
        mirror.fault("cut", when="before", endpoint=CHANGE_BALANCE, count=1)
        send_item(item.pk, origin=ORIGIN)
        traded(mirror, account_id, "-12.34")

        left = reconciled(item)

        assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
        assert mirror.call_count(CHANGE_BALANCE) == 1

    def test_what_nothing_explains_is_left_to_people(self, mirror: Simulator, account_id: int, item: Item) -> None:
        send_item(item.pk, origin=ORIGIN)
        cash = mirror.account(account_id)["cashBalances"][0]
        mirror.patch("cashBalance", cash["id"], amount=cash["amount"] - 7)
        read_back_due(origin=ORIGIN)

        left = the_item(item.change)
        assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
        assert left.note.startswith("The call was for ")
        assert left.note.endswith("trading realised $0.00 meanwhile: these figures don't prove whether it was carried out")
        assert left.observed is not None

    def test_a_balance_that_moved_after_the_approval_is_left_alone(
        self, mirror: Simulator, account_id: int, item: Item
    ) -> None:
        traded(mirror, account_id, "5")
        Cash.objects.update(fresh_at=timezone.now() - timedelta(minutes=1))

        left = run(item)

        assert left.state == ItemState.SKIPPED
        assert "has changed since" in left.note
        assert mirror.call_count(CHANGE_BALANCE) == 0

    def test_a_worker_that_dies_before_its_call_leaves_it_to_people(
        self, mirror: Simulator, account_id: int, item: Item
    ) -> None:
        Item.objects.filter(pk=item.pk).update(state=ItemState.SENDING, attempts=1)
        worker_dies(item)

        left = reconciled(item)

        assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
        assert mirror.call_count(CHANGE_BALANCE) == 0


class TestPeak:
    """updatemaxnetliq: absolute, so that what had no effect may be sent again."""

    @pytest.fixture
    def wanted(self, mirror: Simulator, account_id: int) -> str:
        return format(peak_of(mirror, account_id) - Decimal("123.45"), "f")

    @pytest.fixture
    def item(self, account_id: int, wanted: str, support: Staff, supervisor: Staff) -> Item:
        return approved(support, supervisor, "max_net_liq", account_id, {"max_net_liq_usd": wanted})

    def test_it_is_applied_and_read_back(self, mirror: Simulator, account_id: int, wanted: str, item: Item) -> None:
        done = run(item)

        assert done.state == ItemState.APPLIED
        assert peak_of(mirror, account_id) == Decimal(wanted)
        assert done.after == {"max_net_liq_usd": wanted}
        assert writes(done.change) == [f'{{"accountId": {account_id}, "maxNetLiq": {wanted}}}']
        status = RiskStatus.objects.get(account__tradovate_id=account_id, account__environment="demo")
        assert status.max_net_liq_usd == Decimal(wanted)

    def test_what_it_has_already_is_no_call(self, mirror: Simulator, account_id: int) -> None:
        has = {"max_net_liq_usd": format(peak_of(mirror, account_id), "f")}
        planned = plan(KINDS["max_net_liq"], environment=Environment.DEMO, target_ids=[account_id], parameters=has)
        assert [row.skip_reason for row in planned.rows] == ["Has this max net liq already"]

    @pytest.mark.parametrize("text", ["Access is denied", "Account Id should be greater than 0"])
    def test_a_refusal_is_shown_in_tradovates_words(self, mirror: Simulator, account_id: int, item: Item, text: str) -> None:
        before = peak_of(mirror, account_id)
        mirror.fault("errorText", endpoint=SET_PEAK, text=text, count=1)

        refused = reconciled(item)

        assert (refused.state, refused.note) == (ItemState.REJECTED, f"Tradovate answered: {text}")
        assert peak_of(mirror, account_id) == before

    def test_an_account_that_it_does_not_know(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        Account.objects.filter(tradovate_id=account_id, environment="demo").update(tradovate_id=987_654_321)
        item = approved(support, supervisor, "max_net_liq", 987_654_321, {"max_net_liq_usd": "1000"})

        refused = run(item)

        assert refused.state == ItemState.REJECTED
        assert "404" in refused.note

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("fault", ["cut", "500", "html"])
    def test_an_unclear_end_is_reconciled_with_one_effect(
        self, mirror: Simulator, account_id: int, item: Item, fault: str, when: str
    ) -> None:
        def effects() -> int:
            return len(mirror.effects(account_id=account_id, source="call", action="max_net_liq_set"))

        earlier = effects()
        mirror.fault(fault, when=when, endpoint=SET_PEAK, count=1)

        done = reconciled(item)

        assert (done.state, done.observed) == (ItemState.APPLIED, done.after)
        assert effects() == earlier + 1


class TestReset:
    """resetautoliqstatus, of which no one knows what it does: whatever it alters is told."""

    @pytest.fixture
    def stopped(self, mirror: Simulator) -> int:
        """An account that a limit has stopped until the session ends."""
        account_id = active_account()
        mirror.patch("userAccountAutoLiq", account_id, doNotUnlock=False)
        mirror.breach(account_id, "daily")
        refresh(Environment.DEMO, [account_id], lane=Lane.BULK)
        mirror.reset_counters()
        return account_id

    def test_its_changes_are_shown(self, mirror: Simulator, stopped: int, support: Staff, supervisor: Staff) -> None:
        done = run(approved(support, supervisor, "reset_auto_liq_status", stopped))

        assert done.state == ItemState.APPLIED
        assert done.before is not None
        assert done.observed is not None
        said = KINDS["reset_auto_liq_status"].differences(done.before, done.observed)
        assert [(each.label, each.after) for each in said] == [("Stopped by a limit", "not set")]
        assert writes(done.change) == [f'{{"accountId": {stopped}}}']

    def test_an_answered_call_that_alters_nothing_is_unchanged_once_a_late_effect_is_ruled_out(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        waiting = run(approved(support, supervisor, "reset_auto_liq_status", account_id))
        assert waiting.state == ItemState.SENT

        make_due(waiting)
        read_back_due(origin=ORIGIN)

        done = the_item(waiting.change)
        assert (done.state, done.change.state) == (ItemState.UNCHANGED, ChangeState.FINISHED)
        assert mirror.call_count(RESET) == 1

    @pytest.mark.parametrize("text", ["Access is denied", "Account Id should be greater than 0"])
    def test_a_refusal_is_shown_in_tradovates_words(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff, text: str
    ) -> None:
        mirror.fault("errorText", endpoint=RESET, text=text, count=1)

        refused = reconciled(approved(support, supervisor, "reset_auto_liq_status", account_id))

        assert (refused.state, refused.note) == (ItemState.REJECTED, f"Tradovate answered: {text}")

    def test_an_account_that_it_does_not_know(
        self, mirror: Simulator, account_id: int, support: Staff, supervisor: Staff
    ) -> None:
        Account.objects.filter(tradovate_id=account_id, environment="demo").update(tradovate_id=987_654_321)

        item = run(approved(support, supervisor, "reset_auto_liq_status", 987_654_321))

        assert item.state == ItemState.REJECTED
        assert "404" in item.note

    def test_cut_after_its_effect(self, mirror: Simulator, stopped: int, support: Staff, supervisor: Staff) -> None:
        mirror.fault("cut", when="after", endpoint=RESET, count=1)

        assert reconciled(approved(support, supervisor, "reset_auto_liq_status", stopped)).state == ItemState.APPLIED
        assert mirror.call_count(RESET) == 1

    def test_cut_before_it_is_left_to_people(self, mirror: Simulator, stopped: int, support: Staff, supervisor: Staff) -> None:
        mirror.fault("cut", when="before", endpoint=RESET, count=1)

        left = reconciled(approved(support, supervisor, "reset_auto_liq_status", stopped))

        assert (left.state, left.not_before) == (ItemState.UNKNOWN, None)
        assert mirror.call_count(RESET) == 1
        assert left.calls.filter(purpose=Purpose.WRITE).get().state == CallState.UNKNOWN
