"""Risk parameters against a real simulator: added, changed and removed, the removal under its odd path."""

import json
from decimal import Decimal

import pytest

from accounts.changes.states import ItemState
from accounts.execution.models import Call, Purpose
from accounts.models import RiskParameter
from riskadmin.staff.models import Staff
from tests.execution.pre_trade import LIMIT, PARAMETER, Limited, approved, as_sent, make_limited
from tests.execution.worker import ORIGIN, reconciled, run, send_item, the_item, writes
from tests.simulator.driver import DELETE_RISK_PARAMETER, Simulator

KIND = "risk_parameter"
PATHS = {"create": f"{PARAMETER}/create", "update": f"{PARAMETER}/update", "delete": DELETE_RISK_PARAMETER}


@pytest.fixture
def limited(mirror: Simulator) -> Limited:
    return make_limited(mirror, 1)


def parameters_of(action: str, limited: Limited) -> dict[str, object]:
    """Parameters of a change that would do something."""
    own: dict[str, dict[str, object]] = {
        "create": {"action": "create", "limit": limited.limit, "max_closing_order_qty": 9, "margin_dollar_value": "1200.5"},
        "update": {"action": "update", "parameter": limited.parameter, "max_opening_order_qty": 1, "hard_limit": False},
        "delete": {"action": "delete", "parameter": limited.parameter},
    }
    return own[action]


def test_one_is_added(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("create", limited)))

    assert item.state == ItemState.APPLIED
    assert item.after is not None
    (body,) = writes(item.change)
    assert '"marginDollarValue": 1200.5' in body
    assert json.loads(body) == as_sent(item.after["record"])
    made = RiskParameter.objects.get(position_limit__tradovate_id=limited.limit, max_closing_order_qty=9)
    assert made.margin_dollar_value == Decimal("1200.5")
    assert limited.effects() == ["risk_parameter_created"]


def test_one_is_changed_and_keeps_what_was_not_requested(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("update", limited)))

    assert item.state == ItemState.APPLIED
    assert item.after is not None
    (body,) = writes(item.change)
    assert json.loads(body) == as_sent(item.after["record"])
    assert limited.risk_parameters()[limited.parameter] == {
        "id": limited.parameter,
        "userAccountPositionLimitId": limited.limit,
        "maxOpeningOrderQty": 1,
        "marginPercentage": 50.5,
        "hardLimit": False,
    }


def test_one_is_removed_under_the_path_of_position_limits(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("delete", limited)))

    assert item.state == ItemState.APPLIED
    assert [json.loads(body) for body in writes(item.change)] == [{"userAccountRiskParameterId": limited.parameter}]
    assert Call.objects.get(purpose=Purpose.WRITE).path.endswith(DELETE_RISK_PARAMETER)
    assert limited.simulator.call_count(DELETE_RISK_PARAMETER) == 1
    assert limited.parameter not in limited.risk_parameters()
    assert not RiskParameter.objects.filter(tradovate_id=limited.parameter).exists()
    assert limited.limit in limited.position_limits()


@pytest.mark.parametrize("action", PATHS)
def test_a_refusal_is_shown_in_tradovates_words(limited: Limited, support: Staff, supervisor: Staff, action: str) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    limited.simulator.fault("errorText", endpoint=PATHS[action], text="Access is denied")

    item = run(item)

    assert (item.state, item.note) == (ItemState.REJECTED, "Tradovate answered: Access is denied")
    assert limited.effects() == []


@pytest.mark.parametrize("action", ["create", "update"])
def test_violations_are_shown_in_tradovates_words(limited: Limited, support: Staff, supervisor: Staff, action: str) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    words = "Max Opening Order Qty should be greater than or equal to 0"
    refusal = {"violations": [{"constraint": "min", "value": -1, "description": words}]}
    limited.simulator.fault("answer", endpoint=PATHS[action], count=1, status=200, body=json.dumps(refusal))

    item = run(item)

    assert (item.state, item.note) == (ItemState.REJECTED, f"Tradovate answered: {words}")
    assert limited.effects() == []


@pytest.mark.parametrize("action", PATHS)
def test_what_is_gone_is_404(limited: Limited, support: Staff, supervisor: Staff, action: str) -> None:
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    limited.remove_limit()

    item = run(item)

    # What was to be removed is gone, no matter who did it; of what was to be changed a person has to decide.
    ends = {"create": ItemState.REJECTED, "update": ItemState.UNKNOWN, "delete": ItemState.APPLIED}
    assert item.state == ends[action]
    assert "HTTP 404" in item.note


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_lost_answer_is_reconciled(limited: Limited, support: Staff, supervisor: Staff, action: str, when: str) -> None:
    limited.simulator.fault("cut", when=when, endpoint=PATHS[action], count=1)
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of(action, limited))
    send_item(item.pk, origin=ORIGIN)
    assert the_item(item.change).state == ItemState.UNKNOWN

    assert reconciled(item).state == ItemState.APPLIED
    assert len(limited.effects()) == 1


@pytest.mark.parametrize(("when", "state"), [("before", ItemState.UNKNOWN), ("after", ItemState.APPLIED)])
def test_an_addition_is_never_sent_twice(
    limited: Limited, support: Staff, supervisor: Staff, when: str, state: ItemState
) -> None:
    limited.simulator.fault("cut", when=when, endpoint=PATHS["create"], count=1)
    item = approved(support, supervisor, KIND, limited.account_id, **parameters_of("create", limited))
    send_item(item.pk, origin=ORIGIN)

    assert reconciled(item).state == state
    assert limited.simulator.call_count(PATHS["create"]) == 1
    assert limited.effects() == (["risk_parameter_created"] if when == "after" else [])


def test_a_read_back_is_two_reads_for_many_items(limited: Limited, support: Staff, supervisor: Staff) -> None:
    item = run(approved(support, supervisor, KIND, limited.account_id, **parameters_of("update", limited)))

    assert item.state == ItemState.APPLIED
    reads = [call["endpoint"] for call in limited.simulator.calls(method="GET")]
    assert reads == [f"{LIMIT}/ldeps", f"{PARAMETER}/ldeps"]
