"""What was shown is what is sent, byte for byte: the call that a planned item makes says its intended state, and no more.

The kinds about limits and money have the same in their own files (`test_limit_records`, `test_balance_kinds_any`). That a
call's row keeps the very bytes that went out is `tests/tradovate/test_writes.py`'s.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import CallSpec, Planned, Skip, Target
from accounts.changes.kinds.stored import State
from accounts.models import Account, RiskCategory, RiskStatus, Trader, TradingPermission
from riskadmin.audit.wording import ADMIN_ACTION_WORDS
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode
from tests.changes.kinds import Notebook, an_account, load, moments, sent

IDS = st.integers(1, 2**63 - 1)
REASONS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200).filter(str.strip)
ACTIONS = st.sampled_from([*ADMIN_ACTION_WORDS, "", "SomethingNew"])
TIMES = st.none() | moments()


@st.composite
def statuses(draw: st.DrawFn) -> Account:
    """An account in any risk status."""
    account = an_account(positions=draw(st.integers(0, 3)))
    account.risk_status = RiskStatus(admin_action=draw(ACTIONS), admin_at=draw(TIMES), liquidate_only_at=draw(TIMES))
    return account


def bodies(kind_name: str, planned: Planned, target_id: int, reason: str) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in sent(KINDS[kind_name], planned, target_id=target_id, reason=reason)]


@pytest.mark.parametrize("kind_name", ["lock", "liquidate_only", "unlock", "liquidate"])
@given(account=statuses(), target_id=IDS, reason=REASONS, contested=st.booleans())
def test_admin_actions(kind_name: str, account: Account, target_id: int, reason: str, *, contested: bool) -> None:
    outcome = KINDS[kind_name].plan(account, parameters={}, contested=contested)
    if isinstance(outcome, Skip):
        return
    shown = outcome.after.get("admin_actions") or [outcome.after["admin_action"]]
    assert set(shown) <= set(AdminAction)
    assert bodies(kind_name, outcome, target_id, reason) == [
        {"accountId": target_id, "adminAction": action, "adminActionReasonCode": "Other"} | {"adminActionReason": reason}
        for action in shown
    ]


@given(target_id=IDS, reason=REASONS, permissions=st.lists(st.integers(1, 5), max_size=4))
def test_a_lockout(target_id: int, reason: str, permissions: list[int]) -> None:
    trader = Trader(pk=1, environment="demo", tradovate_id=target_id, name="Kim")
    load(trader, open_permissions=[TradingPermission(account_id=each) for each in permissions])
    outcome = KINDS["user_lockout"].plan(trader, parameters={}, contested=False)
    assert isinstance(outcome, Planned)
    body: State = {"userId": target_id, "notes": reason}
    assert bodies("user_lockout", outcome, target_id, reason) == [body]


@given(account=statuses(), target_id=IDS, reason=REASONS)
def test_a_reset(account: Account, target_id: int, reason: str) -> None:
    outcome = KINDS["reset_auto_liq_status"].plan(account, parameters={}, contested=False)
    assert isinstance(outcome, Planned)
    assert bodies("reset_auto_liq_status", outcome, target_id, reason) == [{"accountId": target_id}]


@given(ids=st.lists(IDS, min_size=1, max_size=50, unique=True), category=IDS, was=st.none() | IDS)
def test_a_category_for_all_of_a_call(ids: list[int], category: int, was: int | None) -> None:
    kind = KINDS["risk_category"]
    account = an_account()
    account.risk_category = None if was is None else RiskCategory(tradovate_id=was, name="Before", environment="demo")
    outcome = kind.plan(account, parameters={"id": category, "name": "B", "environment": "demo"}, contested=False)
    if was == category:
        assert isinstance(outcome, Skip)
        return
    assert isinstance(outcome, Planned)
    notebook = Notebook()
    targets = [Target(id=each, before=outcome.before, after=outcome.after) for each in ids]
    permit = WritePermit(call_id=1, good_for_s=3600.0)
    kind.send(
        notebook, CallSpec(permit=permit, targets=targets, step=0, reason_code=ReasonCode.OTHER, reason_text="x", ticket=None)
    )
    ((_, body),) = notebook.calls
    assert json.loads(body) == {"accountIds": ids, "riskCategoryId": category}
