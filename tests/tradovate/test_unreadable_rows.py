"""One bad value costs one row: its neighbours are read, and it is told with the field and the value that can't be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import SET_ADMIN_AUTO_LIQ_ACTION
from riskadmin.tradovate.entities import Account, PermissionedAccountAutoLiq, UserAccountAutoLiq
from riskadmin.tradovate.errors import OutcomeUnknown
from riskadmin.tradovate.http_record import VALUE_MAX, Reply, UnreadableRow, describe_unreadable
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit, UserAccountRiskParameter
from riskadmin.tradovate.reading import BadNumber, parse_json
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode
from tests.tradovate.canned import CannedServer, answer


class Place(NamedTuple):
    """Where rows come from: the path, the client's method, a good row as JSON, and its fields by type."""

    path: str
    read: Callable[[Client], Reply[list[Any]]]
    good: dict[str, object]
    number: str | None = None
    integer: str | None = None
    text: str | None = None
    instant: str | None = None
    flag: str | None = None


STATUS: dict[str, object] = {"adminAction": "Normal", "adminTimestamp": "2026-03-02T10:00:00Z", "maxNetLiq": 5.5}
PLACES: dict[str, Place] = {
    "list": Place(
        "account/list",
        lambda client: client.accounts(),
        {"name": "A", "evaluationSize": 1.5, "riskCategoryId": 3, "timestamp": "2026-03-02T10:00:00Z", "closed": False},
        number="evaluationSize",
        integer="riskCategoryId",
        text="name",
        instant="timestamp",
        flag="closed",
    ),
    "items": Place(
        "user/items",
        lambda client: client.users_by_id([1, 2, 3]),
        {"name": "U", "organizationId": 3, "timestamp": "2026-03-02T10:00:00Z", "professional": True},
        integer="organizationId",
        text="name",
        instant="timestamp",
        flag="professional",
    ),
    "ldeps": Place(
        "position/ldeps",
        lambda client: client.positions_by_account([1, 2, 3]),
        {"accountId": 7, "contractId": 8, "netPos": 1, "netPrice": 1.25, "timestamp": "2026-03-02T10:00:00Z"},
        number="netPrice",
        integer="netPos",
        instant="timestamp",
    ),
    "position limits": Place(
        "userAccountPositionLimit/ldeps",
        lambda client: client.user_account_position_limits_by_account([1]),
        {"accountId": 7, "active": True, "totalBy": "Overall", "longLimit": 5},
        integer="longLimit",
        text="totalBy",
        flag="active",
    ),
    "risk parameters": Place(
        "userAccountRiskParameter/ldeps",
        lambda client: client.user_account_risk_parameters_by_position_limit([9]),
        {"userAccountPositionLimitId": 9, "maxBackMonth": 5, "marginPercentage": 1.5, "hardLimit": True},
        number="marginPercentage",
        integer="maxBackMonth",
        flag="hardLimit",
    ),
    "read-back": Place(
        "accountRiskStatus/items",
        lambda client: client.account_risk_statuses_by_id([1, 2, 3]),
        STATUS,
        number="maxNetLiq",
        text="adminAction",
        instant="adminTimestamp",
        flag="userTriggeredLiqOnly",
    ),
    "limits": Place(
        "userAccountAutoLiq/ldeps",
        lambda client: client.user_account_auto_liqs_by_account([1]),
        {"dailyLossAutoLiq": 500, "doNotUnlock": True, "flattenTimestamp": "2026-03-02T10:00:00Z"},
        number="dailyLossAutoLiq",
        text="trailingMaxDrawdownMode",
        instant="flattenTimestamp",
        flag="doNotUnlock",
    ),
}

# By the type of the field it stands in; each as Tradovate would write it.
ODD: dict[str, tuple[str, ...]] = {
    "number": ("NaN", "-Infinity", '"500"', "true", "[]", "1e400", "-1e400", "1e99999999999999999999", "9" * 5000),
    "integer": ("NaN", "1.5", '"3"', "false", "3e9", "9223372036854775808", "9" * 5000, "{}"),
    "text": ("7", "NaN", "[]", "true"),
    "instant": ('"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59Z"', '"yesterday"', "1700000000", '""', "Infinity"),
    "flag": ('"false"', "0", "NaN", "[]"),
}


def rows(place: Place, *middle: str) -> bytes:
    good = [json.dumps({"id": number, **place.good}) for number in (1, 3)]
    return f"[{', '.join([good[0], *middle, good[1]])}]".encode()


