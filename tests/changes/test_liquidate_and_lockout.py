"""Liquidating accounts and ending lockouts: what is planned, said and interpreted; supervisors decide, and twice when it is many."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.approvals.subjects import NotAllowed
from accounts.changes.actions import CountNotConfirmed, submit
from accounts.changes.kinds import KINDS
from accounts.changes.kinds.admin_action import RiskState
from accounts.changes.kinds.kind import Finding, Planned
from accounts.changes.kinds.stored import Difference, State
from accounts.changes.kinds.user_lockout import NotReadable
from accounts.changes.models import Change
from accounts.changes.plan import plan
from accounts.models import Trader, TradingPermission
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import AdminAction, Environment, ReasonCode
from tests.approvals.policies import wanted
from tests.changes.kinds import Notebook, an_account, moments, sent
from tests.changes.test_kinds import T1, state
from tests.changes.world import LIQUIDATED, LOCKED, NORMAL, ORIGIN, hold_position, make_account, make_accounts

LIQUIDATE, LOCKOUT = KINDS["liquidate"], KINDS["user_lockout"]
AFTER = {"admin_actions": [LIQUIDATED, LOCKED]}

FINDINGS = [
    # step, before, observed, finding
    (0, state(NORMAL), state(LIQUIDATED, T1), Finding.APPLIED),
    (0, state(NORMAL), state(NORMAL), Finding.NOT_APPLIED),
    (0, state(NORMAL), state(NORMAL, stopped=True), Finding.NOT_APPLIED),
    (0, state(LOCKED), state(LIQUIDATED, T1), Finding.APPLIED),
    # Liquidated before: only a new time proves that it was done again.
    (0, state(LIQUIDATED), state(LIQUIDATED), Finding.NOT_APPLIED),
    (0, state(LIQUIDATED), state(LIQUIDATED, T1), Finding.APPLIED),
    # Somebody else has acted since, so that no one can tell.
    (0, state(NORMAL), state(LOCKED, T1), Finding.ELSEWHERE),
    (0, state(LOCKED), state(NORMAL, T1), Finding.ELSEWHERE),
    (1, state(NORMAL), state(LOCKED, T1), Finding.APPLIED),
    (1, state(NORMAL), state(LIQUIDATED, T1), Finding.NOT_APPLIED),
    (1, state(NORMAL), state(NORMAL, T1), Finding.ELSEWHERE),
    (1, state(NORMAL), state(NORMAL), Finding.ELSEWHERE),
    (1, state(LOCKED), state(LOCKED), Finding.ELSEWHERE),
]


@pytest.mark.parametrize(("step", "before", "observed", "finding"), FINDINGS)
def test_a_read_back_of_a_step_is_interpreted(step: int, before: State, observed: State, finding: Finding) -> None:
    assert LIQUIDATE.interpret_read_back(before=before, after=AFTER, observed=observed, step=step) == finding


TIMES = st.none() | moments()
STATES = st.builds(
    RiskState,
    admin_action=st.sampled_from([*(action.value for action in AdminAction), "SomethingNew"]),
    admin_at=TIMES,
    stopped_by_limit=st.booleans(),
).map(RiskState.to_json)


@given(before=STATES, observed=STATES, step=st.sampled_from([0, 1]))
def test_only_its_own_word_set_again_proves_a_step(before: State, observed: State, step: int) -> None:
    finding = LIQUIDATE.interpret_read_back(before=before, after=AFTER, observed=observed, step=step)
    if finding == Finding.APPLIED:
        assert observed["admin_action"] == AFTER["admin_actions"][step]
        assert observed != before
    assert finding != Finding.UNCHANGED


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (state(NORMAL), ("Normal", "Liquidated, then locked (no orders)", "tighter")),
        (state(LOCKED), ("Locked (no orders)", "Liquidated, then locked (no orders)", "")),
    ],
)
def test_it_says_both_things_that_it_does(before: State, said: tuple[str, str, str]) -> None:
    was, becomes, direction = said
    expected = Difference(label="Risk action", before=was, after=becomes, direction=direction)
    assert LIQUIDATE.differences(before, AFTER) == (expected,)
    # What moved since it was shown is said as for a lock.
    assert LIQUIDATE.differences(before, state(LOCKED, T1))[0].after.startswith("Locked (no orders)")


@given(action=st.sampled_from([*(each.value for each in AdminAction), "", "SomethingNew"]), positions=st.integers(0, 3))
def test_every_account_can_be_planned_and_is_sent_as_shown(action: str, positions: int) -> None:
    outcome = LIQUIDATE.plan(an_account(action=action, positions=positions), parameters={}, contested=True)
    assert isinstance(outcome, Planned)
    assert outcome.after == AFTER
    assert len(outcome.warnings) == 1
    asked = '"adminActionReasonCode": "Other", "adminActionReason": "A test"'
    assert [body for _, body in sent(LIQUIDATE, outcome)] == [
        f'{{"accountId": 1, "adminAction": "{each}", {asked}}}' for each in AFTER["admin_actions"]
    ]


@pytest.mark.django_db
class TestPlanned:
    def test_it_says_what_would_be_closed(self) -> None:
        holding = make_account(101)
        hold_position(holding, -3, 1)
        hold_position(holding, 2, 2)
        one = make_account(102)
        hold_position(one, 1, 3)
        make_account(103, LOCKED, positions_read_at=None)
        planned = plan(LIQUIDATE, environment=Environment.DEMO, target_ids=[101, 102, 103])
        assert [row.warnings for row in planned.rows] == [
            ("2 open positions would be closed (5 contracts)",),
            ("1 open position would be closed (1 contract)",),
            ("Its positions were never read: whatever it holds would be closed",),
        ]
        assert [row.weight for row in planned.rows] == [5.0, 1.0, 0.0]
        assert planned.calls_needed == 6

    def test_it_costs_the_same_for_many(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        make_accounts(range(1, 31))
        for kind_name in ("liquidate", "max_net_liq", "demo_balance", "remediation", "reset_auto_liq_status"):
            kind = KINDS[kind_name]
            with django_assert_num_queries(self.queries(kind_name, 3)):
                assert len(kind.subjects(Environment.DEMO, range(1, 31))) == 30

    @staticmethod
    def queries(kind_name: str, count: int) -> int:
        with CaptureQueriesContext(connection) as asked:
            KINDS[kind_name].subjects(Environment.DEMO, range(1, count + 1))
        return len(asked)

    def test_live_and_archived_accounts_are_left_alone(self) -> None:
        make_account(101, environment="live")
        make_account(102, archived=True)
        live = plan(LIQUIDATE, environment=Environment.LIVE, target_ids=[101])
        gone = plan(LIQUIDATE, environment=Environment.DEMO, target_ids=[102])
        assert live.rows[0].skip_reason == "Tradovate takes this on demo only; the account is on live"
        assert gone.rows[0].skip_reason.startswith("Archived")


def ask(person: Staff, *account_ids: int, count: int | None) -> Change:
    return submit(
        actor=person,
        origin=ORIGIN,
        kind=LIQUIDATE,
        environment=Environment.DEMO,
        target_ids=account_ids,
        reason_code=ReasonCode.CLOSE_FRAUD,
        reason_text="",
        form_key=uuid4(),
        shown_digest=plan(LIQUIDATE, environment=Environment.DEMO, target_ids=account_ids).digest,
        confirmed_count=count,
    )


@pytest.mark.django_db
class TestWhoDecides:
    def test_support_may_not_request(self, support: Staff) -> None:
        make_account(101)
        with pytest.raises(NotAllowed):
            ask(support, 101, count=1)
        assert not Change.objects.exists()

    def test_the_page_is_closed_to_support(self, client: Client, support: Staff) -> None:
        make_account(101)
        client.force_login(support)
        assert client.get(reverse("changes:new", args=["liquidate"]) + "?account=demo:101").status_code == 403

    def test_even_one_has_its_number_typed(self, supervisor: Staff) -> None:
        make_account(101)
        with pytest.raises(CountNotConfirmed):
            ask(supervisor, 101, count=None)
        assert ask(supervisor, 101, count=1).approval.needed == 1

    def test_more_than_a_hundred_need_two_decisions(self, supervisor: Staff) -> None:
        make_accounts(range(1, 102))
        assert ask(supervisor, *range(1, 101), count=100).approval.needed == 1
        assert wanted("liquidate", items=101).approvals == 2


@pytest.mark.django_db
def test_the_policy_to_begin_with_wants_a_supervisor_and_two_for_many() -> None:
    for kind_name in ("user_lockout", "reset_auto_liq_status", "max_net_liq", "demo_balance", "remediation", "liquidate"):
        assert wanted(kind_name).who == "1 supervisor"
    assert wanted("liquidate", items=101).who == "2 supervisors"


@pytest.mark.parametrize(
    ("kind_name", "one", "many"),
    [
        ("liquidate", "Liquidate 1 account", "Liquidate 12 accounts"),
        ("user_lockout", "End the lockout of 1 trader", "End the lockout of 12 traders"),
        ("reset_auto_liq_status", "Reset the auto-liq status of 1 account", "Reset the auto-liq status of 12 accounts"),
        ("max_net_liq", "Set the max net liq of 1 account", "Set the max net liq of 12 accounts"),
        ("demo_balance", "Change the balance of 1 account", "Change the balance of 12 accounts"),
        ("remediation", "Remediate 1 account", "Remediate 12 accounts"),
    ],
)
def test_what_the_button_says(kind_name: str, one: str, many: str) -> None:
    assert (KINDS[kind_name].words(1), KINDS[kind_name].words(12)) == (one, many)


def test_what_is_never_sent_again_by_itself() -> None:
    again = {
        name: [KINDS[name].is_resend_safe(step) for step in range(len(KINDS[name].steps))]
        for name in ("liquidate", "user_lockout", "reset_auto_liq_status", "max_net_liq", "demo_balance", "remediation")
    }
    assert again == {
        "liquidate": [False, True],
        "user_lockout": [False],
        "reset_auto_liq_status": [False],
        "max_net_liq": [True],
        "demo_balance": [False],
        "remediation": [False, True, True],
    }


@pytest.mark.django_db
class TestLockout:
    @staticmethod
    def trade(trader: Trader, number: int, *, status: str = "Accepted", **columns: Any) -> None:
        account = make_account(number, **columns)
        fresh = {"fresh_at": account.fresh_at, "source": account.source}
        TradingPermission.objects.create(
            environment="demo", tradovate_id=number, account=account, trader=trader, status=status, **fresh
        )

    @pytest.fixture
    def trader(self) -> Trader:
        like = make_account(1)
        return Trader.objects.create(
            environment="demo", tradovate_id=77, name="ana", fresh_at=like.fresh_at, source=like.source
        )

    def test_it_says_how_many_accounts_trade_again(self, trader: Trader) -> None:
        self.trade(trader, 101)
        self.trade(trader, 102)
        self.trade(trader, 103, status="Revoked")
        self.trade(trader, 104, archived=True)
        (row,) = plan(LOCKOUT, environment=Environment.DEMO, target_ids=[77]).rows
        assert (row.name, row.target, row.before, row.after) == ("ana", "demo:trader:77", {}, {"lockout": "ended"})
        assert row.warnings == ("Trades 2 open accounts",)

    def test_a_trader_without_accounts_and_one_that_is_gone(self, trader: Trader) -> None:
        (row,) = plan(LOCKOUT, environment=Environment.DEMO, target_ids=[77]).rows
        assert row.warnings == ("Trades no open account",)
        trader.missing_since = trader.fresh_at
        trader.save()
        gone, unknown = plan(LOCKOUT, environment=Environment.DEMO, target_ids=[77, 78]).rows
        assert gone.skip_reason == "Gone: Tradovate no longer lists it"
        assert unknown.skip_reason == "Unknown: no such trader was read from Tradovate"

    def test_an_account_of_the_same_number_is_something_else(self, trader: Trader, support: Staff) -> None:
        make_account(77)
        (row,) = plan(LOCKOUT, environment=Environment.DEMO, target_ids=[77]).rows
        assert row.account is None

    def test_the_reason_is_the_notes(self, trader: Trader) -> None:
        (row,) = plan(LOCKOUT, environment=Environment.DEMO, target_ids=[77]).rows
        assert row.before is not None
        assert row.after is not None
        assert row.effects is not None
        planned = Planned(before=row.before, after=row.after, effects=row.effects)
        assert sent(LOCKOUT, planned, target_id=77, reason="Called") == [
            ("user/expireuserlockout", '{"userId": 77, "notes": "Called"}')
        ]
        assert sent(LOCKOUT, planned, target_id=77, reason="") == [("user/expireuserlockout", '{"userId": 77}')]
        assert sent(LOCKOUT, planned, target_id=77, reason="x" * 8192)
        with pytest.raises(ValueError, match="8192"):
            sent(LOCKOUT, planned, target_id=77, reason="x" * 8193)

    def test_nothing_of_it_is_ever_read_back(self) -> None:
        assert not LOCKOUT.is_read_back
        with pytest.raises(NotReadable):
            LOCKOUT.read(Notebook(), [77])
        with pytest.raises(NotReadable):
            LOCKOUT.interpret_read_back(before={}, after={}, observed={}, step=0)

    def test_it_is_demo_only(self) -> None:
        (row,) = plan(LOCKOUT, environment=Environment.LIVE, target_ids=[77]).rows
        assert row.skip_reason == "Tradovate takes this on demo only; the trader is on live"

    def test_it_loosens(self) -> None:
        (said,) = LOCKOUT.differences({}, {"lockout": "ended"})
        assert (said.before, said.after, said.direction) == ("not known", "ended", "looser")
