"""Writing to the mirror: the newer read wins, table by table, whichever is written first."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Account, AutoLiqLimits, Cash, MirrorRow, Position, RiskCategory, RiskStatus, Source, Trader
from accounts.sync import store
from accounts.sync.mapping import ReadStamp
from accounts.sync.store import account_keys, mark_missing, store_risk_statuses
from riskadmin.tradovate import entities
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.mirrored import make_account, make_active, make_trader

OLDER = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
NEWER = OLDER + timedelta(seconds=10)
ID = 77

pytestmark = pytest.mark.django_db


def reading(at: datetime, source: Source = Source.SYNC) -> ReadStamp:
    return ReadStamp(Environment.DEMO, at, source)


def write_category(at: datetime, word: str) -> int:
    return store.store_categories([entities.RiskCategory.from_json({"id": ID, "name": word})], reading(at))


def write_trader(at: datetime, word: str) -> int:
    return store.store_traders([entities.User.from_json({"id": ID, "name": word})], reading(at))


def write_account(at: datetime, word: str) -> int:
    return store.store_accounts([entities.Account.from_json({"id": ID, "name": word})], reading(at))


def write_status(at: datetime, word: str) -> int:
    status = entities.AccountRiskStatus.from_json({"id": ID, "adminAction": word})
    return store_risk_statuses(Environment.DEMO, [status], read_at=at, source=Source.REFRESH)


def write_limits(at: datetime, word: str) -> int:
    limits = entities.UserAccountAutoLiq.from_json({"id": ID, "trailingMaxDrawdownMode": word})
    return store.store_limits(account_keys(Environment.DEMO), [limits], reading(at))


def write_cash(at: datetime, word: str) -> int:
    balance = entities.CashBalance.from_json({"id": 5, "accountId": ID, "amount": len(word), "currencyId": 1})
    return store.store_cash(account_keys(Environment.DEMO), [balance], reading(at))


def write_position(at: datetime, word: str) -> int:
    position = entities.Position.from_json({"id": 5, "accountId": ID, "contractId": 9, "netPos": len(word)})
    return store.store_positions(account_keys(Environment.DEMO), [position], reading(at), unreadable=())


Write = Callable[[datetime, str], int]

WRITES: list[tuple[Write, type[MirrorRow], str]] = [
    (write_category, RiskCategory, "name"),
    (write_trader, Trader, "name"),
    (write_account, Account, "name"),
    (write_status, RiskStatus, "admin_action"),
    (write_limits, AutoLiqLimits, "trailing_max_drawdown_mode"),
    (write_cash, Cash, "amount_usd"),
    (write_position, Position, "net_pos"),
]


@pytest.mark.parametrize(("write", "model", "field"), WRITES)
def test_the_newer_read_wins_in_either_order(write: Write, model: type[MirrorRow], field: str) -> None:
    if model is not Account:
        make_account(tradovate_id=ID)

    def value() -> Any:
        return model._default_manager.values_list(field, flat=True).get(fresh_at=NEWER)

    assert write(OLDER, "old") == 1
    assert write(NEWER, "newer") == 1
    newer = value()
    assert write(OLDER, "old") == 0

    assert value() == newer
    assert newer in {"newer", len("newer")}
    assert write(NEWER, "newest of all") == 1
    assert value() != newer


def test_a_flat_account_is_not_given_back_its_position_by_an_older_read() -> None:
    account = make_account(tradovate_id=ID)
    keys = account_keys(Environment.DEMO)
    assert write_position(OLDER, "x") == 1

    store.store_positions(keys, [], reading(NEWER), unreadable=())
    assert write_position(OLDER, "x") == 0

    assert not Position.objects.exists()
    account.refresh_from_db()
    assert account.positions_read_at == NEWER


def test_positions_of_accounts_that_were_not_read_stay() -> None:
    make_account(tradovate_id=ID)
    make_account(tradovate_id=ID + 1)
    write_position(OLDER, "x")

    store.store_positions(account_keys(Environment.DEMO, [ID + 1]), [], reading(NEWER), unreadable=())

    assert Position.objects.get().account.tradovate_id == ID


def test_flat_rows_and_other_currencies_are_left_out() -> None:
    make_account(tradovate_id=ID)
    keys = account_keys(Environment.DEMO)
    flat = entities.Position.from_json({"id": 5, "accountId": ID, "contractId": 9, "netPos": 0})
    euros = entities.CashBalance.from_json({"id": 5, "accountId": ID, "amount": 1, "currencyId": 2})

    assert store.store_positions(keys, [flat], reading(NEWER), unreadable=()) == 0
    assert store.store_cash(keys, [euros], reading(NEWER)) == 0

    assert not Position.objects.exists()
    assert not Cash.objects.exists()


def test_the_same_id_in_another_environment_is_another_account() -> None:
    live = make_account(tradovate_id=ID, environment="live")

    assert write_status(NEWER, "Normal") == 0
    write_account(NEWER, "demo's")

    live.refresh_from_db()
    assert live.name != "demo's"
    assert Account.objects.count() == 2
    assert not RiskStatus.objects.exists()


def test_a_status_is_stored_inside_a_transaction_or_not_at_all() -> None:
    make_account(tradovate_id=ID)

    with transaction.atomic():
        write_status(NEWER, "Normal")
        transaction.set_rollback(True)

    assert not RiskStatus.objects.exists()


def test_what_a_newer_read_found_is_not_marked_missing() -> None:
    old, new = make_account(fresh_at=OLDER), make_account(fresh_at=NEWER)

    marked = mark_missing(Account, [old.tradovate_id, new.tradovate_id], reading(NEWER))

    assert marked == 1
    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.archived, old.missing_since) == (True, NEWER)
    assert (new.archived, new.missing_since) == (False, None)


@pytest.mark.parametrize(
    ("sent", "closed", "archived"),
    [
        ({}, False, False),
        ({"closed": True}, True, True),
        ({"archived": True}, False, True),
        ({"active": False}, False, True),
        ({"active": True, "closed": False, "archived": False}, False, False),
    ],
)
def test_each_sign_of_an_archived_account_counts(sent: dict[str, bool], *, closed: bool, archived: bool) -> None:
    store.store_accounts([entities.Account.from_json({"id": ID, "name": "A", **sent})], reading(NEWER))

    row = Account.objects.get()
    assert (row.closed, row.archived) == (closed, archived)


def test_the_trader_is_that_of_the_newest_accepted_permission() -> None:
    account = make_active()
    first, second, third = (make_trader(name) for name in ("first", "second", "third"))

    def permit(number: int, trader: Trader, status: str) -> entities.TradingPermission:
        return entities.TradingPermission.from_json(
            {"id": number, "userId": trader.tradovate_id, "accountId": account.tradovate_id, "status": status}
        )

    permissions = [permit(1, first, "Accepted"), permit(2, second, "Accepted"), permit(3, third, "Requested")]
    store.store_permissions(permissions, reading(OLDER))
    account.refresh_from_db()
    assert account.trader == second

    store.store_permissions([permit(2, second, "Revoked")], reading(NEWER))
    account.refresh_from_db()
    assert account.trader == first

    store.store_permissions([permit(1, first, "Revoked")], reading(NEWER))
    account.refresh_from_db()
    assert account.trader is None


def test_long_names_are_cut_and_stepped_limits_kept() -> None:
    store.store_accounts([entities.Account.from_json({"id": ID, "name": "N" * 70})], reading(NEWER))
    limits = entities.UserAccountAutoLiq.from_json(
        {"id": ID, "steppedCooldown": {"steps": [{"stepNumber": 1, "stepDistance": Decimal("250.5"), "cooldownMinutes": 30}]}}
    )
    store.store_limits(account_keys(Environment.DEMO), [limits], reading(NEWER))

    assert Account.objects.get().name == "N" * 64
    assert AutoLiqLimits.objects.get().stepped_cooldown == [{"step": 1, "distance_usd": "250.5", "cooldown_minutes": 30}]


def test_an_account_in_an_unlisted_category_shows_its_number_until_its_name_is_read() -> None:
    store.store_accounts([entities.Account.from_json({"id": ID, "name": "A", "riskCategoryId": 9})], reading(NEWER))
    category = RiskCategory.objects.get()
    assert Account.objects.get().risk_category == category
    assert (category.tradovate_id, category.name) == (9, "Category 9")

    # Read before, and stored after: a full read lists the categories first.
    store.store_categories([entities.RiskCategory.from_json({"id": 9, "name": "Nine"})], reading(OLDER))
    store.store_accounts([entities.Account.from_json({"id": ID, "name": "A", "riskCategoryId": 9})], reading(NEWER))

    assert RiskCategory.objects.get().name == "Nine"


def test_an_account_in_no_category_is_in_none() -> None:
    store.store_accounts([entities.Account.from_json({"id": ID, "name": "A"})], reading(NEWER))
    assert Account.objects.get().risk_category is None
    assert not RiskCategory.objects.exists()
