"""The full read against a real simulator: exact, repeatable, and never believing a list that lost half of everything."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import models
from accounts.changes.kinds import KINDS
from accounts.changes.stops import FULL_READ
from accounts.gateway.connection import NotConnected, client
from accounts.models import (
    Account,
    AutoLiqLimits,
    Cash,
    Position,
    RiskStatus,
    Source,
    SyncRun,
    Trader,
    TradingPermission,
    UnreadableRecord,
)
from accounts.models.status import AccountStatus
from accounts.sync.actions import is_due, sync
from accounts.sync.reads import EnvironmentRead, Known, Reader
from accounts.sync.store import store_risk_statuses
from riskadmin.tradovate.entities import AccountRiskStatus
from riskadmin.tradovate.vocabulary import Environment, Lane
from tests.simulator.driver import Simulator

TABLES = (Account, AutoLiqLimits, Cash, Position, RiskStatus, Trader, TradingPermission, models.RiskCategory)


def synced() -> SyncRun:
    """A full read that must succeed."""
    run = sync(Environment.DEMO)
    assert run is not None
    assert run.failure == ""
    return run


def content() -> dict[str, list[dict[str, Any]]]:
    """Every row of the mirror but for its age."""
    return {
        model.__name__: [
            {name: value for name, value in row.items() if name not in {"fresh_at", "positions_read_at"}}
            for row in model._default_manager.order_by("pk").values()
        ]
        for model in TABLES
    }


def test_every_account_is_mirrored_exactly(simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]) -> None:
    before = datetime.now(UTC)

    synced()

    accounts = {account["id"]: account for account in upstream("account")}
    rows = {row.tradovate_id: row for row in Account.objects.select_related("risk_category", "trader")}
    assert rows.keys() == accounts.keys()
    accepted = {each["accountId"]: each["userId"] for each in upstream("tradingPermission") if each["status"] == "Accepted"}
    for account_id, account in accounts.items():
        row = rows[account_id]
        assert (row.environment, row.name, row.account_type) == ("demo", account["name"], account["accountType"])
        assert row.closed == account.get("closed", False)
        assert row.archived == (row.closed or account.get("archived", False) or account.get("active") is False)
        assert row.risk_category is not None
        assert row.risk_category.tradovate_id == account["riskCategoryId"]
        assert (row.trader.tradovate_id if row.trader else None) == accepted.get(account_id)
        assert row.missing_since is None
        assert row.source == Source.SYNC
        assert before <= row.fresh_at <= datetime.now(UTC)


def test_risk_status_limits_cash_and_positions_are_mirrored_exactly(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]
) -> None:
    synced()

    statuses = {row.account.tradovate_id: row for row in RiskStatus.objects.select_related("account")}
    assert {key: row.admin_action for key, row in statuses.items()} == {
        each["id"]: each.get("adminAction", "") for each in upstream("accountRiskStatus")
    }
    assert {key for key, row in statuses.items() if row.liquidate_only_at} == {
        each["id"] for each in upstream("accountRiskStatus") if each.get("liquidateOnly")
    }
    for kind, level in (("userAccountAutoLiq", "firm"), ("permissionedAccountAutoLiq", "trader")):
        rows = AutoLiqLimits.objects.filter(level=level).select_related("account")
        assert {row.account.tradovate_id: as_float(row.daily_loss_auto_liq_usd) for row in rows} == {
            each["id"]: each.get("dailyLossAutoLiq") for each in upstream(kind)
        }
    assert {row.account.tradovate_id: float(row.amount_usd) for row in Cash.objects.select_related("account")} == {
        each["accountId"]: each["amount"] for each in upstream("cashBalance")
    }
    assert {row.tradovate_id: row.net_pos for row in Position.objects.all()} == {
        each["id"]: each["netPos"] for each in upstream("position") if each["netPos"]
    }


def as_float(value: Any) -> float | None:
    return None if value is None else float(value)


def test_a_second_read_changes_nothing_and_adds_no_row(simulator: Simulator) -> None:
    first = synced()
    before = content()

    second = synced()

    assert content() == before
    assert first.rows == second.rows > 0
    assert RiskStatus.objects.filter(fresh_at__lt=second.started_at).count() == 0


def reads(simulator: Simulator) -> list[str]:
    """The endpoints called, those for the token left out."""
    return [call["endpoint"] for call in simulator.calls() if not call["endpoint"].startswith("/auth/")]


def test_a_read_takes_a_dozen_calls_at_most_and_says_how_many(simulator: Simulator) -> None:
    run = synced()

    assert run.calls == len(reads(simulator))
    simulator.reset_counters()
    assert synced().calls == len(reads(simulator)) <= 12  # the first one also compares the ids of records with their accounts'


def test_an_account_that_is_gone_is_kept_and_marked_and_unmarked_when_it_returns(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]
) -> None:
    synced()
    listed = upstream("account")
    gone = next(each for each in listed if not each.get("closed"))
    fault = simulator.fault("answer", endpoint="/account/list", body=[each for each in listed if each["id"] != gone["id"]])
    hidden = simulator.fault("answer", endpoint="/account/items", body=[])
    unknown = simulator.fault("answer", endpoint="/account/item", status=404, body="Not found")

    second = synced()

    row = Account.objects.get(tradovate_id=gone["id"])
    assert row.archived
    assert row.missing_since is not None
    assert row.missing_since >= second.started_at
    assert row.status == AccountStatus.ARCHIVED
    assert Account.objects.filter(missing_since__isnull=False).count() == 1

    for each in (fault, hidden, unknown):
        simulator.control("DELETE", f"/faults/{each}")
    synced()

    returned = Account.objects.get(tradovate_id=gone["id"])
    assert not returned.archived
    assert returned.missing_since is None


def test_an_account_that_the_list_leaves_out_but_tradovate_knows_by_id_is_not_missing(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]]
) -> None:
    synced()
    listed = upstream("account")
    simulator.fault("answer", endpoint="/account/list", body=listed[10:])

    synced()

    assert not Account.objects.filter(missing_since__isnull=False).exists()
    assert simulator.call_count("/account/items") == 1


@pytest.mark.parametrize(
    ("answer", "is_unreadable"),
    [
        ({"status": 200, "body": {"id": 1, "name": None}}, True),
        ({"status": 200, "body": [1]}, False),
        ({"status": 500, "body": "Oops"}, False),
        ({"status": 400, "body": "No"}, False),
    ],
    ids=["no name", "no object", "500", "400"],
)
def test_an_account_whose_own_answer_cannot_be_read_is_not_gone_and_the_rest_is_stored(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]], answer: dict[str, Any], *, is_unreadable: bool
) -> None:
    synced()
    odd, gone = sorted(each["id"] for each in upstream("account") if not each.get("closed"))[:2]
    simulator.fault("omit", entity="account", account_ids=[odd, gone])
    simulator.fault("answer", endpoint="/account/item", account_id=odd, **answer)
    simulator.fault("answer", endpoint="/account/item", status=404, body="Not found")
    listed = upstream("account")
    for _ in range(2):
        Account.objects.filter(left_out_at__isnull=False).update(left_out_at=datetime.now(UTC) - timedelta(minutes=3))

        run = synced()

        assert Account.objects.get(tradovate_id=gone).missing_since is not None
        row = Account.objects.get(tradovate_id=odd)
        assert (row.missing_since, row.left_out_at) == (None, None)
        assert Account.objects.filter(fresh_at__gte=run.started_at).count() == len(listed)
        assert UnreadableRecord.objects.filter(account=row).exists() == is_unreadable


def test_an_account_whose_own_answer_cannot_be_read_is_one_that_tradovate_has(simulator: Simulator) -> None:
    """A change asks so which of its accounts is unknown, and one odd answer must not hold all of it."""
    odd, gone, *others = simulator.account_ids()[:5]
    simulator.fault("omit", entity="account", account_ids=[odd, gone])
    simulator.fault("answer", endpoint="/account/item", account_id=odd, body={"id": odd, "name": None})
    simulator.fault("answer", endpoint="/account/item", status=404, body="Not found")

    found = KINDS["risk_category"].lookup(client(Environment.DEMO, Lane.BULK), [odd, gone, *others])

    assert found is not None
    assert found.known == {odd, *others}
    assert found.gone == {gone}


@pytest.mark.parametrize("answer", [{"status": 500, "body": "Oops"}, {"status": 400, "body": "No"}])
def test_an_account_that_gets_no_answer_is_neither_known_nor_gone_and_the_others_are_shown(
    simulator: Simulator, answer: dict[str, Any]
) -> None:
    silent, gone, *others = simulator.account_ids()[:5]
    simulator.fault("omit", entity="account", account_ids=[silent, gone])
    simulator.fault("answer", endpoint="/account/item", account_id=silent, **answer)
    simulator.fault("answer", endpoint="/account/item", status=404, body="Not found")

    found = KINDS["risk_category"].lookup(client(Environment.DEMO, Lane.BULK), [silent, gone, *others])

    assert found is not None
    assert found.known == set(others)
    assert found.gone == {gone}


@pytest.mark.parametrize("kind", ["account", "user", "tradingPermission"])
@pytest.mark.parametrize("kept", [0, 0.4])
def test_more_than_half_vanishing_at_once_is_refused(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]], kind: str, kept: float
) -> None:
    synced()
    before = content()
    listed = upstream(kind)
    simulator.fault("answer", endpoint=f"/{kind.lower()}/list", body=listed[: int(len(listed) * kept)])
    simulator.fault("answer", endpoint=f"/{kind.lower()}/items", body=[])

    run = sync(Environment.DEMO)

    assert run is not None
    assert "are missing from what Tradovate answered" in run.failure
    assert SyncRun.objects.latest("pk").failure == run.failure
    assert content() == before


@pytest.mark.parametrize("kind", ["500", "html", "cut", "cut-body", "errorText", "423"])
def test_a_failed_read_stores_nothing_and_says_why(simulator: Simulator, kind: str) -> None:
    simulator.fault(kind, endpoint="/cashbalance/list", text="No")

    run = sync(Environment.DEMO)

    assert run is not None
    assert run.failure
    assert run.ended_at is not None
    assert not Account.objects.exists()
    assert SyncRun.objects.get() == run


def test_a_list_that_a_cap_has_cut_is_completed_by_id(simulator: Simulator) -> None:
    before = synced()
    simulator.set(entity_cap=100)  # of 150 accounts

    after = synced()

    assert not Account.objects.filter(missing_since__isnull=False).exists()
    assert not Trader.objects.filter(missing_since__isnull=False).exists()
    assert not TradingPermission.objects.filter(missing_since__isnull=False).exists()
    for model in (RiskStatus, AutoLiqLimits, Cash):
        stale = model._default_manager.filter(account__archived=False, fresh_at__lt=after.started_at)
        assert not stale.exists()
    assert before.calls < after.calls <= 30


def test_what_goes_wrong_when_further_accounts_are_requested_is_shown(
    simulator: Simulator, upstream: Callable[[str], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts that only another list names are asked for in a read of their own: what fails of it must not be forgotten."""
    synced()
    hidden = sorted(each["id"] for each in upstream("account"))[-3:]
    Account.objects.filter(tradovate_id__in=hidden).delete()
    simulator.fault("omit", entity="account", account_ids=hidden)
    permissions = upstream("tradingPermission")
    simulator.fault(
        "answer", endpoint="/tradingPermission/list", body=[each for each in permissions if each["accountId"] not in hidden]
    )
    simulator.fault("answer", endpoint="/tradingPermission/items", body=[])
    found: list[EnvironmentRead] = []
    read_environment = Reader.environment

    def kept(reader: Reader, known: Known) -> EnvironmentRead:
        found.append(read_environment(reader, known))
        return found[-1]

    monkeypatch.setattr(Reader, "environment", kept)

    sync(Environment.DEMO)

    assert found[0].accounts.left_out >= set(hidden)


