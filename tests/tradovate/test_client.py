"""What each method sends, and what is refused before anything is sent."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from riskadmin.tradovate import endpoints
from riskadmin.tradovate.addresses import AddressRefused, checked_base_url
from riskadmin.tradovate.budget import Budget
from riskadmin.tradovate.calls import Caller
from riskadmin.tradovate.client import Client
from riskadmin.tradovate.endpoints import ENDPOINTS, id_batches
from riskadmin.tradovate.errors import NotHandled, NotHandledReason, Rejected, WrongEnvironment
from riskadmin.tradovate.permit import WritePermit
from riskadmin.tradovate.reads import endpoint_of
from riskadmin.tradovate.vocabulary import ASKABLE_ADMIN_ACTIONS, AdminAction, Environment, Lane, ReasonCode
from tests.schemas import request_errors
from tests.tradovate.canned import CannedServer, Play, answer
from tests.tradovate.names import TOKEN
from tests.tradovate.stores import SqliteTokenStore, WatchedLedger
from tests.tradovate.writes import WRITES

PERMIT = WritePermit(call_id=7, good_for_s=3600.0)
LOCK = endpoints.SET_ADMIN_AUTO_LIQ_ACTION.name

LIMIT: dict[str, object] = {"id": 1, "accountId": 2, "active": True, "totalBy": "Overall"}
PARAMETER: dict[str, object] = {"id": 1, "userAccountPositionLimitId": 3}
MARGIN: dict[str, object] = {"id": 1, "initialMargin": 1.5, "maintenanceMargin": 1}
READS: list[tuple[str, tuple[Any, ...], str, str, dict[str, object]]] = [
    ("accounts", (), "account/list", "", {"id": 1, "name": "A1"}),
    ("users", (), "user/list", "", {"id": 1, "name": "trader"}),
    ("trading_permissions", (), "tradingPermission/list", "", {"id": 1, "userId": 2, "accountId": 3}),
    ("account_risk_statuses", (), "accountRiskStatus/list", "", {"id": 1}),
    ("account_risk_statuses_by_id", ([3, 9, 3],), "accountRiskStatus/items", "ids=3,9", {"id": 1}),
    ("user_account_auto_liqs_by_account", ([9876543210],), "userAccountAutoLiq/ldeps", "masterids=9876543210", {"id": 1}),
    ("permissioned_account_auto_liqs_by_account", ([1, 2],), "permissionedAccountAutoLiq/ldeps", "masterids=1,2", {"id": 1}),
    ("account_risk_statuses_by_account", ([7],), "accountRiskStatus/ldeps", "masterids=7", {"id": 1}),
    ("user_account_auto_liqs", (), "userAccountAutoLiq/list", "", {"id": 1}),
    ("permissioned_account_auto_liqs", (), "permissionedAccountAutoLiq/list", "", {"id": 1}),
    ("user_account_position_limits_by_account", ([2, 3],), "userAccountPositionLimit/ldeps", "masterids=2,3", LIMIT),
    ("user_account_risk_parameters_by_position_limit", ([1],), "userAccountRiskParameter/ldeps", "masterids=1", PARAMETER),
    ("contract_margins_by_contract", ([4],), "contractMargin/ldeps", "masterids=4", MARGIN),
    ("product_margins", (), "productMargin/list", "", MARGIN),
    ("product_margins_by_product", ([4],), "productMargin/ldeps", "masterids=4", MARGIN),
    ("accounts_by_id", ([4],), "account/items", "ids=4", {"id": 1, "name": "A1"}),
    ("users_by_id", ([4],), "user/items", "ids=4", {"id": 1, "name": "trader"}),
    ("trading_permissions_by_id", ([4],), "tradingPermission/items", "ids=4", {"id": 1, "userId": 2, "accountId": 3}),
    ("cash_balances_by_account", ([2],), "cashBalance/ldeps", "masterids=2", {"id": 1, "accountId": 2, "amount": 1}),
    ("positions", (), "position/list", "", {"id": 1, "accountId": 2, "contractId": 3, "netPos": -4}),
    ("positions_by_account", ([5],), "position/ldeps", "masterids=5", {"id": 1, "accountId": 2, "contractId": 3, "netPos": 0}),
    ("cash_balances", (), "cashBalance/list", "", {"id": 1, "accountId": 2, "amount": 1.1}),
    ("risk_categories", (), "riskCategory/list", "", {"id": 1, "name": "standard"}),
]


@pytest.mark.parametrize(("method", "arguments", "path", "query", "row"), READS, ids=[read[0] for read in READS])
def test_reads(
    *,
    server: CannedServer,
    client: Client,
    ledger: WatchedLedger,
    method: str,
    arguments: tuple[Any, ...],
    path: str,
    query: str,
    row: dict[str, object],
) -> None:
    server.on(path, answer(200, [row, {**row, "id": 2, "somethingNew": [1]}]))
    reply = getattr(client, method)(*arguments)
    assert endpoint_of(getattr(client, method)).name == path
    assert [entity.id for entity in reply.value] == [1, 2]
    assert [dict(entity.extra) for entity in reply.value] == [{}, {"somethingNew": [1]}]
    (request,) = server.requests
    assert (request.method, request.path, request.query, request.body) == ("GET", f"/v1/{path}", query, b"")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/json"
    assert reply.http_record.path == f"/{path}" + (f"?{query}" if query else "")
    assert ledger.endpoints() == [path]


def test_every_read_of_a_list_is_in_the_list() -> None:
    lists = {name for name, endpoint in ENDPOINTS.items() if endpoint.answer == "list"}
    assert {path for _, _, path, _, _ in READS} == lists


def test_the_snapshot_is_a_post_that_needs_no_permit(server: CannedServer, client: Client) -> None:
    server.on("cashBalance/getcashbalancesnapshot", answer(200, {"errorText": "", "netLiq": 50000.10, "cashUSD": 1}))
    reply = client.cash_balance_snapshot(41)
    (request,) = server.requests
    assert (request.method, request.json()) == ("POST", {"accountId": 41})
    assert (reply.value.net_liq, reply.value.cash_usd, reply.value.extra) == (Decimal("50000.1"), Decimal(1), {})
    with pytest.raises(ValueError, match="greater than 0"):
        client.cash_balance_snapshot(0)


@pytest.mark.parametrize(
    ("play", "text"),
    [(answer(200, {"errorText": "Access denied"}), "Access denied"), (answer(404, b"Not found"), "Not found")],
)
def test_a_snapshot_may_be_refused(server: CannedServer, client: Client, play: Play, text: str) -> None:
    server.on("cashBalance/getcashbalancesnapshot", play)
    with pytest.raises(Rejected, match=text):
        client.cash_balance_snapshot(41)


def test_the_write_sends_what_the_documentation_asks_for(
    subtests: pytest.Subtests, server: CannedServer, client: Client
) -> None:
    for action, code in product(sorted(ASKABLE_ADMIN_ACTIONS), ReasonCode):
        server.requests.clear()
        with subtests.test(action=action, code=code):
            server.on(LOCK, answer(200, {"accountRiskStatus": {"id": 41, "adminAction": action, "maxNetLiq": 50000.10}}))
            reason = "breach" if code is ReasonCode.OTHER else ""
            reply = client.set_admin_auto_liq_action(
                permit=PERMIT, account_id=41, action=action, reason_code=code, reason=reason
            )
            (request,) = server.requests
            body = request.json()
            assert request_errors("setadminautoliqaction", body) == []
            assert (body["accountId"], body["adminAction"], body["adminActionReasonCode"]) == (41, action, code)
            assert ("adminActionReason" in body) == (code is ReasonCode.OTHER)
            assert request.headers["content-type"] == "application/json"
            assert reply.value is not None
            assert (reply.value.admin_action, reply.value.max_net_liq) == (action, Decimal("50000.1"))
            assert reply.http_record.request_body == body


WRONG: list[dict[str, object]] = [
    {"account_id": 0},
    {"account_id": -1},
    {"reason": ""},
    {"reason": " \n"},
    {"reason": "x" * 8193},
    {"action": AdminAction.DISABLE_AUTO_LIQ},
    {"action": AdminAction.PLACE_AUTO_LIQ_ON_HOLD},
    {"action": AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ},
    {"action": AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_tradovate_would_refuse_is_not_sent(
    server: CannedServer, client: Client, budget: Budget, wrong: dict[str, object]
) -> None:
    arguments: dict[str, Any] = {
        "account_id": 41,
        "action": AdminAction.LOCK,
        "reason_code": ReasonCode.OTHER,
        "reason": "breach",
        **wrong,
    }
    with pytest.raises(ValueError, match="a"):
        client.set_admin_auto_liq_action(permit=PERMIT, **arguments)
    assert server.requests == []
    assert budget.state().used == 0


def test_a_reason_of_the_greatest_length_is_sent(server: CannedServer, client: Client) -> None:
    server.on(LOCK, answer(200, {}))
    client.set_admin_auto_liq_action(
        permit=PERMIT, account_id=41, action=AdminAction.LOCK, reason_code=ReasonCode.OTHER, reason="é" * 8192
    )
    assert server.requests[0].json()["adminActionReason"] == "é" * 8192


@pytest.mark.parametrize("permit", [None, 7, object()])
def test_a_write_without_a_permit_is_not_sent(server: CannedServer, client: Client, permit: Any) -> None:
    with pytest.raises(TypeError):
        client.set_admin_auto_liq_action(
            permit=permit, account_id=41, action=AdminAction.LOCK, reason_code=ReasonCode.CLOSE_FRAUD
        )
    assert server.requests == []


def test_a_lapsed_permit_sends_nothing(server: CannedServer, client: Client, ledger: WatchedLedger) -> None:
    lapsed = WritePermit(call_id=7, made_at=time.monotonic() - 6.0)
    with pytest.raises(NotHandled) as caught:
        client.set_admin_auto_liq_action(
            permit=lapsed, account_id=1, action=AdminAction.LOCK, reason_code=ReasonCode.CLOSE_FRAUD
        )
    assert caught.value.reason is NotHandledReason.HELD_UP
    assert server.requests == []
    assert ledger.endpoints() == [], "what was not sent is not counted"


def test_permits_are_made_by_execution_alone() -> None:
    root = Path(__file__).parents[2]
    made_in = {
        path.relative_to(root)
        for package in ("riskadmin", "accounts")
        for path in (root / package).rglob("*.py")
        if re.search(r"\bWritePermit\(", path.read_text())
    }
    assert {path for path in made_in if path.parts[:2] != ("accounts", "execution")} == set()


# Environments.

DEMO_ONLY = {write.path for write in WRITES if write.demo_only}


@pytest.mark.parametrize("environment", list(Environment))
def test_each_endpoints_environments(
    *, subtests: pytest.Subtests, server: CannedServer, budget: Budget, ledger: WatchedLedger, environment: Environment
) -> None:
    caller = Caller(environment=environment, base_url=server.url, budget=budget, timeout=(3.05, 10.0))
    refused = DEMO_ONLY if environment is Environment.LIVE else set()
    for name, endpoint in ENDPOINTS.items():
        with subtests.test(name):
            server.on(name, answer(200, {} if endpoint.answer == "object" else []))
            with pytest.raises(WrongEnvironment) if name in refused else nullcontext():
                caller.attempt(endpoint, lane=Lane.URGENT, token=TOKEN)
    assert server.paths() == ledger.endpoints() == [name for name in ENDPOINTS if name not in refused]


def test_a_lock_aimed_at_live_does_not_even_fetch_a_token(
    server: CannedServer, make_client: Callable[..., Client], store: SqliteTokenStore
) -> None:
    store.away = True
    with pytest.raises(WrongEnvironment):
        make_client(environment=Environment.LIVE).set_admin_auto_liq_action(
            permit=PERMIT, account_id=41, action=AdminAction.LOCK, reason_code=ReasonCode.CLOSE_FRAUD
        )
    assert server.requests == []


def test_the_registry_says_what_the_documentation_says() -> None:
    limits = {
        name: (endpoint.hourly_limit, endpoint.counts.value) for name, endpoint in ENDPOINTS.items() if endpoint.hourly_limit
    }
    assert limits == {
        "auth/accesstokenrequest": (5, "failed"),
        "auth/renewaccesstoken": (15, "all"),
        "accountRiskStatus/switchriskcategory": (5000, "all"),
    }
    writes = {write.path for write in WRITES}
    assert {name for name, endpoint in ENDPOINTS.items() if endpoint.writes} == writes
    assert {ENDPOINTS[name].method for name in writes} == {"POST"}


# Addresses.


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("https://demo.tradovateapi.com/v1", Environment.DEMO),
        ("https://DEMO.tradovateapi.com:443/v1/", Environment.DEMO),
        ("https://live.tradovateapi.com/v1", Environment.LIVE),
        ("http://127.0.0.1:8901/v1", Environment.DEMO),
        ("http://127.8.0.1:8901/v1", Environment.LIVE),
        ("http://[::1]:8901/v1", Environment.LIVE),
        ("http://localhost:8901/v1", Environment.LIVE),
        ("http://simulator:8901/v1", Environment.DEMO),
    ],
)
def test_allowed_addresses(url: str, environment: Environment) -> None:
    assert checked_base_url(url, environment, extra_hosts=["simulator"]) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "demo.tradovateapi.com/v1",
        "ftp://demo.tradovateapi.com/v1",
        "http://demo.tradovateapi.com/v1",
        "https://demo.tradovateapi.com.evil.example/v1",
        "https://evil.example/demo.tradovateapi.com/v1",
        "https://demo.tradovateapi.com@evil.example/v1",
        "https://user:pass@demo.tradovateapi.com/v1",
        "https://demo.tradovateapi.com/v1?x=1",
        "https://demo.tradovateapi.com/v1#x",
        "http://10.0.0.1/v1",
        "http://localhost.evil.example/v1",
        "http://simulator2/v1",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        checked_base_url(url, Environment.DEMO, extra_hosts=["simulator"])


@pytest.mark.parametrize(
    ("environment", "host"), [(Environment.DEMO, "live.tradovateapi.com"), (Environment.LIVE, "demo.tradovateapi.com")]
)
def test_a_client_of_one_environment_is_not_aimed_at_the_other(
    make_client: Callable[..., Client], environment: Environment, host: str
) -> None:
    with pytest.raises(WrongEnvironment):
        make_client(environment=environment, base_url=f"https://{host}/v1")


# Lists of ids.


def test_id_batches_keep_order_and_drop_repeats() -> None:
    assert list(id_batches([3, 1, 3, 2, 1])) == [(3, 1, 2)]
    assert list(id_batches([])) == []


@pytest.mark.parametrize("first", [1, 10**18])
def test_id_batches_fit_one_read(first: int) -> None:
    batches = list(id_batches(range(first, first + 2000)))
    assert [each for batch in batches for each in batch] == list(range(first, first + 2000))
    assert all(len(batch) <= 500 and len(",".join(map(str, batch))) <= 7000 for batch in batches)
    assert len(batches) == (4 if first == 1 else 6)


@pytest.mark.parametrize("ids", [[], range(501)])
def test_a_read_takes_exactly_one_batch(server: CannedServer, client: Client, ids: list[int]) -> None:
    with pytest.raises(ValueError, match="one batch"):
        client.positions_by_account(ids)
    assert server.requests == []


# The lane, the surroundings, the threads.


def test_the_lane_is_recorded(server: CannedServer, make_client: Callable[..., Client], ledger: WatchedLedger) -> None:
    server.on("user/list", answer(200, []))
    make_client(lane=Lane.BULK).users()
    make_client(lane=Lane.URGENT).users()
    assert ledger.lanes() == ["bulk", "urgent"]


def test_the_surroundings_do_not_matter(
    server: CannedServer, client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy would see our token, and a netrc would replace it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server.on("user/list", answer(200, [], headers="Set-Cookie: session=1\r\n"))
    client.users()
    client.users()
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {TOKEN}"] * 2
    assert "cookie" not in server.requests[1].headers


def test_threads_do_not_wait_for_each_other(server: CannedServer, client: Client) -> None:
    """Four calls are under way at once before any is answered."""
    together = threading.Barrier(4, timeout=20)

    def answer_when_all_are_there(*arguments: Any) -> None:
        together.wait()
        answer(200, [])(*arguments)

    server.on("user/list", answer_when_all_are_there)
    threads = [threading.Thread(target=client.users) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not together.broken