def spelt(row: dict[str, object], field: str, literal: str) -> str:
    """A row as JSON, with this literal for a field, which may be no JSON at all."""
    return json.dumps(row | {field: "HERE"}).replace('"HERE"', literal)


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_an_odd_value_costs_its_own_row_only(
    subtests: pytest.Subtests, server: CannedServer, client: Client, place: Place
) -> None:
    cases = [(field, odd) for kind, values in ODD.items() if (field := getattr(place, kind)) is not None for odd in values]
    for field, odd in cases:
        with subtests.test(field, odd=odd[:24]):
            server.on(place.path, answer(200, rows(place, spelt({"id": 2, **place.good}, field, odd))))
            reply = place.read(client)
            assert [row.id for row in reply.value] == [1, 3]
            (unreadable,) = reply.unreadable
            assert (unreadable.id, unreadable.field) == (2, field)
            assert unreadable.account_id == place.good.get("accountId")
            assert unreadable.position_limit_id == place.good.get("userAccountPositionLimitId")
            assert len(unreadable.value) <= VALUE_MAX
            if "e" not in odd.lower() or odd in {"true", "false"}:  # an exponent may be spelt otherwise
                assert unreadable.value == odd[:VALUE_MAX]


@pytest.mark.parametrize("place", [pytest.param(place, id=name) for name, place in PLACES.items()])
def test_what_is_no_row_and_what_has_no_id_cost_no_neighbour(server: CannedServer, client: Client, place: Place) -> None:
    without_id = json.dumps(place.good)
    odd = ["null", '"account"', "[1, 2]", "7", "NaN", without_id, spelt(dict(place.good), "id", "null")]
    server.on(place.path, answer(200, rows(place, *odd)))
    reply = place.read(client)
    assert [row.id for row in reply.value] == [1, 3]
    assert [(row.field, row.value) for row in reply.unreadable] == [
        ("", "null"),
        ("", '"account"'),
        ("", "[1, 2]"),
        ("", "7"),
        ("", "NaN"),
        ("id", "null"),
        ("id", "null"),
    ]
    assert {row.id for row in reply.unreadable} == {None}
    assert reply.unreadable[-1].account_id == place.good.get("accountId")


def test_a_row_that_comes_twice_is_kept_once_and_one_that_contradicts_itself_is_unreadable(
    server: CannedServer, client: Client
) -> None:
    body = b"""[{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"id": 1, "name": "A", "closed": null},
                {"id": 2, "name": "C"}, {"id": 3, "name": "D"}, {"id": 4, "name": 7}, {"id": 4, "name": "E"}]"""
    server.on("account/list", answer(200, body))
    reply = client.accounts()
    assert [(account.id, account.name) for account in reply.value] == [(1, "A"), (3, "D")]
    assert reply.unreadable == (
        UnreadableRow(id=4, account_id=None, field="name", value="7"),
        UnreadableRow(id=2, account_id=None, field="name", value='["B", "C"]'),
    )


def test_an_invalid_number_in_an_unknown_field_makes_its_row_unreadable(server: CannedServer, client: Client) -> None:
    body = b"""[{"id": 1, "name": "A", "new": {"a": [1.50, {"b": null}]}}, {"id": 2, "name": "B", "new": {"a": [NaN]}},
                {"id": 3, "name": "C", "new": %s1%s}]""" % (b"[" * 40, b"]" * 40)
    server.on("account/list", answer(200, body))
    reply = client.accounts()
    assert [account.extra for account in reply.value] == [{"new": {"a": [Decimal("1.50"), {"b": None}]}}]
    assert [(row.id, row.field, row.value[:8]) for row in reply.unreadable] == [(2, "new", '{"a": [N'), (3, "new", "[[[[[[[[")]


def test_every_field_that_cannot_be_read_is_named(server: CannedServer, client: Client) -> None:
    body = b"""[{"id": 1, "name": 7, "evaluationSize": NaN, "new": [Infinity], "timestamp": "2026-03-02T10:00:00Z"},
                {"name": "B", "closed": 0}, {"id": 3, "name": "C"}]"""
    server.on("account/list", answer(200, body))
    first, second = client.accounts().unreadable
    assert sorted(first.field.split(", ")) == ["evaluationSize", "name", "new"]
    assert all(each in first.value for each in ('"name": 7', '"evaluationSize": NaN', '"new": [Infinity]'))
    assert describe_unreadable("name, new", first.value).startswith("name, new are {")
    assert sorted(second.field.split(", ")) == ["closed", "id"]
    assert '"closed": 0' in second.value