def test_archived_accounts_that_the_list_leaves_out_are_found_and_not_requested_again(simulator: Simulator) -> None:
    simulator.set(list_archived=False)

    synced()
    archived = Account.objects.filter(archived=True, missing_since=None).count()
    simulator.reset_counters()
    synced()

    assert archived > 0
    assert Account.objects.count() == 150
    assert simulator.call_count("/account/items") == 0


def test_a_read_that_began_before_a_confirmation_does_not_undo_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced()
    account = Account.objects.filter(archived=False, risk_status__admin_action="Normal").first()
    assert account is not None
    read_environment = Reader.environment

    def with_a_rival(reader: Reader, known: Known) -> EnvironmentRead:
        """While the read is on its way, a lock is confirmed."""
        read = read_environment(reader, known)
        store_risk_statuses(
            Environment.DEMO,
            [locked(account.tradovate_id)],
            read_at=datetime.now(UTC),
            source=Source.CONFIRM,
        )
        return read

    monkeypatch.setattr(Reader, "environment", with_a_rival)

    synced()

    status = RiskStatus.objects.get(account=account)
    assert status.admin_action == "LockTradingImmediately"
    assert status.source == Source.CONFIRM


def locked(account_id: int) -> AccountRiskStatus:
    return AccountRiskStatus.from_json({"id": account_id, "adminAction": "LockTradingImmediately"})


