"""Done and undone, whatever there was before: all that a change has altered is as it was, and what moved since is not touched."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Done, Irreversible
from accounts.changes.kinds.money import usd_text
from accounts.changes.kinds.stored import State
from accounts.models import LimitLevel
from accounts.models.pre_trade import OWNER, POSITION_LIMIT_FIELDS, RISK_PARAMETER_FIELDS, Field, PreTradeValueType
from riskadmin.tradovate.vocabulary import AdminAction, Environment
from tests.changes.kinds import (
    BALANCE,
    CATEGORY,
    LIMITS,
    PEAK,
    POSITION_LIMITS,
    RISK,
    RISK_PARAMETERS,
    World,
    at,
    carried_out,
    comparable,
    inverse_of,
    undone,
)
from tests.changes.test_limit_records import records
from tests.changes.world import CLOSING_ONLY, LIQUIDATED, LOCKED, NORMAL

CENTS = st.decimals(-900_000, 900_000, places=2)


def applied(world: World, kind_name: str, parameters: State, state: State) -> Done:
    """Do a change that does something, or give this example up."""
    done = carried_out(world, kind_name, parameters, state, tick=1)
    if not isinstance(done, Done):
        reject()
    return done


def left_by(done: Done) -> dict[str, Any]:
    assert done.observed is not None
    return dict(done.observed)


# --- Risk actions -------------------------------------------------------------------------------------------------------

RISK_STATES = st.builds(
    lambda action, acted_at, stopped: {
        "admin_action": action,
        "admin_at": acted_at,
        "stopped_by_limit": stopped or action == CLOSING_ONLY,
    },
    st.sampled_from([action.value for action in AdminAction]),
    st.none() | st.just(at(0)),
    st.booleans(),
)
OUTSIDE_ACTS = st.sampled_from([NORMAL, LOCKED, CLOSING_ONLY, LIQUIDATED])

UNDOABLE = {
    # the kind, what stood before, whether a limit had stopped it: what an undo leaves
    ("lock", NORMAL, False): NORMAL,
    ("lock", CLOSING_ONLY, True): CLOSING_ONLY,
    ("liquidate_only", NORMAL, False): NORMAL,
    ("unlock", LOCKED, False): LOCKED,
    ("unlock", LOCKED, True): LOCKED,
    ("unlock", CLOSING_ONLY, True): CLOSING_ONLY,
    # What was closed stays closed; that no one may trade is what comes back.
    ("unlock", LIQUIDATED, False): LOCKED,
    ("unlock", LIQUIDATED, True): LOCKED,
}


@given(kind_name=st.sampled_from(["lock", "liquidate_only", "unlock"]), before=RISK_STATES)
def test_a_risk_action(kind_name: str, before: State) -> None:
    done = applied(RISK, kind_name, {}, before)
    case = kind_name, before["admin_action"], before["stopped_by_limit"]
    if case not in UNDOABLE:
        found = inverse_of(kind_name, {}, done)
        assert isinstance(found, Irreversible)
        assert found.reason
        return
    assert undone(RISK, kind_name, {}, done, left_by(done), tick=2)["admin_action"] == UNDOABLE[case]


@given(case=st.sampled_from(list(UNDOABLE)), acted_at=st.none() | st.just(at(0)), act=OUTSIDE_ACTS)
def test_a_risk_action_that_somebody_else_set_since(case: tuple[str, str, bool], acted_at: str | None, act: str) -> None:
    kind_name, action, stopped = case
    done = applied(RISK, kind_name, {}, {"admin_action": action, "admin_at": acted_at, "stopped_by_limit": stopped})
    now = RISK.after_call(left_by(done), {"admin_action": act}, 5)
    assert undone(RISK, kind_name, {}, done, now, tick=9) == now


def test_a_lock_under_which_a_limit_has_stopped_the_account() -> None:
    done = applied(RISK, "lock", {}, {"admin_action": NORMAL, "admin_at": None, "stopped_by_limit": False})
    now = {**left_by(done), "stopped_by_limit": True}
    assert undone(RISK, "lock", {}, done, now, tick=2) == now, "an unlock would end the limit's stop"


def test_an_unlock_after_which_a_limit_has_stopped_the_account() -> None:
    done = applied(RISK, "unlock", {}, {"admin_action": LOCKED, "admin_at": None, "stopped_by_limit": False})
    now = {**left_by(done), "stopped_by_limit": True}
    assert KINDS["unlock"].unchanged_since(done, now), "a lock takes nothing away"


@pytest.mark.parametrize("kind_name", ["lock", "unlock"])
def test_a_risk_action_that_a_person_has_said_was_applied(kind_name: str) -> None:
    before = {"admin_action": LOCKED if kind_name == "unlock" else NORMAL, "admin_at": None, "stopped_by_limit": False}
    meant = NORMAL if kind_name == "unlock" else LOCKED
    done = Done(environment=Environment.DEMO, before=before, after={"admin_action": meant}, observed=None)
    kind = KINDS[kind_name]
    assert kind.unchanged_since(done, {"admin_action": meant, "admin_at": at(3), "stopped_by_limit": False})
    assert not kind.unchanged_since(done, {"admin_action": CLOSING_ONLY, "admin_at": at(3), "stopped_by_limit": True})


# --- Limits -------------------------------------------------------------------------------------------------------------


@given(data=st.data(), level=st.sampled_from(list(LimitLevel)))
def test_limits(data: st.DataObject, level: LimitLevel) -> None:
    whose = {"level": level.value}
    before = {**whose, **data.draw(records(level, odd=False))}
    given_ = data.draw(records(level, odd=False))
    done = applied(LIMITS, "auto_liq_limits", {**whose, **given_}, before)
    altered = {name for name, value in given_.items() if before.get(name) != value}

    found = inverse_of("auto_liq_limits", whose, done)
    assert isinstance(found, Irreversible) == any(name not in before for name in altered)
    if isinstance(found, Irreversible):
        return

    other = data.draw(records(level, odd=False), label="outside")
    now = {**left_by(done), **other}
    final = undone(LIMITS, "auto_liq_limits", whose, done, now, tick=2)
    if any(now[name] != left_by(done)[name] for name in altered):
        assert final == now
    else:
        # What others have set since stays beside what is put back.
        assert final == {**before, **{name: value for name, value in other.items() if name not in altered}}


# --- Category, peak, balance --------------------------------------------------------------------------------------------


@given(before=st.none() | st.integers(1, 4), to=st.integers(1, 4), now=st.none() | st.integers(1, 4))
def test_a_category(before: int | None, to: int, now: int | None) -> None:
    parameters = {"id": to, "name": f"Lots {to}", "environment": "demo"}
    done = applied(CATEGORY, "risk_category", parameters, {"category_id": before})
    if before is None:
        assert isinstance(inverse_of("risk_category", parameters, done), Irreversible)
        return
    final = undone(CATEGORY, "risk_category", parameters, done, {"category_id": now}, tick=2)
    assert final == {"category_id": before if now == to else now}


def peak(amount: Decimal | None) -> State:
    return {"max_net_liq_usd": None if amount is None else usd_text(amount)}


@given(before=st.none() | CENTS, to=CENTS, now=st.none() | CENTS)
def test_a_peak(before: Decimal | None, to: Decimal, now: Decimal | None) -> None:
    done = applied(PEAK, "max_net_liq", peak(to), peak(before))
    if before is None:
        assert isinstance(inverse_of("max_net_liq", {}, done), Irreversible)
        return
    final = undone(PEAK, "max_net_liq", {}, done, left_by(done), tick=2)
    assert final == peak(before)
    assume(now != to)
    assert undone(PEAK, "max_net_liq", {}, done, peak(now), tick=2) == peak(now)


@given(before=CENTS, change=CENTS, week=CENTS, traded=CENTS, booked=CENTS)
def test_a_balance(before: Decimal, change: Decimal, week: Decimal, traded: Decimal, booked: Decimal) -> None:
    stood = {"amount_usd": usd_text(before), "week_realized_pnl_usd": usd_text(week)}
    done = applied(BALANCE, "demo_balance", {"cash_change_usd": usd_text(change)}, stood)
    now = {
        "amount_usd": usd_text(before + change + traded + booked),
        "week_realized_pnl_usd": usd_text(week + traded),
    }
    final = undone(BALANCE, "demo_balance", {}, done, now, tick=2)
    if booked and traded + booked:
        assert final == now, "somebody else has booked something"
    elif not booked:
        # What was won or lost since is kept.
        assert final == {**now, "amount_usd": usd_text(before + traded)}


# --- Position limits and risk parameters --------------------------------------------------------------------------------

DOCUMENTED: dict[PreTradeValueType, st.SearchStrategy[Any]] = {
    PreTradeValueType.COUNT: st.integers(0, 5),
    PreTradeValueType.NUMBER: st.integers(1, 5),
    PreTradeValueType.FLAG: st.booleans(),
    PreTradeValueType.TEXT: st.sampled_from(["Gold", "All"]),
    PreTradeValueType.PCT: st.sampled_from(["50", "75.5"]),
    PreTradeValueType.USD: st.sampled_from(["100", "250.25"]),
}


def _values(fields: tuple[Field, ...], needed: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
    found = {
        field.name: st.sampled_from([str(word) for word in field.words or {}])
        if field.value_type == PreTradeValueType.WORD
        else DOCUMENTED[field.value_type]
        for field in fields
    }
    return st.fixed_dictionaries(
        {name: found[name] for name in found if name in needed},
        optional={name: found[name] for name in found if name not in needed},
    )


PRE_TRADE: dict[str, tuple[World, st.SearchStrategy[dict[str, Any]], str, dict[str, int]]] = {
    "position_limit": (
        POSITION_LIMITS,
        _values(POSITION_LIMIT_FIELDS, frozenset({"active", "total_by", "exposed_limit"})),
        "limit",
        {},
    ),
    "risk_parameter": (
        RISK_PARAMETERS,
        _values(RISK_PARAMETER_FIELDS, frozenset({"max_opening_order_qty"})),
        "parameter",
        {OWNER: 1},
    ),
}


@pytest.mark.parametrize("kind_name", list(PRE_TRADE))
@pytest.mark.parametrize("action", ["create", "update", "delete"])
@given(data=st.data())
def test_a_record(kind_name: str, action: str, data: st.DataObject) -> None:
    world, values, key, owner = PRE_TRADE[kind_name]
    found = data.draw(st.lists(values, min_size=1, max_size=3), label="before")
    before = {"records": [{"id": number, **owner, **each} for number, each in enumerate(found, start=11)]}
    number = data.draw(st.integers(11, 10 + len(found)), label="number")
    said: dict[str, Any] = {"action": action}
    if action != "delete":
        said |= data.draw(values, label="set")
    said |= {"limit": 1} if action == "create" and owner else {key: number} if action != "create" else {}
    done = applied(world, kind_name, said, before)
    was = next(each for each in before["records"] if each["id"] == number)

    inverse = inverse_of(kind_name, said, done)
    cleared = action == "update" and any(name not in was for name in said if name not in {"action", key})
    assert isinstance(inverse, Irreversible) == cleared
    if cleared:
        return
    left = left_by(done)
    assert comparable(undone(world, kind_name, said, done, left, tick=2)) == comparable(before)

    # Somebody else adds one: it stays, and what can be undone still is.
    other = {"id": 5001, **owner, **data.draw(values, label="outside")}
    assume(comparable({"records": [other]}) != comparable({"records": [was]}))
    more = {"records": [*left["records"], other]}
    final = undone(world, kind_name, said, done, more, tick=2)
    assert comparable(final) == comparable({"records": [*before["records"], other]})

    # Somebody else has altered, removed, or put back the very one.
    touched = done.after.get("id") or left["records"][-1]["id"]
    if action == "delete":
        now = {"records": [*left["records"], {**was, "id": 5002}]}
    else:
        now = {
            "records": [
                {**each, "contract_id": 77} if each["id"] == touched else each
                for each in left["records"]
                if each["id"] != touched or data.draw(st.booleans(), label="kept")
            ]
        }
    assert undone(world, kind_name, said, done, now, tick=2) == now


# --- What has no inverse ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind_name", ["liquidate", "remediation", "user_lockout", "reset_auto_liq_status"])
def test_what_can_not_be_undone_says_why(kind_name: str) -> None:
    done = Done(environment=Environment.DEMO, before={}, after={}, observed=None)
    found = KINDS[kind_name].inverse(done)
    assert isinstance(found, Irreversible)
    assert len(found.reason) > 20


def test_every_kind_is_documented() -> None:
    undoable = {"lock", "liquidate_only", "unlock", "auto_liq_limits", "risk_category", "max_net_liq", "demo_balance"}
    assert undoable | set(PRE_TRADE) | {"liquidate", "remediation", "user_lockout", "reset_auto_liq_status"} == set(KINDS)
