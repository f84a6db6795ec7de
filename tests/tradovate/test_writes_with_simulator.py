"""The client's writes against a simulated Tradovate: each applied and read back, or refused in its words."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest

from riskadmin.tradovate.auto_liq import AutoLiqFields, AutoLiqUpdate
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, Rejected
from tests.schemas import response_errors
from tests.simulator.driver import VIEWER, Simulator
from tests.tradovate.writes import BY_METHOD, EVERY_FIELD, PERMIT, POSITION_LIMIT, RISK_PARAMETER, WRITES, Write

LIMITS = AutoLiqFields(daily_loss_auto_liq=Decimal("512.35"), weekly_loss_auto_liq=Decimal(1500), do_not_unlock=True)


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


def test_a_category_is_switched(simulator: Simulator, client: Client) -> None:
    ids = simulator.account_ids("active")[:3]
    now = client.accounts_by_id(ids).value[0].risk_category_id
    category = next(each.id for each in client.risk_categories().value if each.id != now)
    reply = client.switch_risk_category(permit=PERMIT, account_ids=ids, risk_category_id=category)
    assert response_errors("switchriskcategory", json.loads(reply.http_record.response_text)) == []
    assert {account.risk_category_id for account in client.accounts_by_id(ids).value} == {category}
    assert simulator.call_count("/accountRiskStatus/switchriskcategory") == 1


@pytest.mark.parametrize(("unknown_account", "unknown_category"), [(True, False), (False, True)])
def test_one_unknown_id_refuses_the_whole_switch(
    simulator: Simulator, client: Client, *, unknown_account: bool, unknown_category: bool
) -> None:
    ids = [*simulator.account_ids("active")[:2], *([999_999_999] if unknown_account else [])]
    category = 999_999_999 if unknown_category else client.risk_categories().value[0].id
    before = simulator.effects()
    with pytest.raises(Rejected) as refusal:
        client.switch_risk_category(permit=PERMIT, account_ids=ids, risk_category_id=category)
    assert refusal.value.status == 404
    assert simulator.effects() == before


def test_limits_of_many_accounts_are_set_at_both_levels(simulator: Simulator, client: Client) -> None:
    ids = simulator.account_ids("active")[:3]
    trader = AutoLiqFields(daily_loss_auto_liq=Decimal("400.05"), changes_locked=True)
    items = [AutoLiqUpdate(account_id=each, as_owner=True, fields=LIMITS) for each in reversed(ids)]
    items += [AutoLiqUpdate(account_id=each, as_owner=False, fields=trader) for each in ids]
    reply = client.update_user_auto_liqs(permit=PERMIT, items=items)
    assert response_errors("updateuserautoliqs", json.loads(reply.http_record.response_text)) == []
    assert reply.value.keys() == set(ids)
    firm = client.user_account_auto_liqs_by_account(ids).value
    assert {(each.daily_loss_auto_liq, each.weekly_loss_auto_liq, each.do_not_unlock) for each in firm} == {
        (Decimal("512.35"), Decimal(1500), True)
    }
    own = client.permissioned_account_auto_liqs_by_account(ids).value
    assert {(each.daily_loss_auto_liq, each.changes_locked) for each in own} == {(Decimal("400.05"), True)}


def test_every_field_of_the_limits_survives(simulator: Simulator, client: Client) -> None:
    (account_id,) = simulator.account_ids("active")[3:4]
    client.update_user_auto_liqs(permit=PERMIT, items=[AutoLiqUpdate(account_id=account_id, as_owner=True, fields=EVERY_FIELD)])
    (firm,) = client.user_account_auto_liqs_by_account([account_id]).value
    fields = [each.name for each in dataclasses.fields(EVERY_FIELD)]
    assert AutoLiqFields(**{name: getattr(firm, name) for name in fields}) == EVERY_FIELD


def test_limits_that_tradovate_refuses(simulator: Simulator, client: Client) -> None:
    ids = simulator.account_ids("active")[:2]
    before = simulator.effects()
    negative = AutoLiqFields(daily_loss_auto_liq=Decimal(-1))
    items = [
        AutoLiqUpdate(account_id=each, as_owner=True, fields=fields)
        for each, fields in zip(ids, (LIMITS, negative), strict=True)
    ]
    with pytest.raises(Rejected) as refusal:
        client.update_user_auto_liqs(permit=PERMIT, items=items)
    assert (refusal.value.status, "Daily Loss Auto Liq" in refusal.value.text) == (200, True)
    unknown = AutoLiqUpdate(account_id=999_999_999, as_owner=True, fields=LIMITS)
    with pytest.raises(Rejected) as refusal:
        client.update_user_auto_liqs(permit=PERMIT, items=[unknown, *items[:1]])
    assert refusal.value.status == 404
    assert simulator.effects() == before


def test_a_lockout_is_ended_once(simulator: Simulator, client: Client) -> None:
    account_id = simulator.account_ids("active")[0]
    (user_id,) = {each.user_id for each in client.trading_permissions().value if each.account_id == account_id}
    simulator.start_lockout(user_id)
    reply = client.expire_user_lockout(permit=PERMIT, user_id=user_id, notes="asked for by phone")
    assert response_errors("expireuserlockout", json.loads(reply.http_record.response_text)) == []
    (effect,) = [each for each in simulator.effects() if each["action"] == "lockout_expired"]
    assert effect["detail"] == {"notes": "asked for by phone"}
    with pytest.raises(Rejected) as refusal:
        client.expire_user_lockout(permit=PERMIT, user_id=user_id)
    assert refusal.value.status == 200
    with pytest.raises(Rejected, match=r"User not found\."):
        client.expire_user_lockout(permit=PERMIT, user_id=999_999_999)


def test_peak_and_balance_are_corrected(simulator: Simulator, client: Client) -> None:
    account_id = simulator.account_ids("active")[4]
    status = client.update_max_net_liq(permit=PERMIT, account_id=account_id, max_net_liq_usd=Decimal("50000.15")).value
    assert status is not None
    assert status.max_net_liq == Decimal("50000.15")
    before = client.cash_balance_snapshot(account_id).value
    assert before.total_cash_value is not None
    after = client.change_demo_balance(
        permit=PERMIT, account_id=account_id, cash_change_usd=Decimal("-250.75"), comment="wrong fill"
    ).value
    assert after.total_cash_value == before.total_cash_value - Decimal("250.75")
    (cash,) = client.cash_balances_by_account([account_id]).value
    assert cash.amount == after.total_cash_value
    (status,) = client.account_risk_statuses_by_account([account_id]).value
    assert status.max_net_liq == Decimal("49749.40"), "the peak shifts with the cash"


def test_a_status_is_reset(simulator: Simulator, client: Client) -> None:
    account_id = simulator.account_ids("active")[5]
    status = client.reset_auto_liq_status(permit=PERMIT, account_id=account_id).value
    assert status is not None
    assert client.account_risk_statuses_by_account([account_id]).value == [status]


@pytest.mark.parametrize("method", ["reset_auto_liq_status", "update_max_net_liq", "change_demo_balance"])
def test_an_account_that_is_not_there(simulator: Simulator, client: Client, method: str) -> None:
    before = simulator.effects()
    with pytest.raises(Rejected):
        BY_METHOD[method](client, account_id=999_999_999)
    with pytest.raises(Rejected):
        client.cash_balance_snapshot(999_999_999)
    assert simulator.effects() == before


def test_position_limits_and_risk_parameters_live_and_die(simulator: Simulator, client: Client) -> None:
    account_id = simulator.account_ids("active")[6]
    fields = dataclasses.replace(POSITION_LIMIT, account_id=account_id)
    limit = client.create_user_account_position_limit(permit=PERMIT, limit=fields).value
    assert limit in client.user_account_position_limits_by_account([account_id]).value
    wider = dataclasses.replace(limit, long_limit=8)
    client.update_user_account_position_limit(
        permit=PERMIT, position_limit_id=limit.id, limit=wider, carried=limit.record, altered=["long_limit"]
    )
    (updated,) = client.user_account_position_limit(limit.id).value
    assert dataclasses.replace(updated, record=limit.record) == wider

    below = dataclasses.replace(RISK_PARAMETER, user_account_position_limit_id=limit.id)
    parameter = client.create_user_account_risk_parameter(permit=PERMIT, parameter=below).value
    assert client.user_account_risk_parameters_by_position_limit([limit.id]).value == [parameter]
    larger = dataclasses.replace(parameter, max_opening_order_qty=4)
    client.update_user_account_risk_parameter(
        permit=PERMIT,
        risk_parameter_id=parameter.id,
        parameter=larger,
        carried=parameter.record,
        altered=["max_opening_order_qty"],
    )
    (altered,) = client.user_account_risk_parameter(parameter.id).value
    assert dataclasses.replace(altered, record=parameter.record) == larger

    client.delete_user_account_risk_parameter(permit=PERMIT, risk_parameter_id=parameter.id)
    assert client.user_account_risk_parameter(parameter.id).value == []
    client.delete_user_account_position_limit(permit=PERMIT, position_limit_id=limit.id)
    assert client.user_account_position_limit(limit.id).value == []
    for gone in (
        partial(client.delete_user_account_risk_parameter, risk_parameter_id=parameter.id),
        partial(client.delete_user_account_position_limit, position_limit_id=limit.id),
        partial(
            client.update_user_account_position_limit,
            position_limit_id=limit.id,
            limit=wider,
            carried=limit.record,
            altered=["long_limit"],
        ),
        partial(client.create_user_account_risk_parameter, parameter=below),
    ):
        with pytest.raises(Rejected) as refusal:
            gone(permit=PERMIT)
        assert refusal.value.status == 404


def test_margins(client: Client) -> None:
    products = client.product_margins().value
    assert products
    ids = [margin.id for margin in products]
    assert client.product_margins_by_product(ids).value == products
    contracts = sorted({position.contract_id for position in client.positions().value})
    margins = client.contract_margins_by_contract(contracts).value
    assert {margin.id for margin in margins} == set(contracts)
    assert {margin.extra == {} and margin.initial_margin > 0 for margin in (*products, *margins)} == {True}


@pytest.mark.parametrize("write", WRITES, ids=[write.method for write in WRITES])
def test_only_an_administrator_may_write(simulator: Simulator, connect: Callable[..., Client], write: Write) -> None:
    before = simulator.effects()
    with pytest.raises((NotHandled, Rejected)) as refusal:
        write(connect(user=VIEWER))
    if isinstance(refusal.value, NotHandled):
        assert refusal.value.reason is NotHandledReason.UNAUTHORISED
    assert simulator.effects() == before
