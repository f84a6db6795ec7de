"""Position limits and risk parameters: any mirror and any parameters give a plan or a reason, never a crash."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding, Planned, Skip
from accounts.changes.kinds.stored import State
from accounts.models import Account, PositionLimit, RiskParameter
from accounts.models.pre_trade import POSITION_LIMIT_FIELDS, RISK_PARAMETER_FIELDS, Field, PreTradeValueType
from tests.changes.kinds import prefetch, sent

READ = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Whatever a field's value may be in a record or a parameter, documented or not."""
    match field.value_type:
        case PreTradeValueType.COUNT:
            return st.integers(-3, 2**31)
        case PreTradeValueType.NUMBER:
            return st.integers(1, 2**62)
        case PreTradeValueType.WORD:
            return st.sampled_from([*(field.words or {}), "SomethingNew"])
        case PreTradeValueType.FLAG:
            return st.booleans()
        case PreTradeValueType.TEXT:
            return st.text(max_size=80).filter(lambda text: "\x00" not in text and text != "")
        case PreTradeValueType.PCT | PreTradeValueType.USD:
            return st.decimals(0, 10**15, places=4, allow_nan=False).map(lambda number: format(number.normalize(), "f"))


def some(fields: tuple[Field, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={field.name: values_of(field) for field in fields})


POSITION_LIMITS = st.lists(
    st.fixed_dictionaries(
        {"active": st.booleans(), "total_by": st.sampled_from(["Overall", "Product", "SomethingNew"])},
        optional={field.name: values_of(field) for field in POSITION_LIMIT_FIELDS if field.name not in {"active", "total_by"}},
    ),
    max_size=3,
)
RISK_PARAMETERS = st.lists(some(RISK_PARAMETER_FIELDS), max_size=2)
NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["create", "update", "delete", "burn"]),
        "limit": st.integers(1, 4),
        "parameter": st.integers(1, 8),
    },
)


@pytest.mark.parametrize("name", ["position_limit", "risk_parameter"])
@given(limits=POSITION_LIMITS, parameters=RISK_PARAMETERS, asked=st.data())
def test_any_mirror_and_parameters_give_a_plan_or_a_reason(
    name: str, limits: list[Any], parameters: list[Any], asked: st.DataObject
) -> None:
    kind = KINDS[name]
    fields = POSITION_LIMIT_FIELDS if name == "position_limit" else RISK_PARAMETER_FIELDS
    wanted = {**asked.draw(NUMBERS), **asked.draw(some(fields))}
    account = Account(
        pk=1, environment="demo", tradovate_id=101, name="A", position_limits_read_at=READ, risk_parameters_read_at=READ
    )
    rows = [
        PositionLimit(pk=number, tradovate_id=number, account=account, **each) for number, each in enumerate(limits, start=1)
    ]
    for limit in rows:
        own = [
            RiskParameter(tradovate_id=2 * limit.tradovate_id + number, position_limit=limit, **{**each, **_decimals(each)})
            for number, each in enumerate(parameters)
        ]
        prefetch(limit, risk_parameters=own)
    prefetch(account, position_limits=rows, positions=[])

    acting = kind.of(wanted)
    outcome = acting.plan(account, parameters=wanted, contested=False)

    assert isinstance(outcome, (Planned, Skip))
    assert outcome.before == acting.state(account)
    if isinstance(outcome, Planned):
        # What was shown is what a read-back has to show, and nothing less.
        shown = outcome.before["records"]
        reached = _reached(shown, outcome.after)
        interpret_read_back = partial(acting.interpret_read_back, before=outcome.before, after=outcome.after, step=0)
        assert interpret_read_back(observed={"records": reached}) == Finding.APPLIED
        assert interpret_read_back(observed=outcome.before) == Finding.NOT_APPLIED
        assert acting.differences(outcome.before, outcome.after)
        # An update carries the record as Tradovate has it, with a field that is not known here.
        record = next((each for each in shown if each["id"] == outcome.after.get("id")), None)
        extra = {"mood": "calm"} if outcome.after["action"] == "update" and record is not None else {}
        carried = {**as_sent(name, {"action": "update", "record": record}), **extra} if extra else None
        ((_, body),) = sent(acting, outcome, target_id=101, carried=carried)
        assert json.loads(body, parse_float=Decimal) == {**as_sent(name, outcome.after), **extra}
    else:
        assert outcome.reason


def as_sent(name: str, after: State) -> dict[str, Any]:
    """What the call has to say of an item's intended state, under Tradovate's names."""
    if after["action"] == "delete":
        key = "userAccountPositionLimitId" if name == "position_limit" else "userAccountRiskParameterId"
        return {key: after["id"]}
    fields = {**after["record"], **_decimals(after["record"])}
    owner = {"accountId": 101} if name == "position_limit" else {}
    return {**owner, **{re.sub("_([a-z])", lambda found: found[1].upper(), field): value for field, value in fields.items()}}


def _decimals(record: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(record[name]) for name in ("margin_percentage", "margin_dollar_value") if name in record}


def _reached(records: list[Any], after: State) -> list[Any]:
    """Return the records as Tradovate would hold them once it has done what `after` says."""
    match after["action"]:
        case "create":
            return [*records, {"id": 10**6, **after["record"]}]
        case "update":
            return [after["record"] if record["id"] == after["id"] else record for record in records]
        case _:
            return [record for record in records if record["id"] != after["id"]]