def test_names_with_odd_characters_are_read_and_evidence_of_them_can_be_encoded(server: CannedServer, client: Client) -> None:
    body = (
        rb"""[{"id": 1, "name": "A\u0000B\ud800"}, {"id": 2, "name": ["\u0000", "\ud800"]}, {"id": 3, "name": "\u202eevil"}]"""
    )
    server.on("account/list", answer(200, body))
    reply = client.accounts()
    assert [account.name for account in reply.value] == ["A\0B\ud800", "\u202eevil"]
    assert [row.value for row in reply.unreadable] == [r'["\u0000", "\ud800"]']
    reply.unreadable[0].value.encode()


def test_an_unknown_word_is_kept(server: CannedServer, client: Client) -> None:
    server.on(
        "accountRiskStatus/list", answer(200, [{"id": 1, "adminAction": "FreezeForever"}, {"id": 2, "adminAction": "Normal"}])
    )
    reply = client.account_risk_statuses()
    assert [status.admin_action for status in reply.value] == ["FreezeForever", AdminAction.NORMAL]
    assert reply.unreadable == ()


def test_numbers_of_any_size_that_a_double_holds_are_read_exactly(server: CannedServer, client: Client) -> None:
    body = b'[{"id": 1, "dailyLossAutoLiq": 66.66666667, "weeklyLossAutoLiq": 1e17, "dailyLossAlert": -0.0}]'
    server.on("userAccountAutoLiq/list", answer(200, body))
    (limits,) = client.user_account_auto_liqs().value
    assert (str(limits.daily_loss_auto_liq), str(limits.weekly_loss_auto_liq)) == ("66.66666667", "1E+17")


@pytest.mark.parametrize("kind", [UserAccountAutoLiq, PermissionedAccountAutoLiq])
def test_a_record_of_limits_holds_all_that_came_exactly(
    kind: type[UserAccountAutoLiq | PermissionedAccountAutoLiq],
) -> None:
    data = parse_json('{"id": 1, "dailyLossAutoLiq": 66.66666667, "new": {"a": 1.10}, "record": 1, "extra": 2}')
    limits = kind.from_json(data)
    assert limits.record == data
    assert str(limits.record["dailyLossAutoLiq"]) == "66.66666667"
    assert limits.extra == {"new": {"a": Decimal("1.10")}, "record": 1, "extra": 2}


def test_a_pre_trade_record_holds_all_that_came_exactly() -> None:
    limit = {"id": 1, "accountId": 7, "active": True, "totalBy": "Overall", "new": [1]}
    assert UserAccountPositionLimit.from_json(limit).record == limit
    parameter = {"id": 1, "userAccountPositionLimitId": 7, "marginPercentage": Decimal("33.333333"), "new": None}
    assert UserAccountRiskParameter.from_json(parameter).record == parameter


def test_a_single_answer_that_cannot_be_read_is_unknown_and_names_the_field(server: CannedServer, client: Client) -> None:
    server.on("cashBalance/getcashbalancesnapshot", answer(200, b'{"totalCashValue": 1e9999, "netLiq": 5}'))
    with pytest.raises(OutcomeUnknown, match="totalCashValue should be a number that a double can hold, got 1E"):
        client.cash_balance_snapshot(7)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ('{"id": 7, "adminTimestamp": "0001-01-01T00:00:00Z"}', "adminTimestamp should be a timestamp"),
        ('{"id": 7, "maxNetLiq": NaN}', "maxNetLiq should be a number"),
        ('{"adminAction": "Normal"}', "id is missing"),
        ('"locked"', "expected an object"),
        ("[]", "expected an object"),
        (r'{"id": 7, "adminAction": ["\ud800"]}', "adminAction should be a text"),
    ],
)
def test_a_write_whose_answer_cannot_be_read_is_unknown(server: CannedServer, client: Client, status: str, words: str) -> None:
    server.on(SET_ADMIN_AUTO_LIQ_ACTION.name, answer(200, f'{{"accountRiskStatus": {status}}}'.encode()))
    with pytest.raises(OutcomeUnknown, match=words) as unknown:
        client.set_admin_auto_liq_action(
            permit=WritePermit(call_id=1),
            account_id=7,
            action=AdminAction.LOCK,
            reason_code=ReasonCode.OTHER,
            reason="runaway",
        )
    assert unknown.value.http_record is not None
    unknown.value.message.encode()


def test_an_invalid_number_is_distinguished_from_a_text_of_the_same_letters() -> None:
    assert parse_json('[NaN, "NaN", -Infinity]') == [BadNumber("NaN"), "NaN", BadNumber("-Infinity")]


def test_an_instant_keeps_its_meaning() -> None:
    account = Account.from_json({"id": 1, "name": "A", "timestamp": "0002-01-01T00:00:00Z"})
    assert account.timestamp == datetime(2, 1, 1, tzinfo=UTC)
