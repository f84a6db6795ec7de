"""What moves in limits between two readings is noted once, with both times, and nothing is noted where nothing moves."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import AutoLiqLimits, MirrorMove, Source
from accounts.sync.history import write_noting_moves
from accounts.sync.mapping import ReadStamp
from accounts.sync.store import account_keys, store_limits
from riskadmin.tradovate.entities import LossLimits, PermissionedAccountAutoLiq, UserAccountAutoLiq
from riskadmin.tradovate.vocabulary import Environment
from tests.accounts.mirrored import make_account

FIRST = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND, THIRD = FIRST + timedelta(minutes=3), FIRST + timedelta(minutes=6)

pytestmark = pytest.mark.django_db


def read(at: datetime, *limits: LossLimits, source: Source = Source.SYNC) -> int:
    return store_limits(account_keys(Environment.DEMO), limits, ReadStamp(Environment.DEMO, at, source))


def firm(account_id: int = 77, **fields: Any) -> UserAccountAutoLiq:
    return UserAccountAutoLiq.from_json({"id": account_id, **fields})


def moves() -> list[tuple[int, str, dict[str, Any], datetime, datetime, str]]:
    rows = MirrorMove.objects.order_by("pk")
    return list(rows.values_list("account__tradovate_id", "subject", "fields", "known_at", "read_at", "source"))


def test_a_reading_that_differs_is_noted_with_what_was_known_before() -> None:
    make_account(tradovate_id=77)
    read(FIRST, firm(dailyLossAutoLiq=Decimal(1000), weeklyLossAutoLiq=Decimal(2500), trailingMaxDrawdownMode="EOD"))
    assert moves() == []
    read(SECOND, firm(dailyLossAutoLiq=Decimal(1200), weeklyLossAutoLiq=Decimal(2500)), source=Source.CONFIRM)
    assert moves() == [
        (
            77,
            "firm",
            {"daily_loss_auto_liq_usd": ["1000.00", "1200.00"], "trailing_max_drawdown_mode": ["EOD", None]},
            FIRST,
            SECOND,
            "confirm",
        )
    ]


def test_the_same_value_in_another_form_is_no_move() -> None:
    make_account(tradovate_id=77)
    steps = {"steps": [{"stepNumber": 1, "stepDistance": Decimal("250.0"), "cooldownMinutes": 15}]}
    same = {"steps": [{"stepNumber": 1, "stepDistance": Decimal(250), "cooldownMinutes": 15}]}
    read(FIRST, firm(dailyLossAutoLiq=Decimal("1000.004"), steppedCooldown=steps))
    read(SECOND, firm(dailyLossAutoLiq=Decimal("1000.00"), steppedCooldown=same))
    assert moves() == []
    assert AutoLiqLimits.objects.get().fresh_at == SECOND


def test_an_older_reading_moves_nothing() -> None:
    make_account(tradovate_id=77)
    read(SECOND, firm(dailyLossAutoLiq=Decimal(1000)))
    assert read(FIRST, firm(dailyLossAutoLiq=Decimal(900))) == 0
    assert moves() == []


def test_the_traders_own_limits_move_by_themselves() -> None:
    make_account(tradovate_id=77)
    own = PermissionedAccountAutoLiq.from_json({"id": 77, "dailyLossAlert": Decimal(100)})
    read(FIRST, firm(), own)
    read(SECOND, firm(), PermissionedAccountAutoLiq.from_json({"id": 77}))
    read(THIRD, firm(), PermissionedAccountAutoLiq.from_json({"id": 77}))
    assert moves() == [(77, "trader", {"daily_loss_alert_usd": ["100.00", None]}, FIRST, SECOND, "sync")]


def test_many_are_noted_with_as_many_statements_as_one(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    accounts = [make_account(tradovate_id=number) for number in range(1, 51)]
    keys = {account.tradovate_id: account.pk for account in accounts}
    read(FIRST, *(firm(number, dailyLossAlert=Decimal(100)) for number in keys))
    with django_assert_num_queries(4):  # a savepoint, locked and compared, written, and its end
        assert read_rows(keys, SECOND, Decimal(100)) == 50
    with django_assert_num_queries(7):  # beside those: before, after, and all the moves at once
        assert read_rows(keys, THIRD, Decimal(200)) == 50
    assert MirrorMove.objects.count() == 50


def read_rows(keys: dict[int, int], at: datetime, alert: Decimal) -> int:
    from accounts.sync.mapping import limits_row

    reading = ReadStamp(Environment.DEMO, at, Source.SYNC)
    rows = [limits_row(firm(number, dailyLossAlert=alert), reading, account_id=pk) for number, pk in keys.items()]
    return write_noting_moves(AutoLiqLimits, rows)
