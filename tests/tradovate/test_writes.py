"""Every writing method: what it sends, what it refuses to send, and what each kind of answer means to it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from riskadmin.tradovate.auto_liq import AutoLiqFields, AutoLiqUpdate
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ENDPOINTS
from riskadmin.tradovate.entities import CooldownStep
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, OutcomeUnknown, Rejected, WrongEnvironment
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.pre_trade import UserAccountPositionLimit
from riskadmin.tradovate.vocabulary import Environment
from tests.schemas import request_errors, schema_name
from tests.tradovate.canned import CannedServer, Play, answer
from tests.tradovate.stores import WatchedLedger
from tests.tradovate.writes import BY_METHOD, EVERY_FIELD, EVERY_FIELD_SENT, POSITION_LIMIT, RISK_PARAMETER, WRITES


def test_every_writing_endpoint_and_method_is_in_the_list() -> None:
    assert {write.path for write in WRITES} == {name for name, endpoint in ENDPOINTS.items() if endpoint.writes}
    methods = {name for name, method in inspect.getmembers(Client, inspect.isfunction) if "permit" in _parameters(method)}
    assert {write.method for write in WRITES} == {name for name in methods if not name.startswith("_")}
    for write in WRITES:
        parameters = _parameters(getattr(Client, write.method))
        assert parameters["permit"].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters["permit"].default is inspect.Parameter.empty
        assert parameters["ticket"].default is None


def _parameters(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(method).parameters)


# What is sent.


def test_what_is_sent(subtests: pytest.Subtests, server: CannedServer, client: Client, ledger: WatchedLedger) -> None:
    for write in WRITES:
        server.requests.clear()
        with subtests.test(write.method):
            server.on(write.path, answer(200, write.answer))
            reply = write(client)
            (request,) = server.requests
            assert (request.method, request.path, request.query) == ("POST", f"/v1/{write.path}", "")
            assert request.headers["content-type"] == "application/json"
            assert request.json() == write.body
            assert list(request.json()) == list(write.body)
            assert request_errors(schema_name(write.path), request.json()) == []
            assert reply.http_record.request_text == request.body.decode(), "what is kept is what was sent, byte for byte"
    assert ledger.endpoints() == [write.path for write in WRITES]


def test_a_ticket_is_added(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for write in WRITES:
        with subtests.test(write.method):
            server.on(write.path, answer(200, write.answer))
            write(client, ticket="t-1")
            assert server.requests[-1].json() == {**write.body, "p-ticket": "t-1"}


def test_numbers_are_sent_digit_for_digit(server: CannedServer, client: Client) -> None:
    write = BY_METHOD["change_demo_balance"]
    server.on(write.path, answer(200, {}))
    for text in ("0.1", "1000.10", "-999999.99", "1E+2", "0.000001", "0"):
        write(client, cash_change_usd=Decimal(text), comment="")
    assert [request.body.decode() for request in server.requests] == [
        f'{{"accountId": 41, "cashChange": {text}}}' for text in ("0.1", "1000.10", "-999999.99", "100", "0.000001", "0")
    ]


def test_ten_thousand_accounts_are_one_call(server: CannedServer, client: Client) -> None:
    write = BY_METHOD["switch_risk_category"]
    server.on(write.path, answer(200, write.answer))
    write(client, account_ids=range(1, 10_001))
    (request,) = server.requests
    assert request.json()["accountIds"] == list(range(1, 10_001))
    assert request_errors("switchriskcategory", request.json()) == []


# What is refused before anything is sent.

LIMITS = AutoLiqFields(daily_loss_auto_liq=Decimal(500))
NUMBERS = [Decimal("NaN"), Decimal("Infinity"), Decimal("1234567890123.4567"), Decimal("1E+400"), Decimal("1E-400")]
STEP = CooldownStep(step_number=1, step_distance=Decimal("NaN"), cooldown_minutes=1)


def item(account_id: int = 41, *, as_owner: bool = True, fields: AutoLiqFields = LIMITS) -> AutoLiqUpdate:
    return AutoLiqUpdate(account_id=account_id, as_owner=as_owner, fields=fields)


WRONG_LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"account_id": 0}, "account id is greater than 0"),
    ({"long_limit": -1}, "at least 0"),
    ({"fungible_exposed_limit": -1}, "at least 0"),
    ({"total_by": "Moon"}, "Moon"),
    ({"product_type": "Tulips"}, "Tulips"),
    ({"product_verification_status": "Maybe"}, "Maybe"),
    ({"description": "x" * 65}, "64"),
]
WRONG_PARAMETERS: list[tuple[dict[str, Any], str]] = [
    ({"user_account_position_limit_id": 0}, "position limit's id is greater than 0"),
    ({"margin_percentage": Decimal("NaN")}, "margin percentage is no number"),
    ({"product_type": "Tulips"}, "Tulips"),
]
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("switch_risk_category", {"account_ids": []}, "1 to 10000 accounts"),
    ("switch_risk_category", {"account_ids": range(1, 10_002)}, "1 to 10000 accounts"),
    ("switch_risk_category", {"account_ids": [1, 2, 1]}, "named twice"),
    ("switch_risk_category", {"account_ids": [1, 0]}, "account id is greater than 0"),
    ("switch_risk_category", {"risk_category_id": 0}, "category id is greater than 0"),
    ("expire_user_lockout", {"user_id": 0}, "user id is greater than 0"),
    ("expire_user_lockout", {"notes": "x" * 8193}, "8192"),
    ("reset_auto_liq_status", {"account_id": -1}, "account id is greater than 0"),
    ("update_max_net_liq", {"account_id": 0}, "account id is greater than 0"),
    *[("update_max_net_liq", {"max_net_liq_usd": each}, "max net liq is no number") for each in NUMBERS],
    ("change_demo_balance", {"account_id": 0}, "account id is greater than 0"),
    ("change_demo_balance", {"cash_change_usd": Decimal(1_000_000)}, "1,000,000"),
    ("change_demo_balance", {"cash_change_usd": Decimal(-1_000_000)}, "1,000,000"),
    ("change_demo_balance", {"cash_change_usd": Decimal("NaN")}, "cash change is no number"),
    ("change_demo_balance", {"comment": "x" * 65}, "64"),
    ("update_user_auto_liqs", {"items": []}, "1 to 10000 updates"),
    ("update_user_auto_liqs", {"items": [item(number) for number in range(1, 10_002)]}, "1 to 10000 updates"),
    ("update_user_auto_liqs", {"items": [item(), item(fields=EVERY_FIELD)]}, "changed twice"),
    ("update_user_auto_liqs", {"items": [item(), item(0)]}, "account id is greater than 0"),
    ("update_user_auto_liqs", {"items": [item(fields=AutoLiqFields())]}, "at least one field"),
    ("update_user_auto_liqs", {"items": [item(as_owner=False, fields=EVERY_FIELD)]}, "trader's own limits"),
    *[
        ("update_user_auto_liqs", {"items": [item(fields=fields)]}, words)
        for fields, words in [
            (AutoLiqFields(daily_loss_alert=Decimal("NaN")), "daily loss alert is no number"),
            (AutoLiqFields(stepped_cooldown=(STEP,)), "step distance is no number"),
            (AutoLiqFields(trailing_max_drawdown_mode="Weekly"), "Weekly"),
            (AutoLiqFields(flatten_timestamp=datetime(2026, 3, 2)), "offset from UTC"),  # noqa: DTZ001  (what is refused)
        ]
    ],
    *[
        ("create_user_account_position_limit", {"limit": dataclasses.replace(POSITION_LIMIT, **wrong)}, words)
        for wrong, words in WRONG_LIMITS
    ],
    ("update_user_account_position_limit", {"position_limit_id": 0}, "position limit's id is greater than 0"),
    ("delete_user_account_position_limit", {"position_limit_id": 0}, "position limit's id is greater than 0"),
    *[
        ("create_user_account_risk_parameter", {"parameter": dataclasses.replace(RISK_PARAMETER, **wrong)}, words)
        for wrong, words in WRONG_PARAMETERS
    ],
    ("update_user_account_risk_parameter", {"risk_parameter_id": 0}, "risk parameter's id is greater than 0"),
    ("delete_user_account_risk_parameter", {"risk_parameter_id": 0}, "risk parameter's id is greater than 0"),
]


def test_what_tradovate_would_refuse_is_not_sent(
    subtests: pytest.Subtests, server: CannedServer, client: Client, budget: Budget
) -> None:
    for method, wrong, words in REFUSED:
        with subtests.test(method, words=words), pytest.raises(ValueError, match=words):
            BY_METHOD[method](client, **wrong)
    assert server.requests == []
    assert budget.state().used == 0


def test_without_a_permit_nothing_is_sent(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for write in WRITES:
        for permit in (None, 7):
            with subtests.test(write.method, permit=permit), pytest.raises(TypeError):
                write(client, permit=permit)
    assert server.requests == []


def test_with_a_lapsed_permit_nothing_is_sent(
    subtests: pytest.Subtests, server: CannedServer, client: Client, ledger: WatchedLedger
) -> None:
    for write in WRITES:
        with subtests.test(write.method):
            with pytest.raises(NotHandled) as caught:
                write(client, permit=WritePermit(call_id=7, made_at=time.monotonic() - 6.0))
            assert caught.value.reason is NotHandledReason.HELD_UP
    assert server.requests == []
    assert ledger.endpoints() == []


def test_live(
    subtests: pytest.Subtests, server: CannedServer, make_client: Callable[..., Client], ledger: WatchedLedger
) -> None:
    client = make_client(environment=Environment.LIVE)
    for write in WRITES:
        with subtests.test(write.method):
            server.on(write.path, answer(200, write.answer))
            with pytest.raises(WrongEnvironment) if write.demo_only else nullcontext():
                write(client)
    assert server.paths() == ledger.endpoints() == [write.path for write in WRITES if not write.demo_only]


# What an answer means.

REJECTED: list[tuple[Play, str, int]] = [
    (answer(200, {"errorText": "Access is denied"}), "Access is denied", 200),
    (answer(200, {"ok": True, "errorText": "Empty accountIds"}), "Empty accountIds", 200),
    (answer(200, {"ok": False, "errorText": ""}), "ok: false, without a reason", 200),
    (answer(200, {"success": False}), "success: false, without a reason", 200),
    (answer(200, {"violations": [{"description": "must be at least 1"}]}), "must be at least 1", 200),
    (answer(400, {"errorText": "accountId must be an integer"}), "accountId must be an integer", 400),
    (answer(404, b"Not found", content_type="text/plain"), "Not found", 404),
    (answer(404), "HTTP 404", 404),
]
UNKNOWN: list[Play] = [answer(500), answer(503), answer(200), answer(200, []), answer(200, b'{"ok": tru')]


@pytest.mark.parametrize(("play", "text", "status"), REJECTED)
def test_rejected(
    *, subtests: pytest.Subtests, server: CannedServer, client: Client, play: Play, text: str, status: int
) -> None:
    for write in WRITES:
        server.requests.clear()
        with subtests.test(write.method):
            server.on(write.path, play)
            with pytest.raises(Rejected) as refusal:
                write(client)
            assert (refusal.value.text, refusal.value.status) == (text, status)
            assert server.paths() == [write.path]


@pytest.mark.parametrize("play", UNKNOWN)
def test_unknown(subtests: pytest.Subtests, server: CannedServer, client: Client, play: Play) -> None:
    for write in WRITES:
        server.requests.clear()
        with subtests.test(write.method):
            server.on(write.path, play)
            with pytest.raises(OutcomeUnknown) as unknown:
                write(client)
            assert unknown.value.http_record is not None
            assert json.loads(unknown.value.http_record.request_text) == write.body
            assert server.paths() == [write.path], "nothing is sent twice"


def test_an_answer_that_says_too_little_is_unknown(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for write in WRITES:
        for body in write.unreadable:
            server.requests.clear()
            with subtests.test(write.method, body=body):
                server.on(write.path, answer(200, body))
                with pytest.raises(OutcomeUnknown, match="can't be read"):
                    write(client)
                assert server.paths() == [write.path]


def test_a_penalty_returns_its_ticket(subtests: pytest.Subtests, server: CannedServer, client: Client) -> None:
    for write in WRITES:
        with subtests.test(write.method):
            server.on(write.path, answer(200, {"p-ticket": "t-1", "p-time": 3}))
            with pytest.raises(NotHandled) as refusal:
                write(client)
            assert (refusal.value.reason, refusal.value.ticket) == (NotHandledReason.PENALTY, "t-1")


# What comes back.


@pytest.mark.parametrize("method", ["reset_auto_liq_status", "update_max_net_liq"])
def test_a_risk_status_may_be_left_out(server: CannedServer, client: Client, method: str) -> None:
    write = BY_METHOD[method]
    server.on(write.path, answer(200, {}), answer(200, write.answer))
    assert write(client).value is None
    assert write(client).value.id == 41


def test_updated_limits_are_matched_by_their_ids_and_never_by_their_place(server: CannedServer, client: Client) -> None:
    write = BY_METHOD["update_user_auto_liqs"]
    items = [item(number) for number in (43, 41, 42)]
    answers: list[object] = [
        {"userAccountAutoLiq": {"id": 41, "dailyLossAutoLiq": 500}},
        {"somethingNew": 1},  # of no account
        None,
        {"userAccountAutoLiq": {"id": 99}},  # of one that was not asked about
        {"userAccountAutoLiq": {"id": 42}, "permissionedAccountAutoLiq": {"id": 43}},  # of two at once
        {"userAccountAutoLiq": {"id": 43, "dailyLossAutoLiq": 600}},
    ]
    server.on(write.path, answer(200, {"userAutoLiqs": answers}))
    updated = write(client, items=items).value
    limits = {account_id: each.user_account_auto_liq.daily_loss_auto_liq for account_id, each in updated.items()}
    assert limits == {41: Decimal(500), 43: Decimal(600)}


def test_every_limit_comes_back_as_it_was_sent(server: CannedServer, client: Client) -> None:
    write = BY_METHOD["update_user_auto_liqs"]
    server.on(write.path, answer(200, {"userAutoLiqs": [{"userAccountAutoLiq": {"id": 41, **EVERY_FIELD_SENT}}]}))
    updated = write(client, items=[item(fields=EVERY_FIELD)]).value[41]
    fields = [each.name for each in dataclasses.fields(EVERY_FIELD)]
    came_back = AutoLiqFields(**{name: getattr(updated.user_account_auto_liq, name) for name in fields})
    assert came_back == EVERY_FIELD
    assert (updated.permissioned_account_auto_liq, updated.extra) == (None, {})


def test_a_changed_balance_comes_back(server: CannedServer, client: Client) -> None:
    write = BY_METHOD["change_demo_balance"]
    server.on(write.path, answer(200, write.answer))
    snapshot = write(client).value
    assert (snapshot.total_cash_value, snapshot.net_liq, snapshot.extra) == (Decimal("49749.25"), None, {})


def test_a_current_record_is_changed_whole(server: CannedServer, client: Client) -> None:
    """Whether Tradovate keeps what is left out is not documented, so nothing is left out, unknown fields neither."""
    limit = UserAccountPositionLimit.from_json(
        {"id": 3, "accountId": 41, "active": True, "totalBy": "Overall", "shortLimit": 2, "description": "old", "new": 1}
    )
    write = BY_METHOD["update_user_account_position_limit"]
    server.on(write.path, answer(200, write.answer))
    altered = dataclasses.replace(limit, long_limit=4, description="rounded on the way")
    write(client, limit=altered, carried=limit.record, altered=["long_limit"])
    assert server.requests[0].json() == {
        "id": 3,
        "accountId": 41,
        "active": True,
        "totalBy": "Overall",
        "shortLimit": 2,
        "longLimit": 4,
        "description": "old",
        "new": 1,
    }


def test_a_flatten_time_keeps_its_milliseconds() -> None:
    fields = AutoLiqFields(flatten_timestamp=datetime(2026, 3, 2, 21, 0, 0, 125_000, tzinfo=UTC))
    assert fields.to_json() == {"flattenTimestamp": "2026-03-02T21:00:00.125Z"}
