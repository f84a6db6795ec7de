"""The client against a simulated Tradovate, a process of its own: both sides' idea of the API meet here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import id_batches
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.vocabulary import AdminAction, Environment, ReasonCode
from tests.schemas import response_errors
from tests.simulator.driver import SET_ACTION, VIEWER, Simulator

PERMIT = WritePermit(call_id=1, good_for_s=3600.0)


@pytest.fixture
def client(connect: Callable[..., Client]) -> Client:
    return connect()


def lock(client: Client, account_id: int, action: AdminAction = AdminAction.LOCK) -> Any:
    return client.set_admin_auto_liq_action(
        permit=PERMIT, account_id=account_id, action=action, reason_code=ReasonCode.OTHER, reason="runaway algorithm"
    )


@pytest.mark.parametrize("environment", list(Environment))
def test_the_whole_mirror_can_be_read(connect: Callable[..., Client], environment: Environment) -> None:
    client = connect(environment=environment)
    accounts = client.accounts().value
    assert accounts
    ids = [account.id for account in accounts]
    (batch,) = id_batches(ids)
    assert {permission.user_id for permission in client.trading_permissions().value} <= {
        user.id for user in client.users().value
    }
    assert {account.risk_category_id for account in accounts} <= {category.id for category in client.risk_categories().value}
    statuses = client.account_risk_statuses().value
    assert {status.id for status in client.account_risk_statuses_by_id(batch).value} == {status.id for status in statuses}
    assert {limits.id for limits in client.user_account_auto_liqs_by_account(batch).value} <= set(ids)
    assert {limits.id for limits in client.permissioned_account_auto_liqs_by_account(batch).value} <= set(ids)
    assert {cash.account_id for cash in client.cash_balances().value} <= set(ids)
    by_account = client.positions_by_account(batch).value
    assert sorted(position.id for position in by_account) == sorted(position.id for position in client.positions().value)


def test_the_simulator_sends_no_field_that_the_entities_do_not_name_but_those(client: Client) -> None:
    """Fields of the documentation that no one here needs: a new one shows up in this list."""
    accounts = client.accounts().value
    assert {name for account in accounts for name in account.extra} <= {
        "clearingHouseId",
        "marginAccountType",
        "legalStatus",
        "readonly",
        "ccEmail",
        "futuresDisabled",
        "swapEnabled",
    }
    (batch,) = id_batches(account.id for account in accounts)
    assert [status.extra for status in client.account_risk_statuses().value if status.extra] == []
    assert [limits.extra for limits in client.user_account_auto_liqs_by_account(batch).value if limits.extra] == []
    assert [limits.extra for limits in client.permissioned_account_auto_liqs_by_account(batch).value if limits.extra] == []


@pytest.mark.parametrize("action", [AdminAction.LOCK, AdminAction.LIQUIDATE_ONLY, AdminAction.NORMAL])
def test_an_action_is_applied_and_read_back(simulator: Simulator, client: Client, action: AdminAction) -> None:
    account_id = simulator.account_ids("active")[0]
    reply = lock(client, account_id, action)
    assert response_errors("setadminautoliqaction", json.loads(reply.http_record.response_text)) == []
    (status,) = client.account_risk_statuses_by_id([account_id]).value
    assert (reply.value.admin_action, status.admin_action) == (action, action)
    assert simulator.call_count(SET_ACTION) == 1


def test_an_unknown_account_is_rejected(client: Client) -> None:
    with pytest.raises(Rejected) as refusal:
        lock(client, 999_999_999)
    assert refusal.value.status == 404


def test_a_user_without_the_right_is_not_handled(simulator: Simulator, connect: Callable[..., Client]) -> None:
    account_id = simulator.account_ids("active")[0]
    before = simulator.effects()
    with pytest.raises(NotHandled) as refusal:
        lock(connect(user=VIEWER), account_id)
    assert refusal.value.reason is NotHandledReason.UNAUTHORISED
    assert "Access is denied" in refusal.value.message
    assert simulator.effects() == before


def test_an_ended_session_is_replaced_and_the_call_made(simulator: Simulator, client: Client) -> None:
    client.risk_categories()
    simulator.control("DELETE", "/sessions")
    client.risk_categories()
    assert simulator.call_count("/auth/accesstokenrequest") == 2


def test_a_session_that_a_third_login_ended_is_replaced(simulator: Simulator, client: Client) -> None:
    """Its calls draw 408, and so does its renewal; the next call finds a new session."""
    client.risk_categories()
    simulator.token()
    simulator.token()
    with pytest.raises(OutcomeUnknown):
        client.risk_categories()
    client.risk_categories()
    assert simulator.call_count("/auth/accesstokenrequest") == 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_connection_is_unknown_whatever_happened(simulator: Simulator, client: Client, when: str) -> None:
    account_id = simulator.account_ids("active")[1]
    lock(client, account_id, AdminAction.NORMAL)
    simulator.fault("cut", when=when, endpoint=SET_ACTION, count=1)
    with pytest.raises(OutcomeUnknown):
        lock(client, account_id)
    (status,) = client.account_risk_statuses_by_id([account_id]).value
    assert status.admin_action == (AdminAction.LOCK if when == "after" else AdminAction.NORMAL)


def test_our_hour_ends_before_tradovates(simulator: Simulator, connect: Callable[..., Client]) -> None:
    """Whatever is asked for, Tradovate never has to answer 429."""
    simulator.set(user_calls_per_hour=40)
    client = connect(calls_per_hour=40, safety_margin=2)
    made = 0
    for _ in range(60):
        try:
            client.risk_categories()
            made += 1
        except NotHandled as refusal:
            reason, wait = refusal.reason, refusal.retry_after_s
    assert (made, reason) == (37, NotHandledReason.NO_BUDGET)  # and one login
    assert wait is not None
    assert 3600 < wait <= 3630
    statuses = {call["status"] for call in simulator.calls()}
    assert statuses == {200}
