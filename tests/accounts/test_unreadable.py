"""A record that can't be read or kept leaves its mirror row as it was; its neighbours are stored, and it is marked until it can be read again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from accounts.models import (
    Account,
    AutoLiqLimits,
    Cash,
    LimitLevel,
    MirroredEntity,
    MirrorMove,
    MirrorRow,
    Position,
    PositionLimit,
    RiskCategory,
    RiskParameter,
    RiskStatus,
    Source,
    SyncRun,
    Trader,
    UnreadableRecord,
)
from accounts.sync import store
from accounts.sync.actions import sync
from accounts.sync.mapping import ReadStamp
from accounts.sync.store import account_keys
from riskadmin.tradovate import entities, pre_trade
from riskadmin.tradovate.http_record import UnreadableRow
from riskadmin.tradovate.rows import read_rows
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.mirrored import make_account, make_position
from tests.simulator.driver import Simulator

FIRST = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND, THIRD = FIRST + timedelta(seconds=10), FIRST + timedelta(seconds=20)
DEMO = Environment.DEMO

pytestmark = pytest.mark.django_db


class Table(NamedTuple):
    """A table: how rows of it are read and stored, two good rows of accounts 1 and 2, and one odd value for the second."""

    entity: MirroredEntity
    model: type[MirrorRow]
    read: Callable[[object], Any]
    write: Callable[[list[Any], ReadStamp, tuple[UnreadableRow, ...]], object]
    rows: tuple[dict[str, Any], dict[str, Any]]
    better: dict[str, Any]
    odd: dict[str, Any]
    column: str


def keys() -> store.Keys:
    return account_keys(DEMO)


TABLES = {
    "category": Table(
        MirroredEntity.RISK_CATEGORY,
        RiskCategory,
        entities.RiskCategory.from_json,
        lambda found, at, odd: store.store_categories(found, at, unreadable=odd),
        ({"id": 1, "name": "A"}, {"id": 2, "name": "A"}),
        {"name": "B"},
        {"name": 7},
        "name",
    ),
    "trader": Table(
        MirroredEntity.TRADER,
        Trader,
        entities.User.from_json,
        lambda found, at, odd: store.store_traders(found, at, unreadable=odd),
        ({"id": 1, "name": "A"}, {"id": 2, "name": "A"}),
        {"name": "B"},
        {"name": None},
        "name",
    ),
    "account": Table(
        MirroredEntity.ACCOUNT,
        Account,
        entities.Account.from_json,
        lambda found, at, odd: store.store_accounts(found, at, unreadable=odd),
        ({"id": 1, "name": "A"}, {"id": 2, "name": "A"}),
        {"name": "B"},
        {"evaluationSize": Decimal("1e17")},
        "name",
    ),
    "risk status": Table(
        MirroredEntity.RISK_STATUS,
        RiskStatus,
        entities.AccountRiskStatus.from_json,
        lambda found, at, odd: store.store_statuses_of(keys(), found, at, unreadable=odd),
        ({"id": 1, "adminAction": "A"}, {"id": 2, "adminAction": "A"}),
        {"adminAction": "B"},
        {"liquidateOnly": "0001-01-01T00:00:00Z"},
        "admin_action",
    ),
    "firm's limits": Table(
        MirroredEntity.FIRM_LIMITS,
        AutoLiqLimits,
        entities.UserAccountAutoLiq.from_json,
        lambda found, at, odd: store.store_limits(keys(), found, at, unreadable=odd),
        ({"id": 1, "trailingMaxDrawdownMode": "A"}, {"id": 2, "trailingMaxDrawdownMode": "A"}),
        {"trailingMaxDrawdownMode": "B"},
        {"marginPercentageAlert": Decimal(100_000)},
        "trailing_max_drawdown_mode",
    ),
    "trader's limits": Table(
        MirroredEntity.TRADER_LIMITS,
        AutoLiqLimits,
        entities.PermissionedAccountAutoLiq.from_json,
        lambda found, at, odd: store.store_limits(keys(), found, at, unreadable=odd, level=LimitLevel.TRADER),
        ({"id": 1, "dailyLossAlert": 5}, {"id": 2, "dailyLossAlert": 5}),
        {"dailyLossAlert": 6},
        {"dailyLossAlert": "500"},
        "daily_loss_alert_usd",
    ),
    "cash": Table(
        MirroredEntity.CASH,
        Cash,
        entities.CashBalance.from_json,
        lambda found, at, odd: store.store_cash(keys(), found, at, unreadable=odd),
        ({"id": 11, "accountId": 1, "amount": 5}, {"id": 12, "accountId": 2, "amount": 5}),
        {"amount": 6},
        {"amount": Decimal("99999999999999.995")},
        "amount_usd",
    ),
    "position": Table(
        MirroredEntity.POSITION,
        Position,
        entities.Position.from_json,
        lambda found, at, odd: store.store_positions(keys(), found, at, unreadable=odd),
        ({"id": 11, "accountId": 1, "contractId": 3, "netPos": 5}, {"id": 12, "accountId": 2, "contractId": 3, "netPos": 5}),
        {"netPos": 6},
        {"netPos": 3_000_000_000},
        "net_pos",
    ),
    "position limit": Table(
        MirroredEntity.POSITION_LIMIT,
        PositionLimit,
        pre_trade.UserAccountPositionLimit.from_json,
        lambda found, at, odd: store.store_position_limits(keys(), found, at, unreadable=odd),
        (
            {"id": 11, "accountId": 1, "active": True, "totalBy": "A"},
            {"id": 12, "accountId": 2, "active": True, "totalBy": "A"},
        ),
        {"totalBy": "B"},
        {"longLimit": 2**63},
        "total_by",
    ),
}


def reading(at: datetime, source: Source = Source.SYNC) -> ReadStamp:
    return ReadStamp(DEMO, at, source)


def write(table: Table, at: datetime, *rows: object) -> None:
    found, unreadable = read_rows(rows, table.read)
    table.write(found, reading(at), unreadable)


def values(table: Table) -> list[tuple[Any, datetime]]:
    """The column of both rows, with their ages."""
    order = "tradovate_id" if table.model in {Account, Trader, RiskCategory} else "account__tradovate_id"
    return [(getattr(row, table.column), row.fresh_at) for row in table.model._default_manager.order_by(order)]


@pytest.fixture(params=list(TABLES))
def table(request: pytest.FixtureRequest) -> Table:
    table = TABLES[request.param]
    if table.model is not Account:
        make_account(tradovate_id=1)
        make_account(tradovate_id=2)
    return table


def test_an_unreadable_record_keeps_what_it_had_and_is_marked_until_it_is_readable_again(table: Table) -> None:
    one, two = table.rows
    write(table, FIRST, one, two)
    (old, _), _ = values(table)

    write(table, SECOND, one | table.better, two | table.better | table.odd)

    (new, _), _ = values(table)
    assert new != old
    assert values(table) == [(new, SECOND), (old, FIRST)]
    record = UnreadableRecord.objects.get()
    (field, odd), *_ = table.odd.items()
    assert (record.entity, record.tradovate_id, record.field) == (table.entity, two["id"], field)
    assert record.value in {f'"{odd}"', str(odd), "null"}
    assert (record.since, record.read_at) == (SECOND, SECOND)
    if table.entity not in {MirroredEntity.RISK_CATEGORY, MirroredEntity.TRADER}:
        assert record.account == Account.objects.get(tradovate_id=2)
    if table.entity == MirroredEntity.TRADER:
        assert record.trader == Trader.objects.get(tradovate_id=2)

    write(table, THIRD, one | table.better, two | table.better | table.odd)
    record.refresh_from_db()
    assert (record.since, record.read_at) == (SECOND, THIRD)

    write(table, THIRD, one | table.better, two | table.better)
    assert values(table) == [(new, THIRD), (new, THIRD)]
    assert not UnreadableRecord.objects.exists()


def test_an_older_odd_reading_marks_nothing(table: Table) -> None:
    write(table, SECOND, *table.rows)
    write(table, FIRST, table.rows[0], table.rows[1] | table.odd)
    assert not UnreadableRecord.objects.exists()
    assert [at for _, at in values(table)] == [SECOND, SECOND]


def test_a_new_odd_record_is_kept_as_evidence_only(table: Table) -> None:
    write(table, FIRST, table.rows[0], table.rows[1] | table.odd)
    assert [at for _, at in values(table)] == [FIRST]
    assert UnreadableRecord.objects.get().tradovate_id == table.rows[1]["id"]


def test_what_is_no_record_costs_nothing_and_is_counted(table: Table) -> None:
    write(table, FIRST, *table.rows, None, "row", [1])
    assert [at for _, at in values(table)] == [FIRST, FIRST]
    assert list(UnreadableRecord.objects.order_by("value").values_list("tradovate_id", "field", "value")) == [
        (None, "", '"row"'),
        (None, "", "[1]"),
        (None, "", "null"),
    ]
    write(table, SECOND, *table.rows)
    assert not UnreadableRecord.objects.exists()


def test_a_large_number_that_just_fits_is_kept() -> None:
    make_account(tradovate_id=1)
    table = TABLES["cash"]
    write(table, FIRST, table.rows[0] | {"amount": Decimal("99999999999999.994"), "realizedPnL": Decimal("-99999999999999.99")})
    cash = Cash.objects.get()
    assert (cash.amount_usd, cash.realized_pnl_usd) == (Decimal("99999999999999.99"), Decimal("-99999999999999.99"))


def test_every_number_that_does_not_fit_is_named() -> None:
    make_account(tradovate_id=1)
    table = TABLES["cash"]
    write(table, FIRST, table.rows[0] | {"amount": Decimal("1e17"), "realizedPnL": Decimal("-1e18")})
    (record,) = UnreadableRecord.objects.all()
    assert (record.field, record.value) == ("amount, realizedPnL", '{"amount": 1E+17, "realizedPnL": -1E+18}')
    assert record.words.endswith(f"amount, realizedPnL are {record.value}")


def test_names_with_nul_and_lone_surrogates_are_stored_with_the_replacement_character() -> None:
    account = entities.Account.from_json({"id": 1, "name": "A\0B\ud800"})
    store.store_accounts([account], reading(FIRST))
    assert Account.objects.get().name == "A\ufffdB\ufffd"
    assert not UnreadableRecord.objects.exists()


def test_a_record_that_becomes_readable_again_is_no_move_of_limits() -> None:
    make_account(tradovate_id=1)
    make_account(tradovate_id=2)
    table = TABLES["firm's limits"]
    for at, odd in ((FIRST, {}), (SECOND, table.odd), (THIRD, {})):
        write(table, at, table.rows[0], table.rows[1] | odd)
    assert not MirrorMove.objects.exists()


# --- Of an account with several ------------------------------------------------------------------------------------------


def test_an_account_with_an_odd_position_keeps_its_others_and_does_not_count_as_read() -> None:
    account = make_account(tradovate_id=1, positions_read_at=FIRST)
    gone = make_position(account, fresh_at=FIRST)
    table = TABLES["position"]
    write(table, SECOND, table.rows[0], {"id": 99, "accountId": 1, "contractId": 3, "netPos": 3_000_000_000})

    assert set(Position.objects.values_list("tradovate_id", "fresh_at")) == {(gone.tradovate_id, FIRST), (11, SECOND)}
    account.refresh_from_db()
    assert account.positions_read_at == FIRST

    write(table, THIRD, table.rows[0])
    assert set(Position.objects.values_list("tradovate_id", "fresh_at")) == {(11, THIRD)}
    account.refresh_from_db()
    assert account.positions_read_at == THIRD
    assert not UnreadableRecord.objects.exists()


def test_a_record_without_an_owner_may_be_any_missing_one() -> None:
    holder, flat = (make_account(tradovate_id=number, positions_read_at=FIRST) for number in (1, 2))
    held = make_position(holder, fresh_at=FIRST)
    write(TABLES["position"], SECOND, None)

    assert Position.objects.get() == held
    for account, read_at in ((holder, FIRST), (flat, SECOND)):
        account.refresh_from_db()
        assert account.positions_read_at == read_at


def test_of_a_reading_of_one_account_all_is_that_accounts() -> None:
    account = make_account(tradovate_id=1)
    found, unreadable = read_rows([{"id": 5, "accountId": "one"}], entities.Position.from_json)
    store.store_positions(keys(), found, reading(SECOND, Source.REFRESH), unreadable=unreadable)
    assert UnreadableRecord.objects.get().account == account
    account.refresh_from_db()
    assert account.positions_read_at is None


def test_an_odd_risk_parameter_is_the_accounts_of_its_position_limit() -> None:
    account = make_account(tradovate_id=1)
    write(TABLES["position limit"], FIRST, TABLES["position limit"].rows[0])
    good = {"id": 21, "userAccountPositionLimitId": 11, "marginPercentage": 5}
    odd = {"id": 22, "userAccountPositionLimitId": 11, "marginPercentage": Decimal("1e17")}
    found, unreadable = read_rows([good, odd], pre_trade.UserAccountRiskParameter.from_json)
    assert not unreadable
    store.store_risk_parameters(keys(), found, reading(SECOND))
    # It fits the client, not the column: where it belongs is told by the limit that it names.
    assert list(RiskParameter.objects.values_list("tradovate_id", flat=True)) == [21]
    record = UnreadableRecord.objects.get()
    assert (record.account, record.field, record.value) == (account, "marginPercentage", "1E+17")
    account.refresh_from_db()
    assert account.risk_parameters_read_at is None


# --- A full read ---------------------------------------------------------------------------------------------------------


def test_a_full_read_stores_all_readable_rows_names_the_others_and_clears_them_once_readable(simulator: Simulator) -> None:
    good = sync(DEMO)
    assert good is not None
    assert (good.failure, good.unreadable) == ("", 0)
    token = simulator.token()
    accounts = simulator.call("GET", "/account/list", token=token).json()
    statuses = simulator.call("GET", "/accountRiskStatus/list", token=token).json()
    one, two = _open_ids(accounts)[:2]
    was = RiskStatus.objects.get(account__tradovate_id=two)
    odd_accounts = [account | ({"name": None} if account["id"] == one else {}) for account in accounts]
    odd_statuses = [status | ({"maxNetLiq": "a lot"} if status["id"] == two else {}) for status in statuses]
    simulator.fault("answer", endpoint="/account/list", body=[*odd_accounts, {"id": 999_999_999, "name": 7}, None])
    simulator.fault("answer", endpoint="/accountRiskStatus/list", body=odd_statuses)

    run = sync(DEMO)

    assert run is not None
    assert run.failure == ""
    run = SyncRun.objects.get(pk=run.pk)
    assert run.unreadable == 4
    assert run.unreadable_examples == [
        f"Account {one}: name is null",
        "Account 999999999: name is 7",
        "Account: the whole record is null",
        f'Risk status {two}: maxNetLiq is "a lot"',
    ]
    assert not Account.objects.filter(missing_since__isnull=False).exists()
    kept = Account.objects.get(tradovate_id=one)
    assert (kept.name, kept.fresh_at < run.started_at, kept.archived) == (
        next(a["name"] for a in accounts if a["id"] == one),
        True,
        False,
    )
    status = RiskStatus.objects.get(account__tradovate_id=two)
    assert (status.max_net_liq_usd, status.fresh_at) == (was.max_net_liq_usd, was.fresh_at)
    assert RiskStatus.objects.filter(fresh_at__lt=run.started_at).count() == 1
    assert Account.objects.filter(fresh_at__lt=run.started_at).count() == 1
    assert set(UnreadableRecord.objects.exclude(account=None).values_list("account__tradovate_id", "entity")) == {
        (one, "account"),
        (two, "accountRiskStatus"),
    }

    simulator.clear_faults()
    read_again = sync(DEMO)
    assert read_again is not None
    assert (read_again.failure, read_again.unreadable, read_again.unreadable_examples) == ("", 0, [])
    assert not UnreadableRecord.objects.exists()
    assert not RiskStatus.objects.filter(fresh_at__lt=read_again.started_at).exists()


def _open_ids(accounts: list[dict[str, Any]]) -> list[int]:
    return [account["id"] for account in accounts if not (account.get("closed") or account.get("archived"))]