def test_a_second_process_leaves_a_running_read_alone(simulator: Simulator) -> None:
    now = datetime.now(UTC)
    running = SyncRun.objects.create(environment="demo", started_at=now, seen_at=now)

    assert sync(Environment.DEMO) is None

    assert SyncRun.objects.get() == running
    assert simulator.calls() == []


def test_a_dead_run_is_taken_over_and_says_so(simulator: Simulator) -> None:
    long_ago = datetime.now(UTC) - timedelta(seconds=121)
    dead = SyncRun.objects.create(environment="demo", started_at=long_ago, seen_at=long_ago)

    synced()

    dead.refresh_from_db()
    assert dead.failure == "The process that ran it died."
    assert dead.ended_at is not None


def test_a_run_that_was_overtaken_stops_and_stores_nothing(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    read_environment = Reader.environment

    def overtaken(reader: Reader, known: Known) -> EnvironmentRead:
        SyncRun.objects.update(ended_at=datetime.now(UTC), failure="The process that ran it died.")
        return read_environment(reader, known)

    monkeypatch.setattr(Reader, "environment", overtaken)

    assert sync(Environment.DEMO) is None

    assert not Account.objects.exists()
    assert SyncRun.objects.get().failure == "The process that ran it died."
    assert len(reads(simulator)) == 1


def test_an_unexpected_error_ends_the_run_too(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reader, "environment", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        sync(Environment.DEMO)

    assert SyncRun.objects.get().failure == "It ended unexpectedly; the log has the details."


def test_runs_are_kept_for_a_week(simulator: Simulator) -> None:
    old, recent = (datetime.now(UTC) - timedelta(days=days) for days in (8, 6))
    for at in (old, recent):
        SyncRun.objects.create(environment="demo", started_at=at, seen_at=at, ended_at=at)

    run = synced()

    assert set(SyncRun.objects.values_list("started_at", flat=True)) == {recent, run.started_at}


def test_an_environment_without_an_address_is_not_read(simulator: Simulator) -> None:
    with pytest.raises(NotConnected, match="TRADOVATE_LIVE_URL is not set"):
        sync(Environment.LIVE)

    assert not SyncRun.objects.exists()
    assert simulator.calls() == []


@pytest.mark.parametrize(
    ("calls", "failure", "ago_s", "due"),
    [
        (13, "", 179, True),  # 47 s of the share of an hour
        (100, "", 300, False),
        (100, "", 361, True),
        (4_000, "", 539, False),
        (4_000, "", 541, True),  # never rarer than every third time
        (4_000, "No", 1, True),
    ],
)
@pytest.mark.django_db
def test_a_full_read_of_many_calls_leaves_the_next_one_more_time(calls: int, failure: str, ago_s: int, *, due: bool) -> None:
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    SyncRun.objects.create(environment="demo", started_at=at, seen_at=at, ended_at=at, calls=calls, failure=failure)
    assert is_due(Environment.DEMO) == due


def test_what_stops_say_a_full_read_calls_it_calls_and_fails_without(simulator: Simulator) -> None:
    simulator.reset_counters()
    synced()
    called = {call["endpoint"].removeprefix("/") for call in simulator.calls()}
    assert called >= FULL_READ
    for name in ("position/ldeps", "userAccountAutoLiq/list"):
        simulator.fault("500", endpoint=f"/{name}")
        run = sync(Environment.DEMO)
        assert run is not None
        assert run.failure
        simulator.clear_faults()
