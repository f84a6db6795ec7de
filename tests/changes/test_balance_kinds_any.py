"""Balances, peaks, remediation and resets: any mirror and any parameters give a plan that is sent as shown, or a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Skip
from accounts.changes.kinds.money import usd_text
from accounts.changes.kinds.stored import State
from accounts.models import Account, AutoLiqLimits, Cash, RiskStatus
from riskadmin.tradovate.vocabulary import AdminAction
from tests.changes.kinds import T0, T1, an_account, load, sent

MONEY = st.decimals(-(10**13), 10**13, places=2, allow_nan=False)
TIMES = st.none() | st.just(T0) | st.just(T1)
ACTIONS = st.sampled_from([*(action.value for action in AdminAction), "", "SomethingNew"])
ANYTHING = MONEY.map(usd_text) | st.text(max_size=70) | st.none() | st.integers() | st.sampled_from(["NaN", "1e99", "-0"])
PARAMETERS = st.dictionaries(st.sampled_from(["amount_usd", "cash_change_usd", "max_net_liq_usd", "comment"]), ANYTHING)


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """An open account in any state Tradovate could tell, unsaved."""
    account = an_account(positions=draw(st.integers(0, 2)))
    account.risk_status = RiskStatus(
        admin_action=draw(ACTIONS),
        admin_at=draw(TIMES),
        liquidate_only_at=draw(TIMES),
        user_triggered_liq_only=draw(st.none() | st.booleans()),
        max_net_liq_usd=draw(st.none() | MONEY),
        fresh_at=T0,
    )
    account.cash = Cash(amount_usd=draw(MONEY), week_realized_pnl_usd=draw(st.none() | MONEY), fresh_at=T0)
    drawdown = draw(st.none() | MONEY)
    stops_at = draw(st.none() | MONEY)
    limits = AutoLiqLimits(trailing_max_drawdown_usd=drawdown, trailing_max_drawdown_limit_usd=stops_at, do_not_unlock=True)
    load(account, firm_limits=draw(st.sampled_from([[], [limits]])))
    return account


@pytest.mark.parametrize("kind_name", ["demo_balance", "max_net_liq", "remediation", "reset_auto_liq_status"])
@given(account=accounts(), parameters=PARAMETERS, contested=st.booleans())
def test_anything_gives_a_plan_that_is_sent_as_shown_or_a_reason(
    account: Account, parameters: State, kind_name: str, *, contested: bool
) -> None:
    kind = KINDS[kind_name]
    outcome = kind.plan(account, parameters=parameters, contested=contested)
    assert outcome.before == kind.state(account)
    if isinstance(outcome, Skip):
        assert outcome.reason
        return
    assert json.loads(json.dumps([outcome.before, outcome.after])) == [outcome.before, outcome.after]
    assert all(each.before and each.after for each in kind.differences(outcome.before, outcome.after))
    assert outcome.weight >= 0
    # Nothing is planned that the client would not send, and each amount goes out with the digits that are shown.
    bodies = {endpoint: json.loads(body, parse_float=str, parse_int=str) for endpoint, body in sent(kind, outcome)}
    shown = {
        "cashBalance/changedemobalance": {"cashChange": "cash_change_usd", "comment": "comment"},
        "accountRiskStatus/updatemaxnetliq": {"maxNetLiq": "max_net_liq_usd"},
        "accountRiskStatus/setadminautoliqaction": {"adminAction": "admin_action"},
    }
    for endpoint, body in bodies.items():
        for sent_as, name in shown.get(endpoint, {}).items():
            assert body.get(sent_as) == outcome.after.get(name)


@pytest.mark.parametrize("kind_name", ["demo_balance", "max_net_liq", "remediation", "reset_auto_liq_status"])
@given(shown=accounts(), found=accounts(), parameters=PARAMETERS)
def test_every_read_back_can_be_interpreted(shown: Account, found: Account, parameters: State, kind_name: str) -> None:
    kind = KINDS[kind_name]
    outcome = kind.plan(shown, parameters=parameters, contested=False)
    if isinstance(outcome, Skip):
        return
    for step in range(len(kind.steps)):
        before, observed = outcome.before, kind.state(found)
        assert isinstance(kind.interpret_read_back(before=before, after=outcome.after, observed=observed, step=step), Finding)
        # What stands exactly as before has had no effect, unless that is where it was to be.
        if kind.interpret_read_back(before=before, after=outcome.after, observed=before, step=step) == Finding.APPLIED:
            assert kind_name == "remediation"
            assert step > 0
